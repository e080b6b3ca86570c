"""Sound events of files of any length, by models that are known functions of their input."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import soundfile

from utils.config.event_sections import PostprocessSettings
from utils.config.schema import AudioSettings, FeatureSettings
from utils.errors import AudioError, UserError
from utils.inference import Decisions, FilePredictor, Metadata, Refinement, event_files
from utils.inference.event_files import EventFilePredictor
from utils.inference.predictor import Predictor

RATE, HOP, FRAMES_PER_STEP = 1000, 10, 4
STEP = FRAMES_PER_STEP * HOP / RATE  # 0.04 s
WINDOW_STEPS = 12
LENGTH = 500  # samples of a window: 12 steps of 40, and half a step
AUDIO = AudioSettings(sample_rate=RATE, seconds=LENGTH / RATE)
DECISIONS = Decisions.of(
    PostprocessSettings(median_seconds=STEP), classes=2, step_seconds=STEP
).as_dict()


@dataclass(frozen=True)
class Levels:
    """Largest sample of each frame, which begins where the frame before it ends: (1, 51)."""

    hop_length: int = HOP
    shape: tuple[int, int] = (1, LENGTH // HOP + 1)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        padded = np.pad(np.abs(samples), (0, HOP))
        return padded.reshape(-1, HOP).max(axis=1)[np.newaxis].astype(np.float32)


class StepPredictor(Predictor):
    """The first class is the mean level of a step's frames, the second one less."""

    def __init__(self, path, decisions=DECISIONS, **facts):
        metadata = Metadata(
            set_id="test", classes=("loud", "quiet"), audio=AUDIO.model_dump(mode="json"),
            features={"log": "none"}, normaliser=None, data="demo", decisions=decisions,
        )  # fmt: skip
        super().__init__(path, replace(metadata, **facts), (1, LENGTH // HOP + 1, 1))
        self.windows = 0

    def strong(self, features):
        steps = features[:, 0, : WINDOW_STEPS * FRAMES_PER_STEP, 0]
        return steps.reshape(len(features), WINDOW_STEPS, FRAMES_PER_STEP).mean(axis=2)

    def _predict(self, features):
        loud = self.strong(features)
        self.windows += len(features)
        both = np.stack([loud, 1 - loud], axis=2).astype(np.float32)
        return both, both.max(axis=1)


class NumberPredictor(StepPredictor):
    """Every step of a window is the number of the window."""

    def strong(self, features):
        numbers = np.arange(len(features)) + self.windows
        return np.repeat(numbers[:, np.newaxis], WINDOW_STEPS, axis=1)


@pytest.fixture
def make(tmp_path):
    """A predictor of files around a stand-in for the network."""

    def made(network=StepPredictor, decisions=DECISIONS, **facts) -> EventFilePredictor:
        predictor = network(tmp_path / "model.keras", decisions, **facts)
        refinement = Refinement(axis=1)
        return EventFilePredictor.of(FilePredictor(predictor, AUDIO, Levels(), None, refinement))

    return made


def levels(samples: np.ndarray) -> np.ndarray:
    """The frames of a whole file, zeros behind its end; whole steps."""
    steps = -(-len(samples) // (HOP * FRAMES_PER_STEP))
    padded = np.pad(np.abs(samples), (0, steps * FRAMES_PER_STEP * HOP - len(samples)))
    return padded.reshape(-1, HOP).max(axis=1)


LENGTHS = {
    "a sample": 1,
    "shorter than a window": 170,
    "its whole steps": 480,
    "exactly a window": 500,
    "a sample more": 501,
    "one and a half": 720,
    "many windows": 5_555,
    "more than are in memory at once": 12_345,
}


@pytest.mark.parametrize("size", LENGTHS.values(), ids=LENGTHS)
def test_windows_are_stitched_to_the_scores_of_the_whole_file(make, rng, size):
    samples = rng.uniform(-0.9, 0.9, size).astype(np.float32)
    detect = make()
    scores, decibels = detect.scores(samples)
    steps = size // 40 if size >= LENGTH else -(-size // 40)
    frames = levels(samples)[: steps * FRAMES_PER_STEP]
    expected = frames.reshape(-1, FRAMES_PER_STEP).mean(axis=1)
    assert scores.shape == (steps, 2)
    np.testing.assert_allclose(scores[:, 0], expected, atol=1e-6)
    np.testing.assert_allclose(scores[:, 1], 1 - expected, atol=1e-6)
    np.testing.assert_allclose(
        decibels, 20 * np.log10(np.maximum(frames, 1e-5))[np.newaxis], atol=1e-4
    )
    half_windows = -(-max(0, len(scores) - WINDOW_STEPS) // (WINDOW_STEPS // 2))
    assert detect.files.predictor.windows == 1 + half_windows


@pytest.mark.parametrize("size", [480, 500, 1_000, 1_010])
def test_a_window_is_a_clip_as_the_test_saw_it(make, rng, size):
    """Nothing but the file fills a window: silence behind it would change what a clip ranges over.

    So a file of one clip's length is one window, and the last window ends where the file ends.
    """

    class Emptiest(StepPredictor):
        def strong(self, features):
            least = features[:, 0, :48, 0].min(axis=1)
            return np.repeat(least[:, np.newaxis], WINDOW_STEPS, axis=1)

    samples = rng.uniform(0.5, 0.9, size).astype(np.float32)
    detect = make(Emptiest)
    scores, _ = detect.scores(samples)
    assert scores[:, 0].min() >= 0.5
    if size <= LENGTH:
        assert detect.files.predictor.windows == 1
        assert len(scores) == WINDOW_STEPS


def test_blocks_of_windows_change_nothing(make, rng, monkeypatch):
    samples = rng.uniform(-0.9, 0.9, 4_321).astype(np.float32)
    whole = make().scores(samples)
    monkeypatch.setattr(event_files, "BLOCK", 2)
    for once, again in zip(whole, make().scores(samples), strict=True):
        np.testing.assert_array_equal(once, again)


def test_a_window_weighs_less_towards_its_ends(make):
    scores, _ = make(NumberPredictor).scores(np.ones(24 * 40, np.float32))
    numbers = scores[:, 0]
    np.testing.assert_allclose(numbers[:6], 0.0)  # the first window alone
    np.testing.assert_allclose(numbers[18:], 2.0)  # the last one alone
    falling, rising = np.arange(6, 0, -1), np.arange(1, 7)
    np.testing.assert_allclose(numbers[6:12], rising / 7)
    np.testing.assert_allclose(numbers[12:18], (falling + 2 * rising) / 7)


def test_scores_are_masked_window_by_window(make, rng):
    masked = DECISIONS | {"weak_masking": True}
    samples = np.concatenate([np.full(480, 0.9), np.full(480, 0.1)]).astype(np.float32)
    scores, _ = make(decisions=masked).scores(samples)
    np.testing.assert_allclose(scores[:6, 0], 0.9 * 0.9, atol=1e-6)
    np.testing.assert_allclose(scores[-6:, 0], 0.1 * 0.1, atol=1e-6)
    plain, _ = make().scores(samples)
    np.testing.assert_allclose(plain[-6:, 0], 0.1, atol=1e-6)


def test_one_step_a_window_is_enough(make):
    class Whole(StepPredictor):
        def strong(self, features):
            return features[:, 0, :48, 0].mean(axis=1, keepdims=True)

    detect = make(Whole, decisions=DECISIONS | {"step_seconds": 0.48})
    scores, decibels = detect.scores(np.full(1_000, 0.25, np.float32))
    assert scores.shape == (2, 2)
    np.testing.assert_allclose(scores[:, 0], 0.25)
    assert decibels.shape == (1, 2 * 48)


def write(path, samples, rate=RATE):
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def test_events_of_a_file_longer_than_a_window(make, tmp_path):
    samples = np.full(3_030, 0.1, np.float32)
    samples[400:1_720] = 0.8  # over the ends of many windows
    samples[2_800:] = 0.8
    result = make()(write(tmp_path / "long.wav", samples))
    loud = result.events.taken(result.events.classes == 0)
    np.testing.assert_allclose(loud.onsets, [0.4, 2.8])
    np.testing.assert_allclose(loud.offsets, [1.72, 3.0])  # with the last whole step
    quiet = result.events.taken(result.events.classes == 1)
    np.testing.assert_allclose(quiet.onsets, [0.0, 1.72])
    assert set(result.events.files.tolist()) == {0}
    assert result.seconds == pytest.approx(3.03)
    assert result.scores.shape == (75, 2)
    assert result.spectrogram.shape == (1, 75 * FRAMES_PER_STEP)
    assert result.hop_seconds == HOP / RATE


def test_scores_are_not_masked_twice(make, tmp_path):
    masked = DECISIONS | {"weak_masking": True, "thresholds": [0.6, 0.6]}
    path = write(tmp_path / "clip.wav", np.full(480, 0.8, np.float32))
    found = make(decisions=masked)(path)
    assert found.scores.max() == pytest.approx(0.64)
    assert found.events.classes.tolist() == [0]


def test_other_rates_and_channels_are_taken(make, tmp_path):
    samples = np.full((4_000, 2), 0.05)
    samples[1_000:3_000] = 0.9
    found = make()(write(tmp_path / "clip.wav", samples, 2_000))
    loud = found.events.taken(found.events.classes == 0)
    assert found.seconds == pytest.approx(2.0)
    np.testing.assert_allclose(loud.onsets, [0.5], atol=2 * STEP)
    np.testing.assert_allclose(loud.offsets, [1.5], atol=2 * STEP)


def test_logarithms_are_shown_as_they_are(make):
    detect = make(features={"log": "decibel"})
    _, shown = detect.scores(np.full(500, 0.5, np.float32))
    np.testing.assert_allclose(shown[0, :48], 0.5)


def test_samples_beyond_all_bounds_are_a_sentence(make, tmp_path):
    class Overflow(StepPredictor):
        def strong(self, features):
            with np.errstate(over="ignore"):
                return super().strong(features * np.float32(1e38))

    path = write(tmp_path / "loud.wav", np.full(500, 1e3, np.float32))
    with pytest.raises(AudioError, match=r"loud\.wav: gives no finite scores"):
        make(Overflow)(path)
    with pytest.raises(AudioError, match=r"none\.wav"):
        make()(tmp_path / "none.wav")


@pytest.mark.parametrize(
    ("decisions", "facts", "message"),
    [
        (None, {}, "does not say how scores become events; name a model .* task4_sed"),
        ({}, {}, "its metadata is wrong: decisions on events are incomplete"),
        (DECISIONS | {"lengths": [2, 2]}, {}, "its metadata is wrong: decisions .* do not fit"),
        (DECISIONS, {"classes": ("one",)}, "has 1 classes and decides on 2"),
        (DECISIONS | {"step_seconds": 0.045}, {}, "steps of 0.045 s are not whole frames"),
        (DECISIONS | {"step_seconds": 1e-9}, {}, "steps of 1e-09 s are not whole frames"),
        (DECISIONS | {"step_seconds": 0.6}, {}, "steps of 0.6 s are not whole frames"),
    ],
)
def test_metadata_that_cannot_be_used_is_a_sentence(make, decisions, facts, message):
    with pytest.raises(UserError, match=rf"model\.keras: .*{message}"):
        make(decisions=decisions, **facts)


def test_features_that_end_before_the_clip_make_shorter_windows(tmp_path):
    """Of 0.5 s the network sees 0.32 s: a window of 8 steps, and still all of a file."""
    path = tmp_path / "model.keras"

    class Cut(StepPredictor):
        def strong(self, features):
            return features[:, 0, :32, 0].reshape(len(features), 8, FRAMES_PER_STEP).mean(axis=2)

    predictor = Cut(path)
    predictor.input_shape = (1, 32, 1)

    class CutLevels(Levels):
        def __call__(self, samples):
            return super().__call__(samples)[:, :32]

    detect = EventFilePredictor.of(
        FilePredictor(predictor, AUDIO, CutLevels(), None, Refinement(axis=1))
    )
    samples = np.linspace(0, 1, 2_000, dtype=np.float32)
    scores, decibels = detect.scores(samples)
    expected = levels(samples).reshape(-1, FRAMES_PER_STEP).mean(axis=1)
    np.testing.assert_allclose(scores[:, 0], expected, atol=1e-6)
    assert decibels.shape == (1, 200)


def test_a_model_of_events_labels_no_clips(tmp_path):
    settings = FeatureSettings(n_fft=64, window_seconds=0.064, n_mels=4, frames=None, f_min=0.0)
    features = settings.model_dump(mode="json")
    predictor = StepPredictor(tmp_path / "model.keras", features=features)
    path = write(tmp_path / "clip.wav", np.full(500, 0.5, np.float32))
    with pytest.raises(UserError, match="tells sound events, no labels of clips"):
        FilePredictor(predictor, AUDIO, Levels(), None, Refinement(axis=1))(path)
