"""Own files separated: what is written, at which rate, length and format, and what is told."""

import io
import os
import tracemalloc
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from utils.config.schema import AudioSettings, FeatureSettings
from utils.config.separation_sections import SeparationSettings
from utils.errors import AudioError, UserError
from utils.experiment import stem_files
from utils.experiment.separate_files import separate_file, separate_files
from utils.features import Stft
from utils.inference import Metadata, Separator
from utils.inference.predictor import Predictor

separating = import_module("utils.experiment.separate_files")  # the package has a function so named
RATE, STEMS = 8000, ("low", "high")
FRAMES, BINS = 32, 65
LOW = (np.arange(BINS) < 20).astype(np.float32)[:, np.newaxis]  # below 1,250 Hz


class Halves(Predictor):
    """A model whose first stem is what lies below 1,250 Hz, and whose second is the rest."""

    def __init__(self, *, channels=2, rate=RATE, stems=STEMS, **separation):
        audio = AudioSettings(
            sample_rate=rate, seconds=Stft(128, 32).samples_of(FRAMES) / rate, channels=channels
        )
        features = FeatureSettings.model_validate(
            {"kind": "magnitude", "window": "hann", "n_fft": 128, "window_seconds": 128 / rate,
             "hop_seconds": 32 / rate, "frames": FRAMES, "normalise": {"method": "none"}}
        )  # fmt: skip
        told = Metadata(
            set_id="test",
            classes=stems,
            audio=audio.model_dump(mode="json"),
            features=features.model_dump(mode="json"),
            normaliser=None,
            data="demo",
            separation=SeparationSettings(**separation).model_dump(mode="json"),
        )
        super().__init__(Path("model.keras"), told, (FRAMES, BINS, channels))

    def _predict(self, features):
        with np.errstate(invalid="ignore"):
            low = features * LOW
            return (np.stack([low, features - low], axis=1),)


def tones(rate, seconds=1.0, level=0.3):
    """A tone for each stem, (samples,) each."""
    time = np.arange(round(rate * seconds)) / rate
    return tuple(level * np.sin(2 * np.pi * hertz * time) for hertz in (440, 2500))


@pytest.fixture
def song(tmp_path):
    """Write a file of both tones; right is half of left."""

    def write(name="song.wav", *, rate=RATE, channels=2, subtype="PCM_24", **more):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mixed = sum(tones(rate, **more))
        gains = np.array([1.0, 0.5, 0.0])[:channels]
        soundfile.write(path, mixed[:, np.newaxis] * gains, rate, subtype=subtype)
        return path

    return write


@pytest.fixture
def separate(tmp_path):
    def run(*files, **model):
        text = io.StringIO()
        try:
            separate_files(
                Halves(**model), list(files), tmp_path / "out", Console(file=text, width=200)
            )
        finally:
            run.printed = text.getvalue()
        return tmp_path / "out"

    return run


def inside(samples, rate):
    """Without the ends, which tones that begin and end there spread over all bins."""
    return samples[rate // 20 : -rate // 20]


# --- what is written ---


@pytest.mark.parametrize("rate", [RATE, 16_000, 44_100, 7350])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_stems_have_the_files_rate_length_and_channels(song, separate, rate, channels):
    path = song(rate=rate, channels=channels, seconds=1.2345)
    folder = separate(path) / "song"
    assert {each.name for each in folder.iterdir()} == {"low.wav", "high.wav"}
    for name, tone in zip(STEMS, tones(rate, 1.2345), strict=True):
        facts = soundfile.info(folder / f"{name}.wav")
        assert (facts.samplerate, facts.frames) == (rate, soundfile.info(path).frames)
        assert facts.channels == min(channels, 2)
        assert facts.subtype == "PCM_24"
        found = soundfile.read(folder / f"{name}.wav", always_2d=True)[0]
        gains = np.array([1.0, 0.5])[: facts.channels]
        wanted = tone[:, np.newaxis] * gains
        assert np.abs(inside(found - wanted, rate)).max() < 2e-3


def test_a_stereo_file_becomes_mono_where_the_network_is(song, separate):
    folder = separate(song(), channels=1) / "song"
    found, _ = soundfile.read(folder / "low.wav", always_2d=True)
    assert found.shape == (RATE, 1)
    assert np.abs(inside(found[:, 0] - 0.75 * tones(RATE)[0], RATE)).max() < 2e-3


@pytest.mark.parametrize("rate", [RATE, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
def test_stems_that_shall_add_up_do_so_at_the_files_rate(tmp_path, rng, separate, rate, channels):
    """Noise has more above the network's frequencies than below."""
    noise = 0.1 * rng.standard_normal((3 * rate // 2, channels))
    soundfile.write(tmp_path / "noise.wav", noise, rate, subtype="PCM_24")
    given = soundfile.read(tmp_path / "noise.wav", always_2d=True)[0]
    folder = separate(tmp_path / "noise.wav", add_up=True) / "noise"
    stems = [soundfile.read(folder / f"{name}.wav", always_2d=True)[0] for name in STEMS]
    assert np.abs(sum(stems) - given).max() < 4 * 2**-23
    folder = separate(tmp_path / "noise.wav") / "noise"
    stems = [soundfile.read(folder / f"{name}.wav", always_2d=True)[0] for name in STEMS]
    assert (np.abs(sum(stems) - given).max() > 0.05) == (rate != RATE)


def test_loud_stems_are_not_clipped_but_written_as_floats(song, separate):
    folder = separate(song(level=1.5, subtype="FLOAT")) / "song"
    peak = max(np.abs(soundfile.read(folder / f"{name}.wav")[0]).max() for name in STEMS)
    assert peak > 1.49
    assert {soundfile.info(folder / f"{name}.wav").subtype for name in STEMS} == {"FLOAT"}
    assert f"song: stems reach {peak:.2f} of full scale" in separate.printed
    separate(song())
    assert "full scale" not in separate.printed


@pytest.mark.parametrize("samples", [1, 2, 40, 5000])
@pytest.mark.parametrize("rate", [RATE, 96_000])
def test_files_of_few_samples(tmp_path, separate, samples, rate):
    soundfile.write(tmp_path / "x.wav", np.full(samples, 0.25), rate)
    folder = separate(tmp_path / "x.wav") / "x"
    for name in STEMS:
        assert soundfile.info(folder / f"{name}.wav").frames == samples
        assert np.isfinite(soundfile.read(folder / f"{name}.wav")[0]).all()


def test_files_too_long_for_wav_are_rf64(song, separate, monkeypatch):
    monkeypatch.setattr(stem_files, "LONGEST_WAV", 1000)
    folder = separate(song(), song("loud.wav", level=1.5, subtype="FLOAT"))
    for name, subtype in (("song", "PCM_24"), ("loud", "FLOAT")):
        facts = soundfile.info(folder / name / "low.wav")
        assert (facts.format, facts.subtype, facts.frames) == ("RF64", subtype, RATE)


def test_stems_of_before_are_replaced(song, separate):
    folder = separate(song()) / "song"
    (folder / "low.wav").write_bytes(b"old")
    separate(song())
    assert soundfile.info(folder / "low.wav").frames == RATE


# --- names ---


def test_files_of_one_name_have_folders_of_their_own(song, separate):
    files = [song("a/song.wav"), song("b/song.wav"), song("b/song.flac"), song("b/x.y.flac")]
    folder = separate(*files, files[0])
    written = {str(path.relative_to(folder).parent) for path in folder.rglob("low.wav")}
    assert written == {"a/song", "b/song.wav", "b/song.flac", "b/x.y"}
    assert separate.printed.count("a/song:") == 1


def test_a_file_by_several_spellings_is_separated_once(song, separate, monkeypatch):
    path = song()
    monkeypatch.chdir(path.parent)
    spelled = (Path("song.wav"), Path("./song.wav"), Path("up/../song.wav"), path, song("b/x.wav"))
    folder = separate(*spelled)
    assert {str(each.relative_to(folder).parent) for each in folder.rglob("low.wav")} == {
        "song", "b/x",
    }  # fmt: skip
    assert separate.printed.count("song:") == 1
    separate(*spelled[:-1])
    assert separate.printed.count("song:") == 1


def test_stems_are_not_written_into_the_folder_of_their_song(song, tmp_path):
    """There lie its true stems, by the same names."""
    files = [song("test/B/x.wav"), song("test/A/mixture.wav")]
    told = r"A/mixture\.wav: its stems would be written into .*; name another folder with -o"
    with pytest.raises(UserError, match=told):
        separate_files(Halves(), files, tmp_path / "test", Console(file=io.StringIO()))
    assert len(list(tmp_path.rglob("*.wav"))) == 2


@pytest.mark.parametrize("stem", ["../out", "a/b", "a\\b", "", ".", "..", "nul\0"])
def test_stems_of_a_model_from_anywhere_stay_in_their_folder(song, separate, tmp_path, stem):
    with pytest.raises(UserError, match=r"model\.keras: its metadata names a stem"):
        separate(song(), stems=("low", stem))
    assert not (tmp_path / "out").exists()


def test_two_stems_of_one_name_are_refused(song, separate):
    with pytest.raises(UserError, match="names two stems alike: low, LOW"):
        separate(song(), stems=("low", "LOW"))


# --- what is told ---


def test_times_are_told_of_each_file_and_of_all(song, separate, tmp_path):
    separate(song("one.wav"), song("[b]two.wav", seconds=2.0))
    lines = [line for line in separate.printed.splitlines() if line]
    assert [line.split(" in ")[0] for line in lines if "written" not in line] == [
        "one: 1.0 s", "[b]two: 2.0 s",
    ]  # fmt: skip
    assert lines[-1].startswith("3.0 s of sound in ")
    assert "times real time" in lines[-1]
    assert lines[-1].endswith(f"written to {tmp_path / 'out'}")


@pytest.mark.parametrize(("seconds", "text"), [(5.04, "5.0 s"), (60, "1:00"), (3599.7, "60:00")])
def test_long_times_are_minutes(seconds, text):
    assert separating._clock(seconds) == text


@pytest.mark.parametrize("add_up", [False, True])
def test_a_note_tells_what_lies_above_what_is_separated(song, separate, add_up):
    separate(song(), song("low.wav", rate=RATE // 2), add_up=add_up)
    assert "note:" not in separate.printed
    fate = (
        "is not separated: each stem has an equal share of it (separation.add_up)"
        if add_up
        else "is in no stem; with separation.add_up each would have an equal share of it"
    )
    high = song("high.wav", rate=11_025)
    separate(high, add_up=add_up)
    assert f"note: what lies above 4 kHz in high.wav {fate}\n" in separate.printed
    separate(high, song(), song("higher.wav", rate=44_100), add_up=add_up)
    assert f"note: what lies above 4 kHz in 2 of 3 files {fate}\n" in separate.printed


def test_progress_is_told_in_seconds(song, tmp_path):
    told = []
    separator = Separator.of(Halves())
    separate_file(separator, song(seconds=5.0), tmp_path / "x", progress=told.append)
    assert len(told) > 5
    assert told == sorted(told)
    assert told[-1] == 5.0


def test_a_bar_goes_over_all_files(song, separate, monkeypatch):
    from contextlib import contextmanager

    told = []

    @contextmanager
    def bar(console, title):
        yield lambda done, total: told.append((done, total))

    monkeypatch.setattr(separating, "bar", bar)
    separate(song("one.wav"), song("two.wav", seconds=2.0))
    assert {total for _, total in told} == {3000}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (3000, 3000)


# --- what goes wrong ---


def test_unreadable_files_are_told_of_after_the_others_are_separated(song, separate, tmp_path):
    broken = song("broken.wav")
    broken.write_bytes(broken.read_bytes()[:-1000])
    bad = tmp_path / "bad.wav"
    samples = np.zeros((3 * RATE, 2), np.float32)
    samples[-1] = np.nan
    soundfile.write(bad, samples, RATE, subtype="FLOAT")
    with pytest.raises(UserError) as caught:
        separate(tmp_path / "gone.wav", broken, bad, song())
    told = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in told] == [
        str(tmp_path / name) for name in ("gone.wav", "broken.wav", "bad.wav")
    ]
    assert "song: 1.0 s" in separate.printed
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"song"}


def test_without_any_sound_nothing_is_written(separate, tmp_path):
    with pytest.raises(UserError, match=r"gone\.wav: is missing"):
        separate(tmp_path / "gone.wav")
    assert separate.printed.strip() == ""
    assert not (tmp_path / "out").exists()


def test_samples_beyond_all_bounds_are_a_sentence(separate, tmp_path):
    loud = tmp_path / "loud.wav"
    soundfile.write(loud, np.full((RATE, 2), 3e38), RATE, subtype="FLOAT")
    with pytest.raises(UserError, match=r"loud\.wav: gives no finite stems"):
        separate(loud)
    assert not list((tmp_path / "out").iterdir())


def test_stems_appear_whole_or_not_at_all(song, tmp_path):
    """While a file is separated nothing bears a stem's name; nothing stays of a broken one."""
    seen = []
    folder = tmp_path / "x"

    def stop(seconds):
        seen.append({path.suffix for path in folder.iterdir()})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        separate_file(Separator.of(Halves()), song(seconds=9.0), folder, progress=stop)
    assert seen == [{".part"}]
    assert not folder.exists()


def test_a_full_disk_is_a_sentence(song, tmp_path):
    """The operating system refuses more than so many bytes in a file."""
    import resource
    import signal

    path, folder = song(seconds=9.0), tmp_path / "x"
    before, limits = signal.getsignal(signal.SIGXFSZ), resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"/x: stems cannot be written \(.*\); free some"):
            separate_file(Separator.of(Halves()), path, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert not folder.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_a_sentence(song, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o555)
    with pytest.raises(UserError, match="cannot be written"):
        separate_file(Separator.of(Halves()), song(), tmp_path / "closed" / "x")


def test_an_output_that_is_a_file_is_a_sentence(song, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="taken/x: cannot be written"):
        separate_file(Separator.of(Halves()), song(), tmp_path / "taken" / "x")


def test_a_model_that_labels_is_refused(song, tmp_path):
    from dataclasses import replace

    model = Halves()
    model.metadata = replace(model.metadata, separation=None)
    with pytest.raises(UserError, match="separates nothing"):
        separate_files(model, [song()], tmp_path / "out", Console(file=io.StringIO()))


def test_one_file_cannot_be_used_alone_is_an_audio_error(tmp_path):
    with pytest.raises(AudioError, match=r"gone\.wav"):
        separate_file(Separator.of(Halves()), tmp_path / "gone.wav", tmp_path / "x")


def test_memory_does_not_grow_with_the_file(tmp_path):
    separator = Separator.of(Halves())

    def most(seconds):
        path = tmp_path / f"{seconds}.wav"
        soundfile.write(path, np.full((seconds * 11_025, 2), 0.1), 11_025)
        tracemalloc.start()
        separate_file(separator, path, tmp_path / path.stem)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(1)
    assert most(80) < 1.1 * most(20)  # their samples: 7 and 2 MB, of both stems twice as much
