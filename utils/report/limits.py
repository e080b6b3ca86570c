"""Verdicts: does the model keep the limits of the challenges?"""

from collections.abc import Collection, Iterable, Mapping

from utils.config.export_section import LimitSettings, how_to_export
from utils.errors import ConfigError
from utils.report.results import ExportFacts, ModelFacts, Results, Verdict

WITH_ZEROS = "bytes with zeros"
BY_NESSI = "MAC (NeSsi)"
NOUNS = {
    "bytes": "size",
    WITH_ZEROS: "size",
    "parameters": "parameters",
    "MAC": "MAC",
    BY_NESSI: "MAC",
}
KERAS_FLOAT16 = "keras_float16"
NETWORK = "network"  # what is judged by its operations, whatever the format


def require_judged(limits: LimitSettings, *, formats: Collection[str]) -> None:
    """Refuse to judge a model that is not exported; to be asked before hours of training too.

    Operations are those of the network: limits on them alone, as no limits at all, need no export.

    Args:
        limits: names the judged format.
        formats: formats that are exported.

    Raises:
        ConfigError: when the judged format is not among them.
    """
    exported = limits.format == KERAS_FLOAT16 or limits.format in formats
    if _weights_are_limited(limits) and not exported:
        raise ConfigError(
            f"limits.format: {limits.format} is to be judged but is not exported (exported: "
            f"{', '.join(formats) or 'nothing'}); {how_to_export(limits.format)} or judge another."
        )


def judge(
    limits: LimitSettings, *, model: ModelFacts, exports: Mapping[str, ExportFacts]
) -> tuple[Verdict, ...]:
    """Compare the judged model with every limit.

    ``parameter_bytes`` are those of the non-zero parameters (rule of 2021); ``model_bytes`` and the
    number of parameters count zeros (rules since 2022). Keras in float16 is counted as the
    challenge's own tool did: all values. Operations are those of all passes that answer a clip: of
    the network, whose layers that could not be counted a note of the run names, and of the judged
    file, where there is one, as the challenges' tool counts them.

    Args:
        limits: the limits and which format is judged.
        model: facts about the Keras model.
        exports: facts about the exported files by format.

    Returns:
        A verdict a limit: bytes, bytes with zeros, parameters, operations.

    Raises:
        ConfigError: when the judged format was not exported.
    """
    require_judged(limits, formats=exports.keys())
    rules = [(limits.macs, model.clip_macs, "MAC", NETWORK)]
    file = exports.get(limits.format)
    if file is not None and file.nessi_macs is not None:
        rules.append((limits.macs, file.nessi_macs * model.passes, BY_NESSI, limits.format))
    if _weights_are_limited(limits):
        if limits.format == KERAS_FLOAT16:
            size = whole = model.keras_float16_bytes
            parameters = model.parameters
        else:
            judged = exports[limits.format]
            size, whole = judged.non_zero_bytes, judged.parameter_bytes
            parameters = judged.parameters
        rules = [
            (limits.parameter_bytes, size, "bytes", limits.format),
            (limits.model_bytes, whole, WITH_ZEROS, limits.format),
            (limits.parameters, parameters, "parameters", limits.format),
            *rules,
        ]
    return tuple(
        Verdict(name, value, allowed, value <= allowed, unit, judged_model)
        for table, value, unit, judged_model in rules
        for name, allowed in table.items()
    )


def _weights_are_limited(limits: LimitSettings) -> bool:
    """Whether there is a limit on what differs between formats."""
    return bool(limits.parameter_bytes or limits.model_bytes or limits.parameters)


def counts_zeros(verdicts: Iterable[Verdict]) -> bool:
    """Whether bytes are to be told with their zeros: all limits on them count zeros."""
    units = {verdict.unit for verdict in verdicts}
    return WITH_ZEROS in units and "bytes" not in units


def size_of(file: ExportFacts, *, zeros: bool) -> int:
    """Bytes of a file's parameters: of all, or of those that are not zero."""
    return file.parameter_bytes if zeros else file.non_zero_bytes


def all_passed(verdicts: Iterable[Verdict]) -> bool:
    """Whether every limit is kept; ``--check_limits`` turns it into the exit status."""
    return all(verdict.passed for verdict in verdicts)


def sentence(verdict: Verdict) -> str:
    """A verdict in words.

    >>> sentence(Verdict("128 KB", 191_000, 128_000, False, "bytes", "int8"))
    'breaks the size limit 128 KB: 191,000 of 128,000 bytes (int8)'
    """
    verb = "keeps" if verdict.passed else "breaks"
    return (
        f"{verb} the {NOUNS[verdict.unit]} limit {verdict.name}: "
        f"{verdict.value:,} of {verdict.allowed:,} {verdict.unit} ({verdict.judged})"
    )


def broken_limits(results: Results) -> tuple[str, ...]:
    """One sentence a limit that the run's model breaks."""
    return tuple(
        f"{results.set_id} {sentence(verdict)}." for verdict in results.limits if not verdict.passed
    )
