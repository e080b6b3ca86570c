from dataclasses import replace

import numpy as np

from utils.metrics.classification import clip_log_losses
from utils.report.results import Results, StepFacts
from utils.report.size import export_table, kilobytes, layers_table, limits_table, steps_table
from utils.report.tables import Table


def test_exports_give_bytes_parameters_agreement_scores_and_latency(results: Results) -> None:
    rows = {row.cells[0]: row.cells[1:] for row in export_table(results).rows}
    assert rows["Keras"] == ("", "46,246", "46,240", "", "", "", "47.7", "1.473", "")
    assert rows["Keras float16"][3:5] == ("93,004", "90.8")
    assert rows["int8"] == (
        "57,512", "45,990", "45,984", "46,512", "45.4", "3.1e-02", "47.6", "1.480", "4.22",
    )  # fmt: skip


def test_what_differs_and_what_takes_its_time_follow_the_scores(results: Results) -> None:
    words = export_table(results)
    assert "Max. diff.: largest difference of a probability to the Keras model." in words.note
    assert words.columns[-1].name == "ms per clip" and "window" not in words.note
    exports = {
        name: replace(facts, scores={"si_sdr_improvement": 3.0})
        for name, facts in results.exports.items()
    }
    stems = export_table(replace(results, scores={"overall": {"sdr": 2.0}}, exports=exports))
    assert "Max. diff.: largest difference of a value of a stem to the Keras model." in stems.note
    assert stems.columns[-1].name == "ms per window"
    assert "ms per window: median on one thread. A window is what the network" in stems.note
    assert "probability" not in stems.note and "clip" not in stems.note


def test_steps_tell_what_each_changed(results: Results) -> None:
    scored = {"accuracy": 0.4765, "log_loss": 1.4801}
    steps = (
        StepFacts("trained", 46_246, 46_240, 184_984, 184_960, 286_637_800, scored, 7.21),
        StepFacts("int8", 45_990, 20_000, 46_512, 20_522, 286_637_800, {"accuracy": 0.5}),
    )
    table = steps_table(replace(results, steps=steps))
    size = ("46,246", "46,240", "184,984", "184,960", "286.64")
    assert table.rows[0].cells == ("trained", *size, "47.6", "1.480", "7.21")
    assert table.rows[1].cells[-3:] == ("50.0", "–", "–")
    names = [column.name for column in table.columns]
    assert names[-1] == "ms per clip" and "Non-zero bytes" in names
    assert steps_table(results).rows == ()


def test_what_was_not_measured_is_a_dash(layer5: Results) -> None:
    last = export_table(layer5).rows[-1].cells
    assert last[6:] == ("–", "–", "–", "–")


def test_the_note_says_what_one_thread_and_int8_do_to_the_numbers(results: Results) -> None:
    note = export_table(results).note
    assert "ms per clip: median on one thread." in note
    zero = np.array([[0.0, 1.0]], np.float32)
    floor = clip_log_losses(truth=np.array([0]), probabilities=zero)[0]
    assert "multiples of 1/256: a clip whose true class gets 0" in note
    assert note.endswith(f"counts with a log loss of {floor:.2f}, the largest in float32.")


def test_the_note_explains_nothing_that_is_not_shown(results: Results, layer5: Results) -> None:
    for run in (layer5, replace(results, exports={})):
        note = export_table(run).note
        assert "thread" not in note and "1/256" not in note


def test_the_note_names_operators_that_are_not_built_in(results: Results) -> None:
    assert "operators" not in export_table(results).note  # nobody looked

    def with_custom(**custom: tuple[str, ...]) -> str:
        exports = {
            name: replace(facts, custom_operators=custom.get(name, ()))
            for name, facts in results.exports.items()
        }
        return export_table(replace(results, exports=exports)).note

    assert "no operators besides those built into TFLite" in with_custom()
    note = with_custom(int8=("FlexLgamma", "Own"))
    assert "int8 needs operators that TFLite has not built in: FlexLgamma, Own." in note
    assert "besides" not in note and "float32 needs" not in note


def test_exports_alone_make_a_table(results: Results) -> None:
    table = export_table(replace(results, model=None))
    assert [row.cells[0] for row in table.rows] == ["float32", "float16", "int8"]


def test_limits_end_in_a_coloured_verdict(results: Results) -> None:
    rows = limits_table(results.limits).rows
    assert [(row.cells[-1], row.tone) for row in rows] == [
        ("pass", "good"),
        ("pass", "good"),
        ("pass", "good"),
        ("FAIL", "bad"),
    ]
    assert rows[-1].cells[2:4] == ("286,637,800", "30,000,000")


def test_layers_end_in_the_whole_network(results: Results) -> None:
    assert results.model is not None
    table = layers_table(results.model)
    assert table.rows[0].cells == ("conv2d", "Conv2D", "40 × 500 × 16", "800", "15.68", "5.5")
    assert table.rows[1].cells[4:] == ("", "")
    assert table.rows[-1].cells[3:] == ("46,246", "286.64", "100.0")
    assert "46,118 parameters are trained" in table.note
    assert "MMAC: millions of operations for one input." in table.note
    assert table.note.endswith("Peak memory of activations in float32: 1,259.8 KB for one input.")
    of_window = layers_table(results.model, takes="window").note
    assert of_window == table.note.replace("for one input", "for one window")


def test_a_kilobyte_is_1024_bytes() -> None:
    assert kilobytes(93_004) == "90.8"
    assert kilobytes(None) == "–"


def test_files_that_take_samples_are_explained(results: Results) -> None:
    assert "_samples" not in export_table(results).note
    exports = {**results.exports, "int8_samples": results.exports["int8"]}
    table = export_table(replace(results, exports=exports))
    assert table.rows[-1].cells[0] == "int8_samples"
    assert "Files named .._samples take samples: window, mel filters and" in table.note


def test_the_note_compares_operations_with_those_of_the_network(results: Results) -> None:
    assert "Counted inside" not in export_table(results).note  # files of earlier versions

    def with_macs(**macs: int | None) -> Table:
        exports = {
            name: replace(facts, macs=macs.get(name, 286_637_800))
            for name, facts in results.exports.items()
        }
        exports["int8_samples"] = replace(results.exports["int8"], macs=10**9)  # has a front end
        return export_table(replace(results, exports=exports))

    assert "Counted inside the files too: 286.64 MMAC, as the network." in with_macs().note
    table = with_macs(int8=315_301_580, float16=None)
    assert [one.name for one in table.columns][5:8] == ["KB", "MMAC", "Max. diff."]
    shown = {row.cells[0]: row.cells[6] for row in table.rows}
    assert (shown["Keras"], shown["int8"], shown["float16"]) == ("286.64", "315.30", "–")
    assert len({len(row.cells) for row in table.rows} | {len(table.columns)}) == 1
    note = table.note
    assert "Counted inside int8: 315.30 MMAC (+10 % to the network)." in note
    assert note.count("Counted inside") == 1
