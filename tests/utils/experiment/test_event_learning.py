"""What networks of sound events learn from: the grid, parts of a batch, statistics, views."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tests.utils.experiment.event_stand_ins import CLASSES, STEP, Scorer, features_of
from utils import pipeline
from utils.config.schema import AudioSettings, FeatureSettings
from utils.errors import ConfigError, DataError
from utils.experiment.event_learning import StepGrid
from utils.features import Normaliser, from_settings
from utils.targets import encode_events


def names(clips):
    return [clip.name.removeprefix("part/").removesuffix(".wav") for clip in clips]


@pytest.fixture
def baseline():
    """The spectrogram of the baseline of 2021: 626 frames of 16 ms."""
    features = {"n_fft": 2048, "window_seconds": 0.128, "hop_seconds": 0.016, "frames": None}
    return from_settings(
        AudioSettings(sample_rate=16_000, seconds=10.0), FeatureSettings.model_validate(features)
    )


@pytest.mark.parametrize(
    ("steps", "frames", "seconds"), [(156, 4, 0.064), (626, 1, 0.016), (313, 2, 0.032)]
)
def test_a_step_is_some_frames(baseline, steps, frames, seconds):
    grid = StepGrid.of(baseline, steps)
    assert grid[:2] == (steps, frames)
    assert grid.step_seconds == pytest.approx(seconds)


@pytest.mark.parametrize("steps", [157, 627, 500])  # 157: padded where the 626th frame is pooled
def test_steps_that_are_no_frames_are_refused(baseline, steps):
    with pytest.raises(ConfigError, match=f"model: gives {steps} steps of 626 frames"):
        StepGrid.of(baseline, steps)


def test_clips_are_divided_by_what_is_known_of_them(event_learning):
    parts = event_learning().parts
    assert names(parts["strong"]) == ["strong0", "strong1", "strong2", "strong3"]
    assert names(parts["weak"]) == ["weak0", "weak1", "weak2"]
    assert names(parts["unlabelled"]) == [f"unlabelled{number}" for number in range(5)]


def test_a_batch_is_of_what_was_asked_for(event_learning):
    learning = event_learning()
    assert learning.per_batch == {"strong": 2, "weak": 1, "unlabelled": 3}
    assert learning.notes == ()
    assert learning.source.groups == ((4, 2), (3, 1), (5, 3))


def asked(strong, weak, unlabelled):
    size = strong + weak + unlabelled
    parts = {"strong": strong, "weak": weak, "unlabelled": unlabelled}
    return {"training": {"batch_size": size, "parts": parts}}


def test_parts_shrink_to_what_there_is_and_say_so(event_learning):
    learning = event_learning(**asked(12, 12, 4))
    assert learning.per_batch == {"strong": 4, "weak": 3, "unlabelled": 4}
    assert learning.notes == (
        "A batch has 4 strong clips instead of 12: the data has no more.",
        "A batch has 3 weak clips instead of 12: the data has no more.",
    )
    assert learning.source.groups == ((4, 4), (3, 3), (5, 4))


@pytest.mark.parametrize(("weak", "noted"), [(0, False), (2, True)])
def test_a_part_of_which_a_batch_has_nothing_is_left_out(
    event_learning, event_job, event_data, weak, noted
):
    (fold,) = event_data.folds
    if weak:
        fold = replace(fold, train=tuple(c for c in fold.train if "weak" not in c.name))
    job = event_job(replace(event_data, folds=(fold,)), **asked(2, weak, 3))
    learning = event_learning(job)
    assert learning.source.groups == ((4, 2), (5, 3))
    assert len(learning.source.rows) == 9
    assert bool(learning.notes) == noted
    assert pipeline.steps(learning.source, 5) == 1


def test_without_onsets_and_offsets_nothing_is_learnt(event_learning, event_job, event_data):
    (fold,) = event_data.folds
    unknown = tuple(replace(clip, events=None) for clip in fold.train)
    data = replace(event_data, folds=(replace(fold, train=unknown),))
    with pytest.raises(DataError, match="fold1: has no usable training clips with onsets"):
        _ = event_learning(event_job(data)).per_batch


def test_parts_are_not_guessed(event_learning):
    with pytest.raises(ValueError, match="parts are needed"):
        _ = event_learning(training={"parts": None}).per_batch


def test_rows_stand_beside_what_is_known_of_them(event_learning):
    learning = event_learning()
    clips = [clip for part in learning.parts.values() for clip in part]
    source = learning.source
    np.testing.assert_allclose(
        source.array[source.rows], features_of(learning.job, clips), rtol=1e-5, atol=1e-7
    )
    expected = encode_events(clips, classes=CLASSES, steps=10, step_seconds=STEP)
    assert set(source.targets) == {"strong", "weak", "kind"}
    for name, values in expected.items():
        np.testing.assert_array_equal(source.targets[name], values)
    assert source.targets["kind"].tolist() == [2.0] * 4 + [1.0] * 3 + [0.0] * 5
    assert source.targets["strong"][2, :, 0].tolist() == [0, 1, 1, 1, 0, 0, 0, 1, 1, 1]


def test_recordings_that_cannot_be_used_are_in_no_part(event_learning, event_job, event_data):
    train = event_data.folds[0].train
    for number in (0, 4, 7):
        train[number].path.write_bytes(b"no audio")
    learning = event_learning(event_job(audio={"on_bad_audio": "skip"}))
    assert [len(part) for part in learning.parts.values()] == [3, 2, 4]
    assert learning.usable(train[:2]) == (train[1],)


def test_clips_are_as_long_as_is_stated_of_them(event_learning):
    learning = event_learning()
    fold = learning.fold
    assert learning.seconds((*fold.train[:2], *fold.test[:1])).tolist() == [0.4, 0.4, 0.39]


def test_statistics_are_of_training_clips_or_of_validation_clips_too(event_learning, event_job):
    assert event_learning().normaliser is None
    for clips in ("train", "train_and_validation"):
        method = {"method": "mean_std", "clips": clips}
        learning = event_learning(features={"normalise": method})
        fold = learning.fold
        learnt = fold.train + (fold.validation if clips != "train" else ())
        expected = Normaliser.fit(features_of(learning.job, learnt), range(len(learnt)))
        np.testing.assert_allclose(learning.normaliser.mean, expected.mean, rtol=1e-5)
        np.testing.assert_allclose(learning.normaliser.std, expected.std, rtol=1e-4)


def test_one_view_and_two_are_prepared_alike(event_learning):
    learning = event_learning(features={"normalise": {"method": "clip_decibel"}})
    features = features_of(learning.job, learning.fold.train[:3])
    expected = learning.normaliser(features)[..., np.newaxis]
    assert expected.shape == (3, 4, 41, 1)
    alone = learning.prepare(tf.constant(features))
    np.testing.assert_allclose(alone, expected, atol=1e-5)
    both = learning.prepare({"student": tf.constant(features), "teacher": tf.constant(features)})
    assert set(both) == {"student", "teacher"}
    for view in both.values():
        np.testing.assert_allclose(view, expected, atol=1e-5)


FILTER = {"FilterAugment": {"min_bands": 2, "max_bands": 2, "min_bandwidth": 1}}
SHIFT = {"FrameShift": {"deviation_seconds": 0.2}}


def augmented(learning, seed=(1, 2)):
    clips = learning.fold.train[:4]
    features = tf.constant(features_of(learning.job, clips))
    targets = {name: tf.constant(values) for name, values in learning.targets(clips).items()}
    return features, targets, *learning.augment(features, targets, tf.constant(seed))


def test_without_steps_nothing_is_augmented(event_learning):
    assert event_learning().augment is None


def test_student_and_teacher_share_what_moves_labels_and_differ_in_the_rest(event_learning):
    plain, labels, found, targets = augmented(event_learning(feature_augment=[SHIFT]))
    assert found.shape == plain.shape
    assert np.abs(targets["strong"] - labels["strong"]).max() == 1.0
    learning = event_learning(feature_augment=[SHIFT], view_augment=[FILTER])
    _, _, views, shifted = augmented(learning)
    assert set(views) == {"student", "teacher"}
    np.testing.assert_array_equal(shifted["strong"], targets["strong"])
    assert np.abs(views["student"] - views["teacher"]).max() > 1e-3
    # a gain a band, of the same shifted features: ratios along the frames are the same
    for view in views.values():
        gains = np.asarray(view / found)
        np.testing.assert_allclose(gains, gains[:, :, :1].repeat(41, axis=2), rtol=1e-4)
    for name, again in augmented(learning)[2].items():
        np.testing.assert_array_equal(again, views[name])
    for name, other in augmented(learning, (1, 3))[2].items():
        assert np.abs(other - views[name]).max() > 1e-3


def test_views_alone(event_learning):
    plain, labels, views, targets = augmented(event_learning(view_augment=[FILTER]))
    np.testing.assert_array_equal(targets["strong"], labels["strong"])
    assert np.abs(views["student"] - plain).max() > 1e-3


def test_a_network_without_a_teacher_has_one_view(event_learning):
    learning = event_learning(feature_augment=[FILTER], training={"teacher": None})
    _, _, found, _ = augmented(learning)
    assert found.shape == (4, 4, 41)


def test_scores_come_in_the_order_of_the_clips_whatever_the_blocks(
    event_learning, tmp_path, monkeypatch
):
    learning = event_learning(features={"normalise": {"method": "clip_decibel"}})
    clips = learning.fold.train[::-1]
    scorer = Scorer(tmp_path / "student.keras")
    strong, weak = learning.predict(scorer, clips)
    expected = scorer.outputs(learning.normaliser(features_of(learning.job, clips)))
    np.testing.assert_allclose(strong, expected[0], atol=1e-5)
    np.testing.assert_allclose(weak, expected[1], atol=1e-5)
    monkeypatch.setattr("utils.experiment.learning._BLOCK", 5)
    scorer.batches.clear()
    np.testing.assert_allclose(learning.predict(scorer, clips)[0], strong, atol=1e-6)
    assert scorer.batches == [5, 5, 2]


def test_examples_are_training_clips_chosen_by_the_seed(event_learning):
    learning = event_learning(features={"normalise": {"method": "clip_decibel"}})
    known = learning.normaliser(features_of(learning.job, learning.fold.train))[..., np.newaxis]
    everything = learning.examples(50)
    np.testing.assert_allclose(np.sort(everything.ravel()), np.sort(known.ravel()), atol=1e-5)
    two = learning.examples(2)
    assert two.shape == (2, 4, 41, 1)
    np.testing.assert_array_equal(two, learning.examples(2))
    chosen = set()
    for seed in range(8):
        settings = learning.job.settings.model_copy(update={"seed": seed})
        other = replace(learning, job=replace(learning.job, settings=settings))
        chosen.add(other.examples(1).tobytes())
    assert len(chosen) > 1
