"""The zip of a DCASE task 1 submission: packed when the checks find no fault, and checked again.

In it lie ``<folders of the form>/<label>/`` with the files of each system, and ``report.txt``, the
outcome of the checks, at the top: the organisers' checks take every file under ``task1`` that is no
PDF for a part of a system, so there it would be a fault.
"""

import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from utils.errors import UserError
from utils.evaluation.submission import DEMO_MARK, write_meta
from utils.evaluation.submission_forms import FORMS, META_ENDING, REPORT_ENDING, Form
from utils.evaluation.validator import Checked, Counted, Outcome, check_system
from utils.files import read_json, write_bytes, write_json, write_text, writing

REPORT = "report.txt"
COUNTED = ".counted.json"  # after the label; beside a system's folder, not in the zip
MOST_SYSTEMS = 4  # of a team, in every year
MOST_BYTES = 1_000_000_000  # unpacked; four systems of five splits are a third of it
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # of the zip format: times would make every zip another one
_PLAIN_FILE = 0o100644 << 16
_UNIX = 3
REMARK = "The technical report (PDF) is not written here: add it to the zip before handing in."


@dataclass(frozen=True)
class CheckedPackage:
    """How a package stands to the rules.

    Attributes:
        systems: one a label, sorted.
        outcome: of the package as a whole.
    """

    systems: tuple[Checked, ...]
    outcome: Outcome

    @property
    def problems(self) -> tuple[str, ...]:
        """All faults."""
        of_systems = (problem for system in self.systems for problem in system.problems)
        return (*self.outcome.problems, *of_systems)

    def text(self) -> str:
        """The report."""
        lines = [
            f"package  {self.outcome.verdict}  {self.outcome.asks}",
            *(f"    {problem}" for problem in self.outcome.problems),
            REMARK,
        ]
        return "\n\n".join(["\n".join(lines), *(system.text() for system in self.systems)])


def pack(
    folders: Sequence[Path],
    *,
    target: Path,
    form: Form,
    classes: Sequence[str],
    counted: Mapping[str, Counted] | None = None,
) -> CheckedPackage:
    """Join systems, or the splits of one, check them, and write the zip if there is no fault.

    An earlier zip of that name goes away if there is one. The same files make the same bytes (with
    the same zlib).

    Args:
        folders: of the systems, each named after its label; those of one label hold its splits.
        target: the zip.
        form: of the year.
        classes: class names in the order of the columns.
        counted: of the models, by label; None: what was left beside the folders
            (:func:`write_counted`).

    Returns:
        The outcomes, which the zip's ``report.txt`` tells too.

    Raises:
        UserError: when folders of one label contradict each other, or a file cannot be written.
    """
    with TemporaryDirectory() as scratch:
        root = Path(scratch)
        for folder in folders:
            _join(folder.resolve(), root / form.package / folder.resolve().name)
        if counted is None:
            counted = counted_of([folder.resolve() for folder in folders], form)
        checked = _check(root, form=form, classes=classes, counted=counted)
        if checked.problems:
            with writing(target):
                target.unlink(missing_ok=True)
            return checked
        write_text(root / REPORT, checked.text())
        write_bytes(target, _zipped(root))
    return checked


def check_package(
    path: Path,
    *,
    form: Form,
    classes: Sequence[str],
    counted: Mapping[str, Counted] | Counted | None = None,
) -> CheckedPackage:
    """Check a package.

    Args:
        path: a zip, a folder as one is unpacked to, or the folder of one system.
        form: of the year.
        classes: class names in the order of the columns.
        counted: of the models, by label, or of the only system's; None: what was left beside the
            path (:func:`write_counted`).

    Raises:
        UserError: when it is none of these, the zip is damaged, or what was counted is of no system
            of it.
    """
    with _opened(path, form) as root:
        labels = [folder.name for folder in _systems(root, form)]
        if counted is None:
            beside = path.resolve().parent
            counted = counted_of([beside / label for label in labels], form)
        by_label = _by_label(counted, labels, path)
        return _check(root, form=form, classes=classes, counted=by_label)


def _by_label(
    counted: Mapping[str, Counted] | Counted, labels: Sequence[str], path: Path
) -> Mapping[str, Counted]:
    """What was counted, by a label of the package."""
    holds = f"{path}: holds the systems {', '.join(labels) or '(none)'}"
    if isinstance(counted, Counted):
        if len(labels) > 1:
            raise UserError(f"{holds}; tell by --label which of them {counted.model} is of.")
        return dict.fromkeys(labels, counted)
    for label in counted:
        if label not in labels:
            raise UserError(f"{holds}; {label}, which the model is said to be of, is none of them.")
    return counted


def _check(
    root: Path, *, form: Form, classes: Sequence[str], counted: Mapping[str, Counted]
) -> CheckedPackage:
    """Check all systems of an unpacked package, and what else lies in it."""
    place, labels = root / form.package, _systems(root, form)
    systems = tuple(
        check_system(label, form=form, classes=classes, counted=counted.get(label.name))
        for label in labels
    )
    asks = f"one to {MOST_SYSTEMS} systems in {form.package}/<label>/, and nothing else"
    return CheckedPackage(systems, Outcome("package", asks, tuple(_surplus(root, place, labels))))


def _systems(root: Path, form: Form) -> list[Path]:
    """Folders of the systems of an unpacked package, sorted by label."""
    place = root / form.package
    return sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []


def _surplus(root: Path, place: Path, labels: Sequence[Path]) -> Iterator[str]:
    """What is wrong with a package beside its systems."""
    if not 1 <= len(labels) <= MOST_SYSTEMS:
        yield f"{len(labels)} systems in {place.relative_to(root)}/; 1 to {MOST_SYSTEMS} may be."
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        name = path.relative_to(root).as_posix()
        if path.parent not in labels and name != REPORT and path.suffix.lower() != REPORT_ENDING:
            yield f"{name}: lies in no system's folder; remove it."


def remove_earlier(folder: Path) -> None:
    """Remove what an earlier command, perhaps of another year or split, wrote for a label.

    Files that it cannot have written stay, for the checks to name them.

    Args:
        folder: of the system; its package, report and what was counted lie beside it.
    """
    label = folder.name
    inside = {ending for form in FORMS.values() for ending in form.output_endings} | {META_ENDING}
    paths = [folder / (label + ending) for ending in inside]
    paths += [folder.with_name(label + ending) for ending in (".zip", f".{REPORT}", COUNTED)]
    for path in paths:
        with writing(path):
            path.unlink(missing_ok=True)


# --- what was counted ---


def write_counted(folder: Path, counted: Counted) -> Path:
    """Leave what was counted in a system's model beside its folder, for later checks; its path."""
    content = {"figures": counted.figures, "types": counted.types, "model": counted.model}
    path = folder.with_name(folder.name + COUNTED)
    write_json(path, content)
    return path


def counted_of(folders: Sequence[Path], form: Form) -> dict[str, Counted]:
    """What was left beside folders of systems, by label; of labels that all of it is there for.

    Raises:
        UserError: when it is damaged, or differs within a label.
    """
    found: dict[str, Counted] = {}
    paths = {folder: folder.with_name(folder.name + COUNTED) for folder in folders}
    unknown = {folder.name for folder, path in paths.items() if not path.is_file()}
    for folder, path in paths.items():
        if folder.name in unknown:
            continue
        counted = _read_counted(path)
        first = found.setdefault(folder.name, counted)
        if any(first.figures.get(name) != counted.figures.get(name) for name in form.complexity):
            raise UserError(
                f"{path}: these figures are not those of the other folders of this label; systems "
                "of one label have one complexity."
            )
    return found


def _read_counted(path: Path) -> Counted:
    content = read_json(path)
    try:
        return TypeAdapter(Counted).validate_python(content)
    except ValidationError as error:
        raise UserError(f"{path}: has not what -m eval counted; delete it.") from error


# --- folders of one label ---


def _join(folder: Path, target: Path) -> None:
    """Copy a system's files; of a label that is there already, add the files of more splits."""
    meta = f"{folder.name}{META_ENDING}"
    if not folder.is_dir():
        raise UserError(f"{folder}: is no folder; name the folders that -m eval wrote.")
    target.mkdir(parents=True, exist_ok=True)
    both = (target / meta).is_file() and (folder / meta).is_file()
    merged = _merged(target / meta, folder / meta) if both else None
    for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
        there = target / path.name
        if path.name == meta and merged is not None:
            write_meta(there, merged)
        elif there.exists():
            raise UserError(f"{path}: another folder of this label has this file too.")
        elif path.is_file():
            shutil.copyfile(path, there)


def _merged(first: Path, second: Path) -> dict[str, Any]:
    """One meta file of two that differ in nothing but the splits that they have results of."""
    contents = [_content(path) for path in (first, second)]
    results = [content["results"]["development_dataset"] for content in contents]
    for key in ("submission", "system"):
        if contents[0].get(key) != contents[1].get(key):
            raise UserError(
                f"{second}: '{key}' is not that of the other folders of this label; systems of one "
                "label have one description and one complexity."
            )
    if shared := set(results[0]) & set(results[1]):
        raise UserError(f"{second}: another folder of this label has {min(shared)} too.")
    joined = sorted((results[0] | results[1]).items(), key=lambda item: _split_number(item[0]))
    return {**contents[0], "results": {"development_dataset": dict(joined)}}


def _content(path: Path) -> dict[str, Any]:
    """A meta file that is to be joined with another."""
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read as YAML; run -m eval again.") from error
    if text.startswith(DEMO_MARK):
        raise UserError(f"{path}: was made from demo data; run on the real data sets.")
    if not isinstance(content, dict):
        raise UserError(f"{path}: is no meta file; run -m eval again.")
    results = content.get("results")
    parts = results.get("development_dataset") if isinstance(results, dict) else None
    if not isinstance(parts, dict) or not all(isinstance(name, str) for name in parts):
        raise UserError(
            f"{path}: results.development_dataset has no results by split; run -m eval again."
        )
    return content


def _split_number(name: str) -> tuple[int, str]:
    number = name.rpartition("_")[2]
    return (int(number) if number.isdecimal() else 0, name)


# --- zips ---


def _zipped(root: Path) -> bytes:
    """All files of a folder as a zip, sorted by name, without their times and owners."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as package:
        for name, path in sorted(
            (path.relative_to(root).as_posix(), path) for path in root.rglob("*") if path.is_file()
        ):
            entry = zipfile.ZipInfo(name, _FIRST_DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr, entry.create_system = _PLAIN_FILE, _UNIX
            package.writestr(entry, path.read_bytes())
    return made.getvalue()


@contextmanager
def _opened(path: Path, form: Form) -> Iterator[Path]:
    """A package as a folder, whatever it comes as."""
    with TemporaryDirectory() as scratch:
        if path.is_dir() and not any(path.glob(f"*{META_ENDING}")):
            yield path
            return
        root = Path(scratch)
        if path.is_dir():
            label = path.resolve().name
            shutil.copytree(path, root / form.package / label)
        else:
            _unzip(path, root)
        yield root


def _unzip(path: Path, root: Path) -> None:
    """Unpack a zip into an empty folder.

    Raises:
        UserError: when it is missing, damaged, too large, or names files outside of the folder.
    """
    try:
        with zipfile.ZipFile(path) as package:
            outside = [name for name in package.namelist() if _climbs(name)]
            size = sum(entry.file_size for entry in package.infolist())
            if outside or size > MOST_BYTES:
                reason = f"{outside[0]} is outside of it" if outside else f"it holds {size:,} bytes"
                raise UserError(f"{path}: is no submission ({reason}).")
            package.extractall(root)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise UserError(
            f"{path}: cannot be read as a zip ({error}); name a zip or a folder of a submission."
        ) from error


def _climbs(name: str) -> bool:
    parts = PurePosixPath(name)
    return parts.is_absolute() or ".." in parts.parts or "\\" in name
