"""Demo home: layout, repeatability, sounds apart in training and test; classes can be learnt."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils import datasets
from utils.audio import read_audio
from utils.config.schema import AudioSettings, DatasetSettings, ValidationSettings
from utils.datasets import demo_desed
from utils.datasets.demo_desed import DesedSize, make
from utils.datasets.demo_desed_sounds import KINDS, record
from utils.datasets.demo_voices import SAMPLE_RATE
from utils.datasets.sound_portions import Trim, active_portions
from utils.errors import UserError

TINY = DesedSize(
    train=2, held_out=1, strong=12, weak=6, unlabelled=4, validation=5, test=8, seconds=5.0
)
FEWEST = DesedSize(1, 1, strong=2, weak=1, unlabelled=1, validation=1, test=1, seconds=5.0)
CLASSES = (
    "Alarm_bell_ringing", "Blender", "Cat", "Dishes", "Dog", "Electric_shaver_toothbrush",
    "Frying", "Running_water", "Speech", "Vacuum_cleaner",
)  # fmt: skip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("desed"), seed=0, size=TINY, jobs=1)


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_loader_of_desed_reads_it(tiny):
    validation = ValidationSettings(method="random", amount=0.34)
    settings = DatasetSettings(name="desed", classes=CLASSES, validation=validation)
    data = datasets.load(settings, audio=AudioSettings(), root=tiny, cache=Path("cache"))
    assert tuple(KINDS) == CLASSES == data.classes
    (fold,) = data.folds
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (12 + 4 + 4, 5 + 2, 8)
    info = soundfile.info(fold.test[0].path)
    assert (info.samplerate, info.frames, info.subtype) == (16_000, 80_000, "PCM_16")
    assert {event.label for clip in fold.test for event in clip.events} <= set(CLASSES)


def test_the_soundbank_has_every_class_in_the_form_of_desed(tiny):
    for part, count in (("train", 2), ("validation", 1)):
        folder = tiny / "audio" / part / "soundbank" / "foreground"
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            label + kind.suffix for label, kind in KINDS.items()
        )
        assert all(len(list(place.glob("*_0.wav"))) == count for place in folder.iterdir())
    assert len({path.stem for path in tiny.rglob("*_0.wav")}) == 30


def test_training_and_test_clips_are_of_different_sounds(tiny):
    used = {"train": set(), "validation": set()}
    with (tiny / "soundscapes.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["event_label"]:
                part = row["folder"].split("/")[1]
                used[part].add(row["source"])
                assert row["source"].split("/")[1] == part
    assert all(len(sources) > 5 for sources in used.values())


def test_the_same_seed_gives_the_same_files(tmp_path):
    first, again, other = (
        make(tmp_path / name, seed=seed, size=FEWEST, jobs=jobs)
        for name, seed, jobs in (("first", 0, 1), ("again", 0, 2), ("other", 1, 1))
    )
    assert first.name == again.name != other.name
    assert content(first) == content(again)
    audio = {data for name, data in content(first).items() if name.endswith(".wav")}
    assert len(audio) == 26
    assert not audio & set(content(other).values())


def test_what_is_there_is_found_again(tiny, monkeypatch):
    monkeypatch.setattr(demo_desed, "write_missing", None)
    assert make(tiny.parent, seed=0, size=TINY) == tiny


def test_progress_counts_every_file(tmp_path):
    steps = []
    make(tmp_path, seed=0, size=FEWEST, jobs=1, progress=lambda *step: steps.append(step))
    assert steps[-1] == (26, 26)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        make(tmp_path / "file", seed=0, size=TINY, jobs=1)


@pytest.mark.parametrize("label", CLASSES)
def test_sounds_of_a_class_differ_and_have_its_length(label):
    low, high = KINDS[label].seconds
    first, again, other = (record(label, rng=np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[:1000], other[:1000])
    for sound in (first, other):
        assert sound.dtype == np.float32
        # words are whole, so speech may last a little longer or shorter
        slack = 0.5 if label == "Speech" else 0.01
        assert low - slack <= sound.size / SAMPLE_RATE <= high + 1.0 * (label == "Speech") + 0.01
        assert 0.05 < np.abs(sound).max() <= 0.95
        portions = active_portions(sound, sample_rate=SAMPLE_RATE, trim=Trim())
        assert portions[0][0] < 0.1 * SAMPLE_RATE
        assert sum(end - start for start, end in portions) > 0.2 * sound.size


def spectral_features(samples):
    """Mean and movement of the levels in 24 bands."""
    size = 512
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[:: size // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(size))) ** 2
    edges = np.unique(np.geomspace(2, size // 2 + 1, 25).astype(int))
    bands = np.stack([power[:, a:b].mean(axis=1) for a, b in itertools.pairwise(edges)])
    levels = np.log(bands + 1e-7)
    return np.concatenate([levels.mean(axis=1) - levels.mean(), levels.std(axis=1)])


def test_classes_can_be_told_apart_but_not_by_their_mean_spectrum_alone():
    known, asked = (
        np.array(
            [
                [
                    spectral_features(record(label, rng=np.random.default_rng([seed, place])))
                    for place, seed in enumerate(range(start, start + count))
                ]
                for label in CLASSES
            ]
        )
        for start, count in ((0, 8), (100, 5))
    )
    spread = known.reshape(-1, known.shape[-1]).std(axis=0)
    right = {}
    for name, part in (("both", slice(None)), ("spectrum", slice(known.shape[-1] // 2))):
        means = (known / spread)[:, :, part].mean(axis=1)
        distance = ((asked / spread)[:, :, None, part] - means) ** 2
        nearest = distance.sum(axis=-1).argmin(axis=-1)
        right[name] = (nearest == np.arange(len(CLASSES))[:, None]).mean()
    assert 0.5 < right["both"] < 0.98
    assert right["spectrum"] < right["both"]


def test_clips_are_neither_silent_nor_clipped(tiny):
    for path in sorted((tiny / "audio" / "validation" / "validation").iterdir()):
        samples = read_audio(path, sample_rate=SAMPLE_RATE)
        assert np.abs(samples).max() == pytest.approx(30_000 / 32_768, abs=1e-3)
        assert np.count_nonzero(np.abs(samples) > 0.9) < 50
