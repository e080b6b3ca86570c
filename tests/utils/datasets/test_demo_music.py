"""Demo songs: layout, repeatability, sums, levels; how hard they are, in numbers."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils import datasets
from utils.config.schema import AudioSettings, DatasetSettings, MusicSettings, ValidationSettings
from utils.datasets import demo_music
from utils.datasets.demo_music import MusicSize, make, render
from utils.datasets.music import STEMS
from utils.errors import UserError

TINY = MusicSize(train=3, test=1, seconds=2.0)
SONGS = ("train/Demo 01", "train/Demo 02", "train/Demo 03", "test/Demo 04")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("music"), seed=0, size=TINY, jobs=1)


@pytest.fixture(scope="module")
def songs():
    """Four songs of 8 s as floats, full scale ±1."""
    drawn = [render(seed=0, number=n, build=(n - 1) / 3, seconds=8.0) for n in (1, 2, 3, 4)]
    return [{name: stem / 32_768.0 for name, stem in song.items()} for song in drawn]


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.wav"))
    }


def read(path):
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == 44_100
    return samples.astype(np.int64)


def test_the_loader_of_musdb_reads_it(tiny):
    music = MusicSettings(stems={"vocals": ("vocals",), "rest": ("drums", "bass", "other")})
    whole = ValidationSettings(method="group")
    settings = DatasetSettings(name="musdb", music=music, validation=whole)
    data = datasets.load(settings, audio=AudioSettings(), root=tiny, cache=tiny)
    (fold,) = data.folds
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (2, 1, 1)
    assert sorted(clip.name for clip in data.clips) == sorted(SONGS)
    assert data.notes == ()
    for clip in data.clips:
        for path in (clip.path, *(path for stem in clip.stems for path in stem)):
            info = soundfile.info(path)
            assert (info.samplerate, info.channels, info.subtype) == (44_100, 2, "PCM_16")
            assert info.frames == 2 * 44_100


def test_the_mixture_is_the_sum_of_the_stems(tiny):
    for song in SONGS:
        folder = tiny / song
        stems = [read(folder / f"{name}.wav") for name in STEMS]
        np.testing.assert_array_equal(read(folder / "mixture.wav"), sum(stems))
        assert {path.stem for path in folder.iterdir()} == {"mixture", *STEMS}


def test_nothing_is_silent_or_clipped(tiny):
    for song in SONGS:
        for name in ("mixture", *STEMS):
            samples = read(tiny / song / f"{name}.wav")
            assert np.abs(samples).max() < 0.96 * 32_767
            assert np.sqrt(np.mean(samples**2.0)) > 100.0


def test_the_same_seed_gives_the_same_files(tmp_path):
    size = MusicSize(train=2, test=3, seconds=0.5)
    first, again, other = (
        make(tmp_path / name, seed=seed, size=size, jobs=jobs)
        for name, seed, jobs in (("first", 0, 1), ("again", 0, 2), ("other", 1, 1))
    )
    assert first.name == again.name != other.name
    assert content(first) == content(again)
    assert len(set(content(first).values())) == 25
    assert not set(content(first).values()) & set(content(other).values())


def test_the_name_of_the_folder_depends_on_every_module_that_makes_sound():
    folder = Path(demo_music.__file__).parent
    found, new = set(), {"demo_music"}
    while new:
        found |= new
        text = "".join((folder / f"{name}.py").read_text("utf-8") for name in new)
        new = set(re.findall(r"from utils\.datasets\.(\w+) import", text)) - found - {"music"}
    assert {f"{name}.py" for name in found} == set(demo_music.SOURCES)


def test_what_is_there_is_found_again(tiny, monkeypatch):
    monkeypatch.setattr(demo_music, "write_missing", None)
    assert make(tiny.parent, seed=0, size=TINY) == tiny


def test_a_killed_generation_goes_on_with_the_same_files(tiny, tmp_path):
    begun = tmp_path / f".{tiny.name}.part" / SONGS[0]
    begun.mkdir(parents=True)
    (begun / "vocals.wav").write_bytes(b"before")
    written = content(make(tmp_path, seed=0, size=TINY, jobs=1))
    assert written.pop(f"{SONGS[0]}/vocals.wav") == b"before"
    wanted = content(tiny)
    assert all(wanted[path] == data for path, data in written.items())
    assert len(written) == 19


def test_progress_counts_every_file(tmp_path):
    steps = []
    size = MusicSize(train=1, test=4, seconds=0.3)
    make(tmp_path, seed=0, size=size, jobs=1, progress=lambda *step: steps.append(step))
    assert steps == [(20, 25), (25, 25)]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        make(tmp_path / "file", seed=0, size=TINY, jobs=1)


def test_every_part_has_low_and_high_singers():
    encoder = demo_music._Encoder(0, MusicSize())
    for numbers in (range(1, 17), range(17, 22)):
        builds = sorted(encoder._build(number) for number in numbers)
        places = np.arange(len(builds)) / len(builds)
        assert np.all((builds >= places) & (builds < places + 1.0 / len(builds)))


def spectrum(samples):
    """Spectra (channels, frames, bins) of frames of 4,096 samples, half over one another."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, 4096, axis=0)[::2048]
    return np.fft.rfft(frames.transpose(1, 0, 2) * np.hanning(4096))


def bands(power):
    """Power (frames, bins) or more by third of an octave, from 20 Hz."""
    thirds = np.floor(3.0 * np.log2(np.maximum(np.arange(2049) * 44_100 / 4096, 20.0) / 20.0))
    return thirds.astype(int), np.bincount(thirds.astype(int), power.sum(axis=(0, 1)))


def gain_db(mask, mixture, vocals):
    """What a mask gains for the vocals against the mixture as it is, decibels."""
    wrong = np.sum(np.abs(mask * mixture - vocals) ** 2)
    return 10.0 * np.log10(np.sum(np.abs(mixture - vocals) ** 2) / wrong)


def test_voice_and_instruments_overlap_in_frequency(songs):
    shares = []
    for song in songs:
        spectra = [bands(np.abs(spectrum(song[name])) ** 2)[1] for name in ("vocals", "other")]
        vocals, other = (one / one.sum() for one in spectra)
        shares.append(np.minimum(vocals, other).sum())
    assert min(shares) > 0.3
    assert np.mean(shares) > 0.5


def test_a_fixed_filter_is_not_enough_and_a_mask_is(songs):
    """The song's own best filter by thirds of octaves against the ideal ratio mask."""
    filtered, masked = [], []
    for song in songs:
        mixture, vocals = spectrum(sum(song.values())), spectrum(song["vocals"])
        power, rest = np.abs(vocals) ** 2, np.abs(mixture - vocals) ** 2
        index, wanted = bands(power)
        share = wanted / np.maximum(wanted + bands(rest)[1], 1e-12)
        filtered.append(gain_db(share[index], mixture, vocals))
        masked.append(gain_db(power / (power + rest + 1e-12), mixture, vocals))
    assert np.mean(filtered) < 7.0
    assert np.mean(masked) > np.mean(filtered) + 4.0


def test_levels_are_those_of_a_mix(songs):
    for song in songs:
        rest = sum(song[name] for name in ("drums", "bass", "other"))
        ratio = 10.0 * np.log10(np.sum(song["vocals"] ** 2) / np.sum(rest**2))
        assert -6.0 < ratio < 3.0
        peaks = [np.abs(stem).max() / np.sqrt(np.mean(stem**2)) for stem in song.values()]
        assert max(peaks) < 12.0


def test_songs_differ_in_more_than_their_notes(songs):
    """Long-term spectra of the same stem in two songs are further apart than in one song."""

    def shape(samples):
        band = bands(np.abs(spectrum(samples)) ** 2)[1][9:27]
        return 10.0 * np.log10(band / band.sum() + 1e-6)

    for name in ("vocals", "other"):
        halves = np.array([[shape(half) for half in np.split(song[name], 2)] for song in songs])
        within = np.abs(halves[:, 0] - halves[:, 1]).mean()
        between = np.abs(halves[:-1, 0] - halves[1:, 0]).mean()
        assert between > 1.3 * within
