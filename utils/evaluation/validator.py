"""What is wrong with a submission of DCASE 2021 task 1A, one clear sentence a fault.

It follows the rules of the challenge's own checks (header, rows, fields of the meta file) and adds
what those let through: probabilities that are none, labels that are not the most probable class,
placeholders, a model over the size limit.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from pydantic import ValidationError

from utils.errors import DataError
from utils.evaluation.submission import DEMO_MARK, META_ENDING, OUTPUT_ENDING, MetaFile
from utils.evaluation.system_output import read_table, table_problems

DEVICES = ("a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6")  # of the development set
SHOWN_PROBLEMS = 20  # of the output file; the rest is counted


def validate_pair(
    output_csv: Path,
    meta_yaml: Path,
    *,
    classes: Sequence[str],
    expected_names: Iterable[str] | None = None,
) -> tuple[str, ...]:
    """Check both files of a submission.

    Args:
        output_csv: ``<label>.output.csv``.
        meta_yaml: ``<label>.meta.yaml``.
        classes: class names in the order of the columns.
        expected_names: clips of the evaluation set, with or without folders; None: not compared.

    Returns:
        The faults, each a sentence with file and row or field; empty for a valid pair.
    """
    return (
        *_name_problems(output_csv, meta_yaml),
        *_shortened(_output_problems(output_csv, classes, expected_names), output_csv.name),
        *_meta_problems(meta_yaml, label=_label_of(output_csv), classes=classes),
    )


def _name_problems(output_csv: Path, meta_yaml: Path) -> Iterator[str]:
    """Check the names of both files; the label's form is checked in the meta file."""
    if not output_csv.name.endswith(OUTPUT_ENDING):
        yield f"{output_csv.name}: the file's name must be the label and {OUTPUT_ENDING}."
    wanted = _label_of(output_csv) + META_ENDING
    if meta_yaml.name != wanted:
        yield f"{meta_yaml.name}: the file's name must be {wanted}, for the labels are to agree."


def _label_of(output_csv: Path) -> str:
    return output_csv.name.removesuffix(OUTPUT_ENDING)


def _output_problems(
    path: Path, classes: Sequence[str], expected_names: Iterable[str] | None
) -> Iterator[str]:
    """Check the table of answers."""
    try:
        header, rows = read_table(path)
    except DataError as error:
        yield str(error)
        return
    named = [[PurePosixPath(row[0]).name, *row[1:]] if row else row for row in rows]
    yield from table_problems(path, header, named, classes=classes)
    row_of = {row[0]: number for number, row in enumerate(named, start=2) if row}
    for name, number in row_of.items():
        if not re.fullmatch(r"[0-9]+\.wav", name):
            yield (
                f"{path.name}, row {number}: {name} is no evaluation clip; "
                "they are named by a number and .wav, such as 0.wav."
            )
    if expected_names is None:
        return
    expected = dict.fromkeys(PurePosixPath(name).name for name in expected_names)
    for name in expected:
        if name not in row_of:
            yield f"{path.name}: no row for {name}, a clip of the evaluation set."
    for name, number in row_of.items():
        if name not in expected:
            yield f"{path.name}, row {number}: {name} is not in the evaluation set."


def _shortened(problems: Iterator[str], name: str) -> Iterator[str]:
    """Give the first problems, and count the others."""
    found = list(problems)
    yield from found[:SHOWN_PROBLEMS]
    if len(found) > SHOWN_PROBLEMS:
        yield f"{name}: {len(found) - SHOWN_PROBLEMS} more problems in this file."


def _meta_problems(path: Path, *, label: str, classes: Sequence[str]) -> Iterator[str]:
    """Check the meta file: its fields, then what binds them together."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        yield f"{path.name}: cannot be read as YAML ({reason})."
        return
    if text.startswith(DEMO_MARK):
        yield f"{path.name}: was made from demo data; run on the real data sets to submit."
    try:
        MetaFile.model_validate(content)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False):
            yield f"{path.name}: {_sentence(fault)}"
    for problem in _bond_problems(content, label, classes):
        yield f"{path.name}: {problem}"


def _sentence(fault: Any) -> str:
    """A fault that pydantic found as field, rule, and what was received."""
    field = ".".join(str(part) for part in fault["loc"]) or "the file"
    if fault["type"] == "missing":
        return f"{field} is missing."
    rule = fault["msg"].removeprefix("Value error, ")
    received = repr(fault["input"])
    received = "" if len(received) > 60 else f", received {received}"
    return f"{field}: {rule[0].lower()}{rule[1:]}{received}."


def _bond_problems(content: Any, label: str, classes: Sequence[str]) -> Iterator[str]:
    """What no field can tell alone; missing fields are told elsewhere."""
    given = _at(content, "submission", "label")
    if isinstance(given, str) and given != label:
        yield f"submission.label is {given}, but the output file's label is {label}."
    for name, wanted in (("class_wise", classes), ("device_wise", DEVICES)):
        cells = _at(content, "results", "development_dataset", name)
        if not isinstance(cells, dict):
            continue
        missing = ", ".join(key for key in wanted if key not in cells)
        unknown = ", ".join(str(key) for key in cells if key not in wanted)
        if missing or unknown:
            yield (
                f"results.development_dataset.{name} needs one entry for each of "
                f"{', '.join(wanted)} (missing: {missing or 'none'}; unknown: {unknown or 'none'})."
            )


def _at(content: Any, *keys: str) -> Any:
    """Value at a path of nested mappings, None where there is none."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content
