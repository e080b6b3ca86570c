"""Tasks that separate sources: train on stretches, separate whole files, score, export, report."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from utils import export, inference, training
from utils.console import bar
from utils.datasets import Clip
from utils.evaluation.separation import SeparationScores, in_order, score_file, summarise
from utils.experiment.facts import export_facts, file_facts, metadata_of, results_of
from utils.experiment.job import Job
from utils.experiment.records import read_best_epoch, read_history
from utils.experiment.separation_checks import build_separator, check_separation
from utils.experiment.separation_judging import COLUMNS, SeparationJudge
from utils.experiment.separation_learning import SeparationLearning, read_whole
from utils.files import digest, read_json, write_json
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
        self.heard = check_separation(self.job)

    def prepare(self) -> None:
        """Bring files of other rates to the network's, once.

        Raises:
            AudioError: for a file that cannot be used.
            DataError: when a part is empty.
        """
        with self.place.stage("audio"), bar(self.job.console, "  files") as progress:
            self.learning = SeparationLearning.prepared(self.job, self.heard, progress=progress)
        self.judge = SeparationJudge(self.learning)
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
        makes = ("model.keras", "history.csv", "training.json")
        with self.place.stage("training", makes=makes, inputs=self.learning.key) as stage:
            if stage.needed:
                stage.earlier_seconds = self._train()
        self.run.make_latest()

    def _train(self) -> float:
        settings = self.job.settings
        trained = training.fit(
            lambda: build_separator(self.job, self.heard),
            self.learning.batches,
            training.Judge(COLUMNS, self.judge),
            steps=self.learning.steps,
            settings=settings.training,
            folder=self.folder,
            seed=settings.seed,
            console=self.job.console,
            tensorboard=self.folder / "tensorboard" if self.run.tensorboard else None,
        )
        inference.save_keras(self.folder / "model.keras", trained.model)
        write_json(self.folder / "training.json", {"best_epoch": trained.best_epoch})
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
        key = digest([self._use_key, self.job.settings.report.examples])
        with self.place.stage("test", makes=makes, inputs=key) as stage:
            if stage.needed:
                path = self.folder / "model.keras"
                inference.write_metadata(path, self._metadata())
                found = self._scores_of(path, bss=self.heard.channels > 1, keep=self._keep)
                write_json(self.folder / "test.json", found)
        return self._summary(read_json(self.folder / "test.json"), bootstrap=True)

    def _metadata(self) -> inference.Metadata:
        settings = self.job.settings.separation
        return metadata_of(self.job, None, separation=settings.model_dump(mode="json"))

    def _scores_of(
        self,
        path: Path,
        *,
        bss: bool,
        keep: Callable[[int, Clip, np.ndarray], None] | None = None,
    ) -> dict[str, Any]:
        """Separate the test files by a model file; give scores and times as plain data."""
        separator = Separator.of(inference.load_predictor(path))
        rate = self.heard.sample_rate
        scored, seconds, spent = [], [], 0.0
        with bar(self.job.console, "  files") as progress:
            for number, clip in enumerate(self.test_clips):
                mixture, stems = read_whole(clip, self.heard)
                begun = time.perf_counter()
                estimates = separator(mixture)
                spent += time.perf_counter() - begun
                if self.judge.in_any_order:
                    estimates = in_order(estimates, stems)
                found = score_file(estimates, stems, mixture, sample_rate=rate, bss=bss)
                scored.append({name: _or_none(values) for name, values in found.items()})
                seconds.append(len(mixture) / rate)
                if keep is not None:
                    keep(number, clip, estimates)
                progress(number + 1, len(self.test_clips))
        return {"scores": scored, "seconds": seconds, "spent": spent}

    def _keep(self, number: int, clip: Clip, estimates: np.ndarray) -> None:
        """Write what was separated of one of the first files."""
        import soundfile

        from utils.files import writing

        if number >= self.job.settings.report.examples:
            return
        folder = self.folder / EXAMPLES / clip.name.replace("/", "_")
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name, stem in zip(self.job.data.classes, estimates, strict=True):
                soundfile.write(folder / f"{name}.wav", stem, self.heard.sample_rate)

    def _summary(self, found: Mapping[str, Any], *, bootstrap: bool) -> SeparationScores:
        settings = self.job.settings
        return summarise(
            [
                {name: np.array(values, np.float64) for name, values in one.items()}
                for one in found["scores"]
            ],
            names=[clip.name for clip in self.test_clips],
            seconds=found["seconds"],
            classes=self.job.data.classes,
            interchangeable=self.judge.in_any_order,
            bootstrap=settings.evaluation.bootstrap if bootstrap else 0,
            seed=settings.seed,
        )

    def export(self) -> dict[str, SeparationScores]:
        """Write the TFLite files and separate the test files by each; leaves exports.json."""
        formats = self.job.settings.export.formats
        files = tuple(f"model_{name}.tflite" for name in formats)
        with self.place.stage(
            "export", makes=(*files, "exports.json"), inputs=self._use_key
        ) as stage:
            if stage.needed:
                write_json(self.folder / "exports.json", self._export(formats))
        measured = read_json(self.folder / "exports.json")
        return {name: self._summary(measured[name], bootstrap=False) for name in formats}

    def _export(self, formats: Sequence[str]) -> dict[str, Any]:
        if not formats:
            return {}
        model = inference.load_keras(self.folder / "model.keras")
        examples = self.learning.examples(self.job.settings.export.calibration_clips)
        paths = export.export_formats(
            model,
            calibration=examples,
            folder=self.folder,
            formats=formats,
            metadata=self._metadata(),
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
        settings = self.job.settings.training
        trained = (self.folder / "training.json").exists()
        epochs = len(read_history(self.folder)) if trained else settings.epochs
        told = (training.selection_note(settings), training.stopping_note(settings, epochs=epochs))
        return (*(note for note in told if note), *sorted(self.place.other_sources))

    def curves(self) -> list[Section]:
        """Learning curves, by epoch and by time, for the report."""
        history, best = read_history(self.folder), read_best_epoch(self.folder)
        by_time = score_by_time(history, seconds=self.place.seconds["training"], best_epoch=best)
        by_epoch = html.training_section(history, best_epoch=best)
        return [replace(by_epoch, figures=(*by_epoch.figures, by_time))]


def _or_none(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
