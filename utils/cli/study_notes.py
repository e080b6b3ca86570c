"""What a reader of a study must know: what its arms do not share, and where a search ends."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from utils.cli.runs import determining
from utils.errors import UserError
from utils.report.study import StudyArm

if TYPE_CHECKING:
    from utils.config import Resolved

_BATCHES = (
    "dataset", "audio", "features", "augment", "feature_augment", "view_augment", "segments",
    "training.batch_size", "training.parts", "training.folds",
)  # fmt: skip
_WEIGHTS = ("model", "models")
_LOSSES = ("training.loss", "training.teacher", "training.mixed_precision")
_LENGTHS = ("training.epochs", "training.patience")
_SHARED = (
    (_BATCHES, "The arms do not see the same batches"),
    (_WEIGHTS, "The arms do not start from the same weights"),
    (_LOSSES, "The arms' losses are not the same quantity"),
    (_LENGTHS, "The arms are not trained for the same number of epochs"),
)
_NAMED = 3  # differing parameters that a note names


def pairing_notes(arms: "Mapping[str, Resolved]") -> tuple[str, ...]:
    """A sentence for each thing that arms should share, so that they can be compared, and do not.

    Args:
        arms: as resolved, by name.
    """
    flat = {name: flattened(resolved.parameters()) for name, resolved in arms.items()}
    keys = dict.fromkeys(key for parameters in flat.values() for key in parameters)
    differing = [key for key in keys if len({repr(flat[name].get(key, "")) for name in flat}) > 1]
    notes = []
    for sections, sentence in _SHARED:
        found = [key for key in differing if _is_in(key, sections)]
        if found:
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            verb = "differs" if len(found) == 1 else "differ"
            notes.append(f"{sentence}: {', '.join(found[:_NAMED])}{more} {verb}.")
    return tuple(notes)


def search_notes(seed: int) -> tuple[str, ...]:
    """What is said where learning rates are searched, with the first seed."""
    return (
        f"Learning rates are chosen on the validation of seed {seed}, which is one of the seeds "
        "compared.",
    )


def compression_notes(arms: "Mapping[str, Resolved]", *, whole: bool) -> tuple[str, ...]:
    """A sentence on which network of a compressed arm is judged, where there is such an arm.

    Args:
        arms: as resolved, by name.
        whole: whether runs go on behind their first training.
    """
    names = [name for name, arm in arms.items() if arm.settings.compression is not None]
    if not names:
        return ()
    told = f"Compressed arms ({', '.join(names)})"
    if not whole:
        return (
            f"{told} are judged by their networks before the compression, as study.whole is false.",
        )
    return (
        f"{told} are judged by the network after the last step, in the epoch whose weights were "
        "kept; their curves, first steps and seconds are those of the training before.",
    )


def _is_in(key: str, sections: Sequence[str]) -> bool:
    return any(
        key == section or key.startswith((f"{section}.", f"{section}[")) for section in sections
    )


def telling(resolved: "Resolved", rates: Sequence[float]) -> dict[str, Any]:
    """What tells an arm from others: what decides its runs, and by what they are judged.

    Args:
        resolved: the arm.
        rates: learning rates that are searched; then the written one tells nothing.
    """
    told = determining(resolved) | {"limits": resolved.parameters()["limits"]}
    return without_rate(told) | {"searched": sorted(rates)} if rates else told


def refuse_equal(study_id: str, arms: "Mapping[str, dict[str, Any]]") -> None:
    """Refuse two arms that are the same runs.

    Args:
        study_id: id of the study.
        arms: what tells each from others, by name.

    Raises:
        UserError: naming the two.
    """
    names = list(arms)
    for number, name in enumerate(names):
        for other in names[:number]:
            if arms[name] == arms[other]:
                raise UserError(
                    f"set {study_id}: its arms {other} and {name} are the same; what they change "
                    "has no effect, or --override changed both."
                )


def edge_notes(arms: Sequence[StudyArm]) -> tuple[str, ...]:
    """A sentence for each arm whose best learning rate is the least or the greatest that was tried.

    A neighbour that diverged ends the range as well as a rate that is worse.
    """
    notes = []
    for arm in arms:
        tried = sorted(arm.searched, key=lambda run: run.learning_rate or 0.0)
        if len(tried) < 2 or arm.learning_rate is None:
            continue
        for end, word, beyond in ((tried[0], "least", "below"), (tried[-1], "greatest", "above")):
            if end.learning_rate == arm.learning_rate:
                notes.append(
                    f"{arm.name}: the {word} learning rate that was tried is the best; a better "
                    f"one may lie {beyond} {arm.learning_rate:g}."
                )
    return tuple(notes)


def without_rate(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters, or differences, without the learning rate that an optimizer is written with."""
    training = dict(parameters.get("training", {}))
    if not training.get("optimizer"):
        return dict(parameters)
    training["optimizer"] = {
        name: {key: value for key, value in (given or {}).items() if key != "learning_rate"}
        for name, given in training["optimizer"].items()
    }
    return {**parameters, "training": training}


def flattened(tree: Any, path: str = "") -> dict[str, Any]:
    """Plain data as values by dotted path; lists, empty mappings too, are values."""
    if not isinstance(tree, Mapping) or not tree:
        return {path: tree} if path else {}
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= flattened(value, f"{path}.{key}" if path else str(key))
    return found


def changes_text(arm: Mapping[str, Any]) -> str:
    """What an arm changes, in a line."""
    return ", ".join(f"{path}: {value}" for path, value in flattened(arm).items())
