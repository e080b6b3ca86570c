"""What a model file has to say for itself: classes, audio, features, normaliser.

It lies inside a ``.tflite`` file, as a flatbuffer metadata entry of our own that other programs
pass over, and beside a ``.keras`` file, as ``<name>.metadata.json``. Both hold the same JSON, and
neither needs TensorFlow to be read.
"""

import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from utils.config.fields import Section
from utils.errors import UserError
from utils.files import write_text

S = TypeVar("S", bound=Section)

VERSION = 4
"""Of the JSON; a file of another version is refused."""

ENTRY = "dcase_keras_pipeline"
"""Name of the flatbuffer metadata entry."""

STANDARD_ENTRY = "TFLITE_METADATA"
"""Name of the entry that other programs look for; see ``utils.export.labels``."""

IDENTIFIER = b"TFL3"
"""Bytes 4 to 8 of every .tflite file."""

ALIGNMENT = 16
"""TFLite's schema wants its buffers to start at multiples of this many bytes."""


@dataclass(frozen=True)
class Metadata:
    """What has to be known to use a model on audio.

    Attributes:
        set_id: the parameter set that trained the model.
        classes: names of the outputs, in order.
        audio: ``AudioSettings`` as plain data.
        features: ``FeatureSettings`` as plain data.
        normaliser: ``Normaliser.as_dict()``; None where features are not normalised.
        data: name of the data set that the model was trained on; ``demo`` for generated audio.
        shifts_seconds: test-time augmentation that belongs to the system; (0.0,) is none.
        temperature: of its calibration; 1 is none.
        decisions: ``Decisions.as_dict()`` of a network of sound events; None for other tasks.
        separation: ``SeparationSettings`` as plain data of a network that separates sources; None
            for other tasks.
        version: of this format.
    """

    set_id: str
    classes: tuple[str, ...]
    audio: dict[str, Any]
    features: dict[str, Any]
    normaliser: dict[str, Any] | None
    data: str
    shifts_seconds: tuple[float, ...] = (0.0,)
    temperature: float = 1.0
    decisions: dict[str, Any] | None = None
    separation: dict[str, Any] | None = None
    version: int = VERSION

    def to_json(self) -> str:
        """Write as JSON of one line."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes, *, where: Path) -> "Metadata":
        """Read what :meth:`to_json` wrote; nothing in it is believed unseen.

        Args:
            text: the JSON.
            where: the file it comes from, for messages.

        Raises:
            UserError: when it is not such JSON.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise UserError(f"{where}: its metadata is not JSON ({error}).") from error
        known = {field.name for field in fields(cls)}
        told = content if isinstance(content, dict) else {}
        if told.get("version", VERSION) != VERSION:
            raise UserError(
                f"{where}: its metadata has version {told['version']!r}, this program reads "
                f"version {VERSION}; train or export the model again."
            )
        if set(told) != known:
            raise UserError(f"{where}: its metadata does not have the fields {sorted(known)}.")
        wrong = [name for name, is_right in _CHECKS.items() if not is_right(content[name])]
        if wrong:
            raise UserError(f"{where}: its metadata holds a wrong value for {', '.join(wrong)}.")
        lists = {name: tuple(content[name]) for name in ("classes", "shifts_seconds")}
        return cls(**{**content, **lists})


def required(metadata: Metadata | None, *, names: str, where: Path) -> Metadata:
    """The metadata of a model that is to be used on audio files.

    Args:
        metadata: what it carries.
        names: what its classes are names of, for the message.
        where: the model file.

    Raises:
        UserError: when it carries none.
    """
    if metadata is None:
        raise UserError(
            f"{where}: carries no {names} and feature parameters, so it cannot be used on audio "
            "files; export it with this program."
        )
    return metadata


def checked_section(section: type[S], content: dict[str, Any], *, where: Path) -> S:
    """Check a section of the metadata.

    Args:
        section: of the settings.
        content: what the metadata holds of it.
        where: the model file, for the message.

    Raises:
        UserError: naming the first value that is wrong.
    """
    from pydantic import ValidationError

    try:
        return section.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = first.get("ctx", {}).get("path") or ".".join(map(str, first["loc"]))
        raise UserError(f"{where}: its metadata is wrong at {place} ({first['msg']}).") from error


def _is_names(value: Any) -> bool:
    """Whether this is a list of one or more texts."""
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


def _is_numbers(value: Any) -> bool:
    """Whether this is a list of one or more numbers."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(number, int | float) for number in value)
    )


_CHECKS = {
    "set_id": lambda value: isinstance(value, str),
    "classes": _is_names,
    "audio": lambda value: isinstance(value, dict),
    "features": lambda value: isinstance(value, dict),
    "normaliser": lambda value: value is None or isinstance(value, dict),
    "data": lambda value: isinstance(value, str),
    "shifts_seconds": _is_numbers,
    "temperature": lambda value: isinstance(value, int | float) and value > 0,
    "decisions": lambda value: value is None or isinstance(value, dict),
    "separation": lambda value: value is None or isinstance(value, dict),
}


def read_metadata(path: Path) -> Metadata | None:
    """Read the metadata of a model file.

    Args:
        path: a ``.tflite`` or ``.keras`` file.

    Returns:
        The metadata, or None where the file carries none.

    Raises:
        UserError: when the file is missing or damaged, or the metadata is not valid.
    """
    if path.suffix == ".tflite":
        text: str | bytes | None = _embedded(path)
    else:
        beside = _beside(path)
        text = _read(beside) if beside.exists() else None
    return None if text is None else Metadata.from_json(text, where=path)


def write_metadata(path: Path, metadata: Metadata) -> Path:
    """Write the metadata of a ``.keras`` file beside it and say where."""
    beside = _beside(path)
    write_text(beside, metadata.to_json() + "\n")
    return beside


def embed(content: bytes, metadata: Metadata, more: Mapping[str, bytes] | None = None) -> bytes:
    """Put metadata into the bytes of a ``.tflite`` file; it takes the place of what was there.

    The model itself stays as it is. Files that were appended to it, as ``labels.txt``, are not
    taken over.

    Args:
        content: a whole ``.tflite`` file.
        metadata: what to add.
        more: other entries to add, by name.

    Returns:
        The new file.
    """
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    added = {ENTRY: metadata.to_json().encode("utf-8"), **(more or {})}
    entries = {entry.name.decode(): entry.buffer for entry in model.metadata or []}
    for name, data in added.items():
        if name not in entries:
            entry = schema.MetadataT()
            entry.name, entry.buffer = name, len(model.buffers)
            model.buffers = [*model.buffers, schema.BufferT()]
            model.metadata = [*(model.metadata or []), entry]
            entries[name] = entry.buffer
        model.buffers[entries[name]].data = np.frombuffer(data, dtype=np.uint8)
    return packed(model)


def packed(model: Any) -> bytes:
    """Write a model as the bytes of a ``.tflite`` file.

    Buffers keep the alignment that TFLite asks for, which the packer of the generated schema does
    not do by itself.

    Args:
        model: ``ModelT`` of the generated schema.
    """
    sizes = [len(buffer.data) for buffer in model.buffers if buffer.data is not None]
    builder = _aligned_builder(sum(sizes) + 2**16)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


@contextmanager
def flatbuffer(path: Path) -> Iterator[Any]:
    """Open a ``.tflite`` file by its schema, without TensorFlow.

    Yields:
        ``Model`` of the generated schema; nothing of it may be used after the block.

    Raises:
        UserError: when the file cannot be read, is something else, or turns out to be damaged.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = _read(path)
    if content[4:8] != IDENTIFIER:
        raise UserError(f"{path}: is not a TensorFlow Lite file; export the model again.")
    try:
        yield schema.Model.GetRootAs(content, 0)
    except (struct.error, LookupError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: is damaged ({error}); export the model again.") from error


def _aligned_builder(size: int) -> Any:
    """A flatbuffer builder that starts every vector of bytes at a multiple of ``ALIGNMENT``."""
    import flatbuffers

    class AlignedBuilder(flatbuffers.Builder):
        """Vectors of bytes are the data of buffers; a few others are aligned for nothing."""

        def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802, N803 - flatbuffers' name
            """Begin a vector."""
            return super().StartVector(
                elemSize, numElems, ALIGNMENT if elemSize == 1 else alignment
            )

    return AlignedBuilder(size)


def _embedded(path: Path) -> bytes | None:
    """JSON of our entry in a ``.tflite`` file; None where there is no such entry.

    A file of ours that has the standard entry too ends in a zip archive; without it the end of the
    file is missing.
    """
    with flatbuffer(path) as model:
        entries = [model.Metadata(index) for index in range(model.MetadataLength())]
        buffers = {entry.Name().decode(): entry.Buffer() for entry in entries}
        if ENTRY not in buffers:
            return None
        text = model.Buffers(buffers[ENTRY]).DataAsNumpy().tobytes()
    if STANDARD_ENTRY in buffers and not zipfile.is_zipfile(path):
        raise UserError(f"{path}: is damaged (its end is missing); export the model again.")
    return text


def _beside(path: Path) -> Path:
    """Where the metadata of a ``.keras`` file lies."""
    return path.with_suffix(".metadata.json")


def _read(path: Path) -> bytes:
    """Read a file, or say in a sentence why that cannot be done."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
