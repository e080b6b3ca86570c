"""Tasks that separate sources: train on stretches, separate whole files, score, export, report."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from utils import export, inference, training
from utils.audio import Facts
from utils.console import bar
from utils.datasets import Clip
from utils.evaluation.separation import SeparationScores
from utils.experiment.facts import export_facts, file_facts, results_of, separator_metadata
from utils.experiment.job import Job
from utils.experiment.needs import on_one_device
from utils.experiment.records import (
    read_best_epoch,
    read_history,
    training_files,
    training_notes,
    write_best_epoch,
)
from utils.experiment.separation_checks import build_separator, check_separation
from utils.experiment.separation_judging import COLUMNS, SeparationJudge
from utils.experiment.separation_learning import SeparationLearning
from utils.experiment.separation_score import has_named_stems, score_clips, summary_of
from utils.experiment.stem_files import write_stems
from utils.files import digest, read_json, write_json, writing
from utils.inference.separator import Separator
from utils.report import html
from utils.report.plots_separation import score_by_time
from utils.report.results import Results
from utils.report.section import Section
from utils.run import Run

KERAS = "keras"
EXAMPLES = "separated"  # folder of the run


class SeparationExperiment:
    """The steps that a task script of separation tells, in order.

    Args:
        job: one set on one data set with one seed; the data has one fold.
        run: the run folder.
    """

    def __init__(self, job: Job, run: Run) -> None:
        self.job, self.run, self.place = job, run, run.place()

    def check_network(self) -> None:
        """Build and compile the network, so that its mistakes show before any audio is read.

        Raises:
            ConfigError: what is wrong, with file and line where there is one.
            UserError: for a format that the network cannot be exported to.
        """
        self.heard, self.in_use = check_separation(self.job)

    def prepare(self) -> None:
        """Bring files of other rates to the network's, once.

        Raises:
            AudioError: for a file that cannot be used.
            DataError: when a part is empty.
        """
        with self.place.stage("audio"), bar(self.job.console, "  files") as progress:
            self.learning = SeparationLearning.prepared(self.job, self.heard, progress=progress)
        for note in self._notes():
            self.run.say(f"note: {note}", style="yellow")

    @property
    def folder(self) -> Path:
        """The run's."""
        return self.place.folder

    @property
    def test_clips(self) -> tuple[Clip, ...]:
        """Files that are separated as a whole and scored."""
        return self.learning.fold.test

    def train(self) -> None:
        """Train; leaves model.keras, history.csv and training.json."""
        makes = ("model.keras", *training_files(self.job.settings.training))
        with self.place.training(makes=makes, inputs=self.learning.key) as stage:
            if stage.needed:
                stage.earlier_seconds = self._train()
        self.run.make_latest()

    def _train(self) -> float:
        settings = self.job.settings
        trained = training.fit(
            lambda: build_separator(self.job, self.heard),
            self.learning.batches,
            training.Judge(COLUMNS, SeparationJudge(self.learning)),
            steps=self.learning.steps,
            settings=on_one_device(settings.training, "networks that separate"),
            folder=self.folder,
            seed=settings.seed,
            inputs=self.learning.key,
            console=self.job.console,
            tensorboard=self.place.tensorboard,
        )
        inference.save_keras(self.folder / "model.keras", trained.model)
        write_best_epoch(self.folder, trained.best_epoch)
        return trained.earlier_seconds

    @property
    def _use_key(self) -> str:
        """What decides how the network is used, beside its weights."""
        return digest(self.job.settings.separation.model_dump(mode="json"))

    def test(self) -> SeparationScores:
        """Separate and score the test files; leaves the model's metadata and test.json.

        Stems of the first ``report.examples`` files are kept in ``separated/``.
        """
        makes = ("test.json", "model.metadata.json")
        key = digest([self._use_key, self.learning.test_key, self.job.settings.report.examples])
        with self.place.stage("test", makes=makes, inputs=key) as stage:
            if stage.needed:
                path = self.folder / "model.keras"
                self._set_segments(path)
                inference.write_metadata(path, separator_metadata(self.job))
                found = self._scores_of(path, bss=has_named_stems(self.job), keep=self._keep)
                write_json(self.folder / "test.json", found)
        return self._summary(read_json(self.folder / "test.json"), bootstrap=True)

    def _set_segments(self, path: Path) -> None:
        """Give a trained network the segments that files are separated in; its weights stay."""
        trained = inference.load_keras(path)
        if tuple(trained.input_shape[1:]) != self.in_use.input_shape:
            network = build_separator(self.job, self.in_use)
            network.set_weights(trained.get_weights())
            inference.save_keras(path, network)

    def _scores_of(
        self,
        path: Path,
        *,
        bss: bool,
        keep: Callable[[int, Clip, np.ndarray], None] | None = None,
    ) -> dict[str, Any]:
        """Separate the test files by a model file; give scores and times as plain data."""
        separator = Separator.of(inference.load_predictor(path))
        separator.warm_up()
        spent = 0.0

        def separate(clip: Clip, mixture: np.ndarray) -> np.ndarray:
            nonlocal spent
            begun = time.perf_counter()
            estimates = separator(mixture)
            spent += time.perf_counter() - begun
            return estimates

        found = score_clips(self.job, self.test_clips, separate, bss=bss, keep=keep)
        return {**found, "spent": spent}

    def _keep(self, number: int, clip: Clip, estimates: np.ndarray) -> None:
        """Write what was separated of one of the first files, in place of what was kept before."""
        folder = self.folder / EXAMPLES
        if number == 0 and folder.is_dir():
            with writing(folder):
                shutil.rmtree(folder)
        if number < self.job.settings.report.examples:
            write_stems(
                folder / clip.name.replace("/", "_"),
                self.job.data.classes,
                [estimates],
                Facts(self.heard.sample_rate, *estimates.shape[1:]),
            )

    def _summary(self, found: Mapping[str, Any], *, bootstrap: bool) -> SeparationScores:
        resamples = self.job.settings.evaluation.bootstrap if bootstrap else 0
        return summary_of(self.job, self.test_clips, found, bootstrap=resamples)

    def export(self) -> dict[str, SeparationScores]:
        """Write the TFLite files and separate the test files by each; leaves exports.json."""
        formats = self.job.settings.export.formats
        files = tuple(f"model_{name}.tflite" for name in formats)
        makes, key = (*files, "exports.json"), digest([self._use_key, self.learning.test_key])
        with self.place.stage("export", makes=makes, inputs=key) as stage:
            if stage.needed:
                write_json(self.folder / "exports.json", self._export(formats))
        measured = read_json(self.folder / "exports.json")
        return {name: self._summary(measured[name], bootstrap=False) for name in formats}

    def _export(self, formats: Sequence[str]) -> dict[str, Any]:
        if not formats:
            return {}
        model = inference.load_keras(self.folder / "model.keras")
        number = self.job.settings.export.calibration_clips
        examples = self.learning.examples(number, self.in_use)
        paths = export.export_formats(
            model,
            calibration=examples,
            folder=self.folder,
            formats=formats,
            metadata=separator_metadata(self.job),
        )
        clip = examples[:1]
        expected = model.predict_on_batch(clip)
        facts = {}
        for name, path in paths.items():
            difference = inference.compare(inference.load_predictor(path), expected, clip)
            counted = file_facts(path, clip=clip[0], max_difference=difference)
            facts[name] = {"facts": counted, **self._scores_of(path, bss=False)}
        return facts

    def results(
        self, tested: SeparationScores, exported: Mapping[str, SeparationScores]
    ) -> Results:
        """Everything about the run, with the speed of every model file."""
        measured = read_json(self.folder / "exports.json")
        scores = tested.as_dict()
        timed = {KERAS: read_json(self.folder / "test.json")} | measured
        scores["real_time"] = {
            name: sum(each["seconds"]) / each["spent"] for name, each in timed.items()
        }
        scores["window_seconds"] = self.in_use.n_samples / self.in_use.sample_rate
        return results_of(
            self.job,
            self.run,
            scores=scores,
            model=inference.load_keras(self.folder / "model.keras"),
            exports={
                name: export_facts([measured[name]["facts"]], found.as_dict()["overall"])
                for name, found in exported.items()
            },
            seconds=self.place.seconds,
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        """What a reader of the scores must know besides the notes on the data."""
        told = training_notes(self.folder, self.job.settings.training)
        return (*told, *sorted(self.place.origins))

    def curves(self) -> list[Section]:
        """Learning curves, by epoch and by time, for the report."""
        history, best = read_history(self.folder), read_best_epoch(self.folder)
        by_time = score_by_time(history, seconds=self.place.seconds["training"], best_epoch=best)
        by_epoch = html.training_section(history, best_epoch=best)
        return [replace(by_epoch, figures=(*by_epoch.figures, by_time))]
