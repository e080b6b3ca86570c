"""A network of sound events is built and compiled before any audio is read; mistakes show there."""

import pytest

from tests.utils.experiment.event_stand_ins import EVENT_SETTINGS, STEP, event_settings
from utils.errors import UserError
from utils.experiment import EventExperiment

RECURRENT = [
    {"Reshape": {"target_shape": [41, 4]}},
    {"AveragePooling1D": {"pool_size": 4}},
    {"GRU": {"units": 2, "return_sequences": True}},
    *EVENT_SETTINGS["model"]["layers"][2:],
]
PADDED = {"AveragePooling1D": {"pool_size": 4, "padding": "same"}}
LAYERS = EVENT_SETTINGS["model"]["layers"]
MISTAKES = {
    "one output": ({"model": {"outputs": ["weak"]}}, "nothing takes the output|model: its outputs"),
    "int8": (
        {"model": {"layers": RECURRENT}, "export": {"formats": ["float32", "int8"]}},
        r"export\.formats: int8 is not possible with a recurrent layer",
    ),
    "padded steps": (
        {"model": {"layers": [LAYERS[0], PADDED, *LAYERS[2:]]}},
        "model: gives 11 steps of 41 frames",
    ),
    "views of other targets": (
        {"view_augment": ["FilterAugment", "TimeMask"]},
        r"view_augment\[1\]\.TimeMask: changes the targets",
    ),
    "bands": ({"feature_augment": ["FilterAugment"]}, "FilterAugment: 6 bands .* have 4"),
    "optimiser": ({"training": {"optimizer": {"Adm": {}}}}, "Did you mean 'Adam'"),
    "metric": (
        {"training": {"select": {"metric": "val_objectiv"}}},
        "no epoch reports 'val_objectiv'.*Did you mean 'val_objective'",
    ),
    "metric of nobody": (
        {"training": {"select": {"metric": "val_teacher_objective"}, "teacher": None}},
        "no epoch reports 'val_teacher_objective'",
    ),
    "limits": (
        {"limits": {"parameters": {"few": 10}, "format": "dynamic"}},
        r"limits\.format: dynamic is to be judged but is not exported",
    ),
    "waveform": (
        {"features": {"kind": "waveform", "normalise": {"method": "none"}}}, r"features\.kind",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_show_before_any_audio_is_read(event_job, open_folder, mistake):
    changes, message = MISTAKES[mistake]
    job = event_job(**changes)
    with open_folder(job) as opened, pytest.raises(UserError, match=message):
        EventExperiment(job, opened).check_network()
    assert not job.cache.exists()


@pytest.mark.parametrize("teacher", [{}, None])
def test_a_set_without_mistakes_is_taken(event_job, open_folder, teacher):
    job = event_job(training={"teacher": teacher})
    assert job.settings == event_settings(training={"teacher": teacher})
    with open_folder(job) as opened:
        experiment = EventExperiment(job, opened)
        experiment.check_network()
        assert experiment.grid == (10, 4, pytest.approx(STEP))
        assert experiment.networks == (("student", "teacher") if teacher == {} else ("student",))
    assert not job.cache.exists()
