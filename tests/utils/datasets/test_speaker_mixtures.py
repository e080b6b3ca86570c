"""Mixtures of speakers as files: their sums, levels and overlaps, and when they are made anew."""

import csv
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils.config.schema import SpeakerSettings
from utils.datasets import speaker_mixtures
from utils.datasets.base import Clip
from utils.datasets.speaker_levels import Utterances, measure
from utils.datasets.speaker_mixtures import draw_part, kept, write_new
from utils.errors import DataError, UserError

RATE = 1000
SIZES = (500, 620, 777, 900, 1100)


def utterances(folder, sizes=SIZES, rate=RATE):
    """Utterances without a sample near 0, so that files show where they start and end."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    clips = []
    for number, size in enumerate(sizes):
        path = folder / f"voice{number}.wav"
        loud = 0.01 * 4.0 ** (number % 3)
        samples = rng.choice([-1.0, 1.0], size) * rng.uniform(0.5 * loud, loud, size)
        soundfile.write(path, np.repeat(samples, rate // RATE), rate, "FLOAT")
        clips.append(Clip(path.name, path, group=f"person{number}"))
    return measure(clips, sample_rate=RATE, cache=None)[0]


def settings(**changes):
    return SpeakerSettings(**{"train": 5, "validation": 3, "test": 6} | changes)


def stored(clip):
    """Mixture and sources as whole numbers."""
    paths = [clip.path, *(path for (path,) in clip.stems)]
    return [soundfile.read(path, dtype="int16")[0].astype(int) for path in paths]


def made(voices, chosen, cache, names=("test",)):
    parts = [draw_part(name, voices, chosen) for name in names]
    clips = kept(parts, settings=chosen, sample_rate=RATE, cache=cache, title="set")
    return parts, clips


def table(folder):
    with (folder / "mixtures.csv").open(newline="", encoding="utf-8") as stream:
        return {row["id"]: row for row in csv.DictReader(stream)}


@pytest.mark.parametrize("level_db", [0.0, 40.0])
@pytest.mark.parametrize("number", [2, 3])
def test_the_mixture_is_the_exact_sum_of_its_sources(tmp_path, number, level_db):
    chosen = settings(number=number, length="max", overlap=0.4, level_db=level_db)
    _, clips = made(utterances(tmp_path / "in"), chosen, tmp_path)
    loudest = 0
    for clip in clips["test"]:
        assert len(clip.stems) == number
        mixture, *sources = stored(clip)
        np.testing.assert_array_equal(mixture, np.sum(sources, axis=0))
        loudest = max(loudest, *(np.abs(samples).max() for samples in (mixture, *sources)))
        assert clip.seconds == len(mixture) / RATE
        assert soundfile.info(clip.path).subtype == "PCM_16"
        assert soundfile.info(clip.path).samplerate == RATE
    assert loudest <= 0.9 * 32_768 + number
    if level_db:
        assert loudest > 0.899 * 32_768


def test_levels_and_overlaps_are_as_drawn(tmp_path):
    """Measured from the files: differences of levels, shares of the shorter that overlap."""
    chosen = settings(length="max", overlap=0.3, level_db=5.0, test=25)
    voices = utterances(tmp_path / "in")
    (part,), clips = made(voices, chosen, tmp_path)
    shares, differences = [], []
    for place, clip in enumerate(clips["test"]):
        _, *sources = stored(clip)
        spans = [np.flatnonzero(source)[[0, -1]] + [0, 1] for source in sources]
        starts = [span[0] for span in spans]
        lengths = [span[1] - span[0] for span in spans]
        rows = part.recipes.rows[place]
        assert starts == part.recipes.starts[place].tolist()
        assert lengths == voices.lengths[rows].tolist()
        shares.append((min(s[1] for s in spans) - max(starts)) / min(lengths))
        power = [
            (source**2).sum() / length for source, length in zip(sources, lengths, strict=True)
        ]
        difference = 10.0 * np.log10(power[0] / power[1])
        gains = part.recipes.gains_db[place]
        assert difference == pytest.approx(gains[0] - gains[1], abs=0.02)
        differences.append(abs(difference))
    assert 0.299 < min(shares) < 0.5
    assert 0.8 < max(shares) <= 1.0
    assert 5.0 < max(differences) <= 10.0


def test_min_mixtures_end_with_the_shorter_utterance(tmp_path):
    voices = utterances(tmp_path / "in")
    (part,), clips = made(voices, settings(), tmp_path)
    for place, clip in enumerate(clips["test"]):
        samples = stored(clip)
        expected = voices.lengths[part.recipes.rows[place]].min()
        assert {len(one) for one in samples} == {expected}
        assert all(one.all() for one in samples[1:])


def test_files_of_other_rates_are_resampled(tmp_path):
    voices = utterances(tmp_path / "in", rate=4 * RATE)
    _, clips = made(voices, settings(), tmp_path)
    assert {soundfile.info(clip.path).samplerate for clip in clips["test"]} == {RATE}


def test_the_table_and_the_manifests_tell_what_was_mixed(tmp_path):
    chosen = settings(length="max", overlap=0.5)
    voices = utterances(tmp_path / "in")
    parts = [draw_part(name, voices, chosen) for name in ("train", "validation", "test")]
    steps = []
    write_new(tmp_path / "set", parts, sample_rate=RATE, progress=lambda *step: steps.append(step))
    assert steps[-1] == (14, 14)
    rows = table(tmp_path / "set")
    assert list(rows) == [name for part in parts for name in part.ids]
    assert parts[1].ids == ["validation_00000", "validation_00001", "validation_00002"]
    (row, people) = rows["validation_00002"], parts[1].recipes.rows[2].tolist()
    assert row["part"] == "validation"
    assert row["files"] == "|".join(f"voice{number}.wav" for number in people)
    assert row["speakers"] == "|".join(f"person{number}" for number in people)
    assert [int(start) for start in row["starts"].split("|")] == parts[1].recipes.starts[2].tolist()
    gains = [float(gain) for gain in row["gains_db"].split("|")]
    np.testing.assert_allclose(gains, parts[1].recipes.gains_db[2], atol=5e-4)
    for folder, count in (("tr", 5), ("cv", 3), ("tt", 6)):
        for sound in ("mix", "s1", "s2"):
            place = tmp_path / "set" / folder
            listed = json.loads((place / f"{sound}.json").read_text("utf-8"))
            assert len(listed) == count
            for path, samples in listed:
                assert soundfile.info(place / path).frames == samples
                assert rows[Path(path).stem]["samples"] == str(samples)


def test_parts_are_drawn_apart_and_from_the_seed(tmp_path):
    voices = utterances(tmp_path / "in")
    same = settings(train=40, test=40)
    train, again, test = (draw_part(name, voices, same) for name in ("train", "train", "test"))
    np.testing.assert_array_equal(train.recipes.rows, again.recipes.rows)
    assert (train.recipes.rows != test.recipes.rows).any()
    other = draw_part("train", voices, settings(train=40, seed=1))
    assert (train.recipes.rows != other.recipes.rows).any()


def test_files_are_written_once_and_the_same_wherever_the_utterances_lie(tmp_path):
    chosen = settings()
    voices = utterances(tmp_path / "in")
    first = made(voices, chosen, tmp_path / "a")[1]["test"]
    times = [clip.path.stat().st_mtime_ns for clip in first]
    again = made(voices, chosen, tmp_path / "a")[1]["test"]
    assert again == first
    assert [clip.path.stat().st_mtime_ns for clip in again] == times
    moved = made(utterances(tmp_path / "elsewhere"), chosen, tmp_path / "b")[1]["test"]
    assert [clip.name for clip in moved] == [clip.name for clip in first]
    for one, other in zip(first, moved, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"level_db": 1.0}, {"length": "max"}, {"test": 7}, {"number": 3}]
)
def test_other_mixing_gives_other_names_and_files(tmp_path, change):
    voices = utterances(tmp_path / "in")
    first = made(voices, settings(), tmp_path)[1]["test"]
    other = made(voices, settings(**change), tmp_path)[1]["test"]
    assert {clip.path for clip in first}.isdisjoint(clip.path for clip in other)
    assert {clip.name for clip in first}.isdisjoint(clip.name for clip in other)


def test_a_changed_utterance_gives_new_mixtures(tmp_path):
    first = made(utterances(tmp_path / "in"), settings(), tmp_path)[1]["test"]
    changed = utterances(tmp_path / "in", (640, *SIZES[1:]))
    assert made(changed, settings(), tmp_path)[1]["test"][0].path != first[0].path


def test_what_a_killed_start_left_is_made_anew(tmp_path):
    voices = utterances(tmp_path / "in")
    clip = made(voices, settings(), tmp_path)[1]["test"][0]
    content, complete = clip.path.read_bytes(), clip.path.parents[2]
    complete.rename(complete.with_name(f".{complete.name}.part"))
    (complete.with_name(f".{complete.name}.part") / "tt" / "mix" / clip.path.name).write_bytes(b"x")
    assert made(voices, settings(), tmp_path)[1]["test"][0].path.read_bytes() == content


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    voices = utterances(tmp_path / "in")
    monkeypatch.setattr(speaker_mixtures, "write_whole_numbers", full)
    with pytest.raises(UserError, match="cannot be written \\(No space left on device\\)"):
        made(voices, settings(), tmp_path / "cache")
    assert [path.suffix for path in (tmp_path / "cache" / "mixtures").iterdir()] == [".lock"]


def test_a_second_start_waits_for_the_first(tmp_path, monkeypatch):
    """The lock is of the open file, so that two threads stand for two processes."""
    voices, calls = utterances(tmp_path / "in"), []

    def slow(*given, **rest):
        calls.append(given[0])
        time.sleep(0.3)
        write_new(*given, **rest)

    monkeypatch.setattr(speaker_mixtures, "write_new", slow)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(made, voices, settings(), tmp_path / "cache") for _ in range(2)]
        first, second = (run.result()[1]["test"] for run in runs)
    assert len(calls) == 1
    assert first == second
    assert all(clip.path.is_file() for clip in second)


def test_too_few_speakers_name_the_part(tmp_path):
    voices = utterances(tmp_path / "in")
    one = Utterances(voices.clips[:1], voices.lengths[:1], voices.rms[:1])
    with pytest.raises(DataError, match=r"test part \(1 utterances\): mixtures of 2 speakers"):
        draw_part("test", one, settings())
