"""Several sets as one system: probabilities averaged, with weights fitted out of fold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from utils.datasets import DataSet
from utils.errors import UserError
from utils.evaluation import Predictions, average
from utils.evaluation.folds import OverallScores, summarise_folds
from utils.experiment.job import Job
from utils.files import whole_file
from utils.metrics.ensemble import fit_weights
from utils.report.results import ModelFacts, Results, read_results
from utils.run import Run, summed_seconds

KEPT = "kept_predictions.npz"
PARTS = ("test", "out_of_fold", "evaluation")


@dataclass(frozen=True)
class Member:
    """A finished run of one set.

    Attributes:
        results: what its results.json says.
        predictions: by part: ``test``, ``out_of_fold``, and ``evaluation`` after ``-m eval``.
    """

    results: Results
    predictions: dict[str, Predictions]


@dataclass(frozen=True)
class Ensemble:
    """Members and their weights.

    Attributes:
        members: at least one.
        weights: share of each, float64 (members,), summing to 1.
    """

    members: tuple[Member, ...]
    weights: np.ndarray

    @classmethod
    def fit(cls, members: Sequence[Member]) -> "Ensemble":
        """Fit the weights to the members' out-of-fold predictions: least mean KL divergence.

        Raises:
            UserError: when the members predicted different clips.
        """
        out_of_fold = [member.predictions["out_of_fold"] for member in members]
        first = members[0].results.set_id
        for member, predictions in zip(members, out_of_fold, strict=True):
            if predictions.names != out_of_fold[0].names:
                raise UserError(
                    f"ensemble: {member.results.set_id} and {first} were not trained on the same "
                    "parts of the data; give them the same dataset and training.folds."
                )
        stacked = np.stack([predictions.probabilities for predictions in out_of_fold])
        return cls(tuple(members), fit_weights(out_of_fold[0].targets, stacked))

    def predictions(self, part: str) -> Predictions:
        """The weighted average of what the members say.

        Args:
            part: ``test``, ``out_of_fold`` or ``evaluation``.
        """
        parts = [member.predictions[part] for member in self.members]
        return average(parts, weights=self.weights.tolist())

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts that every member predicted."""
        shared = [set(member.predictions) for member in self.members]
        return tuple(part for part in PARTS if all(part in parts for parts in shared))

    def fold_scores(
        self, data: DataSet, score: Callable[[Predictions, int], OverallScores]
    ) -> dict[str, Any]:
        """Scores by fold as ``per_fold``, and of all folds as ``out_of_fold``; {} without folds.

        The weights were fitted to the same predictions.

        Args:
            data: of the ensemble, with the members' folds.
            score: scores predictions, with so many resamples.
        """
        if len(data.folds) < 2:
            return {}
        found = self.predictions("out_of_fold")
        folds = {
            fold.name: score(found.of(clip.name for clip in fold.test), 0) for fold in data.folds
        }
        told: dict[str, Any] = {"per_fold": summarise_folds(folds)}
        if data.held_out:
            told["out_of_fold"] = score(found, 0).overall
        return told

    def results(self, job: Job, run: Run, scores: dict[str, Any]) -> Results:
        """Results of the ensemble: the scores, and what its members weigh together.

        Args:
            job: the ensemble's set.
            run: its run folder.
            scores: of the averaged test predictions.
        """
        facts = [member.results.model for member in self.members]
        known = [model for model in facts if model is not None]
        return Results(
            set_id=job.settings.set_id,
            description=job.settings.description,
            data=run.data,
            data_identity=run.identity,
            demo=run.is_demo,
            seed=job.settings.seed,
            commit=run.source.commit,
            versions=run.source.versions,
            stages=summed_seconds(member.results.stages for member in self.members),
            scores=scores,
            model=ModelFacts(
                parameters=sum(model.parameters for model in known),
                trainable=sum(model.trainable for model in known),
                non_zero=sum(model.non_zero for model in known),
                macs=sum(model.macs for model in known),
                keras_float16_bytes=sum(model.keras_float16_bytes for model in known),
            ),
            notes=(*job.data.notes, *self.notes()),
            differences_in_demo=job.demo_differences,
        )

    def notes(self) -> tuple[str, ...]:
        """The weights, and what the scores of folds are worth."""
        shares = (
            f"{member.results.set_id} {weight:.3f}"
            for member, weight in zip(self.members, self.weights, strict=True)
        )
        folds = any("per_fold" in member.results.scores for member in self.members)
        where = "out of fold" if folds else "to the validation clips"
        told = f"Weights of the ensemble, fitted {where}: {', '.join(shares)}."
        if not folds:
            return (told,)
        all_fitted = all(
            member.predictions["test"].names == member.predictions["out_of_fold"].names
            for member in self.members
        )
        which = "All of its scores" if all_fitted else "Its scores by fold"
        return told, f"{which} are of the clips that chose these."


def keep(folder: Path, parts: dict[str, Predictions]) -> None:
    """Write a run's predictions, so that ensembles and other programs find them.

    Args:
        folder: of the run.
        parts: by part, all of one kind of truth.
    """
    arrays = {}
    for part, predictions in parts.items():
        arrays[f"{part}_names"] = np.array(predictions.names)
        arrays[f"{part}_probabilities"] = predictions.probabilities
        if predictions.truth is not None:
            arrays[f"{part}_truth"] = predictions.truth
    with whole_file(folder / KEPT) as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def read_member(folder: Path) -> Member:
    """Read a finished run.

    Args:
        folder: of the run, as :func:`keep` left it.
    """
    with np.load(folder / KEPT, allow_pickle=False) as file:
        parts = {name.removesuffix("_names") for name in file.files if name.endswith("_names")}
        predictions = {
            part: Predictions(
                names=tuple(str(name) for name in file[f"{part}_names"]),
                probabilities=file[f"{part}_probabilities"],
                truth=file[f"{part}_truth"] if f"{part}_truth" in file.files else None,
            )
            for part in sorted(parts)
        }
    return Member(read_results(folder / "results.json"), predictions)
