"""Files that take samples: front end, normaliser, network and calibration in one graph.

A file that takes features becomes one that takes samples by what its own metadata say, so this
works for any exported file of a network that tells something about a whole clip:

    python -m utils.export.samples model_int8.tflite

The network within is the one of that file, bit by bit; what stands before and behind it computes
in float32 (:mod:`utils.export.joining` says why it is not converted anew). All operators are built
into TensorFlow Lite, whose Fourier transform (RFFT2D) takes lengths that are powers of two.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils import backend
from utils.backend import quiet_stderr
from utils.datasets.command import run
from utils.errors import UserError
from utils.export.convert import convert
from utils.export.joining import joined
from utils.export.labels import finished
from utils.features import LogMel, LogSpectrogram, Mfcc, Representation, Stack, Waveform
from utils.features.graph import front_end
from utils.files import write_bytes
from utils.inference import FilePredictor, Metadata, load_predictor, read_metadata
from utils.metrics.distribution import FLOOR

if TYPE_CHECKING:
    from rich.console import Console

SUFFIX = "_samples"
"""What the name of such a file, and of such a format, ends in."""


def samples_path(path: Path) -> Path:
    """Where the file lies that takes samples: ``model_int8_samples.tflite``."""
    return path.with_name(f"{path.stem}{SUFFIX}{path.suffix}")


def export_samples(path: Path, output: Path | None = None) -> Path:
    """Write a file that takes samples beside one that takes features, whole or not at all.

    It takes float32 (1, samples), one clip at the rate of the metadata, and gives float32
    (1, classes): probabilities after the calibration. Its metadata say that its features are the
    waveform, so whatever runs the other file runs it too.

    Args:
        path: a ``.tflite`` file of :func:`utils.export.export_formats`.
        output: where the new file goes; None: :func:`samples_path`.

    Returns:
        The new file.

    Raises:
        UserError: when the file cannot be used so; what is wrong and what to do.
    """
    metadata = read_metadata(path)
    if metadata is not None and (metadata.decisions, metadata.separation) != (None, None):
        raise UserError(
            f"{path}: tells no labels of whole clips; only files that do can take samples."
        )
    system = FilePredictor.of(load_predictor(path))
    shifts = metadata.shifts_seconds if metadata is not None else ()
    require_samples(system.representation, shifts_seconds=shifts)
    shape = system.predictor.input_shape
    classes = len(system.classes)
    output = output or samples_path(path)
    with quiet_stderr():
        front = _front(system.representation, system.normaliser, shape)
        parts = [_graph(front, (system.representation.n_samples,), output), path.read_bytes()]
        if system.refinement.temperature != 1.0:
            calibration = _calibration(system.refinement.temperature)
            parts.append(_graph(calibration, (classes,), output))
    write_bytes(output, finished(joined(*parts), _of_samples(metadata)))
    return output


def require_samples(representation: Representation, *, shifts_seconds: Sequence[float]) -> None:
    """Refuse a system that no file can be made of; to be asked before hours of training too.

    Args:
        representation: what the network sees.
        shifts_seconds: of the test-time augmentation.

    Raises:
        UserError: with the YAML path.
    """
    if isinstance(representation, Waveform):
        raise UserError(
            "export.samples: the network itself takes samples (features.kind: waveform); leave it "
            "out."
        )
    if tuple(shifts_seconds) != (0.0,):
        raise UserError(
            "export.samples: a file runs the network once, but evaluation.shifts_seconds asks for "
            f"{len(shifts_seconds)} shifted predictions; leave one of them out."
        )
    for length in _fft_lengths(representation):
        if length & (length - 1):
            raise UserError(
                "export.samples: TensorFlow Lite's Fourier transform takes powers of two, received "
                f"features.n_fft {length}; take {1 << length.bit_length()}, or leave "
                "export.samples out."
            )


def _fft_lengths(representation: Representation) -> list[int]:
    """Lengths of the Fourier transforms of a representation."""
    if isinstance(representation, Stack):
        return [length for part in representation.parts for length in _fft_lengths(part)]
    if isinstance(representation, Mfcc):
        return _fft_lengths(representation.log_mel)
    return [representation.n_fft] if isinstance(representation, LogMel | LogSpectrogram) else []


def _front(
    representation: Representation, normaliser: Callable[[Any], Any] | None, shape: tuple[int, ...]
) -> Callable[[Any], Any]:
    """Samples (1, samples) to what the network takes, (1, *shape), in TensorFlow."""
    import tensorflow as tf

    features_of = front_end(representation, compact=True)

    def front(samples: Any) -> Any:
        features = features_of(samples)
        if normaliser is not None:
            features = normaliser(features)
        return tf.reshape(features, (1, *shape))

    return front


def _calibration(temperature: float) -> Callable[[Any], Any]:
    """``utils.metrics.calibration.temper`` in TensorFlow."""
    import tensorflow as tf

    def calibrated(probabilities: Any) -> Any:
        return tf.nn.softmax(tf.math.log(tf.maximum(probabilities, FLOOR)) / temperature)

    return calibrated


def _graph(function: Callable[[Any], Any], shape: tuple[int, ...], path: Path) -> bytes:
    """A TensorFlow function of float32 (1, *shape) as a ``.tflite`` file."""
    import tensorflow as tf

    traced = tf.function(function, autograph=False)
    trace = traced.get_concrete_function(tf.TensorSpec((1, *shape), tf.float32))
    return convert(trace, name="float32", path=path)


def _of_samples(metadata: Metadata | None) -> Metadata:
    """Metadata of the file: its features are the waveform, nothing is left to be done behind it."""
    assert metadata is not None  # noqa: S101 - FilePredictor.of has refused such a file
    features = {
        **metadata.features,
        "kind": "waveform",
        "parts": None,
        "normalise": {**metadata.features.get("normalise", {}), "method": "none"},
    }
    return replace(
        metadata, features=features, normaliser=None, shifts_seconds=(0.0,), temperature=1.0
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments; None takes those of the process.

    Returns:
        Exit status: 0; 2 for what the user can mend; 130 when interrupted.
    """
    parser = argparse.ArgumentParser(
        prog="python -m utils.export.samples",
        description="Make a .tflite file that takes samples of one that takes features.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="a .tflite file")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="default: beside it, ..._samples.tflite"
    )
    return run(partial(_write, parser.parse_args(argv)), stopped="nothing was written")


def _write(arguments: argparse.Namespace, console: "Console") -> None:
    backend.start()
    written = export_samples(arguments.file, arguments.output)
    console.print(f"written to {written}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
