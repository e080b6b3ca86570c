"""Scores of single-label clips: overall, per class, per device, seen against unseen, per fold.

Accuracy and log loss are macro averages (means of classes), the measures that DCASE task 1 ranks
by; the micro averages (means of clips) stand beside them. The overall accuracy is computed by
``sed_eval``, as in the DCASE baselines; everything else by ``utils.metrics``.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.evaluation.predictions import Predictions, require_distributions
from utils.files import or_none
from utils.metrics.bootstrap import bootstrap_intervals
from utils.metrics.classification import (
    class_f1,
    class_scores,
    class_totals,
    confusion_matrix,
    overall_scores,
)

CLIPS_AT_ONCE = 100  # sed_eval compares every pair of names that it is given at once


@dataclass(frozen=True)
class SceneScores:
    """Scores of labelled predictions. Accuracies are shares (0 to 1); None marks an empty cell.

    Attributes:
        classes: class names.
        overall: accuracy (macro, by sed_eval), accuracy_micro, log_loss (macro), log_loss_micro.
        intervals: 95 % bootstrap intervals (low, high) of the overall scores, resampled by
            ``Predictions.groups``; empty when resampling is off.
        per_class: class -> accuracy (recall), log_loss, f1, clips, and per_device: device ->
            accuracy, log_loss, clips.
        per_device: device -> accuracy and log_loss (macro), clips; devices in natural order.
        groups: ``seen`` and ``unseen`` devices -> accuracy and log_loss (macro), clips, devices,
            intervals; empty when no device is unseen.
        confusion: counts [true class][predicted class].
    """

    classes: tuple[str, ...]
    overall: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    per_class: dict[str, dict[str, Any]]
    per_device: dict[str, dict[str, Any]]
    groups: dict[str, dict[str, Any]]
    confusion: tuple[tuple[int, ...], ...]

    def as_dict(self) -> dict[str, Any]:
        """Give the scores as plain data for results.json."""
        return {
            "overall": dict(self.overall),
            "intervals": {name: list(pair) for name, pair in self.intervals.items()},
            "per_class": self.per_class,
            "per_device": self.per_device,
            "groups": self.groups,
            "confusion": [list(row) for row in self.confusion],
            "classes": list(self.classes),
        }


def score_scenes(
    predictions: Predictions,
    *,
    classes: Sequence[str],
    devices: Sequence[str] | None = None,
    unseen: Sequence[str] = (),
    bootstrap: int = 1000,
    seed: int = 0,
) -> SceneScores:
    """Score predictions of one label a clip.

    Args:
        predictions: with truth.
        classes: class names in the order of the columns.
        devices: devices to report, in any order; None: those of the predictions.
        unseen: devices that no training clip has.
        bootstrap: resamples of the groups for the intervals; 0 turns them off.
        seed: of the resampling.

    Returns:
        The scores; classes without clips are left out of means over classes.

    Raises:
        DataError: when there is no clip, no truth, or a row is not a distribution.
        ValueError: when the columns are not the classes.
    """
    truth = predictions.known_truth
    require_distributions(predictions, class_count=len(classes))
    order = device_order(predictions.devices if devices is None else devices)
    of_device = {device: _totals(predictions.on_devices([device])).sum(axis=0) for device in order}
    totals = _totals(predictions)
    confusion = confusion_matrix(
        truth=truth, predicted=predictions.predicted, class_count=len(classes)
    )
    overall = {name: float(score) for name, score in overall_scores(totals.sum(axis=0)).items()}
    overall["accuracy"] = _official_accuracy(
        truth, predictions.predicted, classes=classes, own=overall["accuracy"]
    )
    return SceneScores(
        classes=tuple(classes),
        overall=overall,
        intervals=_intervals(totals, bootstrap=bootstrap, seed=seed),
        per_class={
            name: {
                **_class_cell(totals.sum(axis=0), number),
                "f1": or_none(f1),
                "per_device": {
                    device: _class_cell(cells, number) for device, cells in of_device.items()
                },
            }
            for number, (name, f1) in enumerate(
                zip(classes, class_f1(confusion=confusion), strict=True)
            )
        },
        per_device={device: _cell(cells) for device, cells in of_device.items()},
        groups=_seen_and_unseen(predictions, order, unseen, bootstrap=bootstrap, seed=seed),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def device_order(devices: Sequence[str | None]) -> tuple[str, ...]:
    """Sort device names naturally and once each: a, b, c, s1, s2, s10; None is dropped."""

    def natural(name: str) -> list[tuple[bool, int, str]]:
        parts = re.findall(r"[0-9]+|[^0-9]+", name)
        return [
            (False, int(part), "") if part[0] in "0123456789" else (True, 0, part.lower())
            for part in parts
        ]

    return tuple(
        sorted(
            {device for device in devices if device is not None},
            key=lambda name: (natural(name), name),
        )
    )


def _totals(predictions: Predictions) -> np.ndarray:
    """Totals (units, 3, classes) of labelled predictions, a unit being a group."""
    if not predictions.names:
        return np.zeros((0, 3, predictions.probabilities.shape[1]))
    units = predictions.units
    return class_totals(
        truth=predictions.known_truth,
        probabilities=predictions.probabilities,
        units=units,
        unit_count=int(units.max()) + 1,
    )


def _cell(totals: np.ndarray) -> dict[str, Any]:
    """Macro scores and clip count of summed totals (3, classes)."""
    scores = overall_scores(totals)
    return {
        "accuracy": or_none(scores["accuracy"]),
        "log_loss": or_none(scores["log_loss"]),
        "clips": int(totals[0].sum()),
    }


def _class_cell(totals: np.ndarray, number: int) -> dict[str, Any]:
    """Scores and clip count of one class of summed totals (3, classes)."""
    scores = class_scores(totals)
    return {
        "accuracy": or_none(scores["accuracy"][number]),
        "log_loss": or_none(scores["log_loss"][number]),
        "clips": int(totals[0, number]),
    }


def _seen_and_unseen(
    predictions: Predictions,
    devices: Sequence[str],
    unseen: Sequence[str],
    *,
    bootstrap: int,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Scores over the devices that training knows and over those that it does not."""
    kinds = {
        "seen": [device for device in devices if device not in unseen],
        "unseen": [device for device in devices if device in unseen],
    }
    if not kinds["unseen"]:
        return {}
    groups = {}
    for kind, names in kinds.items():
        totals = _totals(predictions.on_devices(names))
        intervals = _intervals(totals, bootstrap=bootstrap, seed=seed)
        groups[kind] = {
            **_cell(totals.sum(axis=0)),
            "devices": names,
            "intervals": {name: list(pair) for name, pair in intervals.items()},
        }
    return groups


def _intervals(totals: np.ndarray, *, bootstrap: int, seed: int) -> dict[str, tuple[float, float]]:
    """Bootstrap intervals of the overall scores; none where there are no clips."""
    if len(totals) == 0:
        return {}
    return bootstrap_intervals(
        totals=totals,
        scores_of=overall_scores,
        resamples=bootstrap,
        rng=np.random.default_rng(seed),
    )


def _official_accuracy(
    truth: np.ndarray, predicted: np.ndarray, *, classes: Sequence[str], own: float
) -> float:
    """Class-wise average accuracy by ``sed_eval`` over the classes that the truth holds.

    Raises:
        RuntimeError: when it is not our own figure, which is a bug.
    """
    with warnings.catch_warnings():  # dcase_util: pkg_resources, escape sequences
        warnings.simplefilter("ignore")
        from sed_eval.scene import SceneClassificationMetrics
    present = [classes[number] for number in np.unique(truth)]
    metrics = SceneClassificationMetrics(scene_labels=present)
    for start in range(0, len(truth), CLIPS_AT_ONCE):
        rows = range(start, min(start + CLIPS_AT_ONCE, len(truth)))
        reference, estimated = (
            [{"filename": f"{row}.wav", "scene_label": classes[labels[row]]} for row in rows]
            for labels in (truth, predicted)
        )
        metrics.evaluate(reference, estimated)
    official = float(metrics.results_class_wise_average_metrics()["accuracy"]["accuracy"])
    if abs(official - own) > 1e-12:
        raise RuntimeError(f"sed_eval gives accuracy {official!r}, utils.metrics {own!r}")
    return official
