import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.config.feature_sections import EPSILON
from utils.config.places import Mark, MarkedDict, MarkedList
from utils.config.schema import AudioSettings, FeatureSettings
from utils.errors import ConfigError
from utils.features import ClipNormaliser, Stack, Waveform, from_settings
from utils.features.logmel import EPS

SECOND = AudioSettings(sample_rate=8_000, seconds=1.0)
SMALL = {"n_fft": 512, "frames": None, "n_mels": 24}


def made(**fields):
    return from_settings(SECOND, FeatureSettings(**{**SMALL, **fields}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "mfcc", "n_mfcc": 25}, "features.n_mfcc: 25 coefficients of 24 mel bands"),
        ({"kind": "mfcc", "f_max": 5e3}, "features.f_max: 5000 Hz"),
        ({"pad": "reflect", "n_fft": 16_000}, r"features.pad: reflect .* \(8000\) samples"),
        ({"mel_scale": "linear", "n_mels": 600}, "features.n_mels: .* hold no FFT bin"),
        (
            {"kind": "log_spectrogram", "frames": 50},
            "features.frames: 50 frames; a clip of 1 s has 49",
        ),
        (
            {"kind": "log_spectrogram", "window_seconds": 1.1, "n_fft": 9000},
            "features.window_seconds: 8800 samples; a clip of 1 s has 8000",
        ),
        ({"kind": "log_spectrogram", "hop_seconds": 1e-6}, "features.hop_seconds"),
        ({"kind": "log_spectrogram", "n_fft": 256}, "features.window_seconds: 320 samples"),
    ],
)
def test_contradictions_are_one_sentence(fields, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        made(**fields)


def test_a_floor_is_of_the_natural_logarithm():
    assert EPSILON == EPS
    assert made(log_floor=0.1).floor == 0.1
    with pytest.raises(ValueError, match="is for log: natural, received decibel"):
        made(log="decibel", log_floor=0.1)


@pytest.mark.parametrize("method", ["mean_std", "clip_mean_std", "clip_image", "clip_decibel"])
def test_a_waveform_has_no_statistics(method):
    fields = {"kind": "waveform", "normalise": {"method": method}}
    with pytest.raises(ConfigError, match=r"^features.normalise.method: .*set none"):
        from_settings(SECOND, FeatureSettings.model_validate(fields))
    fields["normalise"]["method"] = "none"
    waveform = from_settings(SECOND, FeatureSettings.model_validate(fields))
    assert waveform == Waveform(8_000, 8_000)
    assert (waveform.input_shape, waveform.hop_length) == ((8_000, 1), 1)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"n_mel": 24}, "n_mel: unknown key 'n_mel'. Did you mean 'n_mels'?"),
        ({"n_mels": "24"}, "n_mels: Input should be a valid integer, received the text '24'."),
        ({"power": 3}, "power: Input should be 1 or 2, received the number 3."),
        (
            {"window_seconds": 0.0},
            "window_seconds: Input should be greater than 0, received the number 0.0.",
        ),
        ({"kind": "waveform"}, "kind: expected one of log_mel, mfcc, log_spectrogram, received"),
        ({"kind": "stack"}, "kind: expected one of"),
        ({"kind": None}, "kind: expected one of"),
        ({"parts": []}, "parts: belongs to the whole stack"),
        ({"normalise": {"method": "none"}}, "normalise: belongs to the whole stack"),
        ({"f_max": 4_001.0}, "f_max: 4001 Hz is above half the sample rate (4000 Hz); lower it."),
        ({"n_fft": 256}, "n_fft: 256 is less than the window of 320 samples; raise it."),
        ({"frames": 99}, "frames: a clip of 1 s has 51 frames, received 99"),
        ({"n_mels": 400}, "n_mels: "),
        ({"kind": "mfcc", "n_mfcc": 30}, "n_mfcc: 30 coefficients of 24 mel bands"),
        ({"kind": "mfcc", "log": "none"}, "log: mfcc are coefficients of a logarithm"),
    ],
)
def test_what_is_wrong_in_a_part_names_its_place(part, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(f'features.parts[1].{message}')}"):
        made(kind="stack", parts=[{}, part])


def test_what_a_part_takes_from_the_section_is_said():
    with pytest.raises(ConfigError, match=r"parts\[0\]\.frames: .*takes it from features\.frames"):
        made(kind="stack", frames=500, parts=[{}])


@pytest.mark.parametrize(
    ("log", "part", "message"),
    [
        (
            "none",
            {"log": "decibel"},
            "log: normalise.method clip_decibel takes the logarithm itsel",
        ),
        (
            "none",
            {"power": 2},
            "power: normalise.method clip_decibel is for magnitudes, received p",
        ),
        ("none", {"kind": "mfcc"}, "kind: normalise.method clip_decibel is for log_mel with log: "),
        (
            "natural",
            {},
            "log: normalise.method clip_decibel takes the logarithm itself, received n",
        ),
    ],
)
def test_decibels_of_a_stack_need_linear_parts(log, part, message):
    fields = {**SMALL, "kind": "stack", "log": log, "normalise": {"method": "clip_decibel"}}
    settings = FeatureSettings.model_validate({**fields, "parts": [{"log": "none"}, part]})
    with pytest.raises(
        ConfigError, match=f"^{re.escape(f'features.parts[1].{message}')}"
    ) as caught:
        from_settings(SECOND, settings)
    assert ("It takes it from features.log." in str(caught.value)) == (not part)
    good = FeatureSettings.model_validate({**fields, "parts": [{"log": "none"}] * 2})
    assert isinstance(from_settings(SECOND, good), Stack)


@pytest.mark.parametrize("method", ["mean_std", "clip_mean_std", "clip_image", "none"])
def test_linear_mel_takes_every_other_normaliser(method):
    fields = {**SMALL, "log": "none", "power": 2, "normalise": {"method": method}}
    assert from_settings(SECOND, FeatureSettings.model_validate(fields)).log == "none"


def test_parts_of_several_shapes_or_hops_are_refused():
    with pytest.raises(ConfigError) as caught:
        made(kind="stack", parts=[{}, {}, {"n_mels": 20}])
    for words in ("features.parts[2]: ", "(20, 51)", "(24, 51)", "n_mels"):
        assert words in str(caught.value)
    with pytest.raises(ConfigError, match=r"^features.parts\[1\]: gives \(24, 101\)"):
        made(kind="stack", parts=[{}, {"hop_seconds": 0.01}])
    with pytest.raises(ConfigError, match=r"^features.parts\[1\].hop_seconds: .* 80 samples"):
        made(kind="stack", frames=40, parts=[{}, {"hop_seconds": 0.01}])


def test_an_error_in_a_part_gives_its_line():
    part = MarkedDict(mark=Mark("task.yaml", 7))
    part.put("n_mel", 3, Mark("task.yaml", 8))
    parts = MarkedList()
    parts.put(part, Mark("task.yaml", 7))
    with pytest.raises(ConfigError, match=r"^task.yaml:8: features.parts\[0\].n_mel: unknown"):
        made(kind="stack", parts=parts)


def test_parts_survive_the_metadata_of_a_model():
    features = FeatureSettings(**SMALL, kind="stack", parts=[{}, {"pad": "reflect"}])
    again = FeatureSettings.model_validate(features.model_dump(mode="json"))
    assert from_settings(SECOND, again) == from_settings(SECOND, features)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 600),
    st.floats(-1.0, 1.0),
    st.sampled_from(["log_mel", "mfcc", "log_spectrogram", "hann", "linear", "reflect", ""]),
)
KEYS = st.sampled_from([*FeatureSettings.model_fields, "n_mel"])


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(KEYS, VALUES, max_size=3))
def test_any_part_gives_features_or_one_sentence_with_its_path(part):
    try:
        representation = made(kind="stack", parts=[part], mel_scale="linear")
    except ConfigError as error:
        assert re.fullmatch(r"features\.parts\[0\][^\n]*[.?]", str(error))
        return
    assert isinstance(representation, Stack)
    features = representation(np.zeros(8_000, np.float32))
    assert features.shape == representation.shape
    assert np.isfinite(features).all()
    assert np.abs(ClipNormaliser()(features[None])).max() < 100
