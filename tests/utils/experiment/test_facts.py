"""Facts about networks and files: what could not be counted, what is joined over files."""

import pytest

from utils import export, inference
from utils.experiment.facts import (
    LATENCY_REPEATS,
    export_facts,
    file_facts,
    step_facts,
    uncounted,
)
from utils.export import FileFacts
from utils.report.results import LayerFacts, ModelFacts


def layer(name, macs):
    return LayerFacts(name, "Dense", (None, 3), 10, macs)


@pytest.mark.parametrize(
    ("macs", "named"), [((5, 0), None), ((5, None), "b."), ((None, None), "a, b.")]
)
def test_layers_without_a_count_are_named(macs, named):
    layers = tuple(map(layer, "ab", macs))
    notes = uncounted(ModelFacts(20, 20, 20, 5, 40, layers=layers))
    assert len(notes) == (named is not None)
    assert all(note.endswith(f"not be counted: {named}") for note in notes)


MEASURED = {
    "file_bytes": 900, "parameters": 100, "non_zero": 90, "parameter_bytes": 400,
    "non_zero_bytes": 360, "by_type": {"FLOAT32": 400}, "max_difference": 1e-6, "latency_ms": 3.0,
}  # fmt: skip


def test_what_was_measured_of_a_format_is_joined_over_its_files():
    folds = [
        MEASURED,
        MEASURED | {"file_bytes": 999, "max_difference": 3e-6, "latency_ms": 10.0},
        MEASURED | {"max_difference": 2e-6, "latency_ms": 4.0},
    ]
    overall = {"psds_scenario1": 0.25, "psds_scenario1_50": 0.2, "event_f1_macro": None}
    found = export_facts(folds, overall)
    assert (found.file_bytes, found.parameters, found.non_zero_bytes) == (900, 100, 360)
    assert found.max_difference == 3e-6
    assert found.latency_ms == 4.0
    assert found.scores == {"psds_scenario1": 0.25, "event_f1_macro": None}  # headlines alone


def test_steps_of_folds_have_the_size_of_the_first_and_the_median_time():
    first = {"parameters": 100, "non_zero": 60, "macs": 500, "latency_ms": 3.0}
    folds = [first, first | {"non_zero": 61, "latency_ms": 9.0}, first | {"latency_ms": 4.0}]
    found = step_facts("zeros", folds, {"accuracy": 0.5, "accuracy_micro": 0.6})
    assert (found.name, found.parameters, found.non_zero, found.macs) == ("zeros", 100, 60, 500)
    assert (found.bytes, found.non_zero_bytes, found.latency_ms) == (400, 240, 4.0)
    assert found.scores == {"accuracy": 0.5}


def test_what_is_measured_of_a_file(tmp_path, monkeypatch):
    path = tmp_path / "model_float32.tflite"
    asked = []

    def load(path, *, threads):
        asked.append((path, threads))
        return "predictor"

    def latency(predictor, clip, *, repeats):
        asked.append((predictor, clip, repeats))
        return 2.5

    monkeypatch.setattr(inference, "load_predictor", load)
    monkeypatch.setattr(inference, "latency_ms", latency)
    facts = FileFacts(500, 111, 110, 444, 440, {"FLOAT32": 444})
    monkeypatch.setattr(export, "measure", lambda path: facts)
    found = file_facts(path, clip="clip", max_difference=0.125)
    assert asked == [(path, 1), ("predictor", "clip", LATENCY_REPEATS)]  # on one thread
    assert (found["max_difference"], found["latency_ms"]) == (0.125, 2.5)
    told = export_facts([found], {})
    assert (told.parameters, told.custom_operators) == (111, ())
    del found["custom_operators"]  # as runs of earlier versions
    assert export_facts([found], {}).custom_operators is None
