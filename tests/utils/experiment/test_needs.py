"""What tasks of one kind alone read is refused in sets of the others, shipped ones are taken."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.utils.experiment.event_stand_ins import event_settings
from utils.config import load
from utils.config.event_sections import PostprocessSettings
from utils.config.schema import Settings
from utils.config.separation_sections import SegmentSettings, SeparationSettings
from utils.errors import ConfigError
from utils.experiment import check_clips
from utils.experiment.event_needs import check_settings
from utils.experiment.needs import (
    OF_CLIPS,
    OF_CUT_CLIPS,
    OF_EVENTS,
    OF_MASKS,
    OF_SEPARATION,
    OF_STRETCHES,
    OF_UTTERANCES,
    refuse,
    single_fold,
)

CATALOGUE = load(Path(__file__).resolve().parents[3] / "task.yaml")
PLAIN = Settings.model_validate(
    {"set_id": "test", "model": {"use": "x"}, "training": {"metrics": []}}
)
OTHER = {  # a value of each that asks for something
    "augment": ["Noise"],
    "training.metrics": ["accuracy"],
    "training.folds": 2,
    "compression": {"zeros": {}},
    "training.distillation": {"teachers": ["test"]},
    "evaluation.shifts_seconds": [0.0, 0.01],
    "evaluation.calibration": "temperature",
    "evaluation.batch_size": 8,
    "export.qat": {"epochs": 1},
    "export.mixed": {"layers": 1},
    "export.samples": ["float32"],
    "export.c_array": ["float32"],
    "feature_augment": [{"FrameShift": {}}],
    "view_augment": ["FilterAugment"],
    "training.parts": {"strong": 16, "weak": 0, "unlabelled": 0},
    "training.teacher": {},
    "dataset.embeddings": {"folder": "beats", "size": 8},
    "postprocess": {"tune": True},
    "audio.channels": 2,
    "features.bins": 64,
    "segments": {"remix": 0.5},
    "separation": {"add_up": True},
    "audio.short_clips": "loop",
    "audio.on_bad_audio": "skip",
    "segments.remix": 0.5,
    "segments.gain_db": 3.0,
    "separation.exponent": 1.0,
    "separation.extension": "zeros",
}
KINDS = (
    OF_CLIPS, OF_EVENTS, OF_SEPARATION, OF_CUT_CLIPS, OF_UTTERANCES, OF_STRETCHES, OF_MASKS
)  # fmt: skip


def with_value(settings: Settings, path: str) -> Settings:
    """Settings with the other value in one place."""
    data = settings.model_dump(mode="json")
    *sections, key = path.split(".")
    inside = data
    for section in sections:
        inside = inside[section]
    inside[key] = OTHER[path]
    return Settings.model_validate(data)


def test_defaults_ask_for_nothing():
    for unread in KINDS:
        refuse(PLAIN, unread, "is refused")
    assert OF_EVENTS["postprocess"] == PostprocessSettings()
    assert OF_SEPARATION["segments"] == SegmentSettings()
    assert OF_SEPARATION["separation"] == SeparationSettings()
    assert OTHER.keys() == {path for unread in KINDS for path in unread}


@pytest.mark.parametrize("path", OTHER)
def test_another_value_is_refused_with_its_path(path):
    kinds = [unread for unread in KINDS if path in unread]
    assert len(kinds) == 1
    with pytest.raises(ConfigError, match=rf"^{path}: has no effect; leave it out\.$"):
        refuse(with_value(PLAIN, path), kinds[0], "has no effect; leave it out.")


@pytest.mark.parametrize("path", OF_SEPARATION)
def test_tasks_of_clips_refuse_what_only_separation_reads(job, path):
    wrong = replace(job, settings=with_value(job.settings, path))
    told = rf"^{path}: is for networks that separate sources; leave it out here\.$"
    with pytest.raises(ConfigError, match=told):
        check_clips(wrong)


@pytest.mark.parametrize("path", OF_EVENTS)
def test_tasks_of_clips_refuse_what_only_sound_events_read(job, path):
    wrong = replace(job, settings=with_value(job.settings, path))
    told = rf"^{path}: is for networks of sound events; leave it out here\.$"
    with pytest.raises(ConfigError, match=told):
        check_clips(wrong)


@pytest.mark.parametrize("path", [*OF_CLIPS, *OF_SEPARATION])
def test_sound_events_refuse_what_only_others_read(path):
    told = rf"^{path}: has no effect on networks of sound events; leave it out\.$"
    with pytest.raises(ConfigError, match=told):
        check_settings(with_value(event_settings(), path))


def test_magnitudes_are_for_separation(job, changed):
    with pytest.raises(ConfigError, match=r"^features\.kind: magnitude is for networks that sep"):
        check_clips(changed(job, "features", kind="magnitude"))


SHIPPED = [
    (one, demo)
    for set_id in CATALOGUE.set_ids()
    for demo in (False, True)
    for one in (
        [f"{set_id}/{arm}" for arm in CATALOGUE.resolve(set_id, demo=demo).settings.study.arms]
        if CATALOGUE.is_study(set_id)
        else [set_id]
    )
]


@pytest.mark.parametrize(("set_id", "demo"), SHIPPED)
def test_shipped_sets_give_nothing_that_is_not_read(set_id, demo):
    resolved = CATALOGUE.resolve(set_id, demo=demo)
    if resolved.task == "task4_sed":
        unread = {**OF_CLIPS, **OF_SEPARATION}
    elif resolved.task == "task_separation":
        settings = resolved.settings
        afresh = settings.dataset.name == "speakers" and settings.dataset.speakers.fresh
        unread = {**OF_CLIPS, **OF_EVENTS, **OF_CUT_CLIPS}
        unread |= OF_UTTERANCES if settings.dataset.name != "speakers" else {}
        unread |= OF_STRETCHES if afresh else {}
        unread |= OF_MASKS if settings.features.kind == "waveform" else {}
    else:
        unread = {**OF_EVENTS, **OF_SEPARATION}
    refuse(resolved.settings, unread, "is not read")


def test_a_data_set_of_one_fold(data):
    one = replace(data, folds=data.folds[:1])
    assert single_fold(one, "networks of the test") == data.folds[0]
    told = r"^dataset: words has 2 folds; networks of the test are trained on one, name it in data"
    with pytest.raises(ConfigError, match=told):
        single_fold(data, "networks of the test")
