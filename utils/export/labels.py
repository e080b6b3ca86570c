"""What other programs read of a file: labels and tensors in TFLite's own metadata schema.

Android's and LiteRT's tools look for two things. The metadata entry ``TFLITE_METADATA`` is a
flatbuffer of its own (``metadata_schema.fbs`` of tflite-support, file identifier M001) that
describes the tensors and names the label file of the output. The label file itself lies in a zip
archive behind the model, uncompressed, so that ``unzip model.tflite labels.txt`` shows it too.
TensorFlow ships no writer for that schema; the few tables needed are written here by slot number.
"""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from utils.inference.metadata import ENTRY, STANDARD_ENTRY, Metadata, embed

LABELS = "labels.txt"
"""Name of the label file: a class a line, in the order of the outputs."""

_IDENTIFIER = b"M001"
_PARSER, _PARSER_OF_AUDIO = "1.0.0", "1.3.0"  # least versions of the schema that know the fields
_AXIS_LABELS = np.int8(2)  # AssociatedFileType.TENSOR_AXIS_LABELS
_FEATURES, _AUDIO = np.uint8(1), np.uint8(4)  # ContentProperties: what a tensor holds
_Table = dict[int, Any]  # slot number to text, number, list of tables, or table


def finished(content: bytes, metadata: Metadata) -> bytes:
    """Put everything that a file says about itself into it.

    Args:
        content: a whole ``.tflite`` file.
        metadata: what this program needs to use it, which goes in as it is, and from which the
            standard description and the label file are made.

    Returns:
        The new file; what it said before is replaced.
    """
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(_pack(builder, _described(content, metadata)), file_identifier=_IDENTIFIER)
    model = embed(content, metadata, {STANDARD_ENTRY: bytes(builder.Output())})
    archive = io.BytesIO(model)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_STORED) as packed:
        packed.writestr(zipfile.ZipInfo(LABELS), label_text(metadata.classes))
    return archive.getvalue()


def label_text(classes: tuple[str, ...]) -> str:
    """The label file: a class a line; a line break within a name becomes a space."""
    return "".join(f"{' '.join(name.split())}\n" for name in classes)


def _described(content: bytes, metadata: Metadata) -> _Table:
    """``ModelMetadata`` of a file."""
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
    inputs = [graph.Tensors(index) for index in graph.InputsAsNumpy()]
    outputs = [graph.Tensors(index) for index in graph.OutputsAsNumpy()]
    subgraph = {
        2: [_input(tensor, metadata) for tensor in inputs],
        3: [_output(tensor, metadata) for tensor in outputs],
    }
    told = f"Trained on the data set {metadata.data}. Parameters: entry {ENTRY}, JSON."
    version = _PARSER_OF_AUDIO if _takes_audio(metadata) else _PARSER
    return {0: metadata.set_id, 1: told, 3: [subgraph], 7: version}


def _input(tensor: Any, metadata: Metadata) -> _Table:
    """``TensorMetadata`` of the input: audio of a rate, or features."""
    content: _Table = {0: _FEATURES, 1: {}}
    told = f"Normalised features of one clip: {metadata.features.get('kind')}."
    if _takes_audio(metadata):
        rate, channels = metadata.audio["sample_rate"], metadata.audio["channels"]
        content = {0: _AUDIO, 1: {0: np.uint32(rate), 1: np.uint32(channels)}}
        told = f"Samples of one clip from -1 to 1 at {rate} Hz."
    return {0: tensor.Name().decode(), 1: told, 3: content}


def _takes_audio(metadata: Metadata) -> bool:
    return metadata.features.get("kind") == "waveform"


def _output(tensor: Any, metadata: Metadata) -> _Table:
    """``TensorMetadata`` of an output; where its last axis is classes, with the label file."""
    content: _Table = {0: _FEATURES, 1: {}}
    described: _Table = {0: tensor.Name().decode(), 3: content}
    is_scores = metadata.separation is None and tensor.Shape(tensor.ShapeLength() - 1) == len(
        metadata.classes
    )
    if not is_scores:
        return described
    labels = {0: LABELS, 1: "Names of the classes.", 2: _AXIS_LABELS}
    return {**described, 1: "A probability for each class.", 6: [labels]}


def _pack(builder: Any, value: Any) -> int:
    """Write a text, a list of tables or a table; what it refers to is written before it.

    Returns:
        Its place in the buffer.
    """
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, list):
        places = [_pack(builder, item) for item in value]
        builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            builder.PrependUOffsetTRelative(place)
        return builder.EndVector()
    fields = list(_fields(builder, value))
    builder.StartObject(max(value, default=-1) + 1)
    for kind, slot, content in fields:
        getattr(builder, f"Prepend{kind}Slot")(slot, content, 0)
    return builder.EndObject()


def _fields(builder: Any, table: _Table) -> Iterator[tuple[str, int, int]]:
    """Kind, slot and content of each field: a number, or the place of what was written."""
    for slot, value in table.items():
        if isinstance(value, np.generic):
            yield value.dtype.name.capitalize(), slot, int(value)
        else:
            yield "UOffsetTRelative", slot, _pack(builder, value)
