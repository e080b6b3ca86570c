import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import librosa
import numpy as np
import pytest

from utils.audio import fit_length, read_audio
from utils.config.schema import AudioSettings, FeatureSettings
from utils.errors import ConfigError
from utils.features import LogMel, Waveform, from_settings
from utils.features.logmel import EPS, definition, mel_filters

DB = 20 / np.log(10)  # decibels in one natural-logarithm unit of a magnitude

SECOND = AudioSettings(seconds=1.0)
BASELINE = FeatureSettings(frames=None)


def from_fields(**fields) -> LogMel:
    return from_settings(SECOND, FeatureSettings(frames=None, **fields))


VARIANTS = {
    "baseline": {},
    "power_decibel_hann": {"power": 2, "log": "decibel", "window": "hann"},
    "magnitude_decibel": {"log": "decibel"},
    "power_natural": {"power": 2},
    "htk_unit_height": {"mel_scale": "htk", "mel_norm": "none", "n_mels": 64},
    "hop_1024_128_mels": {"hop_seconds": 1024 / 44_100, "n_mels": 128, "n_fft": 4096},
    "band_limits": {"f_min": 50.0, "f_max": 14_000.0, "n_mels": 33},
    "odd_n_fft": {"n_fft": 1765},
    "mirrored_ends": {"pad": "reflect"},
    "mirrored_ends_as_16_bit": {"pad": "reflect", "scale": 32768.0, "power": 2, "log": "decibel"},
    "odd_n_fft_mirrored": {"n_fft": 1765, "pad": "reflect", "window_seconds": 0.021},
    "odd_scale": {"scale": 3.0},
    "linear_bands": {"mel_scale": "linear", "n_mels": 64, "f_min": 100.0, "f_max": 12_000.0},
    "linear_unit_height": {"mel_scale": "linear", "mel_norm": "none"},
    "symmetric_window": {"window": "hamming_symmetric"},
    "higher_floor": {"power": 2, "log_floor": 0.1},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_equals_plain_librosa_on_noise(noise, name):
    representation = from_fields(**VARIANTS[name])
    features = representation(noise)
    assert features.dtype == np.float32
    assert features.shape == representation.shape
    scale = 1.0 if representation.log == "decibel" else DB / representation.power
    assert np.abs(features - definition(representation, noise)).max() * scale < 1e-4


def test_definition_is_librosas_melspectrogram(noise):
    representation = from_fields()
    mel = librosa.feature.melspectrogram(
        y=noise.astype(np.float64),
        sr=44_100,
        n_fft=2048,
        win_length=1764,
        hop_length=882,
        window="hamming",
        power=1.0,
        n_mels=40,
        dtype=np.float64,
    )
    np.testing.assert_allclose(definition(representation, noise), np.log(mel), atol=1e-6)


def test_baseline_shape_and_kept_frames(noise):
    ten_seconds = from_settings(AudioSettings(), FeatureSettings())
    assert ten_seconds.shape == (40, 500)
    assert (ten_seconds.window_length, ten_seconds.hop_length) == (1764, 882)
    whole = from_fields()
    assert whole.shape == (40, 51)
    first = replace(whole, n_frames=7)
    np.testing.assert_allclose(first(noise), whole(noise)[:, :7], atol=1e-6)


def test_few_mirrored_frames_are_the_first(noise):
    whole = from_fields(pad="reflect")
    for frames in (1, 2, 7, 51):
        first = replace(whole, n_frames=frames)
        np.testing.assert_allclose(first(noise), whole(noise)[:, :frames], atol=1e-6)


def torchaudios(samples: np.ndarray) -> np.ndarray:
    """AmplitudeToDB of MelSpectrogram(16000, n_fft=512, win_length=400, hop_length=160, n_mels=80).

    Its defaults: a periodic Hann window, power 2, mirrored ends, the HTK scale without norm,
    10 log10(max(x, 1e-10)) without a limit below the peak.
    """
    spectrum = librosa.stft(
        samples, n_fft=512, win_length=400, hop_length=160, window="hann", pad_mode="reflect"
    )
    filters = librosa.filters.mel(
        sr=16_000, n_fft=512, n_mels=80, htk=True, norm=None, dtype=np.float64
    )
    return 10 * np.log10(np.maximum(filters @ np.abs(spectrum) ** 2, 1e-10))


TORCHAUDIO = FeatureSettings(
    n_fft=512, window_seconds=0.025, hop_seconds=0.01, n_mels=80, window="hann", power=2,
    mel_scale="htk", mel_norm="none", log="decibel", pad="reflect", scale=32768.0, frames=None,
)  # fmt: skip


@pytest.mark.parametrize("start", [0, 4_000])
def test_is_torchaudios_of_16_bit_samples(noise, start):
    representation = from_settings(AudioSettings(sample_rate=16_000, seconds=1.0), TORCHAUDIO)
    integers = np.round(32768 * noise[:16_000])
    integers[:start] = 0
    features = representation((integers / 32768).astype(np.float32))
    assert features.shape == representation.shape == (80, 101)
    assert representation.input_shape == (80, 101, 1)
    np.testing.assert_allclose(features, torchaudios(integers), atol=1e-3)
    if start:
        np.testing.assert_allclose(features.min(), -100, rtol=1e-6)


SED = FeatureSettings.model_validate({
    "n_fft": 2048, "window_seconds": 0.128, "hop_seconds": 0.016, "window": "hamming_symmetric",
    "n_mels": 128, "mel_scale": "htk", "mel_norm": "none", "log": "none", "pad": "reflect",
    "frames": None, "normalise": {"method": "clip_decibel"},
})  # fmt: skip


@pytest.fixture(scope="module")
def sed() -> LogMel:
    """The features of DCASE 2021 task 4: linear mel magnitudes of ten seconds."""
    return from_settings(AudioSettings(sample_rate=16_000, seconds=10.0), SED)


def hamming(index: np.ndarray) -> np.ndarray:
    """The symmetric Hamming window of 2048 samples by its formula; 0 beyond it."""
    inside = (index >= 0) & (index < 2048)
    return np.where(inside, 0.54 - 0.46 * np.cos(2 * np.pi * index / 2047), 0.0)


def torchaudios_filters() -> np.ndarray:
    """Its ``melscale_fbanks`` as documented: triangles over hertz, edges on the HTK scale."""
    highest = 2595 * np.log10(1 + 8000 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, 130) / 2595) - 1)
    bins = np.linspace(0, 8000, 1025)
    return np.stack([np.interp(bins, edges[band : band + 3], [0, 1, 0]) for band in range(128)])


def test_linear_mel_of_dcase_2021_task_4_is_librosas(sed, rng):
    clip = (0.1 * rng.standard_normal(160_000)).astype(np.float32)
    expected = librosa.feature.melspectrogram(
        y=clip.astype(np.float64),
        sr=16_000,
        n_fft=2048,
        win_length=2048,
        hop_length=256,
        window=hamming(np.arange(2048)),
        center=True,
        pad_mode="reflect",
        power=1.0,
        n_mels=128,
        fmin=0,
        fmax=8000,
        htk=True,
        norm=None,
        dtype=np.float64,
    )
    features = sed(clip)
    assert features.dtype == np.float32
    assert features.shape == sed.shape == (128, 626)
    np.testing.assert_allclose(definition(sed, clip), expected, rtol=1e-10)
    np.testing.assert_allclose(features, expected, rtol=2e-5)


def test_linear_mel_is_torchaudios(sed):
    """``MelSpectrogram(power=1)`` of torchaudio: Hamming, centred, mirrored, HTK without norm.

    The magnitudes of an impulse are the window's value in every bin, so that no transform is
    needed to say what comes out.
    """
    filters = torchaudios_filters()
    np.testing.assert_allclose(mel_filters(sed), filters, atol=1e-10)
    clip = np.zeros(160_000, np.float32)
    clip[[300, 80_000]] = 0.5, 0.25
    starts = 256 * np.arange(626) - 1024  # of the frames; what lies before the clip is mirrored
    levels = 0.5 * hamming(300 - starts) + 0.25 * hamming(80_000 - starts)
    mirrored = hamming(-300 - starts)
    alone = mirrored == 0
    expected = filters.sum(axis=1)[:, None] * levels
    np.testing.assert_allclose(sed(clip)[:, alone], expected[:, alone], rtol=1e-5, atol=1e-9)
    assert alone.sum() == 623
    periodic = replace(sed, window="hamming")(clip)[:, alone]
    assert np.abs(periodic / np.maximum(expected[:, alone], 1e-9) - 1).max() > 1e-4
    assert np.all(sed(clip)[:, ~alone].max(axis=0) > 0)


@pytest.mark.parametrize("pad", ["zeros", "reflect"])
@pytest.mark.parametrize("power", [1, 2])
def test_without_a_logarithm_silence_is_0_and_levels_scale(noise, pad, power):
    linear = from_fields(log="none", pad=pad, power=power)
    assert linear.offset == 0
    assert not linear(np.zeros(44_100, np.float32)).any()
    features = linear(noise)
    np.testing.assert_allclose(features, definition(linear, noise), rtol=2e-5)
    np.testing.assert_allclose(linear(0.5 * noise), 0.5**power * features, rtol=1e-6)
    natural = replace(linear, log="natural")
    assert natural.offset == (EPS if pad == "zeros" else 0)
    np.testing.assert_allclose(natural(noise), np.log(features + EPS), atol=1e-5)


def test_silence_is_finite_and_at_the_floor():
    silence = np.zeros(44_100, np.float32)
    natural = from_fields()
    np.testing.assert_allclose(natural(silence), definition(natural, silence), atol=0.05 / DB)
    np.testing.assert_allclose(from_fields(log="decibel")(silence), -100, atol=1e-4)
    mirrored = from_fields(pad="reflect")(silence)  # nothing is added to these samples
    np.testing.assert_allclose(mirrored, np.log(np.finfo(np.float64).eps), rtol=1e-6)
    assert natural(silence).max() > mirrored.max() + 1


def test_safe_in_threads(rng):
    representation = from_fields()
    clips = 0.1 * rng.standard_normal((8, 44_100)).astype(np.float32)
    alone = [representation(clip) for clip in clips]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(representation, np.tile(clips, (5, 1))))
    for place, features in enumerate(together):
        np.testing.assert_array_equal(features, alone[place % 8])


def test_tables_travel_and_do_not_count_as_parameters(noise):
    representation, fresh = from_fields(), from_fields()
    features = representation(noise)
    copy = pickle.loads(pickle.dumps(representation))  # noqa: S301 - our own bytes
    assert "mel_weights" in vars(copy)
    assert copy == fresh
    np.testing.assert_array_equal(copy(noise), features)


def test_refuses_another_length():
    with pytest.raises(ValueError, match=r"expected samples of shape \(44100,\), received \(7,\)"):
        from_fields()(np.zeros(7, np.float32))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"frames": 52}, "features.frames: 52 frames; a clip of 1 s has 51"),
        ({"window_seconds": 0.1}, "features.window_seconds: 4410 samples"),
        ({"hop_seconds": 1e-6}, "features.hop_seconds"),
        ({"f_max": 30_000.0}, "features.f_max: 30000 Hz"),
        ({"f_min": 9000.0, "f_max": 8000.0}, "features.f_max"),
        ({"kind": "waveform"}, "features.normalise.method"),
    ],
)
def test_contradictions_are_one_sentence(fields, message):
    with pytest.raises(ConfigError, match=message):
        from_settings(SECOND, FeatureSettings(**{"frames": None, **fields}))


def test_bands_without_bins_are_refused(noise):
    with pytest.raises(ConfigError, match=r"features.n_mels: \d+ of 512 mel bands"):
        from_fields(n_mels=512)(noise)


def test_waveform_is_the_clip(noise):
    settings = FeatureSettings.model_validate(
        {"kind": "waveform", "normalise": {"method": "none"}, "frames": None}
    )
    waveform = from_settings(SECOND, settings)
    assert waveform == Waveform(44_100, 44_100)
    assert waveform.shape == (44_100,)
    np.testing.assert_array_equal(waveform(noise), noise)
    with pytest.raises(ValueError, match="expected samples"):
        waveform(noise[:5])


@pytest.mark.real_audio
@pytest.mark.parametrize(
    ("pattern", "seconds"), [("tau2022_mini/audio/*.wav", 1.0), ("esc10/audio/*.ogg", 5.0)]
)
def test_parity_on_real_clips(real_audio, pattern, seconds):
    representation = from_settings(AudioSettings(seconds=seconds), BASELINE)
    worst = []
    for path in sorted(real_audio.glob(pattern))[::8]:
        samples = read_audio(path, sample_rate=44_100, seconds=seconds)
        clip = fit_length(samples, length=representation.n_samples, short="zeros")
        difference = np.abs(representation(clip) - definition(representation, clip))
        worst.append(difference.max() * DB)
    assert len(worst) >= 20
    assert np.median(worst) < 0.01
    assert max(worst) < 0.05
