"""Which arms of a study cost more than it allows: counted of their networks, before any run."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.config.export_section import LimitSettings
from utils.config.study_section import StudySettings, UnderSettings
from utils.errors import UserError
from utils.files import read_json, write_json
from utils.report.limits import KERAS_FLOAT16, NETWORK, WITH_ZEROS
from utils.report.study_costs import Bound

if TYPE_CHECKING:
    from utils.config import Resolved
    from utils.experiment import Job

UNDER = "study.under"


@dataclass(frozen=True)
class Cost:
    """What a network costs, as far as can be told before it is trained.

    Attributes:
        int8_bytes: bytes of its parameters in int8, normalisation merged.
        parameters: numbers in an exported file.
        macs: multiply-accumulate operations for one clip, of all passes.
        judged_bytes: bytes of its parameters in what ``limits.format`` names.
        judged_parameters: numbers in that.
        sparse: whether weights will become zero, so that bytes that are not are not known yet.
        unknown: names of layers whose operations could not be counted, so they are not in ``macs``.
    """

    int8_bytes: int
    parameters: int
    macs: int
    judged_bytes: int
    judged_parameters: int
    sparse: bool = False
    unknown: tuple[str, ...] = ()


def cost_of(job: "Job") -> Cost:
    """Build the network of a set and count it; of a compression without the channels that go.

    Raises:
        UserError: for a network that cannot be built, or not be made narrower.
    """
    from models.complexity import count
    from models.footprint import estimate
    from utils.compression.narrowing import without_least
    from utils.experiment.network import network_of

    network, file = network_of(job), job.settings.limits.format
    asked = job.settings.compression
    if asked is not None and asked.channels is not None:
        network = without_least(network, share=asked.channels.share)
    counted, exported = count(network), estimate(network)
    of_keras, passes = file == KERAS_FLOAT16, len(job.settings.evaluation.shifts_seconds)
    return Cost(
        int8_bytes=exported.size("int8"),
        parameters=exported.parameters,
        macs=counted.macs * passes,
        judged_bytes=counted.keras_float16_bytes if of_keras else exported.size(file),
        judged_parameters=counted.parameters if of_keras else exported.parameters,
        sparse=asked is not None and asked.zeros is not None,
        unknown=counted.unknown,
    )


def beyond(cost: Cost, under: UnderSettings, limits: LimitSettings) -> tuple[str, ...]:
    """What a network costs more than is allowed, a text for each limit that it breaks.

    Where weights will become zero, only limits that count zeros are asked about bytes.

    Args:
        cost: of the network.
        under: limits of the study.
        limits: section of the arm, which counts where ``under.limits`` says so.
    """
    own_bytes = None if cost.sparse else under.int8_bytes
    keeps_zeros = limits.format == KERAS_FLOAT16  # whose bytes count all values
    judged_bytes = limits.parameter_bytes if keeps_zeros or not cost.sparse else {}
    rules: list[tuple[Mapping[str, int], int, str, str]] = [
        ({UNDER: own_bytes or cost.int8_bytes}, cost.int8_bytes, "bytes", "int8"),
        ({UNDER: under.parameters or cost.parameters}, cost.parameters, "parameters", "file"),
        ({UNDER: under.macs or cost.macs}, cost.macs, "MAC", NETWORK),
    ]
    if under.limits:
        rules += [
            (judged_bytes, cost.judged_bytes, "bytes", limits.format),
            (limits.model_bytes, cost.judged_bytes, WITH_ZEROS, limits.format),
            (limits.parameters, cost.judged_parameters, "parameters", limits.format),
            (limits.macs, cost.macs, "MAC", NETWORK),
        ]
    return tuple(
        f"{value:,} of {allowed:,} {unit} ({judged}), by {name}"
        for table, value, unit, judged in rules
        for name, allowed in table.items()
        if value > allowed
    )


def reasons_against(
    study: StudySettings, arms: "Mapping[str, Resolved]", costs: Mapping[str, Cost]
) -> dict[str, tuple[str, ...]]:
    """What speaks against the arms that cost more than ``study.under`` allows, by name.

    Args:
        study: the section.
        arms: as resolved, by name.
        costs: of their networks, by set id.

    Raises:
        UserError: when that is every arm, or the one that others are shown as a ratio to.
    """
    if study.under is None:
        return {}
    out: dict[str, tuple[str, ...]] = {}
    for name, arm in arms.items():
        reasons = beyond(costs[arm.settings.set_id], study.under, arm.settings.limits)
        out |= {name: reasons} if reasons else {}
    if len(out) == len(arms):
        told = "; ".join(f"{name}: {', '.join(reasons)}" for name, reasons in out.items())
        raise UserError(f"study.under: every arm costs more than it allows: {told}.")
    if study.baseline in out:
        raise UserError(
            f"study.baseline: '{study.baseline}' costs more than study.under allows; name an arm "
            "that is run."
        )
    return out


def uncounted_notes(arms: "Mapping[str, Resolved]", costs: Mapping[str, Cost]) -> tuple[str, ...]:
    """A sentence for each group of layers whose operations are missing from what arms cost.

    Args:
        arms: as resolved, by name.
        costs: of their networks, by set id.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, arm in arms.items():
        groups.setdefault(costs[arm.settings.set_id].unknown, []).append(name)
    return tuple(
        f"The operations of these layers could not be counted, so study.under takes them for none: "
        f"{', '.join(layers)} ({', '.join(names)})."
        for layers, names in groups.items()
        if layers
    )


def write_costs(path: Path, costs: Mapping[str, Cost]) -> None:
    """Keep what networks cost, by set id."""
    write_json(path, {set_id: asdict(cost) for set_id, cost in costs.items()})


def read_costs(path: Path, set_ids: Collection[str]) -> dict[str, Cost] | None:
    """Read what ``write_costs`` wrote.

    Args:
        path: the file.
        set_ids: whose costs are needed.

    Returns:
        None where there is no file, and where another version of the program wrote it, or one of
        other sets: then it is to be counted again.
    """
    try:
        found = read_json(path)
    except UserError:
        return None
    if not isinstance(found, dict) or found.keys() != set(set_ids):
        return None
    known = {one.name for one in fields(Cost)}
    if any(not isinstance(cost, dict) or cost.keys() != known for cost in found.values()):
        return None
    return {set_id: cost_from(cost) for set_id, cost in found.items()}


def cost_from(plain: Mapping[str, Any]) -> Cost:
    """A cost of plain data, as JSON has it."""
    return Cost(**{**plain, "unknown": tuple(plain["unknown"])})


def bounds(under: UnderSettings | None) -> tuple[Bound, ...]:
    """The study's own limits on bytes and operations, for pictures."""
    found = []
    if under is not None and under.int8_bytes:
        found.append(Bound(UNDER, under.int8_bytes, "bytes"))
    if under is not None and under.macs:
        found.append(Bound(UNDER, under.macs, "MAC"))
    return tuple(found)


def decisive(under: UnderSettings | None, arms: "Mapping[str, Resolved]") -> dict[str, object]:
    """What decides which arms are left out, for the identity of a study; empty: nothing does."""
    if under is None:
        return {}
    limits = {name: arm.settings.limits.model_dump(mode="json") for name, arm in arms.items()}
    return {"under": under.model_dump(mode="json"), "limits": limits}
