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
from utils.evaluation import Predictions, score_scenes
from utils.evaluation.submission import (
    SubmissionFacts,
    augmentation_text,
    features_text,
    management_text,
    meta_of,
    method_text,
    write_pair,
)

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
FACTS = SubmissionFacts(
    sample_rate_hz=44100,
    acoustic_features="log-mel energies",
    data_augmentation=None,
    machine_learning_method="CNN",
    total_parameters=46246,
    total_parameters_non_zero=46200,
    parameter_bytes=93004,
    complexity_management="weight quantization",
)


def scores():
    predictions = Predictions(
        ("1", "2", "3"),
        np.array([[1.0, 0.0], [0.25, 0.75], [0.5, 0.5]]),
        truth=np.array([0, 1, 1]),
        devices=("a", "s1", "s1"),
    )
    return score_scenes(predictions, classes=CLASSES, bootstrap=0).as_dict()


def test_meta_holds_every_field_of_the_challenge_in_its_order():
    meta = meta_of(submission=SUBMISSION, facts=FACTS, scores=scores())
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


def test_an_ensemble_is_counted():
    facts = SubmissionFacts(
        sample_rate_hz=32000,
        acoustic_features=None,
        data_augmentation="noise",
        machine_learning_method="CNN",
        total_parameters=1,
        total_parameters_non_zero=1,
        parameter_bytes=4,
        subsystems=5,
        decision_making="average",
    )
    description = meta_of(submission=SUBMISSION, facts=facts, scores=scores())["system"][
        "description"
    ]
    assert description["ensemble_method_subsystem_count"] == 5
    assert description["decision_making"] == "average"
    assert description["input_sampling_rate"] == "32kHz"


def test_pair_is_written_under_the_label_without_folders_in_names(tmp_path):
    output, meta = write_pair(
        tmp_path / "submission",
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
    assert yaml.safe_load(text) == meta_of(submission=SUBMISSION, facts=FACTS, scores=scores())


def test_texts_in_the_words_of_the_challenge():
    assert features_text(FeatureSettings()) == "log-mel energies"
    assert features_text(FeatureSettings(kind="waveform")) is None
    assert augmentation_text(()) is None
    steps = [AugmentStep(Noise=NoiseSettings()), AugmentStep(PitchShift=PitchShiftSettings())]
    assert augmentation_text([*steps, steps[0]]) == "noise, pitch shift"
    assert management_text(pruned=False, quantised=False) is None
    assert management_text(pruned=True, quantised=False) == "pruning"
    assert management_text(pruned=True, quantised=True) == "pruning, weight quantization"


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
