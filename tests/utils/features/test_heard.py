"""What a network that separates hears: shapes, values in NumPy and in the graph, refusals."""

import numpy as np
import pytest
import tensorflow as tf

from utils.config.schema import AudioSettings, FeatureSettings
from utils.config.separation_sections import SeparationSettings
from utils.errors import ConfigError
from utils.features import Magnitudes, Stft, Waveforms, heard_by
from utils.features.heard import heard_in_use

SPLEETER = {
    "kind": "magnitude", "window_seconds": 0.09288, "hop_seconds": 0.02322, "n_fft": 4096,
    "window": "hann", "frames": 512, "bins": 1024, "normalise": {"method": "none"},
}  # fmt: skip
WAVES = {"kind": "waveform", "normalise": {"method": "none"}}
SMALL = SPLEETER | {
    "window_seconds": 0.008, "hop_seconds": 0.002, "n_fft": 64, "frames": 32, "bins": 20,
}  # fmt: skip


def in_use(features, **asked):
    """What is heard of half a second at 8 kHz where files are separated."""
    audio = AudioSettings(sample_rate=8000, seconds=0.5, channels=1)
    given = FeatureSettings.model_validate(features)
    return heard_in_use(audio, given, SeparationSettings.model_validate(asked))


def heard(features=SPLEETER, audio=None, **changes):
    settings = {"sample_rate": 44_100, "seconds": 11.96, "channels": 2} | (audio or {})
    return heard_by(
        AudioSettings.model_validate(settings), FeatureSettings.model_validate(features | changes)
    )


def small():
    return Magnitudes(sample_rate=8000, channels=2, n_fft=64, hop_length=16, frames=9, bins=20)


def test_spleeters_segment():
    found = heard()
    assert found == Magnitudes(44_100, 2, 4096, 1024, 512, 1024)
    assert found.input_shape == (512, 1024, 2)
    assert found.n_samples == 511 * 1024 + 4096
    assert found.stft == Stft(4096, 1024)


def test_null_takes_all_frames_and_bins_that_there_are():
    found = heard(frames=None, bins=None, audio={"seconds": 1.0, "channels": 1})
    assert found.input_shape == (1 + (44_100 - 4096) // 1024, 2049, 1)
    assert found.n_samples <= 44_100 < found.n_samples + 1024


def test_fewer_frames_than_the_seconds_hold_are_a_shorter_segment():
    assert heard(frames=64).n_samples == 63 * 1024 + 4096


def test_svoices_segment():
    found = heard(WAVES, {"sample_rate": 8000, "seconds": 4.0, "channels": 1})
    assert found == Waveforms(8000, 32_000)
    assert found.input_shape == (32_000, 1)
    assert found.channels == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "log_mel"}, r"features\.kind: log_mel .* take magnitude or waveform"),
        ({"normalise": {"method": "mean_std"}}, r"features\.normalise\.method: mean_std"),
        ({"scale": 2.0}, r"features\.scale: 2 "),
        ({"window": "hamming"}, r"features\.window: hamming;.* takes hann"),
        ({"power": 2}, r"features\.power: 2 "),
        ({"window_seconds": 0.09}, r"features\.window_seconds: 3969 samples.*0\.0928798 s.*3969"),
        ({"hop_seconds": 1e-6}, r"features\.hop_seconds: 0 samples at 44100 Hz"),
        ({"hop_seconds": 0.05}, r"features\.hop_seconds: 2205 samples.* take 1 to 2048 samples"),
        ({"frames": 513}, r"features\.frames: 513 frames; 11\.96 s have 512\..*at least 11\.981"),
        ({"bins": 2050}, r"features\.bins: 2050 bins; an n_fft of 4096 has 2049"),
    ],
)
def test_contradictions_open_with_the_path(changes, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        heard(**changes)


@pytest.mark.parametrize(
    ("features", "audio", "message"),
    [
        (SPLEETER, {"seconds": 0.09}, r"audio\.seconds: 0\.09 s are less than a window of 4096"),
        (WAVES, {}, r"audio\.channels: 2 channels; networks of waveforms take 1"),
        (WAVES, {"channels": 1, "seconds": 1e-6}, r"audio\.seconds: 1e-06 s are no sample"),
        (WAVES | {"normalise": {"method": "clip_mean_std"}}, {"channels": 1}, r"features\.norm"),
        (WAVES | {"scale": 0.5}, {"channels": 1}, r"features\.scale"),
    ],
)
def test_audio_that_does_not_fit_opens_with_the_path(features, audio, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        heard(features, audio)


@pytest.mark.parametrize(
    ("features", "asked", "samples"),
    [
        (WAVES, {}, 4000),
        (WAVES, {"seconds": 1.5}, 12_000),
        (WAVES, {"seconds": 0.25}, 2000),
        (SMALL, {}, 31 * 16 + 64),
        (SMALL, {"frames": 9}, 8 * 16 + 64),
        (SMALL, {"frames": 900}, 899 * 16 + 64),
    ],
)
def test_segments_of_use_have_lengths_of_their_own(features, asked, samples):
    assert in_use(features, **asked).n_samples == samples


@pytest.mark.parametrize(
    ("features", "asked", "message"),
    [
        (WAVES, {"frames": 9}, r"separation\.frames: is for networks that hear magnitudes; take "),
        (WAVES, {"seconds": 1e-6}, r"separation\.seconds: 1e-06 s are no sample"),
        (SMALL, {"seconds": 1.0}, r"separation\.seconds: is for networks that hear waveforms; "),
    ],
)
def test_segments_of_use_that_do_not_fit_open_with_the_path(features, asked, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        in_use(features, **asked)


def test_magnitudes_of_each_channel(rng):
    magnitudes = small()
    segments = rng.standard_normal((3, magnitudes.n_samples, 2)).astype(np.float32)
    found = magnitudes(segments)
    assert found.shape == (3, *magnitudes.input_shape)
    assert found.dtype == np.float32
    for clip in range(3):
        for channel in range(2):
            whole = np.abs(Stft(64, 16).forward(segments[clip, :, channel]))
            np.testing.assert_array_equal(found[clip, :, :, channel], whole[:, :20])


def test_the_graph_says_the_same_of_mixtures_and_stems(rng):
    magnitudes = small()
    stems = rng.standard_normal((2, 3, magnitudes.n_samples, 2)).astype(np.float32)

    def both(stems):
        return magnitudes.inputs(tf.reduce_sum(stems, axis=1)), magnitudes.targets(stems)

    expected = np.stack([magnitudes(stems[:, number]) for number in range(3)], axis=1)
    mixed = magnitudes(stems.sum(axis=1))
    in_data = next(iter(tf.data.Dataset.from_tensors(stems).map(both)))
    for inputs, targets in (both(stems), in_data):
        assert inputs.shape == (2, *magnitudes.input_shape)
        assert targets.shape == (2, 3, *magnitudes.input_shape)
        np.testing.assert_allclose(inputs, mixed, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(targets, expected, rtol=1e-4, atol=1e-4)


def test_waveforms_are_heard_as_they_are(rng):
    waveforms = Waveforms(8000, 50)
    stems = rng.standard_normal((2, 3, 50, 1)).astype(np.float32)
    np.testing.assert_array_equal(waveforms(stems[:, 0]), stems[:, 0])
    assert waveforms(stems[:, 0].astype(np.float64)).dtype == np.float32
    np.testing.assert_array_equal(waveforms.inputs(stems[:, 0]), stems[:, 0])
    targets = next(iter(tf.data.Dataset.from_tensors(stems).map(waveforms.targets)))
    assert targets.shape == (2, 3, 50)
    np.testing.assert_array_equal(targets, stems[..., 0])


def test_the_graph_knows_its_shape_where_the_data_set_does_not():
    magnitudes = small()
    unknown = tf.data.Dataset.from_generator(
        lambda: iter([np.zeros((1, magnitudes.n_samples, 2), np.float32)]),
        output_signature=tf.TensorSpec((None, None, None), tf.float32),
    )
    assert unknown.map(magnitudes.inputs).element_spec.shape == (None, 9, 20, 2)


@pytest.mark.parametrize("one", [small(), Waveforms(8000, 50)])
@pytest.mark.parametrize("more", [(1, 0), (0, 1)])
def test_segments_of_another_shape_are_refused(one, more):
    shape = (4, one.n_samples + more[0], one.channels + more[1])
    with pytest.raises(ValueError, match="segments"):
        one(np.zeros(shape, np.float32))
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        one.inputs(tf.zeros(shape))
