"""From a Keras network to TFLite files: float32, float16, dynamic range and full int8.

The network is traced once, for one clip; every format is converted from that trace. (Converting the
Keras model or a SavedModel anew for each format takes three times as long and gives the same
weights.) Several outputs come in Keras' order, sorted by name where they have names.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.backend import quiet_stderr
from utils.errors import UserError
from utils.export.labels import finished
from utils.files import write_bytes
from utils.inference.metadata import Metadata

if TYPE_CHECKING:
    import keras

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
FORMATS = ("float32", "float16", "dynamic", "int8")


def export_formats(
    model: "keras.Model",
    *,
    calibration: np.ndarray,
    folder: Path,
    formats: Sequence[str],
    metadata: Metadata,
) -> dict[str, Path]:
    """Convert a network and write ``model_<format>.tflite`` files, each whole or not at all.

    All files take one clip at a time and need TFLite's builtin operators only. ``int8`` is int8
    throughout, input and output included; its ranges are those seen on the calibration clips.
    ``dynamic`` has int8 weights and computes in float32. A network trained in mixed precision is
    exported with float32 operations.

    Args:
        model: a trained network of one input.
        calibration: float32 (clips, ...), normalised features of training clips; only ``int8``
            looks at them.
        folder: where the files go.
        formats: some of ``float32``, ``float16``, ``dynamic``, ``int8``.
        metadata: put inside every file, with the label file and the description of the tensors that
            other programs read.

    Returns:
        The files by format.

    Raises:
        UserError: when the network cannot be converted, and for ``int8`` of a recurrent network.
        ValueError: when a format is unknown, an axis is open, or the calibration clips do not fit.
    """
    paths = {name: folder / f"model_{name}.tflite" for name in formats}
    files = converted(model, calibration=calibration, formats=formats, folder=folder)
    for name, path in paths.items():
        write_bytes(path, finished(files[name], metadata))
    return paths


def converted(
    model: "keras.Model", *, calibration: np.ndarray, formats: Sequence[str], folder: Path
) -> dict[str, bytes]:
    """Convert a network without writing anything; files by format, without metadata.

    Args:
        model: as :func:`export_formats`, and so ``calibration`` and ``formats``.
        calibration: of ``int8``.
        formats: of the files.
        folder: where they are to go, for messages.

    Raises:
        UserError: as :func:`export_formats`.
        ValueError: as :func:`export_formats`.
    """
    if not formats:
        return {}
    shape = _clip_shape(model)
    _check(model, shape=shape, calibration=calibration, formats=formats)
    with quiet_stderr(), _as_exported(model):
        trace = _trace(model, shape)
        return {
            name: convert(
                trace, name=name, calibration=calibration, path=folder / f"model_{name}.tflite"
            )
            for name in formats
        }


def evenly(count: int, number: int) -> np.ndarray:
    """Places of some of ``count`` clips, at equal distances: they stand in the order of classes."""
    return np.linspace(0, count - 1, min(count, number)).astype(int)


def require_possible(
    model: "keras.Model", formats: Sequence[str], *, path: str = "export.formats"
) -> None:
    """Refuse a format that a network cannot have; to be asked before hours of training too.

    Args:
        model: a network, trained or not.
        formats: as :func:`export_formats`.
        path: of the setting that asks for them, for the message.

    Raises:
        UserError: for ``int8`` of a recurrent network.
    """
    import keras

    if "int8" not in formats:
        return
    recurrent = [
        layer.name
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.RNN) and not layer.unroll
    ]
    if recurrent:
        raise UserError(
            f"{path}: int8 is not possible with a recurrent layer ({recurrent[0]}), on which "
            "TensorFlow Lite's calibration crashes; leave it out."
        )


def _clip_shape(model: "keras.Model") -> tuple[int, ...]:
    """Shape of one clip as the network takes it."""
    if len(model.inputs) != 1:
        raise ValueError(f"{model.name} has {len(model.inputs)} inputs, one can be exported")
    shape = tuple(model.inputs[0].shape[1:])
    if None in shape:
        raise ValueError(f"{model.name}: input {shape} has an open axis, fix its length")
    return shape


def _check(
    model: "keras.Model", *, shape: tuple[int, ...], calibration: np.ndarray, formats: Sequence[str]
) -> None:
    """Refuse what cannot work before any conversion starts."""
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UserError("TFLite export needs the TensorFlow backend; set KERAS_BACKEND=tensorflow.")
    if unknown := set(formats) - set(FORMATS):
        raise ValueError(f"unknown formats {sorted(unknown)}, known are {FORMATS}")
    require_possible(model, formats)
    if "int8" not in formats:
        return
    if calibration.shape[1:] != shape or not len(calibration):
        raise ValueError(f"calibration clips: needed (clips, *{shape}), got {calibration.shape}")
    if not np.isfinite(calibration).all():
        raise ValueError("calibration clips hold values that are not finite")


@contextmanager
def _as_exported(model: "keras.Model") -> Iterator[None]:
    """Let a network compute as TFLite can: in float32, and SELU by operators that quantise.

    The weights of a network of mixed precision are float32 already; only its layers' policies
    change for the time of the trace.
    """
    import keras

    layers = model._flatten_layers()
    changes: list[tuple[Any, str, Any]]
    changes = [(x, "dtype_policy", "float32") for x in layers if x.compute_dtype != "float32"]
    changes += [
        (x, "activation", _selu)
        for x in layers
        if getattr(x, "activation", None) is keras.activations.selu
    ]
    changes += [(x, "as_exported", True) for x in layers if hasattr(x, "as_exported")]
    before = [(layer, name, getattr(layer, name)) for layer, name, _ in changes]
    try:
        for layer, name, value in changes:
            setattr(layer, name, value)
        yield
    finally:
        for layer, name, value in before:
            setattr(layer, name, value)


def _selu(x: Any) -> Any:
    """SELU (Klambauer 2017, equation 2) by the positive part of x and ELU of what is left.

    TensorFlow Lite takes SELU apart into exp(x) for all x and a choice; of a large positive x that
    is infinite, which leaves no int8 range and ends the process in a crash. A ReLU would be joined
    with the dense layer before it, which is then there twice; a leaky one is not.
    """
    import keras

    positive = keras.ops.leaky_relu(x, 0.0)
    return SELU_SCALE * positive + SELU_SCALE * SELU_ALPHA * keras.ops.elu(x - positive)


def _trace(model: "keras.Model", shape: tuple[int, ...]) -> Any:
    """The network as a TensorFlow graph for one clip; of named outputs, a list sorted by name."""
    import keras
    import tensorflow as tf

    def outputs(clip: Any) -> list[Any]:
        return keras.tree.flatten(model(clip, training=False))

    function = tf.function(outputs, autograph=False)
    return function.get_concrete_function(tf.TensorSpec((1, *shape), tf.float32))


def convert(
    trace: Any, *, name: str, path: Path, calibration: np.ndarray | Sequence[np.ndarray] = ()
) -> bytes:
    """Convert a traced function to one format.

    Without the second argument ``from_concrete_functions`` freezes the weights itself; with the
    model given there it writes files that fail at run time.

    Args:
        trace: a concrete function of one input for one clip.
        name: the format.
        path: where the file is to go, for messages.
        calibration: inputs without the clip axis; only ``int8`` looks at them.

    Returns:
        A ``.tflite`` file.

    Raises:
        UserError: when TensorFlow Lite cannot do that.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions([trace])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if name != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if name == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if name == "int8":
        converter.inference_input_type = converter.inference_output_type = tf.int8
        _look_at(converter, calibration)
    return _converted(converter, name=name, path=path)


def calibrated(model: "keras.Model", *, calibration: np.ndarray, path: Path) -> bytes:
    """A float32 file in which every tensor's range on some clips is noted, to be rounded in part.

    Args:
        model: as :func:`export_formats`.
        calibration: clips that set the ranges.
        path: of what is to be made of it, for messages.

    Raises:
        UserError: as :func:`export_formats`.
        ValueError: as :func:`export_formats`.
    """
    import tensorflow as tf

    shape = _clip_shape(model)
    _check(model, shape=shape, calibration=calibration, formats=["int8"])
    with quiet_stderr(), _as_exported(model):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([_trace(model, shape)])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        _look_at(converter, calibration)
        converter._experimental_calibrate_only = True  # the public way computes twice as much
        return _converted(converter, name="mixed", path=path)


def _look_at(converter: Any, clips: "np.ndarray | Sequence[np.ndarray]") -> None:
    """Let all operators become int8, with ranges that are those seen on clips."""
    import tensorflow as tf

    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = lambda: (
        [clip[np.newaxis].astype(np.float32)] for clip in clips
    )


def _converted(converter: Any, *, name: str, path: Path) -> bytes:
    """Run a converter, and say what stops it.

    Raises:
        UserError: naming format and reason.
    """
    from tensorflow.lite.python.convert import ConverterError

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Statistics for quantized inputs")
            return bytes(converter.convert())
    except (ConverterError, RuntimeError, ValueError) as error:
        before, _, after = str(error).strip().partition("error: ")
        reason = (after or before or "no reason given").splitlines()[0]
        raise UserError(
            f"{path}: TensorFlow Lite cannot convert this network ({reason}); leave {name} out of "
            "export.formats, or replace the layer."
        ) from error
