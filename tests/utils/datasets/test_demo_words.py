"""Demo words: layout, repeatability, and voices that have the pitch and formants asked for."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from utils.datasets import demo_words
from utils.datasets.demo_phonemes import NOISE_DB, NOISE_KNOTS_HZ, PHONEMES, WORDS, phases
from utils.datasets.demo_voices import (
    HOP,
    N_FFT,
    SAMPLE_RATE,
    filtered,
    glottal,
    speak,
    speaker,
    tract_response,
)
from utils.datasets.demo_words import WordsSize
from utils.errors import UserError

TINY = WordsSize(train=1, validation=1, test=1, takes=1)
SMALL = WordsSize(train=3, validation=1, test=2, takes=2)
VOWELS = ("IY", "IH", "EH", "AE", "AH", "AA", "AO", "ER")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return demo_words.make(tmp_path_factory.mktemp("words"), seed=0, size=SMALL, jobs=1)


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def speakers(paths):
    return {path.split("/")[1].split("_nohash_")[0] for path in paths}


def plain_voice(pitch_hz=100.0, tract=1.0):
    """A speaker without an accent, whose open quotient and breath hide no formant."""
    who = speaker(np.random.default_rng(0), 0.3)
    accent = {symbol: (1.0, 1.0, 1.0) for symbol in PHONEMES}
    return replace(who, pitch_hz=pitch_hz, tract=tract, breath=0.003, tilt_db=6.0, accent=accent)


def test_the_layout_is_that_of_speech_commands(small):
    audio = [path for path in files(small) if path.endswith(".wav")]
    assert sorted({path.split("/")[0] for path in audio}) == sorted(WORDS)
    assert len(WORDS) == 30
    assert len(audio) == 30 * 6 * 2
    listed = {
        part: (small / f"{part}_list.txt").read_text("utf-8").splitlines()
        for part in ("validation", "testing")
    }
    listed["training"] = sorted(set(audio) - set(listed["validation"]) - set(listed["testing"]))
    assert {part: len(paths) for part, paths in listed.items()} == {
        "validation": 60,
        "testing": 120,
        "training": 180,
    }
    assert set().union(*listed.values()) == set(audio)
    names = [speakers(paths) for paths in listed.values()]
    assert sum(map(len, names)) == len(set().union(*names)) == 6
    assert all(len(name) == 8 and int(name, 16) >= 0 for name in set().union(*names))


def test_clips_are_one_second_of_pcm16_and_none_is_clipped_or_silent(small):
    for path in small.rglob("*.wav"):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.frames) == (16_000, 1, 16_000)
        assert info.subtype == "PCM_16"
        samples, _ = soundfile.read(path)
        assert 0.09 < np.abs(samples).max() < 0.8


def test_words_lie_inside_the_second(small):
    """The first and last 10 ms hold the room's noise, not the word."""
    for path in small.rglob("*.wav"):
        samples, _ = soundfile.read(path)
        loudest = np.sqrt(np.mean(samples.reshape(-1, 160) ** 2, axis=1)).max()
        assert np.sqrt(np.mean(samples[:160] ** 2)) < 0.25 * loudest
        assert np.sqrt(np.mean(samples[-160:] ** 2)) < 0.25 * loudest


def test_the_default_size_lets_four_speakers_meet_in_every_part():
    size = WordsSize()
    assert min(size.train, size.validation, size.test) >= 4
    assert 30 * size.takes * (size.train + size.validation + size.test) * 32_044 < 60e6


def test_the_same_seed_gives_the_same_files_however_many_processes(tmp_path):
    steps = []
    one = demo_words.make(tmp_path / "one", seed=3, size=TINY, jobs=1)
    two = demo_words.make(
        tmp_path / "two", seed=3, size=TINY, jobs=2, progress=lambda *step: steps.append(step)
    )
    other = demo_words.make(tmp_path / "one", seed=4, size=TINY, jobs=1)
    assert files(one) == files(two)
    assert one != other
    assert not set(files(one).values()) & set(files(other).values())
    done = [number for number, of in steps if of == 90]
    assert len(done) == len(steps) > 2
    assert done == sorted(done)
    assert done[-1] == 90


def test_another_size_has_a_folder_of_its_own(tmp_path, small):
    other = demo_words.make(tmp_path, seed=0, size=TINY, jobs=1)
    assert other.name != small.name


def test_a_complete_folder_is_used_again_and_a_part_is_completed(tmp_path):
    complete = demo_words.make(tmp_path, seed=0, size=TINY, jobs=1)
    before = files(complete)
    times = {path: path.stat().st_mtime_ns for path in complete.rglob("*")}
    assert demo_words.make(tmp_path, seed=0, size=TINY, jobs=1) == complete
    assert times == {path: path.stat().st_mtime_ns for path in complete.rglob("*")}
    part = tmp_path / f".{complete.name}.part"
    complete.rename(part)
    kept, lost = sorted(part.rglob("*.wav"))[:2]
    kept_at = kept.stat().st_mtime_ns
    lost.unlink()
    lost.with_suffix(".1.part").write_bytes(b"half")
    assert demo_words.make(tmp_path, seed=0, size=TINY, jobs=1) == complete
    assert files(complete) == before
    assert (complete / kept.relative_to(part)).stat().st_mtime_ns == kept_at
    assert not part.exists()


def test_a_generation_that_stops_midway_leaves_no_folder_of_that_name(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo_words.make(tmp_path, seed=0, size=TINY, jobs=1, progress=stop)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".") and left.name.endswith(".part")
    written = {path.name for path in left.rglob("*.wav")}
    assert 0 < len(written) < 90
    complete = demo_words.make(tmp_path, seed=0, size=TINY, jobs=1)
    assert len(list(complete.rglob("*.wav"))) == 90


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="cannot be written"):
        demo_words.make(tmp_path / "file" / "words", seed=0, size=TINY, jobs=1)


def test_speakers_and_takes_differ(small):
    """Two takes are alike in their mean spectrum, two speakers less so; no two are equal."""
    takes = {}
    for path in sorted((small / "three").glob("*.wav")):
        samples, _ = soundfile.read(path)
        power = np.abs(np.fft.rfft(samples))[1:7501].reshape(-1, 150) ** 2
        colour = np.log(power.mean(axis=1))
        takes.setdefault(path.name[:8], []).append(colour - colour.mean())
    assert len(takes) == 6

    def apart(one, other):
        return float(np.sqrt(np.mean((one - other) ** 2)))

    same = [apart(*pair) for pair in takes.values()]
    different = [apart(takes[a][0], takes[b][0]) for a in takes for b in takes if a < b]
    assert min(same) > 0.0
    assert np.median(same) < np.median(different)


def test_speakers_span_voices_and_stay_in_their_bounds():
    drawn = [speaker(np.random.default_rng(n), build) for n in range(8) for build in (0.0, 0.5, 1)]
    assert all(90.0 <= who.pitch_hz <= 250.0 for who in drawn)
    assert all(0.85 <= who.tract <= 1.2 for who in drawn)
    pairs = list(zip(drawn[::3], drawn[2::3], strict=True))
    assert all(deep.pitch_hz < high.pitch_hz for deep, high in pairs)
    assert all(deep.tract < high.tract for deep, high in pairs)
    assert len({who.accent["IY"] for who in drawn}) == 8


@pytest.mark.parametrize("pitch_hz", [95.0, 160.0, 245.0])
def test_the_source_has_the_pitch_asked_for(pitch_hz, rng):
    flow, opened = glottal(np.full(SAMPLE_RATE, pitch_hz), open_quotient=0.6, rng=rng)
    assert np.sqrt(np.mean(flow**2)) == pytest.approx(1.0)
    assert opened.mean() == pytest.approx(0.6, abs=0.02)
    starts = np.flatnonzero(np.diff(opened) > 0)
    periods = np.diff(starts)
    assert SAMPLE_RATE / periods.mean() == pytest.approx(pitch_hz, rel=0.01)
    assert 0.003 < periods.std() / periods.mean() < 0.03
    correlation = np.fft.irfft(np.abs(np.fft.rfft(flow, 2 * SAMPLE_RATE)) ** 2)
    lags = np.arange(SAMPLE_RATE // 300, SAMPLE_RATE // 60)
    assert SAMPLE_RATE / lags[correlation[lags].argmax()] == pytest.approx(pitch_hz, rel=0.02)


def test_a_higher_voice_says_words_at_a_higher_pitch():
    import librosa

    for pitch_hz in (100.0, 200.0):
        said = speak(["AA", "AA"], plain_voice(pitch_hz), rng=np.random.default_rng(1))
        heard = librosa.yin(said, fmin=60, fmax=400, sr=SAMPLE_RATE, frame_length=1024)
        assert np.median(heard) == pytest.approx(pitch_hz, rel=0.2)


@pytest.mark.parametrize("tract", [0.85, 1.0, 1.2])
@pytest.mark.parametrize("vowel", VOWELS)
def test_vowels_have_their_formants(vowel, tract):
    """Linear prediction (autocorrelation, order 18) finds the table's formants in the sound."""
    import librosa

    said = speak([vowel], plain_voice(100.0, tract), rng=np.random.default_rng(0))
    middle = said[said.size // 4 : 3 * said.size // 4]
    emphasised = np.diff(middle) * np.hanning(middle.size - 1)
    roots = np.roots(librosa.lpc(emphasised, order=18))
    roots = roots[(roots.imag > 0) & (np.abs(roots) > 0.85)]
    poles_hz = np.sort(np.angle(roots) * SAMPLE_RATE / (2 * np.pi))
    poles_hz = poles_hz[poles_hz > 150.0]
    (phase,) = PHONEMES[vowel]
    for formant in phase.formants:
        nearest = poles_hz[np.abs(poles_hz - tract * formant).argmin()]
        assert nearest == pytest.approx(tract * formant, rel=0.09, abs=60.0)


def test_the_response_peaks_at_its_formants_and_the_nose_changes_it():
    formants = np.array([[500.0, 1500.0, 2500.0], [300.0, 2200.0, 3000.0]])
    gain = np.abs(tract_response(formants, nasal=np.zeros(2), tract_factor=1.0))
    assert gain.shape == (2, N_FFT // 2 + 1)
    np.testing.assert_allclose(gain[:, 0], 1.0)
    step = SAMPLE_RATE / N_FFT
    for row, wanted in zip(gain, formants, strict=True):
        peaks = 1 + np.flatnonzero((row[1:-1] > row[:-2]) & (row[1:-1] > row[2:]))
        np.testing.assert_allclose(step * peaks[:3], wanted, atol=1.5 * step)
    nasal = np.abs(tract_response(formants, nasal=np.ones(2), tract_factor=1.0))
    near = round(450.0 / step)
    assert nasal[0, near] < 0.5 * gain[0, near]


def test_a_filter_that_does_not_change_is_a_convolution(rng):
    source = rng.standard_normal(1000)
    kernel = np.zeros(N_FFT)
    kernel[:200] = rng.standard_normal(200)
    frames = -(-source.size // HOP) + 1
    heard = filtered(source, np.tile(np.fft.rfft(kernel), (frames, 1)))
    np.testing.assert_allclose(heard, np.convolve(source, kernel[:200])[:1000], atol=1e-9)


@pytest.mark.parametrize(("symbol", "low_hz", "high_hz"), [("S", 3800, 7500), ("SH", 1800, 4500)])
def test_sibilants_are_noise_in_their_band(symbol, low_hz, high_hz):
    """Measured in the middle of the sibilant before a vowel."""
    said = speak([symbol, "IY"], plain_voice(), rng=np.random.default_rng(0))
    noise = said[round(0.04 * SAMPLE_RATE) : round(0.09 * SAMPLE_RATE)]
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequencies = np.fft.rfftfreq(noise.size, 1.0 / SAMPLE_RATE)
    inside = (frequencies >= low_hz) & (frequencies <= high_hz)
    assert power[inside].sum() > 0.75 * power.sum()
    assert np.mean(noise**2) < 0.3 * np.mean(said[-3000:-1500] ** 2)


def test_a_stop_is_a_silence_and_a_burst():
    said = speak(["AE", "T"], plain_voice(), rng=np.random.default_rng(0))
    level = np.sqrt(np.mean(said[: said.size // 80 * 80].reshape(-1, 80) ** 2, axis=1))
    vowel = level[: level.size // 2].max()
    after = np.flatnonzero(level > 0.3 * vowel)
    closure = level[:-8].argmin()
    assert level[closure] < 0.02 * vowel
    assert after[0] < closure
    assert level[closure:].max() > 0.1 * vowel


def test_the_tables_fit_together():
    used = {symbol for word in WORDS.values() for symbol in word.split()}
    assert {symbol.removesuffix("0") for symbol in used} <= set(PHONEMES)
    for symbol in used:
        for phase in phases(symbol):
            assert phase.noise in NOISE_DB
            assert phase.formants[0] < phase.formants[1] < phase.formants[2]
            assert 0.0 <= phase.own <= 1.0
    assert all(len(gains) == len(NOISE_KNOTS_HZ) for gains in NOISE_DB.values())
    stressed, unstressed = phases("IY")[0], phases("IY0")[0]
    assert unstressed.seconds < stressed.seconds
    assert unstressed.voicing < stressed.voicing
    with pytest.raises(KeyError):
        phases("Q")


@pytest.mark.parametrize("word", WORDS)
def test_each_word_is_said_within_a_second(word):
    for build in (0.0, 1.0):
        rng = np.random.default_rng(5)
        said = speak(WORDS[word].split(), speaker(rng, build), rng=rng)
        assert np.isfinite(said).all()
        assert 0.2 * SAMPLE_RATE < said.size < 0.9 * SAMPLE_RATE
        assert 0.1 < np.sqrt(np.mean(said**2)) < 1.2


def test_words_of_unseen_speakers_are_told_apart_but_not_at_once(small):
    """Nearest mean of log-mels on test speakers: far above 1 in 30, far from perfect."""
    import librosa

    tested = set((small / "testing_list.txt").read_text("utf-8").split())
    validated = set((small / "validation_list.txt").read_text("utf-8").split())
    known, unseen = [], []
    for path in sorted(small.rglob("*.wav")):
        samples, rate = soundfile.read(path, dtype="float32")
        mel = np.log(
            librosa.feature.melspectrogram(y=samples, sr=rate, n_fft=512, hop_length=160, n_mels=40)
            + 1e-7
        )
        power = np.exp(mel).sum(axis=0)
        middle = round(float(np.average(np.arange(power.size), weights=power)))
        mel = np.roll(mel, 50 - middle, axis=1)[:, 10:90].reshape(40, 20, 4).mean(axis=2)
        name = str(path.relative_to(small))
        if name not in validated:
            (unseen if name in tested else known).append((path.parent.name, mel - mel.mean()))
    means = {word: np.mean([mel for said, mel in known if said == word], axis=0) for word in WORDS}
    right = [
        word == min(means, key=lambda guess: np.sum((means[guess] - mel) ** 2))
        for word, mel in unseen
    ]
    assert len(right) == 120
    assert 0.3 < np.mean(right) < 0.95
