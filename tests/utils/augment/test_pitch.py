"""Pitch shift against librosa, on tones, noise and real clips."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from utils.augment import pitch

SEED = tf.constant([31, 32])
RATE = 16_000


def shifted(clips: np.ndarray, semitones: list[float]) -> np.ndarray:
    chosen = tf.ones(len(clips), tf.bool)
    return pitch.apply(
        tf.constant(clips), pitch.PitchParameters(chosen, tf.constant(semitones, tf.float32))
    ).numpy()


def frequency(tone: np.ndarray) -> float:
    """Frequency of a tone in hertz, from the peak of a finely sampled spectrum."""
    middle = tone[2000:-2000]
    length = 2**19
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), length))
    return float(spectrum.argmax() * RATE / length)


@pytest.mark.parametrize("semitones", [-12.0, -5.3, -1.7, -0.2, 0.4, 2.0, 4.9, 12.0])
def test_tones_move_by_the_semitones(semitones: float) -> None:
    tones = np.array([220.0, 1000.0, 2900.0])
    clips = 0.5 * np.sin(2 * np.pi * tones[:, None] * np.arange(RATE) / RATE)
    found = shifted(clips.astype(np.float32), [semitones] * 3)
    assert found.shape == clips.shape
    expected = tones * 2 ** (semitones / 12)
    np.testing.assert_allclose([frequency(tone) for tone in found], expected, rtol=0.005)


@pytest.mark.parametrize("semitones", [-3.0, -0.2, 0.4, 3.0])
def test_tones_keep_their_level(semitones: float) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    middle = shifted(tone[None].astype(np.float32), [semitones])[0, 2000:-2000]
    np.testing.assert_allclose(np.sqrt(2 * (middle**2).mean()), 0.5, rtol=0.02)


def test_clips_of_a_batch_have_rates_of_their_own() -> None:
    clips = np.tile(np.sin(2 * np.pi * 500 * np.arange(RATE) / RATE), (3, 1)).astype(np.float32)
    found = [frequency(tone) for tone in shifted(clips, [-2.0, 0.0, 2.0])]
    np.testing.assert_allclose(found, 500 * 2 ** (np.array([-2, 0, 2]) / 12), rtol=0.005)


def test_frequencies_beyond_the_band_do_not_fold_back() -> None:
    clip = np.sin(2 * np.pi * 7500 * np.arange(RATE) / RATE).astype(np.float32)
    assert np.abs(shifted(clip[None], [3.0])[0, 2000:-2000]).max() < 0.01


@pytest.mark.parametrize("hop", [450, 512, 549])
def test_stretch_vs_librosa(rng: np.random.Generator, hop: int) -> None:
    samples = rng.standard_normal(20_000)
    spectrum = librosa.stft(samples, n_fft=pitch.N_FFT, dtype=np.complex128)
    # librosa counts phases up in the type of the spectrum: in complex64 it loses digits
    expected = librosa.phase_vocoder(spectrum, rate=hop / pitch.HOP, hop_length=pitch.HOP).T
    frames = (spectrum.shape[1] - 2) * pitch.HOP // hop + 1
    found = pitch.stretch(
        tf.constant(spectrum.T, tf.complex64), hop=tf.constant(hop), frames=tf.constant(frames)
    )
    np.testing.assert_allclose(found, expected[:frames], atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("hop", [470, 512, 560])
def test_waveform_vs_librosa(rng: np.random.Generator, hop: int) -> None:
    """On hops of whole samples, and with librosa's frames laid where ours lie."""
    clip = smooth_noise(rng, RATE)
    semitones = -12 * np.log2(hop / pitch.HOP)
    before = pitch.LEAD * hop
    padded = np.pad(clip, (before, 4 * pitch.N_FFT))
    expected = librosa.effects.pitch_shift(padded, sr=RATE, n_steps=semitones)[before:][:RATE]
    found = shifted(clip[None], [semitones])[0]
    assert np.corrcoef(found, expected)[0, 1] > 0.999


def smooth_noise(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Noise below three quarters of the band, where librosa's resampler passes everything."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum[3 * len(spectrum) // 4 :] = 0
    return (0.1 * np.fft.irfft(spectrum, samples)).astype(np.float32)


def test_clips_from_nothing_to_a_few_frames_keep_their_length(rng: np.random.Generator) -> None:
    for samples in (1, 100, 2047, 2049):
        clip = rng.standard_normal((1, samples)).astype(np.float32)
        found = shifted(clip, [1.5])
        assert found.shape == clip.shape
        assert np.isfinite(found).all()


def test_silence_within_a_clip_does_not_silence_the_rest() -> None:
    clip = 0.5 * np.sin(2 * np.pi * 800 * np.arange(RATE) / RATE).astype(np.float32)
    clip[:3000] = 0
    clip[6000:11_000] = 0
    found = shifted(clip[None], [1.0])[0]
    assert np.isfinite(found).all()
    assert np.abs(found[7500:9500]).max() < 1e-3
    np.testing.assert_allclose(frequency(found[12_000 - 2000 :]), 800 * 2 ** (1 / 12), rtol=0.01)
    assert np.abs(found[13_000:15_000]).max() > 0.4


def test_unchosen_clips_stay(rng: np.random.Generator) -> None:
    batch = rng.standard_normal((20, 600)).astype(np.float32)
    parameters = pitch.draw(SEED, 20, max_semitones=2.0, probability=0.5)
    same = (pitch.apply(batch, parameters).numpy() == batch).all(axis=1)
    np.testing.assert_array_equal(same, ~parameters.chosen.numpy())
    assert 2 < same.sum() < 18


def test_semitones_fill_the_range() -> None:
    semitones = pitch.draw(SEED, 3000, max_semitones=2.0, probability=1.0).semitones.numpy()
    counts, _ = np.histogram(semitones, bins=4, range=(-2.0, 2.0))
    assert counts.sum() == 3000
    assert counts.min() > 650


def test_eager_and_tf_data_agree(rng: np.random.Generator) -> None:
    batch = rng.standard_normal((4, 5000)).astype(np.float32)

    def augment(clips: tf.Tensor) -> tf.Tensor:
        drawn = pitch.draw(SEED, tf.shape(clips)[0], max_semitones=3.0, probability=0.7)
        return pitch.apply(clips, drawn)

    (found,) = tf.data.Dataset.from_tensors(batch).map(augment)
    np.testing.assert_allclose(found, augment(tf.constant(batch)), atol=1e-4)


def log_mel(samples: np.ndarray, rate: int) -> np.ndarray:
    power = librosa.feature.melspectrogram(y=samples, sr=rate, n_mels=64)
    return librosa.power_to_db(power, amin=1e-8, top_db=80).ravel()


@pytest.mark.real_audio
def test_real_clips_vs_librosa(real_audio: Path) -> None:
    """Spectra agree as well as librosa's own do between shifts that differ by 2 cents."""
    files = sorted(real_audio.glob("esc10/audio/*"))[::80]
    files += sorted(real_audio.glob("tau2022_mini/audio/*"))[::40]
    files += sorted(real_audio.glob("speech_commands_mini/*/*.wav"))[::60]
    assert len(files) >= 10
    agreement, own = [], []
    for number, path in enumerate(files):
        clip, rate = soundfile.read(path, dtype="float32")
        semitones = np.linspace(-2.0, 2.0, len(files))[number]
        expected = log_mel(librosa.effects.pitch_shift(clip, sr=rate, n_steps=semitones), rate)
        near = librosa.effects.pitch_shift(clip, sr=rate, n_steps=semitones + 0.02)
        found = log_mel(shifted(clip[None], [semitones])[0], rate)
        agreement.append(np.corrcoef(found, expected)[0, 1])
        own.append(np.corrcoef(log_mel(near, rate), expected)[0, 1])
    assert np.median(agreement) > 0.98
    assert min(agreement) > 0.92
    assert np.median(agreement) > np.median(own) - 0.01
