"""What a model weighs and costs: tables of exports, limits and layers."""

from collections.abc import Iterator

from utils.export.samples import SUFFIX
from utils.report.limits import BY_NESSI
from utils.report.measures import MISSING, Use, headline_measures, use_of
from utils.report.results import ModelFacts, Results, Verdict
from utils.report.tables import Column, Row, Table

_INT8_STEPS = {
    "log_loss": "Probabilities of int8 are multiples of 1/256: a clip whose true class gets 0 "
    "counts with a log loss of 15.94, the largest in float32.",
    "kl": "Probabilities of int8 are multiples of 1/256: a word of share 1/4 that gets 0 adds 3.68 "
    "to its clip's KL divergence.",
}

_OF_SAMPLES = (
    f"Files named ..{SUFFIX} take samples: window, mel filters and normaliser count among their "
    "parameters, the front end in their ms; their probabilities are compared after the calibration."
)

_NESSI = (
    f"{BY_NESSI}: counted in the file as by the challenges' tool, which counts means, pooling and "
    "sums as well."
)


def count(value: int | None) -> str:
    """A whole number with commas between thousands; a dash for None."""
    return MISSING if value is None else f"{value:,}"


def kilobytes(value: int | None) -> str:
    """Bytes as KB of 1,024 bytes with one decimal, as the DCASE baseline prints them."""
    return MISSING if value is None else f"{value / 1024:,.1f}"


def millions(value: int | None) -> str:
    """Operations as millions with two decimals."""
    return MISSING if value is None else f"{value / 1e6:.2f}"


def export_table(results: Results) -> Table:
    """The Keras model and each exported file: bytes, operations, agreement, scores, latency.

    Args:
        results: a run; its ``exports`` give a row each.

    Returns:
        One table; the first rows are the Keras model as trained and its size in float16.
    """
    scored = (results.overall, *(facts.scores for facts in results.exports.values()))
    keys = {key for scores in scored for key in scores}
    measures, use = headline_measures(keys), use_of(keys)
    counted = any(facts.macs is not None for facts in results.exports.values())
    columns = (
        Column("Format", words=True),
        Column("File bytes", "File"),
        Column("Parameters", "Param."),
        Column("Non-zero"),
        Column("Param. bytes", "Bytes"),
        Column("KB"),
        *((Column("MMAC"),) if counted else ()),
        Column("Max. diff.", "Diff."),
        *(Column(m.heading, m.short_heading) for m in measures),
        Column(f"ms per {use.takes}", "ms"),
    )
    rows = []
    if results.model is not None:
        model = results.model
        known = (count(model.parameters), count(model.non_zero))
        scores = tuple(m.number(results.overall.get(m.key)) for m in measures)
        macs = (millions(model.macs),) if counted else ()
        rows.append(Row(("Keras", "", *known, "", "", *macs, "", *scores, "")))
        size = (count(model.keras_float16_bytes), kilobytes(model.keras_float16_bytes))
        rest = ("" for _ in (*macs, "difference", *measures, "latency"))
        rows.append(Row(("Keras float16", "", *known, *size, *rest)))
    for name, facts in results.exports.items():
        difference, latency = facts.max_difference, facts.latency_ms
        rows.append(
            Row(
                (
                    name,
                    count(facts.file_bytes),
                    count(facts.parameters),
                    count(facts.non_zero),
                    count(facts.parameter_bytes),
                    kilobytes(facts.parameter_bytes),
                    *((millions(facts.macs),) if counted else ()),
                    MISSING if difference is None else f"{difference:.1e}",
                    *(m.number(facts.scores.get(m.key)) for m in measures),
                    MISSING if latency is None else f"{latency:.2f}",
                )
            )
        )
    return Table("Exported models", columns, tuple(rows), _export_note(results, use))


def _export_note(results: Results, use: Use) -> str:
    sentences = [
        "Parameter bytes and their KB (1,024 bytes) are counted inside the file, zeros included.",
        f"Max. diff.: largest difference of {use.gives} to the Keras model.",
    ]
    if any(facts.latency_ms is not None for facts in results.exports.values()):
        sentences.append(f"ms per {use.takes}: median on one thread. {use.note}".rstrip())
    if any(name.endswith(SUFFIX) for name in results.exports):
        sentences.append(_OF_SAMPLES)
    sentences += _operators_note(results)
    sentences += _operations_note(results)
    rounded = [facts for name, facts in results.exports.items() if name in ("int8", "int8_qat")]
    if rounded:
        scores = rounded[0].scores
        sentences += [text for key, text in _INT8_STEPS.items() if key in scores]
    return " ".join(sentences)


def _operators_note(results: Results) -> Iterator[str]:
    """Whether an interpreter as it comes can run the files."""
    needs = {name: facts.custom_operators for name, facts in results.exports.items()}
    if needs and all(custom == () for custom in needs.values()):
        yield "The files need no operators besides those built into TFLite."
    for name, custom in needs.items():
        if custom:
            yield f"{name} needs operators that TFLite has not built in: {', '.join(custom)}."


def _operations_note(results: Results) -> Iterator[str]:
    """Whether the files compute as much as the network, by a count of their own."""
    files = {name: facts.macs for name, facts in results.exports.items() if facts.macs is not None}
    files = {name: macs for name, macs in files.items() if not name.endswith(SUFFIX)}
    if results.model is None or not files:
        return
    if set(files.values()) == {results.model.macs}:
        yield f"Counted inside the files too: {millions(results.model.macs)} MMAC, as the network."
        return
    for name, macs in files.items():
        if macs != results.model.macs:
            more = f"{100 * (macs / results.model.macs - 1):+.2g} %" if results.model.macs else ""
            yield f"Counted inside {name}: {millions(macs)} MMAC ({more} to the network)."


def steps_table(results: Results) -> Table:
    """What each step of a compression changed; without rows where nothing was compressed.

    Args:
        results: a run; its ``steps`` give a row each.
    """
    keys = {key for step in results.steps for key in step.scores}
    measures, use = headline_measures(keys), use_of(keys)
    columns = (
        Column("Step", words=True),
        Column("Parameters", "Param."),
        Column("Non-zero"),
        Column("Bytes"),
        Column("Non-zero bytes", "Bytes ≠ 0"),
        Column("MMAC"),
        *(Column(m.heading, m.short_heading) for m in measures),
        Column(f"ms per {use.takes}", "ms"),
    )
    rows = tuple(
        Row(
            (
                step.name,
                count(step.parameters),
                count(step.non_zero),
                count(step.bytes),
                count(step.non_zero_bytes),
                millions(step.macs),
                *(m.number(step.scores.get(m.key)) for m in measures),
                MISSING if step.latency_ms is None else f"{step.latency_ms:.2f}",
            )
        )
        for step in results.steps
    )
    note = (
        "The first rows: the Keras network after each step, 4 bytes a parameter, timed as its "
        "float32 file; files have batch normalisation merged into other weights. "
        f"Bytes are of parameters. MMAC: millions of operations for one {use.takes}, zeros "
        "included: TFLite skips none."
    )
    return Table("Steps", columns, rows, note)


def limits_table(verdicts: tuple[Verdict, ...]) -> Table:
    """Each limit, what the model has, what is allowed, pass or fail."""
    columns = (
        Column("Limit", words=True),
        Column("Judged", words=True),
        Column("Value"),
        Column("Allowed"),
        Column("Unit", words=True),
        Column("Verdict", words=True),
    )
    rows = tuple(
        Row(
            (
                verdict.name,
                verdict.judged,
                count(verdict.value),
                count(verdict.allowed),
                verdict.unit,
                "pass" if verdict.passed else "FAIL",
            ),
            tone="good" if verdict.passed else "bad",
        )
        for verdict in verdicts
    )
    by_nessi = any(verdict.unit == BY_NESSI for verdict in verdicts)
    return Table("Limits", columns, rows, _NESSI if by_nessi else "")


def layers_table(model: ModelFacts, *, takes: str = "input") -> Table:
    """Parameters and multiply-accumulate operations of each layer, and their share of the whole.

    Args:
        model: the network.
        takes: what one of its inputs is, as ``Use.takes``.
    """
    columns = (
        Column("Layer", words=True),
        Column("Kind", words=True),
        Column("Output shape"),
        Column("Parameters", "Param."),
        Column("MMAC"),
        Column("% of MAC", "%"),
    )
    rows = [
        Row(
            (
                layer.name,
                layer.kind,
                " × ".join(str(axis) if axis is not None else "?" for axis in layer.output_shape),
                count(layer.parameters) if layer.parameters else "",
                millions(layer.macs) if layer.macs else "",
                f"{100 * layer.macs / model.macs:.1f}" if layer.macs else "",
            )
        )
        for layer in model.layers
    ]
    total = ("All", "", "", count(model.parameters), millions(model.macs), "100.0")
    note = (
        f"{model.trainable:,} parameters are trained, {model.non_zero:,} are not zero. "
        f"MMAC: millions of operations for one {takes}."
    )
    if model.passes > 1:
        note += (
            f" evaluation.shifts_seconds asks the network {model.passes} times, which limits "
            f"count: {millions(model.clip_macs)} MMAC."
        )
    if model.peak_activation_bytes is not None:
        kb = kilobytes(model.peak_activation_bytes)
        note += f" Peak memory of activations in float32: {kb} KB for one {takes}."
    return Table("Layers", columns, (*rows, Row(total, summary=True)), note)
