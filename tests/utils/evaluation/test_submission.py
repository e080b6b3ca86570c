import re
from dataclasses import replace

import numpy as np
import pytest
import yaml

from utils.config.schema import (
    AugmentStep,
    AuthorSettings,
    FeatureSettings,
    NoiseSettings,
    PitchShiftSettings,
    SubmissionSettings,
)
from utils.config.submission_section import (
    ComplexitySettings,
    DescriptionSettings,
    EnergySettings,
    ExternalDatasetSettings,
)
from utils.errors import ConfigError
from utils.evaluation import Predictions, score_scenes
from utils.evaluation.submission import (
    AUGMENTING,
    SubmissionFacts,
    augmentation_text,
    features_text,
    label_of,
    management_text,
    meta_of,
    method_text,
    require_agreement,
    require_fitting,
    write_system,
)
from utils.evaluation.submission_forms import FORMS, form_of

CLASSES = ("bus", "tram")
SUBMISSION = SubmissionSettings(
    label="Müller-Lee_TAU_task1a_2",
    name="Small network",
    abbreviation="small",
    authors=(
        AuthorSettings(
            firstname="Kim",
            lastname="Müller-Lee",
            email="kim@example.org",
            corresponding=True,
            institute="University of Examples",
            affiliation="TAU",
            location="Tampere, Finland",
        ),
    ),
    source_code="https://example.org/code",
)
FIGURES = {
    "total_parameters": 46246,
    "total_parameters_non_zero": 46200,
    "model_size": 90.824,
    "total_model_size": 93004,
    "memory_use": 65280,
    "macs": 29202880,
}
FACTS = SubmissionFacts(
    sample_rate_hz=44100,
    acoustic_features="log-mel energies",
    data_augmentation=None,
    machine_learning_method="CNN",
    figures=FIGURES,
    complexity_management="weight quantization",
    pipeline="training, weight quantization",
)
LATER = SUBMISSION.model_copy(update={"label": "Müller-Lee_TAU_task1_2"})


def scores():
    predictions = Predictions(
        ("1", "2", "3"),
        np.array([[1.0, 0.0], [0.25, 0.75], [0.5, 0.5]]),
        truth=np.array([0, 1, 1]),
        devices=("a", "s1", "s1"),
    )
    return score_scenes(predictions, classes=CLASSES, bootstrap=0).as_dict()


def test_meta_holds_every_field_of_the_challenge_in_its_order():
    meta = meta_of(form=FORMS[2021], submission=SUBMISSION, facts=FACTS, scores=scores())
    assert meta == {
        "submission": {
            "label": "Müller-Lee_TAU_task1a_2",
            "name": "Small network",
            "abbreviation": "small",
            "authors": [
                {
                    "lastname": "Müller-Lee",
                    "firstname": "Kim",
                    "email": "kim@example.org",
                    "corresponding": True,
                    "affiliation": {
                        "abbreviation": "TAU",
                        "institute": "University of Examples",
                        "department": "",
                        "location": "Tampere, Finland",
                    },
                }
            ],
        },
        "system": {
            "description": {
                "input_sampling_rate": "44.1kHz",
                "acoustic_features": "log-mel energies",
                "embeddings": None,
                "data_augmentation": None,
                "machine_learning_method": "CNN",
                "ensemble_method_subsystem_count": None,
                "decision_making": None,
                "external_data_usage": None,
                "complexity_management": "weight quantization",
            },
            "complexity": {
                "total_parameters": 46246,
                "total_parameters_non_zero": 46200,
                "model_size": 90.824,  # KB, as published for the baseline
            },
            "external_datasets": None,
            "source_code": "https://example.org/code",
        },
        "results": {
            "development_dataset": {
                # bus right; tram one of two right (a tie goes to the first class); losses by hand
                "overall": {"logloss": pytest.approx(0.2452, abs=1e-4), "accuracy": 75.0},
                "class_wise": {
                    "bus": {"logloss": 0.0, "accuracy": 100.0},
                    "tram": {"logloss": pytest.approx(0.4904, abs=1e-4), "accuracy": 50.0},
                },
                "device_wise": {
                    "a": {"logloss": 0.0, "accuracy": 100.0},
                    "s1": {"logloss": pytest.approx(0.4904, abs=1e-4), "accuracy": 50.0},
                },
            }
        },
    }
    assert list(meta) == ["submission", "system", "results"]
    assert list(meta["submission"]) == ["label", "name", "abbreviation", "authors"]


def test_several_passes_are_an_average_of_one_network():
    facts = SubmissionFacts(
        sample_rate_hz=32000,
        acoustic_features=None,
        data_augmentation="noise",
        machine_learning_method="CNN",
        figures=FIGURES,
        decision_making="average",
    )
    meta = meta_of(form=FORMS[2021], submission=SUBMISSION, facts=facts, scores=scores())
    description = meta["system"]["description"]
    assert description["ensemble_method_subsystem_count"] is None
    assert description["decision_making"] == "average"
    assert description["input_sampling_rate"] == "32kHz"


def test_pair_is_written_under_the_label_without_folders_in_names(tmp_path):
    output, meta = write_system(
        tmp_path / "submission",
        form=FORMS[2021],
        submission=SUBMISSION,
        facts=FACTS,
        scores=scores(),
        predictions=Predictions(("audio/0.wav",), np.array([[0.25, 0.75]])),
        classes=CLASSES,
    )
    assert output.name == "Müller-Lee_TAU_task1a_2.output.csv"
    assert meta.name == "Müller-Lee_TAU_task1a_2.meta.yaml"
    assert output.read_text().splitlines()[1] == "0.wav\ttram\t0.25\t0.75"
    text = meta.read_text(encoding="utf-8")
    assert "lastname: Müller-Lee" in text
    assert yaml.safe_load(text) == meta_of(
        form=FORMS[2021], submission=SUBMISSION, facts=FACTS, scores=scores()
    )


@pytest.mark.parametrize(
    ("year", "description", "complexity"),
    [  # as the organisers' own checks of the year list them
        (
            2022,
            "input_sampling_rate acoustic_features embeddings data_augmentation "
            "machine_learning_method ensemble_method_subsystem_count decision_making "
            "external_data_usage complexity_management pipeline framework",
            "total_parameters total_parameters_non_zero memory_use macs",
        ),
        (
            2023,
            "input_sampling_rate acoustic_features embeddings data_augmentation "
            "machine_learning_method ensemble_method_subsystem_count decision_making "
            "external_data_usage complexity_management pipeline framework",
            "total_model_size total_parameters total_parameters_non_zero memory_use macs",
        ),
        (
            2024,
            "input_sampling_rate acoustic_features data_augmentation machine_learning_method "
            "external_data_usage complexity_management pipeline framework split_adaptations "
            "system_adaptations",
            "total_model_size total_parameters macs",
        ),
    ],
)
def test_later_forms_have_the_fields_of_their_year(year, description, complexity):
    split = 25 if year == 2024 else None
    facts = replace(FACTS, split=split)
    meta = meta_of(form=FORMS[year], submission=LATER, facts=facts, scores=scores())
    system = meta["system"]
    assert list(system["description"]) == description.split()
    assert system["description"]["pipeline"] == "training, weight quantization"
    assert system["complexity"] == {name: FIGURES[name] for name in complexity.split()}
    assert ("energy_consumption" in system) == (year == 2023)
    results = meta["results"]["development_dataset"]
    assert list(results) == (["split_25"] if split else ["overall", "class_wise", "device_wise"])


def test_own_words_stand_before_those_of_the_run():
    own = {
        "description": DescriptionSettings(pipeline="pretraining", external_data_usage="model"),
        "external_datasets": (
            ExternalDatasetSettings(name="E", url="https://e.org", total_audio_length=6.0),
        ),
        "energy_consumption": EnergySettings(training=0.2),
    }
    submission = LATER.model_copy(update=own)
    system = meta_of(form=FORMS[2023], submission=submission, facts=FACTS, scores=scores())[
        "system"
    ]
    assert system["description"]["pipeline"] == "pretraining"
    assert system["description"]["external_data_usage"] == "model"
    assert system["description"]["framework"] == "keras/tensorflow"
    assert system["energy_consumption"] == {
        "training": 0.2, "inference": None, "baseline_inference": None
    }  # fmt: skip
    assert system["external_datasets"] == [
        {"name": "E", "url": "https://e.org", "total_audio_length": 6.0}
    ]


@pytest.mark.parametrize(
    ("year", "settings", "message"),
    [
        (2021, {"complexity": {"macs": 5}}, "submission.complexity.macs: the form of 2021 has no"),
        (2024, {"description": {"embeddings": "VGGish"}}, "description.embeddings"),
        (2022, {"energy_consumption": {"training": 1.0}}, "energy_consumption.training"),
    ],
)
def test_settings_that_a_form_has_no_field_for_are_refused(year, settings, message):
    split = 5 if year == 2024 else None
    with pytest.raises(ConfigError, match=re.escape(message)):
        require_fitting(SubmissionSettings(**settings), FORMS[year], split=split)


def test_forms_with_splits_want_one_and_others_none():
    with pytest.raises(ConfigError, match=r"^dataset\.subset: .* one of 5, 10, 25, 50, 100 per"):
        require_fitting(SubmissionSettings(), FORMS[2024])
    with pytest.raises(ConfigError, match=r"^dataset\.subset: the form of 2023 has no splits"):
        require_fitting(SubmissionSettings(), FORMS[2023], split=5)
    require_fitting(SubmissionSettings(), FORMS[2024], split=5)


@pytest.mark.parametrize(
    ("name", "value"),
    [("total_parameters", 46247), ("model_size", 90.82), ("macs", 1), ("memory_use", 65281)],
)
def test_a_figure_that_contradicts_the_file_is_refused(name, value):
    submission = SubmissionSettings(complexity=ComplexitySettings(**{name: value}))
    with pytest.raises(ConfigError, match=rf"submission.complexity.{name}: says .* but m has"):
        require_agreement(submission, FIGURES, model="m")
    same = ComplexitySettings(**{name: FIGURES[name]})
    require_agreement(SubmissionSettings(complexity=same), FIGURES, model="m")


def test_only_operations_that_cannot_be_counted_are_taken_from_the_settings():
    facts = replace(FACTS, figures=FIGURES | {"macs": None})
    submission = LATER.model_copy(update={"complexity": ComplexitySettings(macs=7)})
    meta = meta_of(form=FORMS[2022], submission=submission, facts=facts, scores=scores())
    assert meta["system"]["complexity"]["macs"] == 7


def test_the_form_follows_from_the_data_or_the_year():
    assert form_of("tau_urban_2020_mobile", None).year == 2021
    assert form_of("tau_urban_2022_mobile", None).year == 2022
    assert form_of("tau_urban_2022_mobile", 2024).year == 2024
    assert form_of("csv", None).year == 2021
    labels = [label_of(SubmissionSettings(), form) for form in FORMS.values()]
    assert labels == ["Lastname_Inst_task1a_1", *["Lastname_Inst_task1_1"] * 3]


def test_texts_in_the_words_of_the_challenge():
    assert features_text(FeatureSettings()) == "log-mel energies"
    assert features_text(FeatureSettings(kind="waveform")) is None
    assert augmentation_text(()) is None
    steps = [AugmentStep(Noise=NoiseSettings()), AugmentStep(PitchShift=PitchShiftSettings())]
    assert augmentation_text([*steps, steps[0]]) == "noise, pitch shift"
    kinds = ("Conv2D", "SpecAugment", "FreqMixStyle", "FreqMixStyle")
    assert augmentation_text(steps[:1], kinds) == "noise, spec augment, freq mix style"
    assert management_text(file="float32") is None
    assert management_text(pruned=True, taught=True, file="float32") == (
        "knowledge distillation, pruning"
    )
    assert management_text(pruned=True, file="int8") == "pruning, weight quantization"
    by_training = "quantization-aware training, weight quantization"
    assert management_text(file="int8_qat") == by_training


def test_layers_that_augment_are_known_by_their_names():
    from models import layers

    assert all(hasattr(layers, name) for name in AUGMENTING)


@pytest.mark.parametrize(
    ("layers", "method"),
    [
        (["InputLayer", "DepthwiseConv2D", "Dense"], "CNN"),
        (["Conv2D", "Bidirectional"], "CRNN"),
        (["LSTM"], "RNN"),
        (["Dense", "Flatten"], "MLP"),
    ],
)
def test_method_is_told_by_the_layers(layers, method):
    assert method_text(layers) == method
