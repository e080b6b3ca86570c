"""A made-up run of task 1A, as results.json holds it; nothing here is computed from audio."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from utils.config.export_section import LimitSettings
from utils.report.limits import judge
from utils.report.results import ExportFacts, LayerFacts, ModelFacts, Results

SCENES = (
    "airport", "bus", "metro", "metro_station", "park", "public_square", "shopping_mall",
    "street_pedestrian", "street_traffic", "tram",
)  # fmt: skip
DEVICES = ("a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6")


@pytest.fixture
def make_scores() -> Callable[..., dict[str, Any]]:
    """Scores of ten scenes on the given devices; every number differs from its neighbours."""

    def make(devices: tuple[str, ...] = DEVICES) -> dict[str, Any]:
        per_class = {
            scene: {
                "accuracy": 0.3 + 0.031 * row,
                "log_loss": 1.101 + 0.1 * row,
                "f1": 0.25 + 0.03 * row,
                "clips": 33 * max(1, len(devices)),
                "per_device": {
                    device: {
                        "accuracy": 0.5,
                        "log_loss": 1.003 + 0.1 * row + 0.011 * place,
                        "clips": 33,
                    }
                    for place, device in enumerate(devices)
                },
            }
            for row, scene in enumerate(SCENES)
        }
        per_device = {
            device: {"accuracy": 0.631 - 0.03 * i, "log_loss": 1.081 + 0.2 * i, "clips": 330}
            for i, device in enumerate(devices)
        }
        groups: dict[str, Any] = {}
        if devices:
            groups = {
                "seen": {
                    "accuracy": 0.512, "log_loss": 1.345, "clips": 1980, "devices": devices[:6],
                    "intervals": {"accuracy": [0.49, 0.53], "log_loss": [1.3, 1.4]},
                },
                "unseen": {
                    "accuracy": 0.389, "log_loss": 1.755, "clips": 990, "devices": devices[6:],
                    "intervals": {"accuracy": [0.36, 0.42], "log_loss": [1.66, 1.85]},
                },
            }  # fmt: skip
        return {
            "overall": {
                "accuracy": 0.4771, "accuracy_micro": 0.4782,
                "log_loss": 1.4734, "log_loss_micro": 1.4745,
            },
            "intervals": {"accuracy": [0.4571, 0.4971], "log_loss": [1.4234, 1.5254]},
            "per_class": per_class,
            "per_device": per_device,
            "groups": groups,
            "confusion": (np.eye(10, dtype=int) * 140 + 17).tolist(),
        }  # fmt: skip

    return make


WORDS = (
    "bed", "bird", "cat", "dog", "down", "eight", "five", "four", "go", "happy", "house", "left",
    "marvin", "nine", "no", "off", "on", "one", "right", "seven", "sheila", "six", "stop", "three",
    "tree", "two", "up", "wow", "yes", "zero",
)  # fmt: skip


def _bins(slope: float) -> list[dict[str, float]]:
    """Bins of probability whose true share is the probability times a slope; one is empty."""
    return [
        {
            "low": 0.025 * number, "high": 0.025 * (number + 1), "count": 40_000 // 4**number + 3,
            "predicted": 0.025 * number + 0.012, "share": slope * (0.025 * number + 0.012),
            "presence": min(1.0, 0.1 * number),
        }
        for number in range(12)
        if number != 9
    ]  # fmt: skip


@pytest.fixture
def make_word_scores() -> Callable[..., dict[str, Any]]:
    """Scores of thirty words, four in a clip; every number differs from its neighbours."""

    def make(words: tuple[str, ...] = WORDS) -> dict[str, Any]:
        return {
            "overall": {"kl": 1.3114, "top4_recall": 0.5471, "kl_uniform": 2.0149, "ece": 0.0012},
            "intervals": {"kl": [1.291, 1.3312], "top4_recall": [0.5391, 0.5551]},
            "per_class": {
                word: {
                    "recall": 0.3 + 0.017 * ((7 * row) % 30),
                    "average_precision": 0.31 + 0.013 * row,
                    "mean_present": 0.051 + 0.002 * row,
                    "mean_absent": 0.021 + 0.0005 * row,
                    "clips": 190 + row,
                }
                for row, word in enumerate(words)
            },
            "calibration": {"ece": 0.0012, "bins": _bins(1.02)},
            "words": 4,
            "clips": 1500,
            "classes": list(words),
        }

    return make


@pytest.fixture
def word_results(results: Results, make_word_scores: Callable[..., dict[str, Any]]) -> Results:
    """The run of a network that tells overlapped words apart."""
    scored = {"kl": 1.3121, "top4_recall": 0.5468}
    exports = {name: replace(facts, scores=scored) for name, facts in results.exports.items()}
    return replace(
        results,
        set_id="dacon",
        description="Overlapped words",
        data="words",
        scores=make_word_scores(),
        exports=exports,
    )


SOUNDS = (
    "Alarm_bell_ringing", "Blender", "Cat", "Dishes", "Dog", "Electric_shaver_toothbrush",
    "Frying", "Running_water", "Speech", "Vacuum_cleaner",
)  # fmt: skip


def _roc(classes: tuple[str, ...], best: float) -> dict[str, Any]:
    rates = np.linspace(0, 100, 201)
    rise = 1 - np.exp(-rates / 20)
    return {
        "rates": rates.tolist(),
        "effective": (0.6 * best * rise).tolist(),
        "classes": {
            name: (best * (1 - 0.05 * number) * rise).tolist()
            for number, name in enumerate(classes)
        },
    }


@pytest.fixture
def make_event_scores() -> Callable[..., dict[str, Any]]:
    """Scores of ten sounds over all thresholds; every number differs from its neighbours."""

    def make(classes: tuple[str, ...] = SOUNDS) -> dict[str, Any]:
        return {
            "overall": {
                "psds_scenario1": 0.3514, "psds_scenario2": 0.5526, "event_f1_macro": 0.4214,
                "intersection_f1_macro": 0.6412, "segment_f1_macro": 0.7131,
                "psds_scenario1_50": 0.3401, "psds_scenario2_50": 0.5301,
                "psds_scenario2_2021": 0.5431,
            },
            "intervals": {
                "psds_scenario1": [0.331, 0.3719], "psds_scenario2": [0.5321, 0.5733],
                "event_f1_macro": [0.4011, 0.4419],
            },
            "per_class": {
                name: {
                    "psds_scenario1": 0.301 + 0.02 * row, "psds_scenario2": 0.502 + 0.02 * row,
                    "event_f1": 0.303 + 0.03 * row, "intersection_f1": 0.504 + 0.03 * row,
                    "segment_f1": 0.605 + 0.03 * row, "events": 420 + 133 * row,
                }
                for row, name in enumerate(classes)
            },
            "tables": None,
            "f1_threshold": None,
            "clips": 1168,
            "seconds": 11574.2,
            "classes": list(classes),
            "roc": {
                "psds_scenario1": _roc(classes, 0.6), "psds_scenario2": _roc(classes, 0.9),
            },
        }  # fmt: skip

    return make


@pytest.fixture
def event_results(results: Results, make_event_scores: Callable[..., dict[str, Any]]) -> Results:
    """The run of a network that detects sound events."""
    scored = {"psds_scenario1": 0.35, "psds_scenario2": 0.55, "event_f1_macro": 0.42}
    exports = {name: replace(facts, scores=scored) for name, facts in results.exports.items()}
    return replace(
        results,
        set_id="task4_sed",
        description="Sound events",
        data="desed",
        scores=make_event_scores(),
        exports=exports,
    )


@pytest.fixture
def results(make_scores: Callable[..., dict[str, Any]]) -> Results:
    """The run of the baseline."""
    layers = (
        LayerFacts("conv2d", "Conv2D", (40, 500, 16), 800, 15_680_000),
        LayerFacts("batch_normalization", "BatchNormalization", (40, 500, 16), 64, 0),
        LayerFacts("dense", "Dense", (10,), 1010, 1000),
    )
    model = ModelFacts(46_246, 46_118, 46_240, 286_637_800, 93_004, 1_290_000, layers)
    scored = {"accuracy": 0.4765, "log_loss": 1.4801}
    exports = {
        "float32": ExportFacts(190_184, 45_990, 45_984, 183_960, 183_936, scored, 1.2e-7, 7.21),
        "float16": ExportFacts(100_528, 45_990, 45_984, 91_980, 91_968, scored, 4.4e-4, 5.21),
        "int8": ExportFacts(57_512, 45_990, 45_984, 46_512, 46_506, scored, 0.031, 4.22),
    }
    return Results(
        set_id="task1a",
        description="DCASE 2021 Task 1A baseline",
        data="tau_urban_2020_mobile",
        data_identity="5f1c0a9b3e",
        demo=False,
        seed=0,
        commit="f7144b0a1c2d",
        versions={"python": "3.11.9", "keras": "3.15.1"},
        stages={"features": 83.1, "training": 1423.3},
        scores=make_scores(),
        model=model,
        exports=exports,
        limits=judge(LimitSettings(), model=model, exports=exports),
        notes=("3 locations lie on both sides of fold1: lisbon-1000, paris-12, milan-400.",),
    )


@pytest.fixture
def layer5(results: Results) -> Results:
    """The run of a network that breaks the size limit."""
    assert results.model is not None
    model = replace(results.model, parameters=191_030, macs=562_010_000)
    export = ExportFacts(210_000, 190_500, 190_500, 192_300, 192_300, {}, None, None)
    return replace(
        results,
        set_id="task1a_layer5",
        model=model,
        exports={"int8": export},
        limits=judge(LimitSettings(), model=model, exports={"int8": export}),
    )
