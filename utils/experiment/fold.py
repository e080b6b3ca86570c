"""One fold of clips: train a network, test it, export it and test what was exported."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils import export, inference, pipeline, targets, training
from utils.augment import chain
from utils.datasets import Clip, Fold
from utils.errors import DataError
from utils.evaluation import Predictions, write_system_output
from utils.experiment.job import Job
from utils.features import FeatureStore, LogMel, Normaliser, Waveform
from utils.features.graph import front_end
from utils.files import read_json, whole_file, write_json
from utils.run import Place

if TYPE_CHECKING:
    import keras

BLOCK = 256  # clips whose features are in memory at once while a model predicts them
LATENCY_REPEATS = 20


@dataclass(frozen=True)
class ClipFeatures:
    """Features of all clips, and the waveforms where training augments them.

    Attributes:
        representation: what the network sees of a clip.
        store: that representation of every clip.
        waveforms: samples of the training clips; None where nothing acts on waveforms.
    """

    representation: LogMel | Waveform
    store: FeatureStore
    waveforms: FeatureStore | None

    @property
    def key(self) -> str:
        """Identity of the features: parameters, and name, size and time of every file."""
        stores = [self.store] if self.waveforms is None else [self.store, self.waveforms]
        return "-".join(store.key for store in stores)

    def usable(self, clips: Sequence[Clip]) -> tuple[Clip, ...]:
        """Leave out clips whose audio could not be used."""
        return tuple(clip for clip in clips if self.store.contains(clip))


@dataclass
class FoldExperiment:
    """Stages of one fold; each is done once and found again by the next start.

    Attributes:
        job: the set, the data, the run.
        fold: training, validation and test clips.
        features: of all clips, of training and validation clips where ``test_features`` is given.
        place: folder and record of the stages.
        test_features: of the test clips where they are kept apart (a submission's).
    """

    job: Job
    fold: Fold
    features: ClipFeatures
    place: Place
    test_features: ClipFeatures | None = None

    @property
    def test_clips(self) -> tuple[Clip, ...]:
        """Test clips whose audio could be used."""
        return (self.test_features or self.features).usable(self.fold.test)

    @property
    def model_path(self) -> Path:
        """The trained network."""
        return self.place.folder / "model.keras"

    def check_parts(self) -> None:
        """Refuse a fold with nothing to learn from, to choose by, or to test on.

        Raises:
            DataError: naming fold and part.
        """
        parts = {"training": self.fold.train, "validation": self.fold.validation}
        left = {name: self.features.usable(clips) for name, clips in parts.items()}
        for name, clips in (left | {"test": self.test_clips}).items():
            if not clips:
                raise DataError(
                    f"{self.fold.name}: has no usable {name} clips; see the clips left out, or "
                    "change dataset.validation."
                )

    def build(self) -> "keras.Model":
        """Build the set's network for this data."""
        return build_network(self.job, self.features.representation)

    def train(self) -> None:
        """Train; leaves model.keras, its metadata, history.csv and training.json."""
        makes = ("model.keras", "model.metadata.json", "history.csv", "training.json")
        with self.place.stage("training", makes=makes, inputs=self.features.key) as stage:
            if stage.needed:
                stage.earlier_seconds = self._train()

    def _train(self) -> float:
        """Train; tell what processes before this one spent on it, in seconds."""
        settings, folder = self.job.settings.training, self.place.folder
        normaliser = self._fit_normaliser()
        source = self._source(self.fold.train, waveforms=self.features.waveforms is not None)
        validation = self._source(self.fold.validation, waveforms=False)
        prepare = _preparation(normaliser, None)
        prepare_training = prepare
        augment = None
        if self.features.waveforms is not None:
            prepare_training = _preparation(normaliser, self.features.representation)
            augment = chain(
                self.job.settings.augment, sample_rate=self.job.settings.audio.sample_rate
            )
        memory_gb = self.job.settings.pipeline.memory_gb
        trained = training.fit(
            self.build,
            lambda first_epoch: pipeline.training_batches(
                source, batch_size=settings.batch_size, seed=self.job.settings.seed,
                first_epoch=first_epoch, epochs=settings.epochs,
                prepare=prepare_training, augment=augment, memory_gb=memory_gb,
            ),
            pipeline.evaluation_batches(
                validation, batch_size=self.job.settings.evaluation.batch_size,
                prepare=prepare, memory_gb=memory_gb,
            ),
            steps=pipeline.steps(source, settings.batch_size),
            settings=settings, folder=folder, seed=self.job.settings.seed,
            console=self.job.console,
            tensorboard=folder / "tensorboard" if self.place.run.tensorboard else None,
        )  # fmt: skip
        inference.save_keras(self.model_path, trained.model)
        inference.write_metadata(self.model_path, self._metadata(normaliser))
        write_json(folder / "training.json", {"best_epoch": trained.best_epoch})
        return trained.earlier_seconds

    def test(self) -> Predictions:
        """Predict the test clips; leaves predictions.npz and the system output."""
        clips = self.test_clips
        saved = self.place.folder / "predictions.npz"
        makes = (saved.name, "system_output.csv")
        key = (self.test_features or self.features).key
        with self.place.stage("test", makes=makes, inputs=key) as stage:
            if stage.needed:
                predictor = inference.load_predictor(self.model_path)
                probabilities = self._predict(predictor, clips)
                predictions = self._predictions(clips, probabilities)
                write_system_output(
                    self.place.folder / "system_output.csv", predictions, self.job.data.classes
                )
                _save_arrays(saved, {"keras": probabilities})
        return self._predictions(clips, _load_arrays(saved)["keras"])

    def export(self) -> dict[str, Predictions]:
        """Write the TFLite files and test each; leaves exports.json.

        Returns:
            What each file predicts for the test clips.
        """
        clips = self.test_clips
        formats = self.job.settings.export.formats
        saved = self.place.folder / "export_predictions.npz"
        files = tuple(f"model_{name}.tflite" for name in formats)
        with self.place.stage("export", makes=(*files, "exports.json", saved.name)) as stage:
            if stage.needed:
                self._export(clips, saved)
        found = _load_arrays(saved)
        return {name: self._predictions(clips, found[name]) for name in formats}

    def _export(self, clips: Sequence[Clip], saved: Path) -> None:
        normaliser = self.normaliser()
        calibration = self._calibration(normaliser)
        paths = export.export_formats(
            inference.load_keras(self.model_path),
            calibration=calibration,
            folder=self.place.folder,
            formats=self.job.settings.export.formats,
            metadata=self._metadata(normaliser),
        )
        expected = _load_arrays(self.place.folder / "predictions.npz")["keras"]
        predicted, facts = {}, {}
        for name, path in paths.items():
            predictor = inference.load_predictor(path)
            predicted[name] = self._predict(predictor, clips)
            facts[name] = asdict(export.measure(path)) | {
                "max_difference": float(np.abs(predicted[name] - expected).max()),
                "latency_ms": inference.latency_ms(
                    predictor, calibration[0], repeats=LATENCY_REPEATS
                ),
            }
        _save_arrays(saved, predicted)
        write_json(self.place.folder / "exports.json", facts)

    def export_facts(self) -> dict[str, dict[str, Any]]:
        """What was measured of each exported file."""
        return read_json(self.place.folder / "exports.json")

    def best_epoch(self) -> int:
        """Epoch, counted from 1, whose weights were kept."""
        return int(read_json(self.place.folder / "training.json")["best_epoch"])

    def history(self) -> list[dict[str, float]]:
        """One row of numbers per epoch."""
        with (self.place.folder / "history.csv").open(encoding="utf-8", newline="") as stream:
            return [
                {name: float(value) for name, value in row.items()}
                for row in csv.DictReader(stream)
            ]

    def normaliser(self) -> Normaliser | None:
        """The feature statistics that the network was trained with."""
        metadata = inference.read_metadata(self.model_path)
        if metadata is None or metadata.normaliser is None:
            return None
        return Normaliser.from_dict(metadata.normaliser)

    def _predict(self, predictor: inference.Predictor, clips: Sequence[Clip]) -> np.ndarray:
        """Predict test clips in blocks, so that memory does not grow with their number.

        Returns:
            float32 (clips, classes).
        """
        normaliser, store = self.normaliser(), (self.test_features or self.features).store
        return np.concatenate(
            [predictor(_inputs(store, block, normaliser)) for block in _blocks(clips)]
        )

    def _calibration(self, normaliser: Normaliser | None) -> np.ndarray:
        clips = self.features.usable(self.fold.train)
        number = min(self.job.settings.export.calibration_clips, len(clips))
        chosen = np.random.default_rng(self.job.settings.seed).permutation(len(clips))[:number]
        return _inputs(self.features.store, [clips[i] for i in sorted(chosen)], normaliser)

    def _fit_normaliser(self) -> Normaliser | None:
        settings = self.job.settings.features.normalise
        if settings.method == "none":
            return None
        clips = self.fold.train
        if settings.clips == "train_and_validation":
            clips = (*clips, *self.fold.validation)
        return Normaliser.fit(
            self.features.store.array, self.features.store.rows(self.features.usable(clips))
        )

    def _source(self, clips: Sequence[Clip], *, waveforms: bool) -> pipeline.Source:
        usable = self.features.usable(clips)
        store = self.features.store
        if waveforms and self.features.waveforms is not None:
            store = self.features.waveforms
        encoded = targets.encode(usable, classes=self.job.data.classes, kind="single_label")
        return pipeline.Source(store.array, store.rows(usable), encoded)

    def _predictions(self, clips: Sequence[Clip], probabilities: np.ndarray) -> Predictions:
        return Predictions.of_clips(clips, probabilities, classes=self.job.data.classes)

    def _metadata(self, normaliser: Normaliser | None) -> inference.Metadata:
        settings = self.job.settings
        return inference.Metadata(
            set_id=settings.set_id,
            classes=self.job.data.classes,
            audio=settings.audio.model_dump(mode="json"),
            features=settings.features.model_dump(mode="json"),
            normaliser=None if normaliser is None else normaliser.as_dict(),
            data=self.job.data.name,
        )


def build_network(job: Job, representation: LogMel | Waveform) -> "keras.Model":
    """Build the set's network for the shape of one clip and the data set's classes."""
    from models import builder

    shape = (*representation.shape, 1)
    constants: dict[str, int] = {"CLASS_COUNT": len(job.data.classes)}
    if isinstance(representation, LogMel):
        constants |= dict(zip(("MELS", "FRAMES"), representation.shape, strict=True))
    return builder.build(
        job.settings.model,
        named=job.networks,
        input_shape=shape,
        constants=constants,
        name=job.settings.set_id,
        seed=job.settings.seed,
    )


def _preparation(normaliser: Normaliser | None, representation: LogMel | Waveform | None) -> Any:
    """Make the TensorFlow function from rows of a store to what the network sees."""
    import tensorflow as tf

    spectrogram = tf.identity if representation is None else front_end(representation)

    def prepare(batch: "tf.Tensor") -> "tf.Tensor":
        features = spectrogram(batch)
        if normaliser is not None:
            features = normaliser(features)
        return features[..., tf.newaxis]

    return prepare


def _inputs(
    store: FeatureStore, clips: Sequence[Clip], normaliser: Normaliser | None
) -> np.ndarray:
    """What the network sees of clips: normalised float32 (clips, ..., 1)."""
    rows = store.array[store.rows(clips)]
    return np.asarray(rows if normaliser is None else normaliser(rows))[..., np.newaxis]


def _blocks(clips: Sequence[Clip]) -> Iterator[Sequence[Clip]]:
    for first in range(0, len(clips), BLOCK):
        yield clips[first : first + BLOCK]


def _latency_ms(path: Path, clip: np.ndarray) -> float:
    """Milliseconds for one clip on one thread."""
    predictor = inference.load_predictor(path, threads=1)
    return inference.latency_ms(predictor, clip, repeats=LATENCY_REPEATS)


def _save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with whole_file(path) as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def _load_arrays(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
