"""What is wrong with a system that is to be handed in, rule by rule, one clear sentence a fault.

It follows the organisers' own checks (header, rows, fields of the meta file) and adds what those
let through: probabilities that are none, labels that are not the most probable class, placeholders,
figures over the year's limits, figures that are not those of the model.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from pydantic import ValidationError

from utils.errors import DataError
from utils.evaluation.submission import DEMO_MARK, Figures
from utils.evaluation.submission_forms import META_ENDING, Form, Limit, meta_model
from utils.evaluation.system_output import read_table, table_problems

DEVICES = ("a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6")  # of the development set
BIASES = "int32"  # type of biases, whatever type the weights are fixed to
SHOWN_PROBLEMS = 20  # of a rule; the rest is counted

RULES = {
    "files": "the folder holds the output and the meta file, named after the label",
    "label": "the label has the year's form and is the same everywhere",
    "data": "made from the challenge's data",
    "output": "the columns, one known label and probabilities that sum to 1 in each row",
    "clips": "one row for each clip of the evaluation set",
    "meta": "every field of the year's form, of its type",
    "authors": "authors are complete, exactly one is corresponding",
    "results": "scores overall, of every class and of every device",
}
"""Rules on the files by name; those on the model follow: complexity, weights, limits."""


@dataclass(frozen=True)
class Counted:
    """What was counted in the model that is handed in.

    Attributes:
        figures: by the names of the meta file.
        types: types of its parameters, such as int8 and int32.
        model: its name, for the report.
    """

    figures: Figures
    types: tuple[str, ...]
    model: str


@dataclass(frozen=True)
class Outcome:
    """How a system stands to one rule.

    Attributes:
        rule: its name.
        asks: what it asks.
        problems: the faults, each a sentence with file and row or field.
        found: what was found where the rule is about a number.
        checked: False where something is missing that the check needs; ``found`` says what.
    """

    rule: str
    asks: str
    problems: tuple[str, ...] = ()
    found: str = ""
    checked: bool = True

    @property
    def verdict(self) -> str:
        """``passed``, ``FAILED`` or ``not checked``."""
        if not self.checked:
            return "not checked"
        return "FAILED" if self.problems else "passed"


@dataclass(frozen=True)
class Checked:
    """How a system stands to all rules of its year.

    Attributes:
        label: of the system.
        form: of the year.
        outcomes: one a rule: on the files, in the order of :data:`RULES`, then on the model.
    """

    label: str
    form: Form
    outcomes: tuple[Outcome, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """All faults."""
        return tuple(problem for outcome in self.outcomes for problem in outcome.problems)

    def text(self) -> str:
        """The report: each rule with its outcome, then its faults."""
        lines = [f"{self.label}: DCASE {self.form.year}, {self.form.task}", ""]
        width = max(len(outcome.rule) for outcome in self.outcomes)
        for outcome in self.outcomes:
            found = f" ({outcome.found})" if outcome.found else ""
            lines.append(
                f"{outcome.rule:<{width}}  {outcome.verdict:<11}  {outcome.asks}{found}".rstrip()
            )
            lines += [f"    {problem}" for problem in outcome.problems]
        number = len(self.problems)
        ends = f"{number} {'fault' if number == 1 else 'faults'} to mend."
        ends = ends if number else "No fault was found."
        left = sum(not outcome.checked for outcome in self.outcomes)
        if left:
            ends += f" {left} {'rule was' if left == 1 else 'rules were'} not checked."
        return "\n".join([*lines, "", f"Systems are ranked by {self.form.ranking}.", ends, ""])


def check_system(
    folder: Path,
    *,
    form: Form,
    classes: Sequence[str],
    counted: Counted | None = None,
) -> Checked:
    """Check the files of one system.

    Args:
        folder: named after the label; it holds the output and the meta file.
        form: of the year.
        classes: class names in the order of the columns.
        counted: of the model; None: rules about the model itself are not checked.

    Returns:
        The outcome of every rule.
    """
    label = folder.name
    found: dict[str, list[str]] = {rule: [] for rule in RULES}
    for rule, problem in _file_problems(folder, form):
        found[rule].append(problem)
    meta = folder / (label + META_ENDING)
    content: Any = None
    if meta.is_file():
        content, problems = _meta_problems(meta, form, classes)
        for rule, problem in problems:
            found[rule].append(f"{meta.name}: {problem}")
    for ending in form.output_endings:
        if (folder / (label + ending)).is_file():
            for rule, problem in _output_problems(folder / (label + ending), form, classes):
                found[rule].append(problem)
    outcomes = (Outcome(rule, asks, tuple(_shortened(found[rule]))) for rule, asks in RULES.items())
    figures = _at(content, "system", "complexity")
    figures = figures if isinstance(figures, dict) else None
    return Checked(
        label,
        form,
        (
            *outcomes,
            _complexity(figures, form, counted, meta.name),
            *(() if form.weights is None else (_weights(form.weights, counted),)),
            *(_limit(limit, figures or {}, form, meta.name) for limit in form.limits),
        ),
    )


Found = Iterator[tuple[str, str]]
"""Faults: the rule's name and a sentence."""


def _file_problems(folder: Path, form: Form) -> Found:
    """Check which files there are."""
    label = folder.name
    wanted = [label + ending for ending in (*form.output_endings, META_ENDING)]
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    for name in wanted:
        if name not in there:
            yield "files", f"{name}: is missing from the folder {label}."
    for name in there:
        if name not in wanted and not name.startswith("."):
            yield "files", f"{name}: does not belong in the folder {label}; remove or rename it."


def _output_problems(path: Path, form: Form, classes: Sequence[str]) -> Found:
    """Check a table of answers."""
    try:
        header, rows = read_table(path)
    except DataError as error:
        yield "output", str(error)
        return
    named = [[PurePosixPath(row[0]).name, *row[1:]] if row else row for row in rows]
    for problem in table_problems(path, header, named, classes=classes):
        yield "output", problem
    expected = {f"{number}.wav" for number in range(form.clips)}
    row_of = {row[0]: number for number, row in enumerate(named, start=2) if row}
    for name, number in row_of.items():
        if name not in expected:
            yield (
                "clips",
                f"{path.name}, row {number}: {name} is no clip of the evaluation set; they are "
                f"named 0.wav to {form.clips - 1}.wav.",
            )
    for missing in range(form.clips):
        if f"{missing}.wav" not in row_of:
            yield "clips", f"{path.name}: no row for {missing}.wav, a clip of the evaluation set."


def _shortened(problems: Sequence[str]) -> Iterator[str]:
    """Give the first problems, and count the others."""
    yield from problems[:SHOWN_PROBLEMS]
    if len(problems) > SHOWN_PROBLEMS:
        yield f"{len(problems) - SHOWN_PROBLEMS} more problems of this kind."


def _meta_problems(
    path: Path, form: Form, classes: Sequence[str]
) -> tuple[Any, list[tuple[str, str]]]:
    """Check the meta file; give its content too, None where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        return None, [("meta", f"cannot be read as YAML ({' '.join(str(error).split())}).")]
    problems = [*_field_problems(content, form)]
    problems += _bond_problems(content, path.name.removesuffix(META_ENDING), form, classes)
    if text.startswith(DEMO_MARK):
        problems.append(
            ("data", "was made from demo data; run on the real data sets to hand it in.")
        )
    return content, problems


def entry_problems(entry: Any, form: Form) -> tuple[str, ...]:
    """Tell the faults of a meta file's first part, each with its field: who hands in what."""
    found = _field_problems({"submission": entry}, form)
    return tuple(problem for _, problem in found if problem.startswith("submission."))


_RULE_OF = {  # of faults by the first two keys of the field
    "submission.label": "label",
    "submission.authors": "authors",
    "results.development_dataset": "results",
}


def _field_problems(content: Any, form: Form) -> Found:
    """Check the fields of the meta file, each for itself."""
    try:
        meta_model(form).model_validate(content)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False):
            rule = _RULE_OF.get(".".join(map(str, fault["loc"][:2])), "meta")
            yield rule, _sentence(fault)


def _sentence(fault: Any) -> str:
    """A fault that pydantic found as field, rule, and what was received."""
    field = ".".join(str(part) for part in fault["loc"]) or "the file"
    if fault["type"] == "missing":
        return f"{field} is missing."
    rule = fault["msg"].removeprefix("Value error, ")
    received = repr(fault["input"])
    received = "" if len(received) > 60 else f", received {received}"
    return f"{field}: {rule[0].lower()}{rule[1:]}{received}."


def _bond_problems(content: Any, label: str, form: Form, classes: Sequence[str]) -> Found:
    """What no field can tell alone; missing fields are told elsewhere."""
    given = _at(content, "submission", "label")
    if isinstance(given, str) and given != label:
        yield "label", f"submission.label is {given}, but the files' label is {label}."
    complexity = _at(content, "system", "complexity")
    used, total = (
        _at(complexity, name) for name in ("total_parameters_non_zero", "total_parameters")
    )
    if isinstance(used, int) and isinstance(total, int) and used > total:
        yield (
            "meta",
            f"system.complexity: {used} of {total} parameters cannot be non-zero.",
        )
    usage = _at(content, "system", "description", "external_data_usage")
    if _at(content, "system", "external_datasets") and usage is None:
        yield (
            "meta",
            "system.description.external_data_usage is null, but external_datasets are listed; "
            "tell how they are used.",
        )
    results: tuple[str, ...] = ("results", "development_dataset")
    parts = [(*results, f"split_{split}") for split in form.splits] if form.splits else [results]
    for keys in parts:
        yield from _result_problems(content, keys, classes)


def _result_problems(content: Any, keys: tuple[str, ...], classes: Sequence[str]) -> Found:
    """Check that results name every class and every device."""
    for name, wanted in (("class_wise", classes), ("device_wise", DEVICES)):
        cells = _at(content, *keys, name)
        if not isinstance(cells, dict):
            continue
        missing = ", ".join(key for key in wanted if key not in cells)
        unknown = ", ".join(str(key) for key in cells if key not in wanted)
        if missing or unknown:
            yield (
                "results",
                f"{'.'.join((*keys, name))} needs one entry for each of {', '.join(wanted)} "
                f"(missing: {missing or 'none'}; unknown: {unknown or 'none'}).",
            )


def _complexity(
    given: Mapping[str, Any] | None, form: Form, counted: Counted | None, name: str
) -> Outcome:
    """Compare the figures of the meta file with those of the model."""
    rule = ("complexity", "the figures are those counted in the model")
    if counted is None or given is None:
        needed = "the model file" if counted is None else "figures"
        return Outcome(*rule, found=f"needs {needed}", checked=False)
    problems = [
        f"{name}: system.complexity.{field} is {told}, but {counted.model} has {figure}."
        for field in form.complexity
        for told, figure in [(given.get(field), counted.figures.get(field))]
        if figure is not None and not _same(told, figure)
    ]
    told = ", ".join(field for field in form.complexity if counted.figures.get(field) is None)
    found = f"{counted.model}; not counted but told: {told}" if told else counted.model
    return Outcome(*rule, tuple(problems), found=found)


def _same(given: Any, figure: float) -> bool:
    """Whether a figure is the one counted, to the three decimals that are written."""
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    return is_number and math.isclose(given, figure, abs_tol=5e-4, rel_tol=0.0)


def _weights(kind: str, counted: Counted | None) -> Outcome:
    """Check the types of the model's parameters."""
    asks = f"weights are {kind}, biases may be {BIASES}"
    if counted is None:
        return Outcome("weights", asks, found="needs the model file", checked=False)
    others = [found for found in counted.types if found not in (kind, BIASES)]
    problems = (
        (f"{counted.model}: has parameters in {', '.join(others)}, but the form fixes {kind}.",)
        if others or kind not in counted.types
        else ()
    )
    return Outcome("weights", asks, problems, found=", ".join(counted.types))


def _limit(limit: Limit, given: Mapping[str, Any], form: Form, name: str) -> Outcome:
    """Compare a figure with the year's limit; a figure that is none is told elsewhere."""
    rule, asks = f"limit {limit.field}", f"at most {limit.most:,} {limit.unit}"
    figure = given.get(limit.field)
    if not isinstance(figure, int | float) or isinstance(figure, bool):
        return Outcome(rule, asks, found="needs the figure", checked=False)
    problems = (
        (
            f"{name}: system.complexity.{limit.field}: {figure:,} is over the challenge's limit of "
            f"{limit.most:,} {limit.unit} ({form.year}).",
        )
        if figure > limit.most
        else ()
    )
    return Outcome(rule, asks, problems, found=f"{figure:,}")


def _at(content: Any, *keys: str) -> Any:
    """Value at a path of nested mappings, None where there is none."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content
