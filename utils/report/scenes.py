"""Tables and sections of clip classification: classes, devices, confusion, wrong clips."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from utils.report.measures import MEASURES, MISSING
from utils.report.plots import WrongClip, confusion_matrix, device_bars, wrong_clips
from utils.report.section import Section
from utils.report.size import count
from utils.report.tables import Column, Row, Table

Scores = Mapping[str, Any]

_ACCURACY = MEASURES["accuracy"]
_LOSS = MEASURES["log_loss"]


def unseen_devices(scores: Scores) -> tuple[str, ...]:
    """Devices of the test clips that no training clip has."""
    return tuple(scores.get("groups", {}).get("unseen", {}).get("devices", ()))


def class_table(scores: Scores) -> Table:
    """Log loss and accuracy of each class and device, in the form of the DCASE baseline.

    Rows are classes; columns are the class's log loss, its log loss on each device, its accuracy.
    Two rows sum up: log loss and accuracy, each the mean over classes (macro). A star marks devices
    without training clips. Where no devices are known, F1 and the number of clips stand in their
    place.

    Args:
        scores: ``SceneScores.as_dict()``.
    """
    unseen = unseen_devices(scores)
    devices = list(scores.get("per_device", {}))
    if not devices:
        return _class_table_without_devices(scores)
    group = "Log loss per device"
    columns = (
        Column("Scene", words=True),
        Column("Logloss", "Loss"),
        *(Column(_device_name(d, unseen), group=group) for d in devices),
        Column("Acc. %", "Acc."),
    )
    rows = [
        Row(
            (
                name,
                _LOSS.number(result["log_loss"]),
                *(_cell(result["per_device"], device) for device in devices),
                _ACCURACY.number(result["accuracy"]),
            )
        )
        for name, result in scores["per_class"].items()
    ]
    overall, per_device = scores["overall"], scores["per_device"]
    losses = (_LOSS.number(per_device[d]["log_loss"]) for d in devices)
    accuracies = (_ACCURACY.number(per_device[d]["accuracy"]) for d in devices)
    rows += [
        Row(("Logloss", _LOSS.number(overall["log_loss"]), *losses, ""), summary=True),
        Row(("Accuracy", "", *accuracies, _ACCURACY.number(overall["accuracy"])), summary=True),
    ]
    note = "The last two rows are means over classes (macro), accuracy in per cent."
    if any(device in unseen for device in devices):
        note += " * device without training clips."
    return Table("Log loss by scene and device", columns, tuple(rows), note)


def _class_table_without_devices(scores: Scores) -> Table:
    columns = (
        Column("Class", words=True),
        Column("Logloss"),
        Column("Acc. %"),
        Column("F1 %"),
        Column("Clips"),
    )
    rows = [
        Row(
            (
                name,
                _LOSS.number(result["log_loss"]),
                _ACCURACY.number(result["accuracy"]),
                _ACCURACY.number(result.get("f1")),
                count(result.get("clips")),
            )
        )
        for name, result in scores["per_class"].items()
    ]
    overall = scores["overall"]
    clips = sum(result.get("clips") or 0 for result in scores["per_class"].values())
    rows += [
        Row(("Logloss", _LOSS.number(overall["log_loss"]), "", "", count(clips)), summary=True),
        Row(("Accuracy", "", _ACCURACY.number(overall["accuracy"]), "", ""), summary=True),
    ]
    note = "The last two rows are means over classes (macro)."
    return Table("Log loss and accuracy by class", columns, tuple(rows), note)


def _device_name(device: str, unseen: Sequence[str]) -> str:
    return device.upper() + ("*" if device in unseen else "")


def _cell(per_device: Mapping[str, Mapping[str, Any]], device: str) -> str:
    result = per_device.get(device)
    return MISSING if result is None else _LOSS.number(result["log_loss"])


def group_table(scores: Scores) -> Table:
    """Overall scores with their 95 % intervals, and seen against unseen devices.

    Args:
        scores: ``SceneScores.as_dict()``.
    """
    columns = (
        Column("Test clips", words=True),
        Column("Acc. %", group="Accuracy"),
        Column("95 %", group="Accuracy"),
        Column("Log loss", "Loss", group="Log loss"),
        Column("95 %", group="Log loss"),
        Column("Clips"),
    )
    overall, intervals = scores["overall"], scores.get("intervals", {})
    total = sum(result.get("clips") or 0 for result in scores["per_class"].values())
    rows = [
        _group_row("all (macro)", overall, intervals, total),
        _group_row("all (micro)", overall, intervals, total, suffix="_micro"),
    ]
    for group, result in scores.get("groups", {}).items():
        name = f"{group} devices"
        if group == "unseen":
            name += f" ({', '.join(device.upper() for device in unseen_devices(scores))})"
        rows.append(_group_row(name, result, result.get("intervals", {}), result.get("clips")))
    note = (
        "Macro: mean over classes, the measure that ranks; micro: mean over clips. "
        "95 %: bootstrap interval."
    )
    return Table("Scores", columns, tuple(rows), note)


def _group_row(
    name: str, scores: Scores, intervals: Scores, clips: int | None, *, suffix: str = ""
) -> Row:
    cells = [name]
    for measure in (_ACCURACY, _LOSS):
        key = measure.key + suffix
        cells += [measure.number(scores.get(key)), measure.spread(intervals.get(key))]
    return Row((*cells, count(clips)))


def pick_wrong(probabilities: np.ndarray, truth: np.ndarray, *, number: int) -> np.ndarray:
    """The clips that the model got wrong with the greatest confidence, at most one of a class pair.

    Args:
        probabilities: (clips, classes).
        truth: class index of each clip, (clips,).
        number: how many clips at most.

    Returns:
        Indices of clips, the most confident mistake first.
    """
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(len(truth)), predicted]
    wrong = np.flatnonzero(predicted != truth)
    ordered = wrong[np.argsort(-confidence[wrong], kind="stable")]
    pairs: set[tuple[int, int]] = set()
    first: list[int] = []
    rest: list[int] = []
    for index in ordered:
        pair = (int(truth[index]), int(predicted[index]))
        (rest if pair in pairs else first).append(int(index))
        pairs.add(pair)
    return np.array((first + rest)[:number], dtype=np.int64)


def scene_sections(
    scores: Scores,
    *,
    wrong: Sequence[WrongClip] = (),
    hop_seconds: float | None = None,
) -> tuple[Section, ...]:
    """The blocks of a clip classification report.

    Args:
        scores: ``SceneScores.as_dict()``.
        wrong: wrongly classified clips whose spectrograms or waveforms are shown.
        hop_seconds: time between two frames of these spectrograms, or between two samples of these
            waveforms; None numbers them.

    Returns:
        Results, confusion, devices (where known) and wrong clips (where given).
    """
    classes = tuple(scores["per_class"])
    sections = [
        Section(
            "Results",
            tables=(group_table(scores), class_table(scores)),
        ),
        Section(
            "Confusion",
            "Rows are the true classes and add up to 100 %; numbers are clips.",
            figures=(confusion_matrix(np.asarray(scores["confusion"]), classes=classes),),
        ),
    ]
    if scores.get("per_device"):
        figure = device_bars(
            scores["per_device"], classes=len(classes), unseen=unseen_devices(scores)
        )
        sections.append(Section("Devices", figures=(figure,)))
    if wrong:
        text = "The most confident mistakes: true class → predicted class with its probability."
        sections.append(
            Section("Wrong clips", text, figures=(wrong_clips(wrong, hop_seconds=hop_seconds),))
        )
    return tuple(sections)
