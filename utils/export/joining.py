"""Graphs of TFLite files put together: what stands before a network, the network, what follows it.

A converted file is taken as it is, so the network in the joined file is the network of the file
that was measured, number by number, whatever its types: TensorFlow's converter has no way to keep
a front end in float32 while it calibrates the network behind it.
"""

from typing import Any

import numpy as np

from utils.inference.metadata import packed

_RUNTIME = b"min_runtime_version"
_TYPED_VERSION = 2  # of QUANTIZE and DEQUANTIZE: the first that knows int8


def joined(before: bytes, network: bytes, behind: bytes | None = None) -> bytes:
    """Join graphs in a row; where int8 meets float32, values are converted.

    Args:
        before: a ``.tflite`` file of one graph, float32, of one input and one output.
        network: a ``.tflite`` file whose main graph has one input and one output; it may have
            further graphs, which its loops call.
        behind: as ``before``; None: nothing follows.

    Returns:
        The new file: from the first input, float32, to the last output, float32. It keeps the
        network's metadata.

    Raises:
        ValueError: when shapes do not fit, or a graph has several inputs or outputs.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(network, 0)
    chain = _Chain(model, schema)
    chain.prepend(schema.ModelT.InitFromPackedBuf(before, 0))
    chain.end_in_float()
    if behind is not None:
        chain.append(schema.ModelT.InitFromPackedBuf(behind, 0))
    return packed(model)


class _Chain:
    """A model whose main graph grows at both ends.

    Args:
        model: ``ModelT`` that is changed.
        schema: the generated schema.
    """

    def __init__(self, model: Any, schema: Any) -> None:
        self.model, self.schema = model, schema
        self.graph = model.subgraphs[0]
        self.float32 = schema.TensorType.FLOAT32
        _ends(self.graph)

    def prepend(self, other: Any) -> None:
        """Let another model's graph compute the input."""
        first, last = self._taken(other)
        operators, target = other.subgraphs[0].operators, _ends(self.graph)[0]
        operators.append(self._link(last, target, self.schema.BuiltinOperator.QUANTIZE))
        self.graph.operators = [*operators, *self.graph.operators]
        self._rename("input", target, first)

    def append(self, other: Any) -> None:
        """Let another model's graph go on from the output."""
        first, last = self._taken(other)
        source = _ends(self.graph)[1]
        self.graph.operators = [
            *self.graph.operators,
            self._link(source, first, self.schema.BuiltinOperator.DEQUANTIZE),
            *other.subgraphs[0].operators,
        ]
        self._rename("output", source, last)

    def end_in_float(self) -> None:
        """Convert the output to float32 if it is of another type."""
        source = _ends(self.graph)[1]
        tensor = self.graph.tensors[source]
        if tensor.type == self.float32:
            return
        real = self.schema.TensorT()
        real.name, real.type, real.shape = b"probabilities", self.float32, tensor.shape
        real.shapeSignature, real.buffer = tensor.shapeSignature, 0
        self.graph.tensors = [*self.graph.tensors, real]
        last = len(self.graph.tensors) - 1
        link = self._link(source, last, self.schema.BuiltinOperator.DEQUANTIZE)
        self.graph.operators = [*self.graph.operators, link]
        self._rename("output", source, last)

    def _taken(self, other: Any) -> tuple[int, int]:
        """Take over tensors and buffers of another model; its operators get the new numbers.

        Returns:
            Numbers of its input and output.
        """
        (graph,) = other.subgraphs
        first, last = _ends(graph)
        self._raise_runtime(other)
        used = {tensor.buffer for tensor in graph.tensors}
        for number, buffer in enumerate(other.buffers):
            buffer.data = buffer.data if number in used else None  # its metadata stay behind
        codes = self._numbered("operatorCodes", other.operatorCodes)
        buffers = self._numbered("buffers", other.buffers)
        count = len(self.graph.tensors)
        for tensor in graph.tensors:
            tensor.buffer += buffers if tensor.buffer else 0  # buffer 0: no constant
        self.graph.tensors = [*self.graph.tensors, *graph.tensors]
        for operator in graph.operators:
            operator.opcodeIndex += codes
            operator.inputs = [index + count if index >= 0 else index for index in operator.inputs]
            operator.outputs = [index + count for index in operator.outputs]
        return first + count, last + count

    def _numbered(self, name: str, added: list[Any]) -> int:
        """Add to a list of the model; say which number the first of the added has."""
        before = getattr(self.model, name)
        setattr(self.model, name, [*before, *added])
        return len(before)

    def _link(self, source: int, target: int, operator: int) -> Any:
        """An operator that makes one tensor of another: a conversion, or for equal types a copy."""
        tensors = self.graph.tensors
        shapes = [list(map(int, tensors[index].shape)) for index in (source, target)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"graphs of shapes {shapes[0]} and {shapes[1]} do not join")
        same = tensors[source].type == tensors[target].type
        code, link = self.schema.OperatorCodeT(), self.schema.OperatorT()
        number = self.schema.BuiltinOperator.RESHAPE if same else operator
        code.builtinCode = code.deprecatedBuiltinCode = number
        code.version = 1 if same else _TYPED_VERSION
        link.opcodeIndex = self._numbered("operatorCodes", [code])
        link.inputs, link.outputs = [source], [target]
        if same:
            link.builtinOptionsType = self.schema.BuiltinOptions.ReshapeOptions
            link.builtinOptions = self.schema.ReshapeOptionsT()
            link.builtinOptions.newShape = np.array(shapes[0], np.int32)
        return link

    def _rename(self, side: str, before: int, now: int) -> None:
        """Another tensor is the main graph's input or output, in signatures too."""
        setattr(self.graph, f"{side}s", [now])
        for signature in self.model.signatureDefs or []:
            for tensor in getattr(signature, f"{side}s") if signature.subgraphIndex == 0 else []:
                tensor.tensorIndex = now if tensor.tensorIndex == before else tensor.tensorIndex

    def _raise_runtime(self, other: Any) -> None:
        """State the newer of both least versions of TensorFlow Lite that can run the models."""
        told = [_runtime(model) for model in (self.model, other)]
        if all(told):
            newest = max(told, key=lambda buffer: _version(buffer.data))
            told[0].data = newest.data


def _ends(graph: Any) -> tuple[int, int]:
    """Numbers of the tensors that are the one input and the one output of a graph."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError(
            f"a graph of {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; one of each "
            "can be joined"
        )
    return int(graph.inputs[0]), int(graph.outputs[0])


def _runtime(model: Any) -> Any:
    """The buffer that states the least version of TensorFlow Lite; None where none does."""
    entries = [entry for entry in model.metadata or [] if entry.name == _RUNTIME]
    return model.buffers[entries[0].buffer] if entries else None


def _version(data: Any) -> tuple[int, ...]:
    """A version such as ``2.10.0``, which is padded with zero bytes, as numbers."""
    text = bytes(bytearray(data)).rstrip(b"\0").decode()
    return tuple(int(part) for part in text.split("."))
