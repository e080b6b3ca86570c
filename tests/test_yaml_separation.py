"""task.yaml as shipped: the sets of task_separation, what was published, what its studies vary."""

from pathlib import Path

import pytest

from models.builder import build
from utils.config import load
from utils.features.heard import heard_by, heard_in_use
from utils.inference.separator import output_shape

CATALOGUE = load(Path(__file__).resolve().parent.parent / "task.yaml")
STUDIES = [one for one in CATALOGUE.set_ids("task_separation") if CATALOGUE.is_study(one)]
SETS = [one for one in CATALOGUE.set_ids("task_separation") if one not in STUDIES]
STEMS = {
    "task_separation": ["vocals", "accompaniment"],
    "separation_small": ["vocals", "accompaniment"],
    "spleeter_2stems": ["vocals", "accompaniment"],
    "spleeter_4stems": ["vocals", "drums", "bass", "other"],
    "spleeter_5stems": ["vocals", "piano", "drums", "bass", "other"],
}
STEPS = {"spleeter_2stems": 1_000_000, "spleeter_4stems": 1_500_000, "spleeter_5stems": 2_500_000}


def settings_of(set_id):
    return CATALOGUE.resolve(set_id).settings


def built(resolved, heard, sources):
    settings = resolved.settings
    return build(
        settings.model,
        named=resolved.models,
        input_shape=heard.input_shape,
        constants={"SOURCES": sources, "CHANNELS": heard.channels},
        name=settings.set_id,
        seed=settings.seed,
    )


def test_every_set_is_one_of_these():
    assert set(SETS) == {*STEMS, "svoice", "svoice_small"}
    assert set(STUDIES) == {
        "spleeter_optimizers",
        "svoice_optimizers",
        "svoice_schedules",
        "svoice_clipping",
    }


@pytest.mark.parametrize("set_id", ["task_separation", "separation_small", "svoice_small"])
def test_networks_give_what_their_sets_separate(set_id):
    resolved = CATALOGUE.resolve(set_id)
    settings = resolved.settings
    stems = len(STEMS.get(set_id, "ab"))
    for heard in (
        heard_by(settings.audio, settings.features),
        heard_in_use(settings.audio, settings.features, settings.separation),
    ):
        network = built(resolved, heard, stems)
        given, wanted = network.output_shape[1:], output_shape(heard, stems)
        assert all(size in (None, other) for size, other in zip(given, wanted, strict=True))


def test_stems_and_segments_are_spleeters():
    for set_id, names in STEMS.items():
        settings = settings_of(set_id)
        assert list(settings.dataset.music.stems) == names
        assert {len(parts) for parts in settings.dataset.music.stems.values()} <= {1, 3}
        assert (settings.training.loss, settings.audio.sample_rate) == ("magnitude_l1", 44_100)
        heard = heard_by(settings.audio, settings.features)
        assert (heard.n_fft, heard.hop_length, heard.channels) == (4096, 1024, 2)
    for set_id in STEMS.keys() - {"separation_small"}:
        settings = settings_of(set_id)
        heard = heard_by(settings.audio, settings.features)
        assert heard.input_shape == (512, 1024, 2)
        assert settings.training.batch_size == 4


@pytest.mark.parametrize("set_id", STEPS)
def test_published_sets_train_and_mask_as_published(set_id):
    settings = settings_of(set_id)
    assert settings.training.optimizer == {"Adam": {"learning_rate": 0.0001}}
    assert settings.training.schedule.kind == "constant"
    assert settings.segments.remix == 0.0
    assert (settings.separation.exponent, settings.separation.extension) == (2.0, "zeros")
    assert settings.model.constants["WIDTH"] == 16
    steps = settings.training.epochs * settings.segments.train // settings.training.batch_size
    assert steps == STEPS[set_id]


def test_speakers_are_svoices():
    settings = settings_of("svoice")
    assert (settings.dataset.speakers.number, settings.audio.sample_rate) == (2, 8000)
    training = settings.training
    assert training.optimizer == {"Adam": {"learning_rate": 0.0005, "global_clipnorm": 5.0}}
    assert (training.schedule.kind, training.schedule.step_epochs) == ("step", 2)
    assert (training.schedule.factor, training.batch_size, training.epochs) == (0.98, 4, 100)
    assert training.loss == "multi_scale_si_snr"
    for set_id in ("svoice", "svoice_small"):
        settings = settings_of(set_id)
        assert settings.training.threads == "between"
        assert settings.segments.train == settings.dataset.speakers.train


# --- studies ---


def arms_of(study):
    names = CATALOGUE.resolve(study).settings.study.arms
    return {name: CATALOGUE.resolve(f"{study}/{name}").settings.training for name in names}


def test_the_optimizers_are_those_of_the_original_comparisons():
    named = {
        study: {name: next(iter(arm.optimizer)) for name, arm in arms_of(study).items()}
        for study in ("spleeter_optimizers", "svoice_optimizers")
    }
    shared = {
        "adam": "Adam",
        "adagrad": "Adagrad",
        "adadelta": "Adadelta",
        "rmsprop": "RMSprop",
        "sgd": "SGD",
    }
    assert named["svoice_optimizers"] == shared
    assert named["spleeter_optimizers"] == shared | {"nesterov": "SGD"}
    nesterov = arms_of("spleeter_optimizers")["nesterov"].optimizer["SGD"]
    assert (nesterov["momentum"], nesterov["nesterov"]) == (0.9, True)
    for study in named:
        settings = CATALOGUE.resolve(study).settings.study
        assert settings.search is not None
        assert len(settings.search.learning_rates) >= 5
        assert settings.baseline == "adadelta"


def test_schedules_are_the_originals_and_one_without():
    arms = arms_of("svoice_schedules")
    assert set(arms) == {
        f"{optimizer}-{schedule}"
        for optimizer in ("adam", "rmsprop")
        for schedule in ("step", "plateau", "constant")
    }
    for name, arm in arms.items():
        schedule = arm.schedule
        assert schedule.kind == name.rpartition("-")[2]
        if schedule.kind == "step":
            assert (schedule.step_epochs, schedule.factor) == (2, 0.98)
        if schedule.kind == "plateau":
            assert (schedule.patience, schedule.factor) == (5, 0.5)


def test_clipping_differs_in_the_norm_alone():
    arms = arms_of("svoice_clipping")
    norms = {name: arm.optimizer["Adam"]["global_clipnorm"] for name, arm in arms.items()}
    assert norms == {"none": None, "norm5": 5.0, "norm1": 1.0, "norm02": 0.2}
    rest = [arm.model_dump(exclude={"optimizer"}) for arm in arms.values()]
    assert all(one == rest[0] for one in rest)
    assert {arm.optimizer["Adam"]["learning_rate"] for arm in arms.values()} == {0.003}


@pytest.mark.parametrize("study", STUDIES)
def test_studies_have_seeds_and_log_their_first_steps(study):
    assert CATALOGUE.resolve(study).settings.study.seeds == (0, 1, 2)
    for arm in arms_of(study).values():
        assert arm.log_steps == 100
    if study.startswith("svoice"):  # as many steps as the original had
        settings = CATALOGUE.resolve(f"{study}/{next(iter(arms_of(study)))}").settings
        assert settings.training.epochs == 100
        assert settings.dataset.speakers.train // settings.training.batch_size == 8
