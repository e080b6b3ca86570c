"""The files of a DCASE task 1 entry: ``<label>.output.csv`` and ``<label>.meta.yaml``.

What a year asks is in ``utils.evaluation.submission_forms``; what is wrong with the files is told
by ``utils.evaluation.validator``; ``utils.evaluation.package`` makes one zip of them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from utils.config.schema import AugmentStep, FeatureSettings
from utils.config.submission_section import AuthorSettings, SubmissionSettings
from utils.errors import ConfigError
from utils.evaluation.predictions import Predictions
from utils.evaluation.submission_forms import META_ENDING, Form
from utils.evaluation.system_output import write_system_output
from utils.files import write_text

AUGMENTING = ("SpecAugment", "FreqMixStyle")
"""Layers of networks that change clips while training, as the steps of ``augment`` do."""

DEMO_MARK = "# Made from demo data: not for submission."
_ROUNDING: dict[str, tuple[str, ...]] = {
    "float32": (),
    "int8_qat": ("quantization-aware training", "weight quantization"),
}

Figures = Mapping[str, int | float | None]
"""Figures of a model by the names of the meta file; None where they cannot be counted."""


@dataclass(frozen=True)
class SubmissionFacts:
    """What the challenge wants to know and only the run can tell.

    Attributes:
        sample_rate_hz: rate that the system works at.
        acoustic_features: such as "log-mel energies"; None for waveform input.
        data_augmentation: such as "noise, pitch shift"; None without.
        machine_learning_method: such as "CNN".
        figures: of the model that is handed in, at least those of the form.
        complexity_management: such as "weight quantization"; None without.
        pipeline: stages of the training, such as "training, weight quantization".
        framework: such as "keras/tensorflow".
        decision_making: such as "average" over several passes; None of one pass.
        demo: whether the run was on demo data; the meta file then says so in its first line.
        split: per cent of the training list that the system has learnt; None: the form has none.
    """

    sample_rate_hz: int
    acoustic_features: str | None
    data_augmentation: str | None
    machine_learning_method: str
    figures: Figures
    complexity_management: str | None = None
    pipeline: str = "training"
    framework: str = "keras/tensorflow"
    decision_making: str | None = None
    demo: bool = False
    split: int | None = None


def label_of(submission: SubmissionSettings, form: Form) -> str:
    """Label of the system; without one, a placeholder of the form."""
    return submission.label or form.placeholder


def require_fitting(
    submission: SubmissionSettings, form: Form, *, split: int | None = None
) -> None:
    """Refuse settings that the form has no field for, and a split that it needs or has not.

    Args:
        submission: what the user tells.
        form: of the year.
        split: per cent of the training list that is learnt; None: all labelled clips.

    Raises:
        ConfigError: naming the key.
    """
    for section in ("description", "complexity", "energy_consumption"):
        fields = form.energy if section == "energy_consumption" else getattr(form, section)
        for name in getattr(submission, section).model_dump(exclude_none=True):
            if name not in fields:
                raise ConfigError(
                    f"submission.{section}.{name}: the form of {form.year} has no such field; "
                    "remove it, or set submission.year."
                )
    if form.splits and split is None:
        raise ConfigError(
            f"dataset.subset: the form of {form.year} wants one system for each split of the "
            f"training list; name one of {', '.join(map(str, form.splits))} per cent."
        )
    if not form.splits and split is not None:
        raise ConfigError(
            f"dataset.subset: the form of {form.year} has no splits; leave it out, or set "
            "submission.year to 2024."
        )


def require_agreement(submission: SubmissionSettings, figures: Figures, *, model: str) -> None:
    """Refuse figures that the user expects and the model does not have.

    Args:
        submission: with the expected figures.
        figures: as counted.
        model: name of what was counted, for the message.

    Raises:
        ConfigError: naming the key, what it says, and what was counted.
    """
    for name, expected in submission.complexity.model_dump(exclude_none=True).items():
        counted = figures.get(name)
        if counted is not None and not math.isclose(counted, expected, abs_tol=5e-4, rel_tol=0.0):
            raise ConfigError(
                f"submission.complexity.{name}: says {expected:,}, but {model} has {counted:,}; "
                "remove the key, or hand in the model that you mean by limits.format."
            )


def write_system(
    folder: Path,
    *,
    form: Form,
    submission: SubmissionSettings,
    facts: SubmissionFacts,
    scores: Mapping[str, Any],
    predictions: Predictions,
    classes: Sequence[str],
) -> tuple[Path, Path]:
    """Write both files of a system, each whole or not at all.

    The settings fit the form and the model (:func:`require_fitting`, :func:`require_agreement`).
    What they leave open (authors) or the development set cannot give (a device without
    clips) is written as it is: the validator names it.

    Args:
        folder: where the files go; the challenge wants a folder named after the label.
        form: of the year; of one with splits, the pair is that of ``facts.split``.
        submission: label, names and authors.
        facts: what the run knows of the system.
        scores: ``SceneScores.as_dict()`` of the development set's test part.
        predictions: of the evaluation clips; folders are taken off their names.
        classes: class names in the order of the columns.

    Returns:
        Paths of the output and of the meta file.

    Raises:
        UserError: when a file cannot be written.
    """
    label = label_of(submission, form)
    output = folder / (label + form.output_ending(facts.split))
    meta = folder / (label + META_ENDING)
    names = tuple(PurePosixPath(name).name for name in predictions.names)
    write_system_output(output, replace(predictions, names=names), classes)
    content = meta_of(form=form, submission=submission, facts=facts, scores=scores)
    write_meta(meta, content, demo=facts.demo)
    return output, meta


def write_meta(path: Path, content: Mapping[str, Any], *, demo: bool = False) -> None:
    """Write a meta file, whole or not at all; its first line tells of demo data."""
    text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=100)
    write_text(path, f"{DEMO_MARK}\n{text}" if demo else text)


def meta_of(
    *,
    form: Form,
    submission: SubmissionSettings,
    facts: SubmissionFacts,
    scores: Mapping[str, Any],
) -> dict[str, Any]:
    """Fill the meta file's fields without judging them.

    Args:
        form: of the year: which fields.
        submission: label, names and authors; its words stand before those of the run.
        facts: what the run knows of the system.
        scores: ``SceneScores.as_dict()`` of the development set's test part.

    Returns:
        Plain data in the order of the file.
    """
    told = _description(facts) | submission.description.model_dump(exclude_none=True)
    expected = submission.complexity.model_dump(exclude_none=True)
    figures = {name: facts.figures.get(name) for name in form.complexity}
    system: dict[str, Any] = {
        "description": {name: told.get(name) for name in form.description},
        "complexity": {
            name: expected.get(name) if figure is None else figure
            for name, figure in figures.items()
        },
    }
    if form.energy:
        energy = submission.energy_consumption.model_dump()
        system["energy_consumption"] = {name: energy[name] for name in form.energy}
    external = [dataset.model_dump() for dataset in submission.external_datasets]
    results: dict[str, Any] = {
        "overall": _result(scores["overall"]),
        "class_wise": {name: _result(cell) for name, cell in scores["per_class"].items()},
        "device_wise": {name: _result(cell) for name, cell in scores["per_device"].items()},
    }
    if form.splits:
        results = {f"split_{facts.split}": results}
    return {
        "submission": entry_of(submission, form),
        "system": {
            **system,
            "external_datasets": external or None,
            "source_code": submission.source_code,
        },
        "results": {"development_dataset": results},
    }


def entry_of(submission: SubmissionSettings, form: Form) -> dict[str, Any]:
    """The meta file's first part, which the settings alone decide: who hands in what."""
    return {
        "label": label_of(submission, form),
        "name": submission.name,
        "abbreviation": submission.abbreviation,
        "authors": [_author(author) for author in submission.authors],
    }


def features_text(features: FeatureSettings) -> str | None:
    """Name the acoustic features in the challenge's words."""
    return "log-mel energies" if features.kind == "log_mel" else None


def augmentation_text(steps: Iterable[AugmentStep], layer_types: Iterable[str] = ()) -> str | None:
    """List the augmentations in words: Noise and PitchShift give "noise, pitch shift".

    Args:
        steps: those of clips.
        layer_types: class names of the network's layers, of which some augment.
    """
    names = [name for step in steps for name in step.model_dump(exclude_none=True)]
    names += [name for name in layer_types if name in AUGMENTING]
    words = ["".join(f" {c.lower()}" if c.isupper() else c for c in name).strip() for name in names]
    return ", ".join(dict.fromkeys(words)) or None


def management_text(*, file: str, pruned: bool = False, taught: bool = False) -> str | None:
    """List what keeps the network small, in the challenge's words.

    Args:
        file: the format that is handed in; ``float32`` is not rounded.
        pruned: whether channels or weights were taken away.
        taught: whether other networks were its teachers.
    """
    known = {"knowledge distillation": taught, "pruning": pruned}
    words = [word for word, is_so in known.items() if is_so]
    return ", ".join([*words, *_ROUNDING.get(file, ("weight quantization",))]) or None


def method_text(layer_types: Iterable[str]) -> str:
    """Name the kind of network by its layers' class names: CNN, RNN, CRNN or MLP."""
    types = tuple(layer_types)
    convolutional = any("Conv" in name for name in types)
    recurrent = any(name in ("GRU", "LSTM", "SimpleRNN", "Bidirectional", "RNN") for name in types)
    return {(True, True): "CRNN", (True, False): "CNN", (False, True): "RNN"}.get(
        (convolutional, recurrent), "MLP"
    )


def _author(author: AuthorSettings) -> dict[str, Any]:
    """An author as the meta file nests it."""
    return {
        "lastname": author.lastname,
        "firstname": author.firstname,
        "email": author.email,
        "corresponding": author.corresponding,
        "affiliation": {
            "abbreviation": author.affiliation,
            "institute": author.institute,
            "department": author.department,
            "location": author.location,
        },
    }


def _description(facts: SubmissionFacts) -> dict[str, Any]:
    """How the system works, as far as the run can tell; what it lacks is null."""
    return {
        "input_sampling_rate": f"{facts.sample_rate_hz / 1000:g}kHz",
        "acoustic_features": facts.acoustic_features,
        "data_augmentation": facts.data_augmentation,
        "machine_learning_method": facts.machine_learning_method,
        "ensemble_method_subsystem_count": None,  # one network is handed in
        "decision_making": facts.decision_making,
        "complexity_management": facts.complexity_management,
        "pipeline": facts.pipeline,
        "framework": facts.framework,
    }


def _result(cell: dict[str, Any]) -> dict[str, float]:
    """A pair of scores, accuracy in percent; an empty cell becomes NaN, which validation finds."""
    loss, accuracy = (
        math.nan if cell[name] is None else float(cell[name]) for name in ("log_loss", "accuracy")
    )
    return {"logloss": round(loss, 4), "accuracy": round(100 * accuracy, 3)}
