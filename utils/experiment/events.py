"""Tasks that tell what sounds when: student, teacher, decisions on events, scores, report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from utils import export, inference
from utils.config.event_sections import PostprocessSettings
from utils.datasets import Clip
from utils.errors import DataError
from utils.evaluation.sed import THRESHOLDS, EventScores, score_events
from utils.events import Events
from utils.experiment.checks import check_events
from utils.experiment.event_judging import EventJudge, Predictions, ground_truth
from utils.experiment.event_learning import EventLearning
from utils.experiment.event_needs import only_fold
from utils.experiment.event_training import (
    NETWORKS,
    STUDENT,
    network_names,
    train_networks,
)
from utils.experiment.facts import export_facts, file_facts, metadata_of, results_of
from utils.experiment.job import Job
from utils.experiment.learning import stored
from utils.experiment.records import (
    load_arrays,
    read_best_epoch,
    read_history,
    save_arrays,
    training_files,
    training_notes,
)
from utils.features import from_settings
from utils.features.embeddings import open_embeddings
from utils.files import digest, read_json, write_json
from utils.inference import Decisions
from utils.report import html
from utils.report.results import Results
from utils.report.section import Section
from utils.run import Run


@dataclass(frozen=True)
class Detections:
    """Scores of clips by one network, and what was decided.

    Attributes:
        clips: whose they are.
        strong: scores of steps (clips, steps, classes).
        weak: scores of clips (clips, classes).
        events: above the thresholds, by place of the clip.
        classes: their names.
    """

    clips: tuple[Clip, ...]
    strong: np.ndarray
    weak: np.ndarray
    events: Events
    classes: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the clips' files, without the folders of the part."""
        return tuple(Path(clip.name).name for clip in self.clips)


class EventExperiment:
    """The steps that a task script of sound events tells, in order.

    Args:
        job: one set on one data set with one seed; the data has one fold.
        run: the run folder.
        unlabelled: clips that the networks are to search besides.
    """

    def __init__(self, job: Job, run: Run, *, unlabelled: Sequence[Clip] = ()) -> None:
        self.job, self.run, self.place = job, run, run.place()
        self.unlabelled = unlabelled
        self.fold = only_fold(job.data)
        self.representation = from_settings(job.settings.audio, job.settings.features)

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of what is trained."""
        return network_names(self.job)

    def check_network(self) -> None:
        """Build and compile the network, so that its mistakes show before any audio is read.

        Raises:
            ConfigError: what is wrong, with file and line where there is one.
            UserError: for a format that the network cannot be exported to.
        """
        self.grid = check_events(self.job)

    def extract(self) -> None:
        """Compute the features of all clips once, in parallel, or find them.

        Raises:
            DataError: when a part has no usable clips.
        """
        with self.place.stage("features"):
            store = stored(self.job, self.representation, self.job.data.clips)
        self.learning = self._learning(store)
        self.judge = EventJudge(self.learning, self._of_2021)
        self.bad = store.bad
        for name, clips in (("validation", self.judge.strong), ("test", self.test_clips)):
            if not clips:
                raise DataError(f"{self.fold.name}: has no usable {name} clips with events.")
        for note in self._notes():
            self.run.say(f"note: {note}", style="yellow")

    def _learning(self, store: Any) -> EventLearning:
        asked, embeddings = self.job.settings.dataset.embeddings, None
        if asked is not None and store is not None:
            embeddings = open_embeddings(
                store,
                folder=self.job.root / asked.folder,
                size=asked.size,
                steps=asked.steps,
                cache=self.job.cache,
            )
        return EventLearning(self.job, self.fold, self.representation, store, self.grid, embeddings)

    @property
    def test_clips(self) -> tuple[Clip, ...]:
        """Test clips with events whose audio could be used."""
        clips = self.learning.usable(self.fold.test)
        return tuple(clip for clip in clips if clip.events is not None)

    @property
    def _usual(self) -> Decisions:
        """Decisions as the settings say them."""
        return self._decisions_of(self.job.settings.postprocess)

    @property
    def _of_2021(self) -> Decisions:
        """Those by which epochs are judged, so that ``postprocess`` has no say in the training."""
        return self._decisions_of(PostprocessSettings())

    def _decisions_of(self, settings: PostprocessSettings) -> Decisions:
        classes = len(self.job.data.classes)
        return Decisions.of(settings, classes=classes, step_seconds=self.grid.step_seconds)

    def train(self) -> None:
        """Train; leaves the networks, history.csv and training.json."""
        files = tuple(NETWORKS[name] for name in self.networks)
        makes = (*files, "normaliser.json", *training_files(self.job.settings.training))
        with self.place.training(makes=makes, inputs=self.learning.key) as stage:
            if stage.needed:
                stage.earlier_seconds = train_networks(self.learning, self.judge, self.place)
        self.run.make_latest()

    def decide(self) -> None:
        """Choose network and decisions on the validation clips; leaves model.keras.

        The network whose ``training.select.metric`` is better becomes the model; the test has no
        say. With ``postprocess.tune`` each network's decisions are fitted to the same clips.
        """
        makes = ("model.keras", "model.metadata.json", "decisions.json")
        key = digest(self.job.settings.postprocess.model_dump(mode="json"))
        with self.place.stage("validation", makes=makes, inputs=key) as stage:
            if not stage.needed:
                return
            networks, found, scores = {}, {}, {}
            for name in self.networks:
                networks[name] = inference.load_keras(self.place.folder / NETWORKS[name])
                said = self.judge.predictions(networks[name])
                found[name] = self._tuned(said)
                scores[name] = self.judge.scores(said, found[name])
            metric = self.job.settings.training.select.metric.removeprefix("val_")
            metric = metric.removeprefix("teacher_")
            metric = metric if metric in scores[STUDENT] else "objective"
            best = max(self.networks, key=lambda name: scores[name][metric])
            write_json(
                self.place.folder / "decisions.json",
                {
                    "model": best,
                    "metric": metric,
                    "validation": scores,
                    "decisions": {name: each.as_dict() for name, each in found.items()},
                },
            )
            path = self.place.folder / "model.keras"
            inference.save_keras(path, networks[best])
            inference.write_metadata(path, self._metadata(found[best]))

    def _tuned(self, said: Predictions) -> Decisions:
        if not self.job.settings.postprocess.tune:
            return self._usual
        judge = self.judge
        return self._usual.tuned(said.strong, said.weak, judge.truth, seconds=judge.seconds)

    @cached_property
    def decided(self) -> dict[str, Any]:
        """What :meth:`decide` left."""
        return read_json(self.place.folder / "decisions.json")

    def decisions(self, network: str) -> Decisions:
        """From scores to events, of one network."""
        return Decisions.from_dict(self.decided["decisions"][network])

    def test(self) -> dict[str, Detections]:
        """Predict the test clips by each network; leaves predictions.npz."""
        saved = self.place.folder / "predictions.npz"
        with self.place.stage("test", makes=(saved.name,)) as stage:
            if stage.needed:
                arrays: dict[str, np.ndarray] = {}
                for name in self.networks:
                    predictor = inference.load_predictor(self.place.folder / NETWORKS[name])
                    arrays |= _named(name, self.learning.predict(predictor, self.test_clips))
                save_arrays(saved, arrays)
        arrays = load_arrays(saved)
        return {
            name: self._detections(name, _of(arrays, name), self.test_clips)
            for name in self.networks
        }

    def answer(self) -> dict[str, Detections]:
        """Search the unlabelled clips by each network."""
        with self.run.place("evaluation").stage("features"):
            store = stored(self.job, self.representation, self.unlabelled)
        learning = self._learning(store)
        clips, found = learning.usable(self.unlabelled), {}
        for name in self.networks:
            predictor = inference.load_predictor(self.place.folder / NETWORKS[name])
            found[name] = self._detections(name, learning.predict(predictor, clips), clips)
        return found

    def _detections(
        self, network: str, scores: tuple[np.ndarray, np.ndarray], clips: tuple[Clip, ...]
    ) -> Detections:
        """Decide on the events of clips, of which a network gave scores of steps and of clips."""
        strong, weak = scores
        seconds = self.learning.seconds(clips)
        events = self.decisions(network).events(strong, weak, seconds=seconds)
        return Detections(clips, strong, weak, events, self.job.data.classes)

    def export(self) -> dict[str, Detections]:
        """Write the TFLite files of the model and test each; leaves exports.json."""
        formats = self.job.settings.export.formats
        saved = self.place.folder / "export_predictions.npz"
        files = tuple(f"model_{name}.tflite" for name in formats)
        key = digest(self.decided)
        makes = (*files, "exports.json", saved.name)
        with self.place.stage("export", makes=makes, inputs=key) as stage:
            if stage.needed:
                self._export(formats, saved.name)
        arrays, best = load_arrays(saved), self.decided["model"]
        return {
            name: self._detections(best, _of(arrays, name), self.test_clips) for name in formats
        }

    def _export(self, formats: Sequence[str], saved: str) -> None:
        folder, best = self.place.folder, self.decided["model"]
        if not formats:
            save_arrays(folder / saved, {})
            write_json(folder / "exports.json", {})
            return
        model = inference.load_keras(folder / "model.keras")
        examples = self.learning.examples(self.job.settings.export.calibration_clips)
        paths = export.export_formats(
            model, calibration=examples, folder=folder, formats=formats,
            metadata=self._metadata(self.decisions(best)),
        )  # fmt: skip
        by_keras = _of(load_arrays(folder / "predictions.npz"), best)
        arrays: dict[str, np.ndarray] = {}
        facts: dict[str, dict[str, Any]] = {}
        for name, path in paths.items():
            found = self.learning.predict(inference.load_predictor(path), self.test_clips)
            arrays |= _named(name, found)
            difference = max(
                float(np.abs(by_file - expected).max())
                for by_file, expected in zip(found, by_keras, strict=True)
            )
            facts[name] = file_facts(path, clip=examples[0], max_difference=difference)
        save_arrays(folder / saved, arrays)
        write_json(folder / "exports.json", facts)

    def _metadata(self, decisions: Decisions) -> inference.Metadata:
        return metadata_of(self.job, self.learning.normaliser, decisions=decisions.as_dict())

    def score(self, network: str, found: Detections, *, bootstrap: int = 0) -> EventScores:
        """Score what a network, or a file made of it, says of the test clips."""
        seconds = self.learning.seconds(found.clips)
        return score_events(
            self.decisions(network).candidates(found.strong, found.weak, seconds=seconds),
            found.events,
            ground_truth(found.clips, self.learning),
            classes=self.job.data.classes,
            bootstrap=bootstrap,
            seed=self.job.settings.seed,
        )

    def tables(self, network: str, found: Detections) -> dict[float, Events]:
        """Detection tables of the thresholds by which the challenge of 2021 scored."""
        seconds = self.learning.seconds(found.clips)
        every = self.decisions(network).candidates(found.strong, found.weak, seconds=seconds)
        return {threshold: every.at(threshold) for threshold in THRESHOLDS}

    def results(self, tested: dict[str, Detections], exported: dict[str, Detections]) -> Results:
        """Score the model, both networks and every file; judge the model."""
        best = self.decided["model"]
        bootstrap = self.job.settings.evaluation.bootstrap
        scores = self.score(best, tested[best], bootstrap=bootstrap).as_dict()
        scores["networks"] = {
            name: scores["overall"]
            if name == best
            else self.score(name, found).as_dict()["overall"]
            for name, found in tested.items()
        }
        scores["validation"] = self.decided["validation"]
        measured = read_json(self.place.folder / "exports.json")
        exports = {
            name: export_facts([measured[name]], self.score(best, found).as_dict()["overall"])
            for name, found in exported.items()
        }
        return results_of(
            self.job,
            self.run,
            scores=scores,
            model=inference.load_keras(self.place.folder / "model.keras"),
            exports=exports,
            seconds=self.place.seconds,
            notes=(*self._notes(), self._choice()),
        )

    def _choice(self) -> str:
        decided = self.decided
        told = ", ".join(
            f"{name} {scores[decided['metric']]:.3f}"
            for name, scores in decided["validation"].items()
        )
        return (
            f"The model is the {decided['model']}: {decided['metric']} on validation clips {told}."
        )

    def _notes(self) -> tuple[str, ...]:
        """What a reader of the scores must know besides the notes on the data."""
        return (
            *training_notes(self.place.folder, self.job.settings.training),
            *self.learning.notes,
            *self._unheard(),
            *(f"{bad.name}: left out: {bad.reason}" for bad in self.bad),
            *sorted(self.place.origins),
        )

    def _unheard(self) -> Iterator[str]:
        """Events that begin behind the end of what the network is given."""
        heard = self.job.settings.audio.seconds
        late = [
            event for clip in self.test_clips for event in clip.events or () if event.onset >= heard
        ]
        if late:
            yield (
                f"{len(late)} events of the test clips begin after audio.seconds ({heard:g} s), "
                "where the network does not listen; they count as missed."
            )

    def curves(self) -> list[Section]:
        """Learning curves, for the report."""
        folder = self.place.folder
        return [html.training_section(read_history(folder), best_epoch=read_best_epoch(folder))]


def _named(name: str, scores: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    """Scores of steps and of clips, under the names by which a file keeps them."""
    strong, weak = scores
    return {f"{name}_strong": strong, f"{name}_weak": weak}


def _of(arrays: dict[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """What :func:`_named` named."""
    return arrays[f"{name}_strong"], arrays[f"{name}_weak"]
