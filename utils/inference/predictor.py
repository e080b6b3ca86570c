"""Trained models of every format behind one call: features in, probabilities out."""

import os
import time
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.backend import quiet_stderr
from utils.errors import UserError
from utils.files import written_beside
from utils.inference.metadata import Metadata, read_metadata

if TYPE_CHECKING:
    import keras

BATCH_SIZE = 32  # clips that Keras computes at once
WARM_UP = 5  # calls before the clock starts: caches fill, kernels choose their plan


class Predictor(ABC):
    """A trained model as a function.

    Attributes:
        path: the model file.
        metadata: classes, audio, features and normaliser; None where the file carries none.
        input_shape: shape of one clip, as the network takes it.
        input_names: of its inputs; most have ``input`` alone.
    """

    input_names: tuple[str, ...] = ("input",)

    def __init__(self, path: Path, metadata: Metadata | None, input_shape: tuple[int, ...]) -> None:
        self.path = path
        self.metadata = metadata
        self.input_shape = input_shape

    @property
    def data(self) -> str:
        """Name of the data set that the model was trained on; ``demo`` for generated audio."""
        return "unknown" if self.metadata is None else self.metadata.data

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Predict with a network of one output.

        Args:
            features: float (clips, ...), normalised; the channel axis of the network may be left
                out.

        Returns:
            float32 (clips, classes).

        Raises:
            UserError: when the model takes clips of another shape.
            ValueError: when the network has several outputs.
        """
        outputs = self.outputs(features)
        if len(outputs) != 1:
            raise ValueError(f"{self.path} has {len(outputs)} outputs: call `outputs`")
        return outputs[0]

    def outputs(self, features: np.ndarray | Mapping[str, np.ndarray]) -> tuple[np.ndarray, ...]:
        """Predict with a network of any number of outputs.

        Args:
            features: as for a call; of a network of several inputs all of them by name.

        Returns:
            float32 (clips, ...) of each output; sorted by name where the network names them, as
            Keras flattens a mapping.

        Raises:
            UserError: when the model takes clips of another shape.
        """
        if isinstance(features, Mapping):
            return self._predict(features)
        if (*features.shape[1:], 1) == self.input_shape:
            features = features[..., np.newaxis]
        if features.shape[1:] != self.input_shape:
            raise UserError(
                f"{self.path}: takes clips of shape {self.input_shape}, received "
                f"{features.shape[1:]}; use the features that the model was trained with."
            )
        return self._predict(features)

    @abstractmethod
    def _predict(self, features: Any) -> tuple[np.ndarray, ...]:
        """Predict clips whose shape is right."""


class MemoryPredictor(Predictor):
    """A Keras network in memory, on any Keras backend.

    Args:
        model: a network; of several inputs, the one named ``input`` takes the features.
        path: the file that it comes from; by default its name stands for it in messages.
        metadata: what the file says about it.
    """

    def __init__(
        self, model: "keras.Model", path: Path | None = None, metadata: Metadata | None = None
    ) -> None:
        self._model = model
        given = model.input
        if isinstance(given, dict):
            self.input_names, given = ("input", *sorted(set(given) - {"input"})), given["input"]
        shape = given.shape
        super().__init__(path or Path(model.name), metadata, tuple(shape[1:]))

    def _predict(self, features: Any) -> tuple[np.ndarray, ...]:
        import keras

        batches = []
        count = (
            len(next(iter(features.values()))) if isinstance(features, Mapping) else len(features)
        )
        for first in range(0, count, BATCH_SIZE):
            part = slice(first, first + BATCH_SIZE)
            clips = keras.tree.map_structure(
                lambda values, part=part: np.asarray(values[part], np.float32), features
            )
            batches.append(keras.tree.flatten(self._model.predict_on_batch(clips)))
        return tuple(
            np.concatenate(parts).astype(np.float32) for parts in zip(*batches, strict=True)
        )


class KerasPredictor(MemoryPredictor):
    """A ``.keras`` file, on any Keras backend."""

    def __init__(self, path: Path) -> None:
        metadata = read_metadata(path)
        super().__init__(load_keras(path), path, metadata)


class TFLitePredictor(Predictor):
    """A ``.tflite`` file for one clip at a time; not to be called from two threads at once.

    Args:
        path: the model file.
        threads: of the interpreter.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        metadata = read_metadata(path)
        try:
            with quiet_stderr():
                self._interpreter = Interpreter(str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UserError(
                f"{path}: is not a model that TensorFlow Lite can run ({_first_line(error)}); "
                "export it again."
            ) from error
        inputs = self._interpreter.get_input_details()
        if len(inputs) != 1 or inputs[0]["shape"][0] != 1:
            raise UserError(
                f"{path}: takes {len(inputs)} inputs for several clips; one is expected."
            )
        self._input = inputs[0]
        self._outputs = self._interpreter.get_output_details()
        super().__init__(path, metadata, tuple(int(n) for n in self._input["shape"][1:]))

    def _predict(self, features: np.ndarray) -> tuple[np.ndarray, ...]:
        results: list[list[np.ndarray]] = [[] for _ in self._outputs]
        for clip in features:
            self._interpreter.set_tensor(
                self._input["index"], _quantised(clip[np.newaxis], self._input)
            )
            self._interpreter.invoke()
            for kept, details in zip(results, self._outputs, strict=True):
                kept.append(_real(self._interpreter.get_tensor(details["index"]), details))
        return tuple(np.concatenate(kept) for kept in results)


def load_predictor(path: Path, *, threads: int | None = None) -> Predictor:
    """Load a trained model.

    A ``.keras`` file is loaded in Keras' safe mode: one that holds Python code is refused, so a
    file from anywhere may be tried.

    Args:
        path: a ``.keras`` or ``.tflite`` file.
        threads: of a TFLite model; None takes every core. Keras has its own settings.

    Raises:
        UserError: when the file is missing, damaged, holds code, or is something else.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such model file; train one, or name another with --model.")
    if path.suffix == ".keras":
        return KerasPredictor(path)
    if path.suffix == ".tflite":
        return TFLitePredictor(path, threads=threads or len(os.sched_getaffinity(0)))
    raise UserError(f"{path}: a model file ends in .keras or .tflite.")


def compare(predictor: Predictor, expected: np.ndarray, features: np.ndarray) -> float:
    """Largest difference of a model's outputs to those expected of it, of Keras for example.

    Args:
        predictor: the model.
        expected: (clips, classes).
        features: (clips, ...), normalised.
    """
    return float(np.abs(predictor(features) - expected).max())


def latency_ms(predictor: Predictor, clip: np.ndarray, *, repeats: int) -> float:
    """Median time of one clip in milliseconds, after a warm-up.

    Args:
        predictor: the model; load it with ``threads=1`` for figures of one core.
        clip: features of one clip, without the batch axis.
        repeats: timed calls.
    """
    batch = clip[np.newaxis]
    seconds = []
    for _ in range(WARM_UP + repeats):
        start = time.perf_counter()
        predictor.outputs(batch)
        seconds.append(time.perf_counter() - start)
    return 1000 * float(np.median(seconds[WARM_UP:]))


def load_keras(path: Path) -> "keras.Model":
    """Load a ``.keras`` file in safe mode, or say in a sentence why not."""
    import keras

    from models.layers import OWN

    if not zipfile.is_zipfile(path):
        raise UserError(f"{path}: is not a Keras model or is damaged; train it again.")
    try:
        return keras.saving.load_model(path, custom_objects=OWN, compile=False, safe_mode=True)
    except Exception as error:  # a damaged archive fails in any of a dozen ways
        if "safe_mode" in str(error) or "unsafe" in str(error):
            raise UserError(
                f"{path}: holds Python code (a Lambda layer, for example) that would run on this "
                "machine, and is refused; ask for a model without such layers."
            ) from error
        raise UserError(
            f"{path}: cannot be loaded as a Keras model ({_first_line(error)}); train it again."
        ) from error


def save_keras(path: Path, model: "keras.Model") -> None:
    """Write a ``.keras`` file whole or not at all.

    Raises:
        UserError: when the file cannot be written.
    """
    with written_beside(path) as beside:
        model.save(beside)


def _first_line(error: Exception) -> str:
    """The first line of an error, cut to what a sentence bears."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return shorten(lines[0], width=160, placeholder=" ...")


def _quantised(values: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    """Real values as a tensor holds them: ``q = round(x / scale) + zero_point``, kept in range."""
    kind = details["dtype"]
    scale, zero_point = details["quantization"]
    if not scale:
        return np.asarray(values, kind)
    limits = np.iinfo(kind)
    return np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max).astype(kind)


def _real(values: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    """What a tensor holds as real values, float32: ``x = (q - zero_point) * scale``."""
    scale, zero_point = details["quantization"]
    if not scale:
        return values.astype(np.float32)
    return (values.astype(np.float32) - zero_point) * np.float32(scale)
