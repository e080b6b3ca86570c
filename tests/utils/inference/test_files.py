"""Audio files of any length through a stand-in model."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from utils.config.schema import AudioSettings, FeatureSettings
from utils.errors import AudioError, UserError
from utils.features import Normaliser
from utils.inference import FilePredictor, Metadata, Refinement
from utils.inference.predictor import Predictor

RATE = 8000
AUDIO = AudioSettings(sample_rate=RATE, seconds=0.5)
FEATURES = FeatureSettings(n_fft=512, n_mels=8, frames=None)
METADATA = Metadata(
    set_id="test",
    classes=("quiet", "loud"),
    audio=AUDIO.model_dump(mode="json"),
    features=FEATURES.model_dump(mode="json"),
    normaliser=Normaliser(np.full(8, -3.0, np.float32), np.full(8, 2.0, np.float32)).as_dict(),
    data="demo",
)


class MeanPredictor(Predictor):
    """Answers each clip with its mean, and one minus that."""

    def __init__(self, path, metadata=None, shape=(RATE // 2,)):
        super().__init__(path, metadata, shape)
        self.seen = []

    def _predict(self, features):
        self.seen.append(features)
        mean = features.reshape(len(features), -1).mean(axis=1)
        return (np.stack([mean, 1 - mean], axis=1).astype(np.float32),)


@pytest.fixture
def on_samples(tmp_path):
    """A front end that leaves samples as they are."""
    predictor = MeanPredictor(tmp_path / "model.tflite")
    return FilePredictor(predictor, AUDIO, lambda samples: samples, None, Refinement(axis=1))


def test_windows_weigh_as_much_as_they_have_samples(on_samples):
    samples = np.concatenate([np.full(4000, 0.2), np.full(4000, 0.4), np.full(1000, 0.8)])
    result = on_samples.windows(samples.astype(np.float32))
    assert [len(seen) for seen in on_samples.predictor.seen] == [3]
    padded = 0.8 * 1000 / 4000  # the rest of the last window is zeros
    expected = (4000 * 0.2 + 4000 * 0.4 + 1000 * padded) / 9000
    np.testing.assert_allclose(result, [expected, 1 - expected], rtol=1e-6)
    assert result.dtype == np.float32


def test_short_files_are_extended_by_the_rule_of_the_set(on_samples):
    looped = replace(on_samples, audio=AUDIO.model_copy(update={"short_clips": "loop"}))
    assert looped.windows(np.full(300, 0.5, np.float32))[0] == pytest.approx(0.5)
    assert on_samples.windows(np.full(2000, 0.5, np.float32))[0] == pytest.approx(0.25)


def test_one_whole_clip_is_one_window(on_samples):
    on_samples.windows(np.zeros(4000, np.float32))
    assert on_samples.predictor.seen[0].shape == (1, 4000)


def test_the_front_end_is_rebuilt_from_the_metadata(tmp_path, noise):
    from utils.features import from_settings

    representation = from_settings(AUDIO, FEATURES)
    predictor = MeanPredictor(tmp_path / "m.tflite", METADATA, (*representation.shape, 1))
    path = tmp_path / "clip.wav"
    soundfile.write(path, noise[:4000], RATE, subtype="FLOAT")
    result = FilePredictor.of(predictor)(path)
    expected = (representation(noise[:4000]) + 3) / 2
    np.testing.assert_allclose(predictor.seen[0][0, ..., 0], expected, rtol=1e-6)
    assert result.shape == (2,)


def test_decibels_of_the_clip_travel_by_the_settings(tmp_path, noise):
    from utils.features import ClipDecibel, from_settings

    features = FeatureSettings.model_validate(
        {"n_fft": 512, "n_mels": 8, "frames": None, "log": "none", "pad": "reflect"}
        | {"window": "hamming_symmetric", "normalise": {"method": "clip_decibel"}}
    )
    representation = from_settings(AUDIO, features)
    metadata = replace(METADATA, features=features.model_dump(mode="json"), normaliser=None)
    metadata = Metadata.from_json(metadata.to_json(), where=tmp_path)
    predictor = MeanPredictor(tmp_path / "m.tflite", metadata, (*representation.shape, 1))
    FilePredictor.of(predictor).windows(noise[:6000])
    clips = np.stack([noise[:4000], np.pad(noise[4000:6000], (0, 2000))])
    expected = ClipDecibel()(np.stack([representation(clip) for clip in clips]))
    np.testing.assert_allclose(predictor.seen[0][..., 0], expected, atol=1e-6)


def test_files_of_other_rates_and_channels_are_taken(tmp_path, on_samples):
    path = tmp_path / "clip.flac"
    soundfile.write(path, np.full((16_000, 2), 0.25), 16_000)
    assert on_samples(path)[0] == pytest.approx(0.25, abs=0.01)


def test_a_model_without_metadata_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="carries no class names"):
        FilePredictor.of(MeanPredictor(tmp_path / "model.keras"))


def test_a_model_that_separates_is_refused(tmp_path):
    predictor = MeanPredictor(tmp_path / "m.keras", replace(METADATA, separation={"exponent": 2.0}))
    with pytest.raises(UserError, match=r"m\.keras: separates sources.* task_separation\.py"):
        FilePredictor.of(predictor)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"audio": {"sample_rate": "many"}}, "wrong at sample_rate"),
        ({"features": {"n_mels": -1}}, "wrong at n_mels"),
        ({"features": {"kind": "mfcc", "log": "none"}}, r"wrong at features.log \(mfcc are"),
        ({"normaliser": {"mean": [1.0]}}, "its metadata is wrong"),
        ({"normaliser": {"mean": [1.0], "std": [0.0]}}, "its metadata is wrong"),
        ({"normaliser": {"mean": [1.0], "std": [1.0]}}, "1 means for features of shape"),
    ],
)
def test_metadata_that_cannot_be_used_is_a_sentence(tmp_path, change, message):
    predictor = MeanPredictor(tmp_path / "model.keras", replace(METADATA, **change))
    with pytest.raises(UserError, match=message):
        FilePredictor.of(predictor)


def test_samples_beyond_all_bounds_are_a_sentence(tmp_path, on_samples):
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.full(4000, 3e38), RATE, subtype="FLOAT")
    squared = replace(on_samples, representation=lambda samples: samples**2)
    with pytest.raises(AudioError, match=r"loud\.wav: gives no finite prediction"):
        squared(path)
