"""A TFLite file of two precisions: int8, but for the layers that lose most by it, in float16.

Which these are is measured, not guessed: every convolution and dense layer is left out of the
rounding, and what the file then says of some calibration clips is compared with what the network
says. The one whose absence helps most stays in float16; then the one that helps most beside it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.backend import quiet_stderr
from utils.errors import UserError
from utils.export.convert import calibrated, converted, evenly, require_possible
from utils.export.flatbuffer import WEIGHTED, builtin_name
from utils.inference import MemoryPredictor
from utils.inference.metadata import packed

if TYPE_CHECKING:
    import keras

MIXED = "mixed"
"""Name of the format: the file is ``model_mixed.tflite``."""

_COMPARED = 32  # calibration clips by which layers are compared


@dataclass(frozen=True)
class MixedFile:
    """What :func:`mixed` makes.

    Attributes:
        content: the file, without metadata; it takes and gives float32.
        kept: the layers in float16, in the order of their choice: operator and its place among
            those with weights, such as ``CONV_2D 1 of 16``.
        errors: root mean square of the differences to the network's outputs over the compared
            clips, all layers in int8 first, then with one more of ``kept`` in float16 each.
    """

    content: bytes
    kept: tuple[str, ...]
    errors: tuple[float, ...]


def mixed(model: "keras.Model", *, calibration: np.ndarray, layers: int, folder: Path) -> MixedFile:
    """Convert a network to int8 with some layers in float16.

    Weights and biases of these are stored as float16 and computed with in float32, as in the format
    ``float16``. A last operator without weights, such as the softmax, is float32, so that
    probabilities are not rounded to multiples of 1/256. All else is int8.

    Args:
        model: as for :func:`utils.export.export_formats`.
        calibration: normalised features of training clips, float32 (clips, ...).
        layers: how many convolutions and dense layers stay in float16.
        folder: where the file is to go, for messages.

    Raises:
        UserError: for a network that cannot be converted, has no more than so many such layers, or
            weights beyond what float16 holds.
    """
    require_possible(model, ["int8"], path="export.mixed")
    content = calibrated(model, calibration=calibration, path=folder / f"model_{MIXED}.tflite")
    known = _weighted(content, layers)
    last = {_last(content)} - set(known)
    clips = calibration[evenly(len(calibration), _COMPARED)].astype(np.float32)
    (expected,) = MemoryPredictor(model).outputs(clips)

    def error(kept: Collection[str]) -> float:
        found = _outputs(_quantised(content, {*kept, *last}), clips)
        return float(np.sqrt(np.mean(np.square(found - expected))))

    chosen: list[str] = []
    errors = [error(chosen)]
    for _ in range(layers):
        found = {name: error([*chosen, name]) for name in known if name not in chosen}
        chosen.append(min(found, key=lambda name: (found[name], name)))
        errors.append(found[chosen[-1]])
    return MixedFile(
        content=_in_float16(_quantised(content, {*chosen, *last})),
        kept=tuple(known[name] for name in chosen),
        errors=tuple(errors),
    )


def require_mixed(model: "keras.Model", layers: int) -> None:
    """Refuse more layers in float16 than a network can spare; to be asked before training too.

    Args:
        model: trained or not.
        layers: how many are to stay in float16.

    Raises:
        UserError: when none would be left for int8, or the network cannot be converted.
    """
    require_possible(model, ["int8"], path="export.mixed")
    files = converted(model, calibration=np.empty(0), formats=["float32"], folder=Path())
    _weighted(files["float32"], layers)


def _quantised(content: bytes, kept: Collection[str]) -> bytes:
    """Round all but some operators, named by their outputs, of a file that knows its ranges."""
    from tensorflow.lite.python.convert import mlir_quantize

    with quiet_stderr():
        return bytes(mlir_quantize(content, denylisted_nodes=list(kept)))


def _weighted(content: bytes, layers: int) -> dict[str, str]:
    """Convolutions and dense layers of a file: name of the output, and what a reader is told.

    Raises:
        UserError: when there are no more than so many.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    all_of_them = zip(graph.operators, _kinds(model), strict=True)
    found = [(op, kind) for op, kind in all_of_them if kind in WEIGHTED]
    if layers >= len(found):
        raise UserError(
            f"export.mixed.layers: the network has {len(found)} convolutions and dense layers; "
            f"with {layers} in float16 none is left for int8; take fewer, or the format float16."
        )
    return {
        graph.tensors[op.outputs[0]].name.decode(): f"{kind} {number} of {len(found)}"
        for number, (op, kind) in enumerate(found, start=1)
    }


def _last(content: bytes) -> str:
    """Name of the output."""
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0]
    return str(graph.tensors[graph.outputs[0]].name.decode())


def _kinds(model: Any) -> list[str]:
    """Kinds of the operators of a file, in their order."""
    codes = model.operatorCodes
    names = [builtin_name(code.builtinCode, code.deprecatedBuiltinCode) for code in codes]
    return [names[op.opcodeIndex] for op in model.subgraphs[0].operators]


def _outputs(content: bytes, clips: np.ndarray) -> np.ndarray:
    """What a file of float32 input and output says of clips, float32 (clips, ...)."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet_stderr():
        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
    (taken,), (given, *_) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for clip in clips:
        interpreter.set_tensor(taken["index"], clip[np.newaxis])
        interpreter.invoke()
        found.append(interpreter.get_tensor(given["index"]))
    return np.concatenate(found)


def _in_float16(content: bytes) -> bytes:
    """Store the float32 weights of a file as float16; an operator makes float32 of each."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 3  # the first that knows float16
    model.operatorCodes.append(code)
    links, halved = [], dict[int, int]()  # buffers; several tensors may have one
    for place in sorted(_float_weights(model, graph)):
        real, half, link = graph.tensors[place], schema.TensorT(), schema.OperatorT()
        half.name, half.shape = real.name + b"_float16", real.shape
        half.type = schema.TensorType.FLOAT16
        if real.buffer not in halved:
            halved[real.buffer] = len(model.buffers)
            model.buffers.append(schema.BufferT())
            data = _rounded(bytes(model.buffers[real.buffer].data))
            model.buffers[-1].data = np.frombuffer(data, np.uint8)
        half.buffer = halved[real.buffer]
        link.opcodeIndex = len(model.operatorCodes) - 1
        link.inputs, link.outputs = [len(graph.tensors)], [place]
        graph.tensors.append(half)
        links.append(link)
    _detach(model, [link.outputs[0] for link in links])
    graph.operators = [*links, *graph.operators]
    return packed(model)


def _detach(model: Any, places: Sequence[int]) -> None:
    """Let tensors be computed that were constants; what they held goes if nothing else holds it."""
    tensors = model.subgraphs[0].tensors
    held = {tensors[place].buffer for place in places}
    for place in places:
        tensors[place].buffer = 0  # none
    for number in held - {tensor.buffer for tensor in tensors}:
        model.buffers[number].data = None


def _float_weights(model: Any, graph: Any) -> set[int]:
    """Places of the float32 weights and biases of convolutions and dense layers."""
    from ai_edge_litert import schema_py_generated as schema

    found = set()
    for op, kind in zip(graph.operators, _kinds(model), strict=True):
        positions = [each for each in WEIGHTED.get(kind, ()) if each < len(op.inputs)]
        for place in (int(op.inputs[position]) for position in positions):
            tensor = graph.tensors[place]
            real = place >= 0 and tensor.type == schema.TensorType.FLOAT32
            if real and model.buffers[tensor.buffer].data is not None:
                found.add(place)
    return found


def _rounded(data: bytes) -> bytes:
    """float32 numbers as float16 ones."""
    values = np.frombuffer(data, np.float32)
    if np.abs(values).max(initial=0.0) > np.finfo(np.float16).max:
        raise UserError(
            f"export.mixed: a weight is {np.abs(values).max():g}, beyond what float16 holds "
            f"({np.finfo(np.float16).max:g}); set export.mixed to null."
        )
    return values.astype(np.float16).tobytes()
