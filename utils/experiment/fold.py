"""One fold of clips: train a network, calibrate it, test it, export it, test what was exported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils import inference, training
from utils.datasets import Clip, Fold
from utils.errors import DataError
from utils.evaluation import Predictions
from utils.experiment.compressing import TRAINED, compress, measure_steps, networks
from utils.experiment.distillation import Teachers
from utils.experiment.exporting import MIXED_FACTS, mixed_note, write_files
from utils.experiment.facts import file_facts, metadata_of, statistics
from utils.experiment.job import Job
from utils.experiment.learning import ClipFeatures, Learning, blocks, waveform_of
from utils.experiment.network import build_network
from utils.experiment.quantisation import FACTS, QAT, QAT_FOLDER, agreement_note, train_int8
from utils.experiment.records import (
    load_arrays,
    read_history,
    save_arrays,
    training_files,
    write_best_epoch,
)
from utils.export.samples import SUFFIX, export_samples
from utils.features import AnyNormaliser, normaliser_of, read_features
from utils.files import digest, read_json, write_json
from utils.metrics.calibration import fit_temperature, temper
from utils.run import Place

if TYPE_CHECKING:
    import keras


@dataclass
class FoldExperiment:
    """Stages of one fold; each is done once and found again by the next start.

    Attributes:
        job: the set, the data, the run.
        fold: training, validation and test clips.
        features: of all clips, of training and validation clips where ``test_features`` is given.
        place: folder and record of the stages.
        test_features: of the test clips where they are kept apart (a submission's).
        outside: test clips outside of all folds, which every fold's network predicts.
    """

    job: Job
    fold: Fold
    features: ClipFeatures
    place: Place
    test_features: ClipFeatures | None = None
    outside: tuple[Clip, ...] = ()

    @property
    def test_clips(self) -> tuple[Clip, ...]:
        """Test clips whose audio could be used."""
        return (self.test_features or self.features).usable(self.fold.test)

    @property
    def held_out(self) -> tuple[Clip, ...]:
        """Test clips outside of all folds whose audio could be used."""
        return self.features.usable(self.outside)

    @property
    def model_path(self) -> Path:
        """The trained network; compressed, where that is asked for."""
        return self.place.folder / "model.keras"

    @property
    def networks(self) -> dict[str, Path]:
        """The network after the training and after each step of its compression, by step."""
        return networks(self.place.folder, self.job.settings.compression)

    def check_parts(self) -> None:
        """Refuse a fold with nothing to learn from, to choose by, or to test on.

        Raises:
            DataError: naming fold and part.
        """
        parts = {
            "training": self.features.learnable(self.fold.train),
            "validation": self.features.usable(self.fold.validation),
            "test": self.test_clips,
        }
        for name, clips in parts.items():
            if not clips:
                raise DataError(
                    f"{self.fold.name}: has no usable {name} clips; see the clips left out, or "
                    "change dataset.validation."
                )

    @cached_property
    def learning(self) -> Learning:
        """What the network learns from."""
        place = self.place.folder.relative_to(self.place.run.folder)
        teachers = Teachers.of(self.job, place.as_posix())
        return Learning(self.job, self.fold, self.features, teachers)

    def build(self) -> "keras.Model":
        """Build the set's network for this data."""
        return build_network(self.job, self.features.representation)

    def train(self) -> None:
        """Train, then compress; leaves networks, normaliser.json, history.csv, training.json."""
        network, key = self.networks[TRAINED].name, self.learning.stage_key
        makes = (network, "normaliser.json", *training_files(self.job.settings.training))
        with self.place.training(makes=makes, inputs=key) as stage:
            if stage.needed:
                stage.earlier_seconds = self._train()
        compress(self.learning, self.place, normaliser=self.normaliser, key=key)

    def _train(self) -> float:
        """Train; tell what processes before this one spent on it, in seconds."""
        folder = self.place.folder
        normaliser = self.learning.fit_normaliser()
        trained = self.learning.fit(
            self.build,
            self.job.settings.training,
            normaliser=normaliser,
            folder=folder,
            tensorboard=self.place.tensorboard,
        )
        inference.save_keras(self.networks[TRAINED], trained.model)
        write_json(folder / "normaliser.json", statistics(normaliser))
        write_best_epoch(folder, trained.best_epoch)
        return trained.earlier_seconds

    def calibrate(self) -> None:
        """Predict the validation clips and fit the temperature; leaves the networks' metadata."""
        clips, paths = self.features.usable(self.fold.validation), self.networks.values()
        makes = ("validation.npz", *(f"{path.stem}.metadata.json" for path in paths))
        with self.place.stage("validation", makes=makes, inputs=self._refined_key) as stage:
            if not stage.needed:
                return
            for path in paths:  # the last one is the model
                predictor = inference.load_predictor(path)
                probabilities = self._predict(predictor, clips, self.features)
                temperature = 1.0
                if self.job.settings.evaluation.calibration == "temperature":
                    truth = self._predictions(clips, probabilities, temperature).targets
                    temperature = fit_temperature(truth, probabilities)
                inference.write_metadata(path, self._metadata(temperature))
            save_arrays(self.place.folder / "validation.npz", {"keras": probabilities})

    def test(self) -> Predictions:
        """Predict the test clips, and those held out of all folds; leaves predictions.npz.

        What is kept is not calibrated yet.
        """
        saved = self.place.folder / "predictions.npz"
        with self.place.stage("test", makes=(saved.name,), inputs=self._test_key) as stage:
            if stage.needed:
                predictor = inference.load_predictor(self.model_path)
                source = self.test_features or self.features
                found = {"test": self._predict(predictor, self.test_clips, source)}
                if self.held_out:
                    found["held_out"] = self._predict(predictor, self.held_out, self.features)
                save_arrays(saved, found)
        return self._predictions(self.test_clips, load_arrays(saved)["test"])

    def tested(self, *, calibrated: bool = True) -> Predictions:
        """What :meth:`test` left for the clips held out of all folds, or for the test clips."""
        found = load_arrays(self.place.folder / "predictions.npz")
        temperature = None if calibrated else 1.0
        if self.held_out:
            return self._predictions(self.held_out, found["held_out"], temperature)
        return self._predictions(self.test_clips, found["test"], temperature)

    def validation_predictions(self) -> Predictions:
        """What was predicted for the validation clips, to which the temperature was fitted."""
        found = load_arrays(self.place.folder / "validation.npz")["keras"]
        return self._predictions(self.features.usable(self.fold.validation), found)

    def predict(self, clips: Sequence[Clip], features: ClipFeatures) -> Predictions:
        """Predict clips of no fold, a challenge's evaluation set for example."""
        usable = features.usable(clips)
        predictor = inference.load_predictor(self.model_path)
        return self._predictions(usable, self._predict(predictor, usable, features))

    def export(self) -> dict[str, Predictions]:
        """Write the TFLite files, those that take samples and C source; leaves exports.json.

        Returns:
            What each file predicts for the test clips: those held out of all folds, if any. Files
            that take samples are named ``<format>_samples``.
        """
        settings, saved = self.job.settings.export, self.place.folder / "export_predictions.npz"
        of_samples = [f"{name}{SUFFIX}" for name in settings.samples]
        names = (*settings.files, *of_samples)
        self._quantise()
        sources = [f"model_{name}.{ending}" for name in settings.c_array for ending in "hc"]
        files = (*(f"model_{name}.tflite" for name in names), *sources)
        makes = (*files, *((MIXED_FACTS,) if settings.mixed else ()), "exports.json", saved.name)
        inputs = f"{self._refined_key}-{self.job.settings.limits.format}"
        with self.place.stage("export", makes=makes, inputs=inputs) as stage:
            if stage.needed:
                self._export(saved)
        found = load_arrays(saved)
        clips = self.held_out or self.test_clips
        inside = dict.fromkeys(of_samples, 1.0)  # these files have calibrated already
        return {
            name: self._predictions(clips, found[name], inside.get(name, self.temperature))
            for name in names
        }

    def _quantise(self) -> None:
        """Train the int8 file further, where that is asked for."""
        settings = self.job.settings.export.qat
        if settings is None:
            return
        makes, key = (f"model_{QAT}.tflite", FACTS), self.learning.stage_key
        with self.place.stage("int8 training", makes=makes, inputs=key) as stage:
            if stage.needed:
                stage.earlier_seconds = train_int8(
                    self.learning, self.place, settings, normaliser=self.normaliser,
                    calibration=self._calibration(), metadata=self._metadata(self.temperature),
                )  # fmt: skip

    def _export(self, saved: Path) -> None:
        settings, calibration = self.job.settings.export, self._calibration()
        paths = write_files(
            self.place.folder,
            settings,
            calibration=calibration,
            metadata=self._metadata(self.temperature),
        )
        by_keras = load_arrays(self.place.folder / "predictions.npz")
        expected = by_keras["held_out" if self.held_out else "test"]
        clips, source = self.held_out or self.test_clips, self.test_features or self.features
        predicted, facts = {}, {}
        for name, path in paths.items():
            predictor = inference.load_predictor(path)
            predicted[name] = self._predict(predictor, clips, source)
            difference = float(np.abs(predicted[name] - expected).max())
            facts[name] = file_facts(path, clip=calibration[0], max_difference=difference)
            if name == self.job.settings.limits.format:
                said = self.learning.validation_answers(predictor, self.normaliser)
                facts[name]["validation"] = self.learning.validation_scores(said)
        of_samples = {f"{name}{SUFFIX}": export_samples(paths[name]) for name in settings.samples}
        predicted |= self._predict_samples(of_samples, clips)
        expected = self._predictions(clips, expected).probabilities
        for name, path in of_samples.items():
            difference = float(np.abs(predicted[name] - expected).max())
            facts[name] = file_facts(path, clip=self._samples(clips[0]), max_difference=difference)
        save_arrays(saved, predicted)
        write_json(self.place.folder / "exports.json", facts)

    def _predict_samples(
        self, paths: Mapping[str, Path], clips: Sequence[Clip]
    ) -> dict[str, np.ndarray]:
        """Predict clips by files that take samples; each clip is read once.

        Returns:
            float32 (clips, classes) of each file, calibrated.
        """
        predictors = {name: inference.load_predictor(path) for name, path in paths.items()}
        found: dict[str, list[np.ndarray]] = {name: [] for name in paths}
        for clip in clips if predictors else ():
            samples = self._samples(clip)[np.newaxis]
            for name, predictor in predictors.items():
                found[name].append(predictor(samples))
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def compare_steps(self) -> dict[str, Predictions]:
        """Measure the network after each step of its compression; leaves steps.json.

        Returns:
            What each says of the test clips: those held out of all folds, if any; {} where nothing
            is compressed.
        """
        if self.job.settings.compression is None:
            return {}
        makes, clips = ("steps.json", "steps.npz"), self.held_out or self.test_clips
        with self.place.stage("comparison of steps", makes=makes, inputs=self._test_key) as stage:
            if stage.needed:
                source, (clip,) = self.test_features or self.features, self._calibration(1)
                measure_steps(
                    self.networks, clip=clip, predict=lambda one: self._predict(one, clips, source)
                )
        found = load_arrays(self.place.folder / "steps.npz")
        return {
            name: self._predictions(clips, found[name], _temperature_of(path))
            for name, path in self.networks.items()
        }

    def step_facts(self) -> dict[str, dict[str, Any]]:
        """What was measured of the network after each step."""
        return read_json(self.place.folder / "steps.json")

    def _samples(self, clip: Clip) -> np.ndarray:
        """Samples of a clip at the set's rate and length, float32 (samples,)."""
        waveform = waveform_of(self.features.representation)
        return read_features(clip.path, waveform, audio=self.job.settings.audio)

    def export_facts(self) -> dict[str, dict[str, Any]]:
        """What was measured of each exported file."""
        return read_json(self.place.folder / "exports.json")

    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the training: early stop, temperature."""
        epochs = len(read_history(self.place.folder))
        stopped = training.stopping_note(self.job.settings.training, epochs=epochs)
        notes = [f"{self.fold.name}: {stopped}"] if stopped else []
        if self.job.settings.evaluation.calibration != "none":
            clips = len(self.features.usable(self.fold.validation))
            notes.append(
                f"{self.fold.name}: temperature {self.temperature:.3f}, fitted to {clips} "
                "validation clips."
            )
        if self.job.settings.export.qat is not None:
            notes.append(f"{self.fold.name}: {agreement_note(self.place)}")
        if self.job.settings.export.mixed is not None:
            notes.append(f"{self.fold.name}: {mixed_note(self.place.folder)}")
        return tuple(notes)

    def trainings(self) -> dict[str, Path]:
        """Folders with history.csv and training.json, by step; the first training has no name."""
        folder, (_, *steps) = self.place.folder, self.networks
        further = {name: folder / name for name in steps}
        if self.job.settings.export.qat is not None:
            further[QAT] = folder / QAT_FOLDER
        return {"": folder} | further

    @cached_property
    def normaliser(self) -> AnyNormaliser | None:
        """The normaliser that the network was trained with."""
        content = read_json(self.place.folder / "normaliser.json")
        return normaliser_of(self.job.settings.features.normalise.method, content)

    @property
    def temperature(self) -> float:
        """The temperature that was fitted; 1 without calibration."""
        return _temperature_of(self.model_path)

    @property
    def _refined_key(self) -> str:
        """Identity of what stands between the network and its predictions."""
        evaluation = self.job.settings.evaluation
        return digest([evaluation.shifts_seconds, evaluation.calibration])

    @property
    def _test_key(self) -> str:
        """The same, and of the features of the clips that are predicted."""
        return f"{(self.test_features or self.features).key}-{self._refined_key}"

    def _predict(
        self, predictor: inference.Predictor, clips: Sequence[Clip], source: ClipFeatures
    ) -> np.ndarray:
        """Predict clips in blocks, so that memory does not grow with their number.

        Returns:
            float32 (clips, classes), averaged over the shifts of test-time augmentation.
        """
        shifts = self.job.settings.evaluation.shifts_seconds
        refined = inference.Refinement.of(self.features.representation, shifts_seconds=shifts)
        array, store = source.store.array, source.store
        return np.concatenate(
            [refined(predictor, self._inputs(array[store.rows(block)])) for block in blocks(clips)]
        )

    def _inputs(self, features: np.ndarray) -> np.ndarray:
        """What the network sees of clips: normalised float32 (clips, ...)."""
        return np.asarray(features if self.normaliser is None else self.normaliser(features))

    def _calibration(self, number: int | None = None) -> np.ndarray:
        """Normalised training clips for int8 ranges, with the network's channel axis."""
        number = self.job.settings.export.calibration_clips if number is None else number
        examples = self._inputs(self.learning.examples(number))
        return examples.reshape(-1, *self.features.representation.input_shape)

    def _predictions(
        self, clips: Sequence[Clip], probabilities: np.ndarray, temperature: float | None = None
    ) -> Predictions:
        """Join probabilities, calibrated (by the fitted temperature if None), with the truth."""
        temperature = self.temperature if temperature is None else temperature
        if temperature != 1.0:
            probabilities = temper(probabilities, temperature).astype(np.float32)
        classes, kind = self.job.data.classes, self.job.target
        return Predictions.of_clips(clips, probabilities, classes=classes, kind=kind)

    def _metadata(self, temperature: float) -> inference.Metadata:
        return metadata_of(
            self.job,
            self.normaliser,
            shifts_seconds=self.job.settings.evaluation.shifts_seconds,
            temperature=temperature,
        )


def _temperature_of(path: Path) -> float:
    """The temperature that was fitted to a network; 1 without calibration."""
    metadata = inference.read_metadata(path)
    return 1.0 if metadata is None else metadata.temperature
