"""A model file as C source, for microcontrollers that have no files.

    python -m utils.export.c_array model_int8.tflite -o firmware/model.h

writes ``model.h``, which declares, and ``model.c``, which defines, as LiteRT for Microcontrollers
lays out its own examples: a ``const`` array, so that it stays in flash, aligned to 16 bytes, which
``GetModel`` needs, and its length. Both compile as C11 and as C++11, under any file name ending.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.datasets.command import run
from utils.errors import UserError
from utils.export.flatbuffer import type_name
from utils.files import write_text
from utils.inference import read_metadata
from utils.inference.metadata import ALIGNMENT, flatbuffer

if TYPE_CHECKING:
    from rich.console import Console

_BYTES_A_LINE = 12  # as xxd -i has it
_HEADER = """\
/* {comment} */

#ifndef {guard}
#define {guard}

#ifdef __cplusplus
extern "C" {{
#endif

extern const unsigned char {name}[];
extern const unsigned int {name}_len;

#ifdef __cplusplus
}}
#endif

#endif /* {guard} */
"""
_SOURCE = """\
/* {comment} */

#include "{header}"

#ifndef __cplusplus
#include <stdalign.h>
#endif

alignas({alignment}) const unsigned char {name}[] = {{
{lines}
}};
const unsigned int {name}_len = {length};
"""


def write_c_array(
    path: Path, output: Path | None = None, *, name: str | None = None
) -> tuple[Path, Path]:
    """Write a ``.tflite`` file as C source, byte by byte.

    Args:
        path: the file.
        output: the header; the source lies beside it and ends in ``.c``. None: both beside the
            file, named as it.
        name: of the array, to which ``_len`` is added for its length; None: the file's name, in
            which what C does not allow becomes an underscore.

    Returns:
        Header and source.

    Raises:
        UserError: for a file that is no model, a name that is none in C, or a file that cannot be
            written.
    """
    identifier = _identifier(path.stem) if name is None else name
    if identifier != _identifier(identifier):
        raise UserError(f"--name: {identifier!r} is no name in C; take {_identifier(identifier)}.")
    header = (output or path).with_suffix(".h")
    source = header.with_suffix(".c")
    comment = "\n * ".join(line.replace("*/", "* /") for line in _told(path))
    guard = _identifier(f"{header.stem}_h").upper()
    content = path.read_bytes()
    filled = _SOURCE.format(
        comment=f"{path.name}: see {header.name}.",
        header=header.name,
        alignment=ALIGNMENT,
        name=identifier,
        lines="\n".join(_lines(content)),
        length=len(content),
    )
    write_text(header, _HEADER.format(comment=comment, guard=guard, name=identifier))
    write_text(source, filled)
    return header, source


def _identifier(text: str) -> str:
    """What C takes for a name; what it does not allow becomes an underscore."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII) or "_"
    return f"_{name}" if name[0].isdigit() else name


def _lines(content: bytes) -> Iterator[str]:
    """Bytes as C writes them."""
    for first in range(0, len(content), _BYTES_A_LINE):
        part = content[first : first + _BYTES_A_LINE]
        yield "  " + " ".join(f"0x{byte:02x}," for byte in part)


def _told(path: Path) -> Iterator[str]:
    """What the firmware's writer has to know of a file: its tensors, how to scale them, classes."""
    metadata = read_metadata(path)
    yield f"{path.name} as a C array."
    with flatbuffer(path) as model:
        graph = model.Subgraphs(0)
        for side in ("Inputs", "Outputs"):
            for number, index in enumerate(getattr(graph, f"{side}AsNumpy")()):
                yield f"{side[:-1]} {number}: {_tensor(graph.Tensors(index))}"
    if metadata is not None:
        yield f"Set: {metadata.set_id}, trained on the data set {metadata.data}"
        yield "Classes: " + ", ".join(f"{k} {name}" for k, name in enumerate(metadata.classes))


def _tensor(tensor: Any) -> str:
    """Type and shape of a tensor, and what its numbers mean."""
    told = f"{type_name(tensor)} {tensor.ShapeAsNumpy().tolist()}"
    quantisation = tensor.Quantization()
    if quantisation is None or not quantisation.ScaleLength():
        return told
    scale, zero_point = quantisation.Scale(0), quantisation.ZeroPoint(0)
    return f"{told}, value = {scale:.9g} * (number - {zero_point})"


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments; None takes those of the process.

    Returns:
        Exit status: 0; 2 for what the user can mend; 130 when interrupted.
    """
    parser = argparse.ArgumentParser(
        prog="python -m utils.export.c_array",
        description="Write a .tflite file as C source: a header and, beside it, the array.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="a .tflite file")
    parser.add_argument(
        "-o", "--output", metavar="HEADER", type=Path, help="FILE.h (default: beside the file)"
    )
    parser.add_argument("--name", help="of the array (default: the file's)")
    return run(partial(_write, parser.parse_args(argv)), stopped="nothing was written")


def _write(arguments: argparse.Namespace, console: "Console") -> None:
    for path in write_c_array(arguments.file, arguments.output, name=arguments.name):
        console.print(f"written to {path}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
