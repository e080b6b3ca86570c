"""Arms that cost more than a study allows: which, by what, and that it is counted once."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from utils.cli.study_limits import Cost, beyond, bounds, cost_of
from utils.config.compression_section import CompressionSettings
from utils.config.export_section import LimitSettings
from utils.config.study_section import UnderSettings
from utils.report.study_costs import Bound

COST = Cost(int8_bytes=100, parameters=90, macs=1000, judged_bytes=400, judged_parameters=95)
NOTHING = LimitSettings(parameter_bytes={}, parameters={}, macs={})


@pytest.mark.parametrize(
    ("under", "reasons"),
    [
        ({"int8_bytes": 100, "parameters": 90, "macs": 1000}, ()),
        ({"int8_bytes": 99}, ("100 of 99 bytes (int8), by study.under",)),
        ({"parameters": 89}, ("90 of 89 parameters (file), by study.under",)),
        ({"macs": 999}, ("1,000 of 999 MAC (network), by study.under",)),
        ({"macs": 1, "int8_bytes": 1}, (
            "100 of 1 bytes (int8), by study.under", "1,000 of 1 MAC (network), by study.under",
        )),
    ],
)  # fmt: skip
def test_what_is_allowed_is_kept_and_one_more_is_not(under, reasons):
    assert beyond(COST, UnderSettings(**under), NOTHING) == reasons


def test_limits_of_an_arm_count_where_that_is_asked_for():
    limits = LimitSettings(
        parameter_bytes={"tight": 399, "wide": 400}, parameters={"few": 94}, macs={"M": 999},
        format="float32",
    )  # fmt: skip
    assert beyond(COST, UnderSettings(limits=True), limits) == (
        "400 of 399 bytes (float32), by tight",
        "95 of 94 parameters (float32), by few",
        "1,000 of 999 MAC (network), by M",
    )
    assert beyond(COST, UnderSettings(macs=1000), limits) == ()


def test_bytes_are_not_asked_of_what_gets_zeros_later():
    """The limits leave zeros out, and how many there will be in a file is not known."""
    sparse = replace(COST, sparse=True)
    limits = LimitSettings(parameter_bytes={"tight": 399}, parameters={"few": 94}, macs={})
    assert beyond(sparse, UnderSettings(limits=True, int8_bytes=1), limits) == (
        "95 of 94 parameters (int8), by few",
    )
    counted = limits.model_copy(update={"model_bytes": {"whole": 399}})  # zeros too
    assert beyond(sparse, UnderSettings(limits=True), counted)[0] == (
        "400 of 399 bytes with zeros (int8), by whole"
    )
    keras = limits.model_copy(update={"format": "keras_float16"})  # which counts zeros
    assert len(beyond(sparse, UnderSettings(limits=True), keras)) == 2


def job_with(compression, passes=1):
    settings = SimpleNamespace(
        limits=NOTHING, compression=compression and CompressionSettings(**compression),
        evaluation=SimpleNamespace(shifts_seconds=(0.0,) * passes),
    )  # fmt: skip
    return SimpleNamespace(settings=settings)


def test_a_network_is_counted_without_the_channels_that_its_compression_takes(monkeypatch):
    import keras

    def build(job):
        layers = keras.layers
        clip = keras.Input((4, 4, 1))
        pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3)(clip))
        return keras.Model(clip, layers.Dense(2)(pooled))

    monkeypatch.setattr("utils.experiment.network.network_of", build)
    dense, halved = cost_of(job_with(None)), cost_of(job_with({"channels": {"share": 0.5}}))
    assert (dense.parameters, halved.parameters) == (8 * 10 + 2 * 9, 4 * 10 + 2 * 5)
    assert (dense.macs, halved.macs) == (8 * 36 + 16, 4 * 36 + 8)
    assert cost_of(job_with(None, passes=3)).macs == 3 * dense.macs
    assert [one.sparse for one in (dense, halved, cost_of(job_with({"zeros": {}})))] == [
        False, False, True,
    ]  # fmt: skip


def test_limits_of_a_study_are_lines_of_its_pictures():
    assert bounds(UnderSettings(macs=5, int8_bytes=7, parameters=3)) == (
        Bound("study.under", 7, "bytes"),
        Bound("study.under", 5, "MAC"),
    )
    assert bounds(UnderSettings(limits=True)) == bounds(None) == ()


def costing(macs: int) -> Cost:
    return Cost(int8_bytes=1, parameters=1, macs=macs, judged_bytes=1, judged_parameters=1)


@pytest.fixture
def limited(study):
    """The toy study with a limit that one of its arms breaks."""
    study.add("      under: {macs: 100}\n")
    study.costs = {"s/sgd": costing(101), "s/adam": costing(100)}
    return study


def test_an_arm_beyond_is_not_run_and_told_with_its_reason(limited, capsys):
    assert limited("-s", "s") == 0
    assert limited.names() == [("s/adam", 0), ("s/adam", 1)]
    printed = " ".join(capsys.readouterr().out.split())
    assert "left out before training: sgd: 101 of 100 MAC (network), by study.under" in printed
    assert "study s: 1 arms by 2 seeds" in printed
    (out,) = limited.outcome["left_out"]
    assert out == {
        "name": "sgd",
        "changes": "training.optimizer.SGD.learning_rate: 0.1",
        "reasons": ["101 of 100 MAC (network), by study.under"],
    }
    assert [arm["name"] for arm in limited.outcome["arms"]] == ["adam"]


def test_networks_are_counted_once(limited, tmp_path):
    assert limited("-s", "s") == 0
    (command,) = limited.asked
    assert command[2:6] == ["-s", "s/sgd,s/adam", "--check_only", "--count_costs"]
    before = limited.outcome
    limited.made()
    assert limited("-s", "s") == 0  # everything is found
    assert (limited.names(), len(limited.asked)) == ([], 1)
    assert limited.outcome == before
    assert limited("-s", "s", "--overwrite") == 0
    assert len(limited.asked) == 2


@pytest.mark.parametrize(
    "found", ["[]", "{", '{"s/sgd": {}, "s/adam": {}}', '{"s/sgd": {"int8_bytes": 1}}']
)
def test_costs_of_another_version_are_counted_again(limited, tmp_path, found):
    assert limited("-s", "s") == 0
    before = limited.outcome
    ((tmp_path / "runs/s/latest").resolve() / "costs.json").write_text(found)
    assert limited("-s", "s") == 0
    assert len(limited.asked) == 2
    assert limited.outcome == before


def test_operations_that_cannot_be_counted_are_told(limited):
    limited.costs["s/adam"] = replace(costing(0), unknown=("mel", "attention"))
    assert limited("-s", "s") == 0
    (note,) = [one for one in limited.outcome["notes"] if "could not be counted" in one]
    assert note.endswith("study.under takes them for none: mel, attention (adam).")
    assert limited("-s", "s") == 0  # read back
    assert (note in limited.outcome["notes"], len(limited.asked)) == (True, 1)


def test_another_limit_is_another_study_of_the_same_runs(limited, tmp_path):
    assert limited("-s", "s") == 0
    first = (tmp_path / "runs/s/latest").resolve()
    limited.made()
    assert limited("-s", "s", "--override", "study.under.macs=101") == 0
    assert (tmp_path / "runs/s/latest").resolve() != first
    assert limited.names() == [("s/sgd", 0), ("s/sgd", 1)]
    assert limited.outcome["left_out"] == []
    kept = json.loads(((tmp_path / "runs/s/latest").resolve() / "costs.json").read_text())
    assert kept["s/sgd"]["macs"] == 101


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["study.under.macs=99"], "study.under: every arm costs more than it allows: sgd: 101 of"),
        (["study.baseline=sgd"], "study.baseline: 'sgd' costs more than study.under allows"),
    ],
)
def test_nothing_is_run_where_no_arm_or_no_baseline_is_left(limited, capsys, overrides, words):
    assert limited("-s", "s", "--override", *overrides) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert limited.commands == []


def test_a_search_leaves_such_arms_out_too(limited):
    limited.add("      search: {learning_rates: [0.1, 0.01], epochs: 2, widen: 0}\n")
    assert limited("-s", "s") == 0
    assert {name.partition("@")[0] for name, _ in limited.names()} == {"s/adam"}
