"""Embeddings among the targets are mixed, moved and silenced as the features are."""

import numpy as np
import pytest
import tensorflow as tf

from utils.augment.feature_chain import feature_chain
from utils.config.event_sections import FeatureAugmentStep

KINDS = (2, 2, 1, 1, 0, 2)
SEED = tf.constant([5, 6])
SIZE = 7
STEPS = ("GroupMixup", "FrameShift", "TimeMask")


@pytest.fixture
def batch(sound_events):
    """Features of whole steps, and embeddings that are the features of each step."""
    features, targets = sound_events(KINDS, mels=SIZE, frames=40)
    steps = features.reshape(len(KINDS), SIZE, 10, 4).mean(axis=3)
    return features, {**targets, "embeddings": steps.transpose(0, 2, 1).copy()}


def as_features(features):
    """Means of steps, as the embeddings were made."""
    values = np.asarray(features).reshape(len(KINDS), SIZE, 10, 4)
    return values.mean(axis=3).transpose(0, 2, 1)


@pytest.mark.parametrize("name", STEPS)
def test_what_happens_to_features_happens_to_embeddings(batch, name):
    features, targets = batch
    arguments = {"alpha": 1.0, "probability": 1.0} if name == "GroupMixup" else {}
    step = FeatureAugmentStep.model_validate({name: arguments})
    augment = feature_chain([step], mels=SIZE, hop_seconds=0.1, frames_per_step=4)
    found, changed = augment(
        tf.constant(features), tf.nest.map_structure(tf.constant, targets), SEED
    )
    assert np.abs(found - features).max() > 0.1
    np.testing.assert_allclose(changed["embeddings"], as_features(found), atol=1e-5)


def test_steps_without_embeddings_know_none(batch):
    features, targets = batch
    del targets["embeddings"]
    steps = [FeatureAugmentStep.model_validate(name) for name in STEPS]
    augment = feature_chain(steps, mels=SIZE, hop_seconds=0.1, frames_per_step=4)
    _, changed = augment(tf.constant(features), tf.nest.map_structure(tf.constant, targets), SEED)
    assert set(changed) == {"strong", "weak", "kind"}
