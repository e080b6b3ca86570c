"""Demo city: layout, forms of files, repeatability; classes neither trivial nor absent; leaks."""

import csv
import itertools
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils import datasets
from utils.audio import read_audio
from utils.config.schema import AudioSettings, DatasetSettings, ValidationSettings
from utils.datasets import demo_urban
from utils.datasets.demo_sounds import SAMPLE_RATE
from utils.datasets.demo_urban import UrbanSize
from utils.datasets.demo_urban_sounds import FIRST_EVENT_SECONDS, SOUNDS, record, scene
from utils.datasets.urban import CLASSES
from utils.errors import UserError

load = partial(datasets.load, audio=AudioSettings(), cache=Path("cache"))
TINY = UrbanSize(folds=2, sources=1, slices=1)
SMALL = UrbanSize(folds=2, sources=3, slices=2)
SETTINGS = DatasetSettings(name="urbansound8k", validation=ValidationSettings(method="group"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return demo_urban.make(tmp_path_factory.mktemp("urban"), seed=0, size=SMALL, jobs=1)


@pytest.fixture(scope="module")
def clips(small):
    """Every clip once, with what is measured of it."""
    return load(SETTINGS, root=small).clips


@pytest.fixture(scope="module")
def log_mels(clips):
    """Log-mels of each clip, (mels, frames)."""
    import librosa

    spectra = []
    for clip in clips:
        samples = read_audio(clip.path, sample_rate=22_050)
        mel = librosa.feature.melspectrogram(
            y=samples, sr=22_050, n_fft=1024, hop_length=256, n_mels=40
        )
        spectra.append(np.log(mel + 1e-7))
    return spectra


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def labels(clips):
    return np.array([CLASSES.index(clip.labels[0]) for clip in clips])


def folds_of(clips):
    return np.array([int(clip.name[4 : clip.name.index("/")]) for clip in clips])


def nearest_mean(features, clips):
    """Share of clips that are nearest to the mean of their class in the other folds."""
    truth, fold = labels(clips), folds_of(clips)
    right = np.zeros(truth.size, bool)
    for tested in np.unique(fold):
        known, asked = fold != tested, fold == tested
        centre, spread = features[known].mean(axis=0), features[known].std(axis=0)
        scaled = (features - centre) / spread
        means = np.stack([scaled[known & (truth == k)].mean(axis=0) for k in range(10)])
        distance = ((scaled[asked][:, None] - means) ** 2).sum(axis=2)
        right[asked] = distance.argmin(axis=1) == truth[asked]
    return right.mean()


def test_the_loader_reads_it_as_the_published_set(small):
    data = load(SETTINGS, root=small, name="demo")
    assert (data.name, data.classes) == ("demo", CLASSES)
    assert tuple(SOUNDS) == CLASSES
    assert [(fold.name, len(fold.test)) for fold in data.folds] == [
        (f"fold{number}", 60) for number in (1, 2)
    ]
    assert data.notes == (
        "UrbanSound8K.csv has 2 of the 10 folds of UrbanSound8K: do not compare the scores with"
        " published ones.",
    )


def test_slices_of_a_recording_lie_in_one_fold(clips):
    where = {}
    for clip, fold in zip(clips, folds_of(clips), strict=True):
        where.setdefault(clip.group, set()).add(fold)
    assert all(len(folds) == 1 for folds in where.values())
    assert len(where) == 10 * 2 * 3
    assert Counter(Counter(clip.group for clip in clips).values()) == {1: 20, 2: 20, 3: 20}


def test_a_random_split_is_noted_as_a_leak(small):
    drawn = {"published_folds": False, "validation": ValidationSettings(method="random")}
    notes = load(SETTINGS.model_copy(update=drawn), root=small).notes
    assert any("source recordings" in note and "test part" in note for note in notes)


def test_the_table_is_as_published(small):
    folder = small / "UrbanSound8K"
    with (folder / "metadata" / "UrbanSound8K.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert ",".join(rows[0]) == "slice_file_name,fsID,start,end,salience,fold,classID,class"
    assert len(rows) == len(list(folder.rglob("*.wav"))) == 120
    assert {row["salience"] for row in rows} == {"1", "2"}
    taken = {}
    for row in rows:
        seconds = float(row["end"]) - float(row["start"])
        info = soundfile.info(folder / "audio" / f"fold{row['fold']}" / row["slice_file_name"])
        assert info.frames / info.samplerate == pytest.approx(seconds, abs=1e-3)
        taken.setdefault(row["fsID"], []).append((float(row["start"]), float(row["end"])))
    for parts in taken.values():
        parts.sort()
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(parts))


def test_rates_depths_channels_and_lengths_are_mixed(clips):
    forms = {clip.path: soundfile.info(clip.path) for clip in clips}
    by_source = {}
    for clip in clips:
        info = forms[clip.path]
        by_source.setdefault(clip.group, set()).add((info.samplerate, info.subtype, info.channels))
        assert 0.49 < info.frames / info.samplerate < 4.01
    assert all(len(found) == 1 for found in by_source.values())
    for place, wanted in enumerate([{22_050, 44_100, 48_000}, {"PCM_16", "PCM_24"}, {1, 2}]):
        assert {form[place] for found in by_source.values() for form in found} == wanted
    whole = [info.frames / info.samplerate > 3.99 for info in forms.values()]
    assert 0.5 < np.mean(whole) < 0.75


def test_channels_differ_and_none_is_silent_or_clipped(clips):
    for clip in clips:
        samples, _ = soundfile.read(clip.path, always_2d=True)
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() < 0.95
        assert np.sqrt(np.mean(samples**2, axis=0)).min() > 1e-3
        if samples.shape[1] == 2:
            assert not np.array_equal(samples[:, 0], samples[:, 1])


def test_the_default_size_is_that_of_a_demo():
    size = UrbanSize()
    slices = demo_urban._slices(0, size)
    assert len(slices) == 360
    assert len({part.path for part in slices}) == 360
    samples = sum(part.seconds * part.source.sample_rate * part.source.channels for part in slices)
    assert 3 * samples < 200e6  # bytes, were all of 24 bit


def test_the_same_seed_gives_the_same_files_however_many_processes(tmp_path):
    steps = []
    one = demo_urban.make(tmp_path / "one", seed=3, size=TINY, jobs=1)
    two = demo_urban.make(
        tmp_path / "two", seed=3, size=TINY, jobs=2, progress=lambda *step: steps.append(step)
    )
    other = demo_urban.make(tmp_path / "one", seed=4, size=TINY, jobs=1)
    assert files(one) == files(two)
    assert one != other
    assert not set(files(one).values()) & set(files(other).values())
    assert steps == [(20, 20)]


def test_a_complete_folder_is_used_again_and_a_part_is_completed(tmp_path):
    complete = demo_urban.make(tmp_path, seed=0, size=TINY, jobs=1)
    before = files(complete)
    times = {path: path.stat().st_mtime_ns for path in complete.rglob("*")}
    assert demo_urban.make(tmp_path, seed=0, size=TINY, jobs=1) == complete
    assert times == {path: path.stat().st_mtime_ns for path in complete.rglob("*")}
    part = tmp_path / f".{complete.name}.part"
    complete.rename(part)
    kept, lost = sorted(part.rglob("*.wav"))[:2]
    kept_at = kept.stat().st_mtime_ns
    lost.unlink()
    lost.with_suffix(".1.part").write_bytes(b"half")
    assert demo_urban.make(tmp_path, seed=0, size=TINY, jobs=1) == complete
    assert files(complete) == before
    assert (complete / kept.relative_to(part)).stat().st_mtime_ns == kept_at
    assert not part.exists()


def test_a_generation_that_stops_midway_leaves_no_folder_of_that_name(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    size = UrbanSize(folds=1, sources=3, slices=1)
    with pytest.raises(KeyboardInterrupt):
        demo_urban.make(tmp_path, seed=0, size=size, jobs=1, progress=stop)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".") and left.name.endswith(".part")
    assert 0 < len(list(left.rglob("*.wav"))) < 40
    complete = demo_urban.make(tmp_path, seed=0, size=size, jobs=1)
    assert len(list(complete.rglob("*.wav"))) == 40


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="cannot be written"):
        demo_urban.make(tmp_path / "file" / "demo", seed=0, size=TINY, jobs=1)


@pytest.mark.parametrize("label", SOUNDS)
def test_half_a_second_holds_the_sound_of_its_class(label):
    for seed in range(5):
        traits, rng = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
        where = scene(np.random.default_rng(seed), in_foreground=True)
        samples = record(label, where, seconds=0.5, traits=traits, rng=rng)
        assert samples.dtype == np.float32
        assert samples.shape == (SAMPLE_RATE // 2,)
        assert np.isfinite(samples).all()
        dry = SOUNDS[label](SAMPLE_RATE // 2, np.random.default_rng(seed), rng)
        start = round((FIRST_EVENT_SECONDS + 0.05) * SAMPLE_RATE)
        assert np.abs(dry[:start]).max() > 0.1 * np.abs(dry).max() > 0.0


def test_the_traits_of_a_recording_do_not_hang_on_the_slice():
    """After slices of other lengths and other randomness the same traits have been drawn."""
    for label, sound in SOUNDS.items():
        ends = []
        for seconds, seed in ((0.5, 1), (3.0, 2)):
            traits = np.random.default_rng(7)
            sound(round(seconds * SAMPLE_RATE), traits, np.random.default_rng(seed))
            ends.append(traits.bit_generator.state)
        assert ends[0] == ends[1], label


def test_level_and_length_do_not_tell_the_classes(clips):
    measured = []
    for clip in clips:
        samples = read_audio(clip.path, sample_rate=22_050)
        measured.append((np.log(np.mean(samples**2)), samples.size))
    assert nearest_mean(np.array(measured), clips) < 0.2


def test_mean_spectra_tell_little_of_the_classes_but_their_course_does(clips, log_mels):
    """Nearest class mean, on other folds than its own: of mean log-mels, then of their course."""
    spectra = np.stack([mel.mean(axis=1) for mel in log_mels])
    assert nearest_mean(spectra, clips) < 0.6

    def course(mel):
        steps = np.percentile(np.diff(mel, axis=1), [1, 5, 50, 95, 99])
        looped = np.resize((mel - mel.mean(axis=1, keepdims=True)).T, (512, 40)).T
        modulation = np.abs(np.fft.rfft(looped, axis=1)).mean(axis=0)[1:]
        edges = np.unique(np.geomspace(1, 250, 20).astype(int)) - 1
        bands = np.add.reduceat(modulation, edges) / np.diff([*edges, modulation.size])
        roughness = np.mean(np.diff(mel, axis=0) ** 2)
        return np.concatenate([steps, np.log(bands + 1e-3), [np.log(roughness)]])

    assert nearest_mean(np.stack([course(mel) for mel in log_mels]), clips) > 0.4


def test_slices_of_one_recording_give_each_other_away(clips, log_mels):
    """The nearest neighbour of a mean log-mel: one among all clips, one of another fold."""
    spectra = np.stack([mel.mean(axis=1) for mel in log_mels])
    groups, fold, truth = np.array([clip.group for clip in clips]), folds_of(clips), labels(clips)
    with_others = np.isin(groups, [g for g, n in Counter(groups.tolist()).items() if n > 1])
    distance = ((spectra[:, None] - spectra) ** 2).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    leaking = truth[distance.argmin(axis=1)] == truth
    distance[fold[:, None] == fold] = np.inf
    honest = truth[distance.argmin(axis=1)] == truth
    assert leaking[with_others].mean() > honest[with_others].mean() + 0.3
