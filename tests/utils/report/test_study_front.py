"""Costs of a study's arms: the front of known points, the table, the words, the pictures."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from tests.utils.report.studies import arm, cells, study
from utils.config.export_section import LimitSettings
from utils.errors import UserError
from utils.report import plots_front
from utils.report.plots_front import front_picture
from utils.report.results import ExportFacts, ModelFacts, Results, Verdict
from utils.report.study import write_study
from utils.report.study_arms import cost_of
from utils.report.study_costs import Bound, LeftOut, Point, RunCost, bounds_of, front, run_cost
from utils.report.study_front import front_findings, front_table, left_out_table
from utils.report.study_page import findings, write_study_page
from utils.report.study_statistics import Spread
from utils.report.study_tables import arms_table


def point(name, cost, value):
    return Point(name, cost, Spread(value, None, 1), None)


@pytest.mark.parametrize(
    ("points", "mode", "names"),
    [
        ([("a", 1, 0.5), ("b", 2, 0.6), ("c", 3, 0.55), ("d", 4, 0.7)], "max", ["a", "b", "d"]),
        ([("a", 1, 0.5), ("b", 2, 0.6), ("c", 3, 0.55), ("d", 4, 0.7)], "min", ["a"]),
        ([("d", 4, 0.1), ("a", 1, 0.5), ("b", 2, 0.6), ("c", 3, 0.3)], "min", ["a", "c", "d"]),
        ([("a", 1, 0.5), ("b", 1, 0.6)], "max", ["b"]),  # as cheap, and better
        ([("a", 1, 0.5), ("b", 2, 0.5)], "max", ["a"]),  # as good, and cheaper
        ([("b", 1, 0.5), ("a", 1, 0.5)], "max", ["a", "b"]),  # the same in both
        ([("a", 1, 0.5)], "max", ["a"]),
        ([], "max", []),
    ],
)
def test_the_front_of_known_points(points, mode, names):
    assert [one.name for one in front([point(*given) for given in points], mode)] == names


def verdicts(size, macs):
    return (
        Verdict("128 KB", size, 128_000, size <= 128_000, "bytes", "int8"),
        Verdict("128 KiB", size, 131_072, size <= 131_072, "bytes", "int8"),
        Verdict("128 K", 1, 128_000, True, "parameters", "int8"),
        Verdict("30 MMAC", macs, 30_000_000, macs <= 30_000_000, "MAC", "network"),
    )


def priced(name, values, size, macs, tests, *, file="int8"):
    """An arm of a run a seed, whose files have a size, operations and test scores."""
    made = arm(name, [(value,) for value in values], mode="max")
    runs = [
        replace(
            one,
            scores={"accuracy": test - 0.1},
            cost=RunCost(file, size, macs, {"accuracy": test}, verdicts(size or 0, macs)),
        )
        for one, test in zip(made.runs, tests, strict=True)
    ]
    return replace(made, runs=tuple(runs))


SMALL = priced("small", (0.4, 0.6), 20_000, 5_000_000, (0.40, 0.50))
MIDDLE = priced("middle", (0.45, 0.5), 60_000, 15_000_000, (0.60, 0.62))
LARGE = priced("large", (0.7, 0.8), 100_000, 33_000_000, (0.55, 0.57))
WHOLE = replace(study(SMALL, LARGE, MIDDLE, mode="max"), metric="val_accuracy", seeds=(0, 1))


def test_a_study_has_a_front_where_its_arms_cost_differently():
    assert WHOLE.quantities == ("bytes", "MAC")
    assert [one.name for one in WHOLE.front("bytes")] == ["small", "large"]
    assert WHOLE.points("MAC")[1].cost == 33_000_000
    assert WHOLE.points("MAC")[1].test == LARGE.file_score("accuracy")
    same = replace(WHOLE, arms=(SMALL, replace(SMALL, name="twin")))
    assert (same.quantities, same.is_priced) == ((), False)
    other = priced("other", (0.4, 0.6), 20_000, 5_000_000, (0.4, 0.5), file="int8_qat")
    assert replace(WHOLE, arms=(SMALL, other)).is_priced  # by another file, though as large
    without = replace(LARGE, runs=tuple(replace(one, cost=None) for one in LARGE.runs))
    assert replace(WHOLE, arms=(SMALL, without)).quantities == ()
    found = WHOLE.as_dict()
    assert found["front"] == {"bytes": ["small", "large"], "MAC": ["small", "large"]}
    told = {one["name"]: one for one in found["arms"]}["large"]
    assert (told["bytes"], told["macs"], told["file"]) == (100_000, 33_000_000, "int8")
    assert told["broken_limits"] == ["30 MMAC"]
    assert told["file_test"]["mean"] == pytest.approx(0.56)


def told_by_files(arm, *values):
    """The same arm, whose files were asked about the validation clips."""
    runs = [
        replace(one, cost=replace(one.cost, validation={"val_accuracy": value}))
        for one, value in zip(arm.runs, values, strict=True)
    ]
    return replace(arm, runs=tuple(runs))


def test_files_of_one_network_are_compared_by_what_they_say_themselves():
    rounded = told_by_files(SMALL, 0.2, 0.4)
    trained = told_by_files(replace(SMALL, name="trained"), 0.5, 0.5)
    files = replace(WHOLE, arms=(rounded, trained, told_by_files(LARGE, 0.4, 0.6)))
    assert [one.validation.mean for one in files.points("bytes")] == pytest.approx([0.3, 0.5, 0.5])
    assert [one.name for one in files.front("bytes")] == ["trained"]
    assert front_findings(files)[-1].endswith("of the arms that keep every limit: trained.")
    table = front_table(files)
    assert cells(table, "small")["val_accuracy of the file"] == "0.3000 ± 0.1414"
    assert "which is that of the judged file" in table.note
    assert files.best.name == "trained"
    in_keras = [Spread.of(one.values.values()).mean for one in (SMALL, LARGE)]
    assert in_keras == pytest.approx([0.5, 0.75])
    assert files.to_best(rounded).mean == pytest.approx(-0.2)
    assert files.as_dict()["best"] == "trained"
    arms = arms_table(files)
    assert cells(arms, "small")["val_accuracy of the file"] == "0.3000 ± 0.1414"
    assert "not of the network in Keras" in arms.note
    assert findings(files)[0] == "Best by val_accuracy of the file: trained."
    partly = replace(files, arms=(rounded, LARGE))  # a run of an earlier version
    assert partly.best is LARGE
    assert partly.points("bytes")[0].validation.mean == pytest.approx(0.5)
    assert "Best val_accuracy" in cells(front_table(partly), "small")


def test_an_arm_with_a_run_that_was_not_exported_has_no_bytes():
    runs = (MIDDLE.runs[0], replace(MIDDLE.runs[1], cost=RunCost("int8", None, 15_000_000)))
    partly = replace(MIDDLE, runs=runs)
    assert partly.cost("bytes") is None
    assert partly.cost("MAC") == 15_000_000
    assert partly.file_score("accuracy") is None


def test_the_table_has_scores_of_the_files_and_who_is_on_the_front():
    table = front_table(WHOLE)
    assert [row.cells[0] for row in table.rows] == ["small", "middle", "large"]
    assert cells(table, "large") == {
        "Arm": "large", "int8 bytes": "100,000", "MMAC": "33.00",
        "Best val_accuracy": "0.7500 ± 0.0707", "Test accuracy %": "56.0 ± 1.4",
        "On the front": "size, MAC", "Broken limits": "30 MMAC",
    }  # fmt: skip
    assert cells(table, "middle")["On the front"] == "–"
    assert cells(table, "middle")["Broken limits"] == "none"
    assert "Test scores chose nothing" in table.note
    other = priced("other", (0.5, 0.5), 50_000, 9_000_000, (0.5, 0.5), file="int8_qat")
    mixed = front_table(replace(WHOLE, arms=(SMALL, other)))
    assert (cells(mixed, "other")["File"], cells(mixed, "other")["Bytes"]) == ("int8_qat", "50,000")


def test_an_arm_that_lost_a_seed_is_on_no_front_and_shown_with_its_n():
    """One lucky seed of two would beat all others."""
    lost = replace(LARGE.runs[0], state="diverged", cost=None)
    lucky = replace(LARGE, runs=(lost, LARGE.runs[1]))
    whole = replace(WHOLE, arms=(SMALL, MIDDLE, lucky))
    assert [one.name for one in whole.front("bytes")] == ["small"]
    row = cells(front_table(whole), "large")
    assert (row["n"], row["On the front"]) == ("1", "–")
    keeps = priced("large", (0.7, 0.8), 90_000, 20_000_000, (0.5, 0.6))
    breaks = priced("breaks", (0.4, 0.6), 200_000, 5_000_000, (0.40, 0.50))
    keeps = replace(keeps, runs=(lost, keeps.runs[1]))
    told = "Best by val_accuracy of the arms that keep every limit: "
    assert front_findings(replace(WHOLE, arms=(SMALL, keeps, breaks)))[-1] == f"{told}small."
    told += "large (1 of 2 seeds)."
    assert front_findings(replace(WHOLE, arms=(keeps, breaks)))[-1] == told


def with_whole(made, whole, **more):
    runs = [replace(one, cost=replace(one.cost, whole=whole, **more)) for one in made.runs]
    return replace(made, runs=tuple(runs))


def test_one_network_as_two_files_ties_though_other_weights_round_to_zero():
    file = with_whole(SMALL, 20_500)
    twin = replace(with_whole(SMALL, 20_500, size=19_990, file="int8_qat"), name="twin")
    whole = replace(WHOLE, arms=(file, twin, LARGE))
    assert [one.name for one in whole.front("bytes")] == ["twin", "small", "large"]
    sparse = replace(twin, runs=tuple(replace(one, curve=(0.5,)) for one in twin.runs))
    assert "small" not in [one.name for one in replace(whole, arms=(file, sparse)).front("bytes")]


def test_the_studys_own_bytes_are_a_line_beside_int8_files_alone():
    bound = Bound("study.under", 90_000, "bytes")
    bounded = replace(WHOLE, bounds=(bound,))
    assert bound in bounded.bounds_on("bytes")
    wide = with_whole(SMALL, 40_000, file="float16")
    assert bound not in replace(bounded, arms=(wide, LARGE)).bounds_on("bytes")


def test_it_is_told_which_bytes_are_counted():
    assert "of the parameters that are not zero (int8)," in front_table(WHOLE).note
    keras = replace(WHOLE, arms=(with_whole(SMALL, 9, file="keras_float16"),))
    assert "Bytes: of all parameters in Keras in float16, mean" in front_table(keras).note


def test_the_csv_has_costs(tmp_path):
    write_study(tmp_path, WHOLE)
    with (tmp_path / "study.csv").open() as stream:
        row = next(csv.DictReader(stream))
    assert (row["file"], row["bytes"], row["macs"]) == ("int8", "20000", "5000000")


def test_words_name_the_front_and_the_best_that_keeps_every_limit():
    assert front_findings(WHOLE) == (
        "On the front of size and val_accuracy, the cheapest first: small, large.",
        "On the front of MAC and val_accuracy, the cheapest first: small, large.",
        "Best by val_accuracy of the arms that keep every limit: small.",
    )
    assert len(front_findings(replace(WHOLE, arms=(SMALL, MIDDLE)))) == 2  # all keep them


OUT = LeftOut("huge", "model.constants.WIDTH: 99", ("9 of 3 MAC (network), by study.under",))


def test_the_page_shows_costs_and_what_was_left_out(tmp_path):
    row = cells(left_out_table(replace(WHOLE, left_out=(OUT,))), "huge")
    assert row["Costs more than allowed"] == "9 of 3 MAC (network), by study.under"
    page = tmp_path / "report.html"
    write_study_page(page, replace(WHOLE, left_out=(OUT,)), parameters_yaml="", facts={})
    text = page.read_text()
    assert "<h2>Cost and score</h2>" in text
    assert "<h2>Left out</h2>" in text
    assert text.count("Score against") == 2 * text.count("Score against size: ")
    write_study_page(page, study(SMALL, mode="max"), parameters_yaml="", facts={})
    assert "Cost and score" not in page.read_text()


def panels_of(whole, quantity, monkeypatch):
    figures = []
    monkeypatch.setattr(plots_front, "as_svg", lambda figure: figures.append(figure) or "<svg/>")
    front_picture(whole, quantity)
    return figures[0].axes


def lines_of(panel, style):
    return [line for line in panel.get_lines() if line.get_linestyle() == style]


def test_the_picture_joins_the_front_on_the_left_and_marks_limits(monkeypatch):
    bounded = replace(WHOLE, bounds=(Bound("study.under", 90_000, "bytes"),))
    left, right = panels_of(bounded, "bytes", monkeypatch)
    assert left.get_xscale() == right.get_xscale() == "log"
    (joined,) = lines_of(left, "-")
    np.testing.assert_allclose(joined.get_xdata(), [20_000, 100_000])
    np.testing.assert_allclose(joined.get_ydata(), [0.5, 0.75])
    assert lines_of(right, "-") == []
    for panel in (left, right):
        at = [line.get_xdata()[0] for line in lines_of(panel, "--")]
        assert at == [90_000, 128_000, 131_072]
        texts = [text.get_text() for text in panel.texts]
        assert texts == ["study.under", "128 KB, 128 KiB", "small", "large"]
    points = [line for line in right.get_lines() if line.get_marker() in ("o", "s")]
    tests = {line.get_xdata()[0]: line.get_ydata()[0] for line in points}
    assert tests == pytest.approx({20_000: 45.0, 60_000: 61.0, 100_000: 56.0})
    assert right.get_ylabel() == "%, higher is better"
    left, _ = panels_of(WHOLE, "MAC", monkeypatch)
    assert [text.get_text() for text in left.texts] == ["30 MMAC", "small", "large"]


def test_names_of_the_front_lie_on_no_other(monkeypatch):
    from matplotlib.text import Text

    many = [
        priced(f"width{n}-depth4", (0.5 + n / 1000,) * 2, 20_000 + 40 * n, 5_000_000, (0.5, 0.5))
        for n in range(5)
    ]
    many.append(LARGE)
    left, _ = panels_of(replace(WHOLE, arms=tuple(many)), "bytes", monkeypatch)
    boxes = [Text.get_window_extent(text) for text in left.texts if text.get_rotation() == 0]
    assert len(boxes) == 6
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:place])


def test_a_png_is_one():
    assert front_picture(WHOLE, "MAC", png=True).png.startswith(b"\x89PNG")


MODEL = ModelFacts(
    parameters=10, trainable=8, non_zero=9, macs=77, keras_float16_bytes=24, layers=()
)
FILE = ExportFacts(
    file_bytes=500, parameters=9, non_zero=7, parameter_bytes=18, non_zero_bytes=14,
    scores={"accuracy": 0.25, "log_loss": None},
)  # fmt: skip
RESULTS = Results(
    set_id="s", description="", data="demo", data_identity="", demo=True, seed=0, commit="",
    versions={}, stages={}, scores={"overall": {"accuracy": 0.5}}, model=MODEL,
    exports={"int8": FILE}, limits=verdicts(14, 77),
)  # fmt: skip


INT8 = LimitSettings()


def test_what_a_run_costs_is_read_from_its_results(tmp_path):
    scores = {"accuracy": 0.25}
    found = replace(run_cost(RESULTS, INT8), verdicts=())
    assert found == RunCost("int8", 14, 77, scores, whole=18)
    keras = run_cost(RESULTS, LimitSettings(format="keras_float16"))
    assert (keras.size, keras.scores) == (24, {"accuracy": 0.5})
    of_network = LimitSettings(format="float32", parameter_bytes={}, parameters={})
    assert run_cost(RESULTS, of_network).size is None
    with pytest.raises(UserError, match="float32 is to be judged but is not exported"):
        run_cost(RESULTS, LimitSettings(format="float32"))
    assert run_cost(replace(RESULTS, model=None), INT8) is None
    assert cost_of(tmp_path, INT8) is None


def test_a_run_is_judged_by_the_limits_of_today():
    """Those of the day when it was made stand in its results.json."""
    today = LimitSettings(parameter_bytes={"tight": 13}, parameters={}, macs={"wide": 77})
    found = [(one.name, one.passed) for one in run_cost(RESULTS, today).verdicts]
    assert found == [("tight", False), ("wide", True)]


def test_a_limit_that_counts_zeros_is_drawn_beside_sizes_with_zeros():
    limits = LimitSettings(parameter_bytes={}, model_bytes={"2024": 17}, parameters={}, macs={})
    found = run_cost(RESULTS, limits)
    assert (found.size, found.whole) == (18, 18)
    assert [(one.name, one.allowed) for one in bounds_of([found])] == [("2024", 17)]
    arm = with_cost(SMALL, found)
    assert replace(WHOLE, arms=(arm,)).bytes_text == "all parameters (int8)"
    both = LimitSettings(model_bytes={"2024": 17}, parameters={}, macs={})
    assert run_cost(RESULTS, both).size == 14
    assert "2024" not in {one.name for one in bounds_of([run_cost(RESULTS, both)])}


def with_cost(arm, cost):
    return replace(arm, runs=tuple(replace(one, cost=cost) for one in arm.runs))


def test_operations_of_a_run_are_those_of_all_passes():
    of_shifts = replace(RESULTS, model=replace(MODEL, passes=3))
    assert run_cost(of_shifts, INT8).macs == 231


def test_limits_are_lines_once():
    bounds = bounds_of([run_cost(RESULTS, INT8)] * 2)
    assert [(one.name, one.quantity) for one in bounds] == [
        ("DCASE 2021 (128 KB)", "bytes"), ("DCASE 2021 (128 KiB)", "bytes"),
        ("DCASE 2022 (30 MMAC)", "MAC"),
    ]  # fmt: skip
