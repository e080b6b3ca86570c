"""Files that take samples say what the whole system says, and their log-mels are librosa's."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.utils.export.systems import AUDIO, CLASSES, SMALL, system
from utils.audio import fit_length, read_audio
from utils.config import load
from utils.config.schema import AudioSettings, FeatureSettings
from utils.errors import UserError
from utils.export import measure
from utils.export.samples import _front, _graph, export_samples, main, require_samples
from utils.features import from_settings
from utils.features.logmel import definition
from utils.inference import FilePredictor, Refinement, load_predictor, read_metadata

PROJECT = Path(__file__).resolve().parents[3]
DB = 20 / np.log(10)


@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_every_format_says_what_features_network_and_calibration_say(tmp_path, rng, temperature):
    formats = ("float32", "float16", "dynamic", "int8")
    paths, samples, seen = system(tmp_path, rng, formats=formats, temperature=temperature)
    refined = Refinement(temperature=temperature)
    for name, path in paths.items():
        written = export_samples(path)
        assert written == tmp_path / f"model_{name}_samples.tflite"
        predictor = load_predictor(written)
        assert predictor.input_shape == (400,)
        found, expected = predictor(samples), refined(load_predictor(path), seen)
        np.testing.assert_allclose(found, expected, atol=1e-3 if name == "dynamic" else 1e-6)
        assert np.ptp(found, axis=0).min() > 0.01  # clips differ
        inside, facts = measure(path), measure(written)
        assert facts.custom_operators == () and "RFFT2D" in facts.operators
        # the bins that 6 bands touch, 6 biases of eps, a window of 50, 6 means, 6 deviations
        representation = from_settings(AUDIO, FeatureSettings(**SMALL))
        ((_, _, filters),) = representation.band_groups
        assert facts.parameters - inside.parameters == filters.size + 6 + 50 + 6 + 6
        assert facts.by_type.get("int8") == inside.by_type.get("int8")


FRONT_ENDS = {
    "decibel_of_power": {"log": "decibel", "power": 2, "pad": "reflect", "scale": 32768.0},
    "decibel_of_clips": {"log": "none", "normalise": {"method": "clip_decibel"}},
    "mfcc_of_clips": {"kind": "mfcc", "n_mfcc": 4, "normalise": {"method": "clip_mean_std"}},
    "spectrogram": {"kind": "log_spectrogram", "normalise": {"method": "clip_image"}},
    "stack": {"kind": "stack", "parts": [{}, {"n_fft": 128, "mel_scale": "htk"}]},
    "plain": {"normalise": {"method": "none"}},
}


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_every_front_end_with_every_normaliser(tmp_path, rng, name):
    paths, samples, seen = system(tmp_path, rng, features=FRONT_ENDS[name])
    written = export_samples(paths["float32"], tmp_path / "here.tflite")
    assert written == tmp_path / "here.tflite"
    expected = load_predictor(paths["float32"])(seen)
    np.testing.assert_allclose(load_predictor(written)(samples), expected, atol=2e-5)
    assert measure(written).custom_operators == ()


def test_a_recurrent_network_keeps_its_loops(tmp_path, rng):
    paths, samples, seen = system(tmp_path, rng, recurrent=True)
    written = export_samples(paths["float32"])
    assert "WHILE" in measure(written).operators
    expected = load_predictor(paths["float32"])(seen)
    np.testing.assert_allclose(load_predictor(written)(samples), expected, atol=1e-6)


def test_the_metadata_of_the_file_say_that_it_takes_samples(tmp_path, rng):
    paths, samples, _ = system(tmp_path, rng, temperature=2.0)
    told = read_metadata(export_samples(paths["float32"]))
    assert told is not None and told.classes == CLASSES
    assert told.features["kind"] == "waveform" and told.features["n_fft"] == SMALL["n_fft"]
    assert told.normaliser is None and told.temperature == 1.0
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.concatenate(samples[:2]), AUDIO.sample_rate, subtype="FLOAT")
    by_features = FilePredictor.of(load_predictor(paths["float32"]))
    by_samples = FilePredictor.of(load_predictor(tmp_path / "model_float32_samples.tflite"))
    np.testing.assert_allclose(by_samples(path), by_features(path), atol=1e-6)


def test_what_no_file_can_be_made_of_is_refused(tmp_path, rng):
    odd = from_settings(AUDIO, FeatureSettings(**{**SMALL, "n_fft": 60}))
    with pytest.raises(UserError, match=r"^export\.samples: .*\.n_fft 60; take 64, or leave"):
        require_samples(odd, shifts_seconds=(0.0,))
    part = {**SMALL, "kind": "stack", "parts": [{}, {"kind": "mfcc", "n_mfcc": 6, "n_fft": 80}]}
    with pytest.raises(UserError, match="n_fft 80; take 128"):
        require_samples(from_settings(AUDIO, FeatureSettings(**part)), shifts_seconds=(0.0,))
    plain = from_settings(AUDIO, FeatureSettings(**SMALL))
    require_samples(plain, shifts_seconds=(0.0,))
    with pytest.raises(UserError, match="asks for 2 shifted predictions; leave one of them out"):
        require_samples(plain, shifts_seconds=(0.0, 0.02))
    paths, _, _ = system(tmp_path, rng)
    once = export_samples(paths["float32"])
    with pytest.raises(UserError, match=r"takes samples \(features\.kind: waveform\)"):
        export_samples(once)
    paths, _, _ = system(tmp_path, rng, separation={})
    with pytest.raises(UserError, match="tells no labels of whole clips"):
        export_samples(paths["float32"])


def test_the_command(tmp_path, rng, capsys):
    paths, _, _ = system(tmp_path, rng)
    assert main([str(paths["float32"]), "-o", str(tmp_path / "device.tflite")]) == 0
    assert capsys.readouterr().out == f"written to {tmp_path / 'device.tflite'}\n"
    assert read_metadata(tmp_path / "device.tflite").features["kind"] == "waveform"
    assert main([str(tmp_path / "none.tflite")]) == 2
    assert "none.tflite: " in capsys.readouterr().err


def differences_db(
    paths: list[Path], audio: AudioSettings, features: FeatureSettings, folder: Path
) -> np.ndarray:
    """How far the log-mels in the file are from librosa's in float64, dB, of clips (all values)."""
    representation = from_settings(audio, features)
    path = folder / "front.tflite"
    front = _front(representation, None, representation.shape)
    path.write_bytes(_graph(front, (representation.n_samples,), path))
    predictor, length, found = load_predictor(path), representation.n_samples, []
    for clip in paths:
        samples = read_audio(clip, sample_rate=audio.sample_rate, seconds=audio.seconds)
        samples = fit_length(samples, length=length, short="zeros")
        expected = definition(representation, samples)
        found.append(np.abs(predictor(samples[np.newaxis])[0] - expected) * DB / features.power)
    return np.stack(found)


@pytest.mark.real_audio
@pytest.mark.parametrize("set_id", ["task1a", "task1a_bcresnet_light", "task1a_cpmobile_light"])
@pytest.mark.parametrize(
    ("pattern", "seconds"), [("tau2022_mini/audio/*.wav", 1.0), ("esc10/audio/*.ogg", 5.0)]
)
def test_log_mels_of_real_clips_are_those_of_librosa(
    tmp_path, real_audio, pattern, seconds, set_id
):
    paths = sorted(real_audio.glob(pattern))[::20]
    assert len(paths) >= 10
    asked = [f"audio.seconds={seconds}", "features.frames=null"]
    settings = load(PROJECT / "task.yaml").resolve(set_id, overrides=asked).settings
    found = differences_db(paths, settings.audio, settings.features, tmp_path)
    assert found.max() < 0.05
    assert np.median(found) < 1e-4
