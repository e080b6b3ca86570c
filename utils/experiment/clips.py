"""Tasks that tell something about a whole clip: features, folds, scores, report."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import numpy as np

from utils import training
from utils.datasets import Clip, Fold
from utils.datasets.split import split_validation
from utils.evaluation import OverallScores, Predictions, average, pool, summarise_folds
from utils.experiment.checks import check_clips
from utils.experiment.distillation import teachers_note
from utils.experiment.facts import export_facts, results_of, step_facts
from utils.experiment.fold import FoldExperiment
from utils.experiment.job import Job
from utils.experiment.learning import ClipFeatures, needs_waveforms, stored, waveform_of
from utils.experiment.records import read_best_epoch, read_history
from utils.experiment.teachers import ALL_DATA
from utils.features import BadClip, from_settings
from utils.inference import load_keras
from utils.report import html
from utils.report.plots import WrongClip
from utils.report.results import ExportFacts, Results, StepFacts
from utils.report.scenes import pick_wrong
from utils.report.section import Section
from utils.run import Place, Run, summed_seconds

AVERAGED = (
    "Scores are those of {} networks averaged; sizes, operations, limits and times are of one."
)
"""What a table of sizes does not show where all folds answer together."""


class Scores(OverallScores, Protocol):
    """What a task's scores have in common."""

    def as_dict(self) -> dict[str, Any]:
        """The scores as plain data for results.json."""


Score = Callable[[Predictions, int], Scores]
"""Scores predictions of clips; the second argument is the number of bootstrap resamples."""


class ClipExperiment:
    """The steps that a task script tells, in order.

    Args:
        job: one set on one data set with one seed.
        run: the run folder.
        score: the task's scores.
        unlabelled: clips that the networks of all folds are to predict.
    """

    def __init__(
        self, job: Job, run: Run, *, score: Score, unlabelled: Sequence[Clip] = ()
    ) -> None:
        self.job = job
        self.run = run
        self.score = score
        self.unlabelled = unlabelled
        self.folds: tuple[FoldExperiment, ...] = ()
        self.bad: tuple[BadClip, ...] = ()
        self.representation = from_settings(job.settings.audio, job.settings.features)
        self._predictions: list[Predictions] = []  # of each fold's test part
        self._exported: dict[str, list[Predictions]] = {}
        self._steps: dict[str, list[Predictions]] = {}  # of a compression
        self._unlabelled_features: ClipFeatures | None = None

    def check_network(self) -> None:
        """Build and compile the network, so that its mistakes show before any audio is read.

        Raises:
            ConfigError: what is wrong, with file and line where there is one.
        """
        check_clips(self.job)
        for note in self._notes():
            self.run.say(f"note: {note}", style="yellow")

    def extract(self) -> None:
        """Compute the features of all clips once, in parallel, or find them.

        Raises:
            DataError: when a fold has a part without usable clips.
        """
        data = self.job.data
        learnt = {clip for fold in data.folds for clip in fold.train}
        with self.run.place().stage("features"):
            features = self._extract(data.clips, learnt=learnt)
        stores = [store for store in (features.waveforms, features.store) if store is not None]
        self.bad = tuple({bad.name: bad for store in stores for bad in store.bad}.values())
        names = [fold.name if len(data.folds) > 1 else "" for fold in data.folds]
        self.folds = tuple(
            FoldExperiment(self.job, fold, features, self.run.place(name), outside=data.held_out)
            for fold, name in zip(data.folds, names, strict=True)
        )
        for fold in self.folds:
            fold.check_parts()
        if self.unlabelled:
            with self.run.place("evaluation").stage("features"):
                found = self._extract(self.unlabelled, learnt=())
            self.bad += found.store.bad
            self._unlabelled_features = found

    def evaluation_fold(self, evaluation: Sequence[Clip]) -> FoldExperiment:
        """Make the fold of a submission: unlabelled clips are predicted.

        All labelled clips train, or those that the challenge allows (``DataSet.to_hand_in``).
        Its stages lie in the sub-folder ``all_data``.

        Args:
            evaluation: clips without labels.
        """
        data, place = self.job.data, self.run.place(ALL_DATA)
        clips = data.to_hand_in
        train, validation = split_validation(clips, self.job.settings.dataset.validation)
        with place.stage("features"):
            labelled = self._extract(clips, learnt=set(train))
            unlabelled = self._extract(evaluation, learnt=())
        fold = Fold(ALL_DATA, train, validation, tuple(evaluation))
        experiment = FoldExperiment(self.job, fold, labelled, place, test_features=unlabelled)
        experiment.check_parts()
        return experiment

    def _extract(self, clips: Sequence[Clip], *, learnt: Collection[Clip]) -> ClipFeatures:
        """Features of clips, and waveforms of those that are learnt, if training acts on them.

        Isolated words that are only mixed need no features of their own.
        """
        if self.job.data.mixing is not None:
            clips = [clip for clip in clips if clip not in learnt]
        store = stored(self.job, self.representation, clips)
        waveforms = None
        if needs_waveforms(self.job) and learnt:
            samples = waveform_of(self.representation)
            same = samples == self.representation and self.job.data.mixing is None
            ordered = sorted(learnt, key=lambda clip: clip.name)
            waveforms = store if same else stored(self.job, samples, ordered)
        return ClipFeatures(self.representation, store, waveforms)

    def run_folds(self) -> None:
        """Train, test and export fold by fold."""
        for fold in self.folds:
            fold.train()
            fold.calibrate()
            self.run.make_latest()
            self._predictions.append(fold.test())
            for name, predictions in fold.export().items():
                self._exported.setdefault(name, []).append(predictions)
            for name, predictions in fold.compare_steps().items():
                self._steps.setdefault(name, []).append(predictions)

    def predictions(self, model: str) -> Predictions:
        """Predictions for all test clips: of an export format, else of the Keras model.

        Clips held out of all folds are predicted by the networks of all folds and averaged; else
        the folds' test parts are put together.
        """
        if model in self._exported:
            return self._combined(self._exported[model])
        return self._combined([fold.tested() for fold in self.folds])

    def _combined(self, parts: Sequence[Predictions]) -> Predictions:
        return average(parts) if self.job.data.held_out else pool(parts)

    def out_of_fold(self) -> Predictions:
        """Predictions for clips by networks that did not learn them.

        With several folds these are all development clips; with one its validation clips, to
        which the calibration was fitted.
        """
        if len(self.folds) > 1:
            return pool(self._predictions)
        return self.folds[0].validation_predictions()

    def predict_unlabelled(self) -> Predictions:
        """Predict the clips without labels by the networks of all folds, averaged."""
        features = self._unlabelled_features
        if features is None:
            raise ValueError("there are no clips without labels, or extract() has not been called")
        return average([fold.predict(self.unlabelled, features) for fold in self.folds])

    def results(self) -> Results:
        """Score all test clips, fold by fold and together, and judge the model."""
        job, settings = self.job, self.job.settings
        scores = self.score(self.predictions("keras"), settings.evaluation.bootstrap).as_dict()
        if len(self.folds) > 1:
            scores["per_fold"] = summarise_folds(
                {
                    fold.fold.name: self.score(predictions, 0)
                    for fold, predictions in zip(self.folds, self._predictions, strict=True)
                }
            )
        if settings.evaluation.calibration != "none":
            plain = self._combined([fold.tested(calibrated=False) for fold in self.folds])
            scores["uncalibrated"] = self.score(plain, 0).as_dict()
        if job.data.held_out:
            scores["out_of_fold"] = self.score(self.out_of_fold(), 0).overall
        return results_of(
            job,
            self.run,
            scores=scores,
            model=load_keras(self.folds[0].model_path),
            exports=self._export_facts(),
            seconds=self._seconds(),
            notes=self._notes(),
            steps=self._step_facts(),
        )

    def _notes(self) -> tuple[str, ...]:
        """What a reader of the scores must know besides the notes on the data."""
        general = (
            training.selection_note(self.job.settings.training),
            teachers_note(self.job),
        )
        trained = [fold for fold in self.folds if fold.model_path.exists()]
        told = tuple(note for fold in trained for note in fold.notes())
        left_out = tuple(f"{bad.name}: left out: {bad.reason}" for bad in self.bad)
        sources = {note for fold in self.folds for note in fold.place.origins}
        if self.job.data.held_out:
            told = (*told, AVERAGED.format(len(self.job.data.folds)))
        return (*(note for note in general if note), *told, *left_out, *sorted(sources))

    def _seconds(self) -> dict[str, float]:
        """Seconds of each stage, summed over the folds."""
        places = {place.folder: place for place in (self.run.place(), *self._places())}
        return summed_seconds(place.seconds for place in places.values())

    def _places(self) -> tuple[Place, ...]:
        return tuple(fold.place for fold in self.folds)

    def _export_facts(self) -> dict[str, ExportFacts]:
        """Sizes of the first fold's files; scores, differences and times over all folds."""
        per_fold = [fold.export_facts() for fold in self.folds]
        return {
            name: export_facts(
                [fold[name] for fold in per_fold], self.score(self._combined(parts), 0).overall
            )
            for name, parts in self._exported.items()
        }

    def _step_facts(self) -> tuple[StepFacts, ...]:
        """The same of the network after each step of a compression."""
        return tuple(
            step_facts(
                name,
                [fold.step_facts()[name] for fold in self.folds],
                self.score(self._combined(parts), 0).overall,
            )
            for name, parts in self._steps.items()
        )

    def curves(self) -> list[Section]:
        """Learning curves of every fold and of each step of a compression, for the report."""
        several = len(self.folds) > 1
        return [
            html.training_section(
                read_history(folder),
                best_epoch=read_best_epoch(folder),
                fold=f"{fold.fold.name if several else ''} {step}".strip(),
            )
            for fold in self.folds
            for step, folder in fold.trainings().items()
        ]

    def wrong_clips(self) -> tuple[WrongClip, ...]:
        """The most confident mistakes, with their spectrograms."""
        predictions = self.predictions("keras")
        truth, classes = predictions.known_truth, self.job.data.classes
        number = self.job.settings.report.wrong_clips
        chosen = pick_wrong(predictions.probabilities, truth, number=number)
        store = self.folds[0].features.store
        return tuple(
            WrongClip(
                name=predictions.names[i],
                features=np.array(store.array[store.row_of[predictions.names[i]]]),
                truth=classes[truth[i]],
                predicted=classes[predictions.predicted[i]],
                probability=float(predictions.probabilities[i].max()),
            )
            for i in chosen
        )
