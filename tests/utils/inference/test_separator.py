"""Networks that separate sound of any length: chunked against whole, streams, files, refusals."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from models.builder import build
from utils.config.nodes import parse_yaml
from utils.config.schema import AudioSettings, FeatureSettings, ModelSettings
from utils.config.separation_sections import SeparationSettings
from utils.errors import UserError
from utils.export import export_formats
from utils.features import Stft
from utils.inference import MemoryPredictor, Metadata, Separator, load_predictor
from utils.inference.predictor import Predictor
from utils.inference.separator import added_up
from utils.inference.separator_waves import levelled

PROJECT = Path(__file__).resolve().parents[3]
NAMED = parse_yaml((PROJECT / "task.yaml").read_text(encoding="utf-8"), "task.yaml")["models"]
RATE, N_FFT, HOP, BINS = 8000, 256, 64, 64
SEGMENT = 800  # samples of the tiny dual-path network
TINY = {"FILTERS": 16, "KERNEL": 4, "UNITS": 3, "PAIRS": 1, "CHUNK": 10}


def network(name, shape, **constants):
    settings = ModelSettings(use=name, constants=constants)
    known = {"SOURCES": 2, "CHANNELS": shape[-1]}
    model = build(settings, named=NAMED, input_shape=shape, constants=known, name=name, seed=0)
    model.jit_compile = False  # XLA takes a minute to compile
    return model


@cache
def unet(frames, channels=2, width=2):
    return network("spleeter_2stems", (frames, BINS, channels), WIDTH=width)


def metadata(audio, features, **separation):
    audio = AudioSettings.model_validate({"sample_rate": RATE} | audio)
    features = FeatureSettings.model_validate({"normalise": {"method": "none"}} | features)
    return Metadata(
        set_id="test",
        classes=("vocals", "rest"),
        audio=audio.model_dump(mode="json"),
        features=features.model_dump(mode="json"),
        normaliser=None,
        data="demo",
        separation=SeparationSettings(**separation).model_dump(mode="json"),
    )


def of_magnitudes(frames, channels=2, /, **separation):
    features = {
        "kind": "magnitude", "window": "hann", "n_fft": N_FFT, "window_seconds": N_FFT / RATE,
        "hop_seconds": HOP / RATE, "frames": frames, "bins": BINS,
    }  # fmt: skip
    seconds = Stft(N_FFT, HOP).samples_of(frames) / RATE
    return metadata({"seconds": seconds, "channels": channels}, features, **separation)


def of_waveforms(**separation):
    return metadata({"seconds": SEGMENT / RATE}, {"kind": "waveform"}, **separation)


def separator(model, told):
    return Separator.of(MemoryPredictor(model, metadata=told))


@pytest.fixture(scope="module")
def masking():
    return unet(128, width=1)


@pytest.fixture(scope="module")
def speaking():
    return network("svoice", (SEGMENT, 1), **TINY)


@pytest.fixture(params=["masking", "speaking"])
def made(request):
    """A function of the separation's settings to a separator, and the network's channels."""
    model = request.getfixturevalue(request.param)
    told = {"masking": lambda **s: of_magnitudes(128, **s), "speaking": of_waveforms}
    return lambda **settings: separator(model, told[request.param](**settings))


def music(rng, samples, channels=2):
    """Noise whose level wanders."""
    level = np.exp(0.05 * np.cumsum(rng.standard_normal(samples // 50 + 1))).repeat(50)[:samples]
    return (0.1 * level[:, None] * rng.standard_normal((samples, channels))).astype(np.float32)


def decibels(found, expected):
    return 10 * np.log10(np.sum((found - expected) ** 2) / np.sum(expected**2))


# --- quality ---


@pytest.mark.parametrize(
    ("frames", "overlap", "most"), [(1024, 0.5, -100), (512, 0.875, -100), (512, 0.75, -55)]
)
def test_chunked_is_whole(rng, frames, overlap, most):
    """The same weights over all frames at once; nothing of the seams is above -60 dB.

    With an overlap of 0.75 windows of 512 frames lack some of what the network hears (-65 dB here).
    """
    chunked = separator(unet(frames), of_magnitudes(frames, overlap=overlap))
    hop = chunked._method()[0].windows.hop
    longer = frames + 2 * max(hop, 512)
    whole = unet(longer)
    whole.set_weights(chunked.predictor._model.get_weights())
    mixture = music(rng, longer * HOP - N_FFT)  # nearly to the end of the last window
    expected = separator(whole, of_magnitudes(longer))(mixture)
    shares = np.sum(expected**2, axis=(1, 2)) / np.sum(mixture**2)
    assert shares.min() > 0.05  # both stems are something
    assert decibels(chunked(mixture), expected) < most


def test_windows_of_use_may_be_longer_than_those_of_training(rng):
    model = unet(256, width=1)
    mixture = music(rng, 400 * HOP)
    expected = separator(model, of_magnitudes(256))(mixture)
    found = separator(model, of_magnitudes(128, frames=256))(mixture)
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(UserError, match=r"tells of segments of shape \(128, 64, 2\)"):
        separator(model, of_magnitudes(128))
    with pytest.raises(UserError, match=r"wrong at separation\.frames"):
        Separator.of(Stand(of_waveforms(frames=100), (SEGMENT, 1)))


def test_speakers_are_heard_in_longer_windows_than_those_of_training(rng, speaking):
    longer, told = network("svoice", (2000, 1), **TINY), of_waveforms(seconds=2000 / RATE)
    mixture = rng.standard_normal((2000, 1)).astype(np.float32)
    expected = levelled(longer.predict_on_batch(mixture[np.newaxis])[0, -1], mixture[:, 0])
    np.testing.assert_allclose(separator(longer, told)(mixture)[..., 0], expected, atol=1e-5)
    with pytest.raises(UserError, match=r"tells of segments of shape \(2000, 1\)"):
        separator(speaking, told)


def test_windows_without_margins_would_not_be_whole(rng):
    """What the margins are for: at the ends of windows U-Nets say something else."""
    part, whole = unet(512), unet(1024)
    whole.set_weights(part.get_weights())
    magnitudes = rng.gamma(0.5, size=(1, 1024, BINS, 2)).astype(np.float32)
    first = np.asarray(part(magnitudes[:, :512]))
    expected = np.asarray(whole(magnitudes))[:, :, :512]
    assert decibels(first[:, :, 500:], expected[:, :, 500:]) > -25
    np.testing.assert_allclose(first[:, :, :304], expected[:, :, :304], atol=1e-4)


# --- streams ---


@pytest.mark.parametrize(
    ("samples", "add_up"), [(1, True), (799, False), (20_000, False), (20_000, True)]
)
def test_a_stream_is_a_call_bit_for_bit(rng, made, samples, add_up):
    separate = made(add_up=add_up)
    mixture = music(rng, samples, separate.channels)
    whole = separate(mixture)
    assert whole.shape == (2, samples, separate.channels)
    assert whole.dtype == np.float32
    for sizes in ((samples,), (0, 1, 700, 5000), (333,)):
        begin, parts = 0, []
        while begin < samples:
            for size in sizes:
                parts.append(mixture[begin : begin + size])
                begin += size
        found = np.concatenate(list(separate.stream(iter(parts))), axis=1)
        np.testing.assert_array_equal(found, whole)


def test_windows_are_given_to_the_network_some_at_a_time(rng, made):
    separate = made()
    assert separate._batch() == 4
    sizes = []
    give = separate.predictor._predict
    separate.predictor._predict = lambda windows: sizes.append(len(windows)) or give(windows)
    separate.warm_up()
    assert sizes == [4, 1]
    sizes.clear()
    separate(music(rng, 64 * HOP * 19, separate.channels))
    assert sizes[0] == 4
    assert set(sizes[:-1]) == {4}


@pytest.mark.parametrize("add_up", [False, True])
def test_segments_are_separated_together_as_each_by_itself(rng, made, add_up):
    separate = made(add_up=add_up)
    mixtures = [music(rng, SEGMENT, separate.channels) for _ in range(11)]
    expected = [separate(mixture) for mixture in mixtures]
    asked = []
    give = separate.predictor._predict
    separate.predictor._predict = lambda windows: asked.append(len(windows)) or give(windows)
    for found, one in zip(separate.each(mixtures), expected, strict=True):
        np.testing.assert_allclose(found, one, atol=1e-5 * np.abs(one).max())
    if separate.channels == 1:  # segments of a waveform
        assert asked == [4, 4, 3]
    shorter = [mixtures[0], mixtures[1][:-7]]
    for found, one in zip(separate.each(shorter), shorter, strict=True):
        np.testing.assert_array_equal(found, separate(one))
    assert separate.each([]) == []


def test_large_windows_go_one_by_one():
    class Large(MemoryPredictor):
        def __init__(self):
            Predictor.__init__(self, Path("m.keras"), None, (512, 1024, 2))

    features = {
        "kind": "magnitude", "window": "hann", "n_fft": 4096, "window_seconds": 4096 / RATE,
        "hop_seconds": 1024 / RATE, "frames": 512, "bins": 1024,
    }  # fmt: skip
    predictor = Large()
    predictor.metadata = metadata({"seconds": 70.0, "channels": 2}, features)
    assert Separator.of(predictor)._batch() == 1


def test_memory_does_not_grow_with_the_sound(masking):
    import tracemalloc

    separate = separator(masking, of_magnitudes(128))

    def most(blocks):
        tracemalloc.start()
        stems = separate.stream(np.full((5000, 2), 0.1, np.float32) for _ in range(blocks))
        total = sum(block.shape[1] for block in stems)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total == 5000 * blocks
        return peak

    most(5)
    assert most(120) < 1.1 * most(30)  # 120 blocks and their stems are 14 MB


# --- what comes out ---


@pytest.mark.parametrize("level", [1.0, 1e-4])
def test_stems_add_up_to_the_mixture(rng, made, level):
    separate = made(add_up=True)
    mixture = level * music(rng, 7000, separate.channels)
    found = separate(mixture)
    assert np.abs(found.sum(axis=0) - mixture).max() < 1e-6 * np.abs(mixture).max()


def test_masks_of_a_full_band_add_up_by_themselves(rng, masking):
    mixture = music(rng, 7000)
    found = separator(masking, of_magnitudes(128, add_up=False))(mixture)
    assert np.abs(found.sum(axis=0) - mixture).max() < 1e-6
    less = separator(masking, of_magnitudes(128, extension="zeros"))(mixture)
    assert np.abs(less.sum(axis=0) - mixture).max() > 0.01


def test_what_is_lacking_is_spread_equally():
    stems = np.array([[[1.0], [2.0]], [[0.5], [0.0]]], np.float32)
    found = added_up(stems, np.array([[2.5], [1.0]], np.float32))
    np.testing.assert_allclose(found[..., 0], [[1.5, 1.5], [1.0, -0.5]])


@pytest.mark.parametrize("samples", [1, 100, 5000])
def test_silence_is_silent(made, samples):
    separate = made()
    assert not separate(np.zeros((samples, separate.channels), np.float32)).any()


@pytest.mark.parametrize(
    ("extension", "frequency"), [("average", RATE / 2), ("zeros", BINS * RATE / N_FFT)]
)
def test_the_highest_frequency_is_where_masks_end(rng, masking, extension, frequency):
    made = separator(masking, of_magnitudes(128, extension=extension))
    assert made.highest_hertz == frequency
    mixture = rng.standard_normal((3000, 2)).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(made(mixture).sum(axis=0), axis=0))
    above = np.fft.rfftfreq(3000, 1 / RATE) > frequency + 2 * RATE / N_FFT
    assert not above.any() or spectrum[above].max() < 0.05 * spectrum[~above].max()


def test_the_highest_frequency_of_waveforms_is_half_the_rate(speaking):
    assert separator(speaking, of_waveforms()).highest_hertz == RATE / 2


def test_silence_between_sounds_is_silent(rng, made):
    separate = made()
    mixture = music(rng, 40_000, separate.channels)
    mixture[5000:35_000] = 0
    found = separate(mixture)
    assert np.isfinite(found).all()
    assert np.abs(found[:, 16_000:24_000]).max() == 0


def test_channels_become_the_networks(rng, masking, speaking):
    mixture = music(rng, 3000)
    stereo, mono = separator(masking, of_magnitudes(128)), separator(speaking, of_waveforms())
    assert (stereo.channels, mono.channels, mono.sample_rate) == (2, 1, RATE)
    left = mixture[:, :1]
    np.testing.assert_array_equal(stereo(left), stereo(np.repeat(left, 2, axis=1)))
    np.testing.assert_array_equal(mono(mixture), mono(mixture.mean(axis=1, keepdims=True)))


def test_one_segment_is_what_the_network_says_at_the_mixtures_level(rng, speaking):
    mixture = music(rng, SEGMENT, 1)
    found = separator(speaking, of_waveforms())(mixture)[..., 0]
    said = np.asarray(speaking(mixture[np.newaxis]))[0, -1]
    for stem, raw in zip(found, said, strict=True):
        assert abs(np.corrcoef(stem, raw)[0, 1]) > 0.9999


@pytest.mark.parametrize("kind", ["masking", "speaking"])
def test_exported_files_separate_as_keras_does(tmp_path, rng, request, kind):
    model = request.getfixturevalue(kind)
    told = of_magnitudes(128) if kind == "masking" else of_waveforms()
    paths = export_formats(
        model,
        calibration=np.ones((1, *model.input_shape[1:]), np.float32),
        folder=tmp_path,
        formats=("float32",),
        metadata=told,
    )
    lite, keras = Separator.of(load_predictor(paths["float32"])), separator(model, told)
    assert lite._batch() == 1
    assert lite.settings == keras.settings
    mixture = music(rng, 15_000, keras.channels)
    assert decibels(lite(mixture), keras(mixture)) < -80


# --- refusals ---


class Stand(Predictor):
    """A model that gives outputs of some shape."""

    def __init__(self, told, shape=None, outputs=()):
        super().__init__(Path("model.tflite"), told, shape or (128, BINS, 2))
        self._shapes = outputs

    def _predict(self, features):
        return tuple(np.zeros((len(features), *shape), np.float32) for shape in self._shapes)


def test_models_that_separate_nothing_are_refused():
    with pytest.raises(UserError, match=r"model\.tflite: carries no names of stems"):
        Separator.of(Stand(None))
    with pytest.raises(UserError, match=r"separates nothing; .* \(its set is test\)"):
        Separator.of(Stand(replace(of_magnitudes(128), separation=None)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"separation": {"exponent": -1.0}}, "wrong at exponent"),
        ({"separation": {"more": 1}}, "wrong at more"),
        ({"audio": {"sample_rate": "many"}}, "wrong at sample_rate"),
        ({"features": {"kind": "mfcc"}}, r"wrong at features\.kind: mfcc"),
        ({"features": {"kind": "magnitude"}}, r"wrong at features\.normalise\.method"),
    ],
)
def test_wrong_metadata_is_a_sentence(change, message):
    told = replace(of_magnitudes(128), **change)
    told = Metadata.from_json(told.to_json(), where=Path("model.tflite"))
    with pytest.raises(UserError, match=rf"^model\.tflite: its metadata is {message}"):
        Separator.of(Stand(told))


def test_a_network_of_another_segment_is_refused():
    with pytest.raises(UserError, match=r"shape \(128, 64, 2\), the network takes \(64, 64, 2\)"):
        Separator.of(Stand(of_magnitudes(128), (64, BINS, 2)))


@pytest.mark.parametrize(
    "outputs", [[(128, BINS, 2)], [(3, 128, BINS, 2)], [(2, 128, BINS, 2)] * 2, [(2,)]]
)
def test_a_network_that_gives_no_stems_is_refused(outputs):
    separate = Separator.of(Stand(of_magnitudes(128), outputs=outputs))
    with pytest.raises(UserError, match=r"one of \(2, 128, 64, 2\) is needed for vocals, rest"):
        separate(np.zeros((100, 2), np.float32))


def test_a_network_of_another_number_of_speakers_is_refused():
    separate = Separator.of(Stand(of_waveforms(), (SEGMENT, 1), [(1, 3, SEGMENT)]))
    with pytest.raises(UserError, match=r"\(1, 3, 800\) .* one of \(None, 2, 800\)"):
        separate(np.zeros((100, 1), np.float32))


def test_settings_travel_as_json():
    told = of_magnitudes(128, exponent=1.0, overlap=0.25, extension="zeros", add_up=True)
    assert json.loads(told.to_json())["separation"] == {
        "exponent": 1.0, "overlap": 0.25, "extension": "zeros", "add_up": True, "frames": None,
            "seconds": None,
    }  # fmt: skip
    assert Separator.of(Stand(told)).settings == SeparationSettings(
        exponent=1.0, overlap=0.25, extension="zeros", add_up=True
    )
