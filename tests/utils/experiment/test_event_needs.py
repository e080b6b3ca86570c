"""What a set of sound events must say, must leave out, and what its network must give."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.utils.experiment.event_stand_ins import event_settings
from utils.errors import ConfigError
from utils.experiment.event_needs import check_settings, only_fold, steps_of


def network(**shapes):
    tensors = {name: SimpleNamespace(shape=(None, *shape)) for name, shape in shapes.items()}
    return SimpleNamespace(output=tensors, outputs=list(tensors.values()))


def test_steps_are_those_of_the_strong_output():
    assert steps_of(network(strong=(156, 10), weak=(10,)), classes=10) == 156


@pytest.mark.parametrize(
    "shapes",
    [
        {"weak": (3,)},
        {"strong": (9, 3)},
        {"strong": (9, 3), "clip": (3,)},
        {"strong": (9, 3), "weak": (9, 3)},
        {"strong": (3,), "weak": (3,)},
        {"strong": (9, 3), "weak": (2,)},
        {"strong": (9, 2), "weak": (3,)},
        {"strong": (9, 3), "weak": (3,), "other": (3,)},
    ],
)
def test_other_outputs_are_refused_by_name_and_shape(shapes):
    with pytest.raises(ConfigError, match=r"need strong \(steps, 3\) and weak \(3,\)") as told:
        steps_of(network(**shapes), classes=3)
    assert str(told.value).startswith("model: its outputs are {")
    assert all(f"'{name}': {shape}" in str(told.value) for name, shape in shapes.items())


def test_a_network_of_one_output_without_a_name():
    tensor = SimpleNamespace(shape=(None, 10))
    one = SimpleNamespace(output=tensor, outputs=[tensor])
    with pytest.raises(ConfigError, match=r"its outputs are \[\(10,\)\]; sound events need"):
        steps_of(one, classes=10)


def test_a_set_of_sound_events_is_taken():
    check_settings(event_settings())
    check_settings(event_settings(training={"teacher": None}))
    check_settings(event_settings(view_augment=["FilterAugment"], postprocess={"tune": True}))


LOUDNESS = {"features": {"log": "decibel", "normalise": {"method": "none"}}}
UNFIT = {
    "view_augment.power": {"view_augment": ["FilterAugment"], "features": {"power": 2}},
    "feature_augment": {"feature_augment": [{"FrameShift": {}}, {"TimeMask": {}}], **LOUDNESS},
    "training.parts": {"training": {"parts": None}},
    "training.ema": {"training": {"ema": 0.9}},
    "augment": {"augment": ["Noise"]},
    "training.metrics": {"training": {"metrics": ["accuracy"]}},
    "training.folds": {"training": {"folds": 2}},
    "evaluation.shifts_seconds": {"evaluation": {"shifts_seconds": [0.0, 0.01]}},
    "evaluation.calibration": {"evaluation": {"calibration": "temperature"}},
    "view_augment": {"view_augment": ["FilterAugment"], "training": {"teacher": None}},
    "training.loss": {"training": {"loss": "mean_squared_error"}},
}


@pytest.mark.parametrize("path", UNFIT)
def test_what_has_no_use_or_lacks_is_refused_with_its_path(path):
    with pytest.raises(ConfigError, match=f"^{path.removesuffix('.power')}: "):
        check_settings(event_settings(**UNFIT[path]))


@pytest.mark.parametrize(
    "features",
    [
        {"kind": "waveform", "normalise": {"method": "none"}},
        {"kind": "stack", "parts": [{}, {"power": 2}]},
    ],
)
def test_features_without_mels_of_one_channel_are_refused(features):
    with pytest.raises(ConfigError, match=f"^features.kind: .*received {features['kind']}; take"):
        check_settings(event_settings(features=features))


def test_the_only_fold(event_data):
    assert only_fold(event_data) == event_data.folds[0]


def test_several_folds_are_refused(event_data):
    twice = replace(event_data, folds=event_data.folds * 2)
    with pytest.raises(ConfigError, match=r"dataset: desed has 2 folds.*dataset\.folds"):
        only_fold(twice)


def test_data_without_events_are_refused(event_data):
    (fold,) = event_data.folds
    parts = {
        part: tuple(replace(clip, events=None) for clip in getattr(fold, part))
        for part in ("train", "validation", "test")
    }
    labelled = replace(event_data, name="csv", folds=(replace(fold, **parts),))
    with pytest.raises(ConfigError, match=r"dataset\.name: csv tells no onsets and offsets"):
        only_fold(labelled)
