"""The checks of a system: each year's passes, and each fault is told under its rule."""

import re
from dataclasses import replace

import pytest
import yaml

from tests.utils.evaluation.systems import (
    CLASSES,
    COUNTED,
    DEVICES,
    FIGURES,
    TINY,
    edit_meta,
    label,
    meta_path,
    splits,
    system,
)
from utils.evaluation.validator import RULES, Counted, check_system

META = "results.development_dataset"


def checked(folder, year=2021, counted=COUNTED):
    return check_system(folder, form=TINY[year], classes=CLASSES, counted=counted)


def faults(folder, year=2021, counted=COUNTED) -> list[tuple[str, str]]:
    """Each fault with its rule."""
    outcomes = checked(folder, year, counted).outcomes
    return [(outcome.rule, problem) for outcome in outcomes for problem in outcome.problems]


def the_fault(folder, year=2021, counted=COUNTED) -> tuple[str, str]:
    (found,) = faults(folder, year, counted)
    return found


LIMITS = {
    2021: ["limit model_size"],
    2022: ["weights", "limit total_parameters", "limit macs"],
    2023: ["limit total_model_size", "limit macs"],
}


@pytest.mark.parametrize("year", [2021, 2022, 2023])
def test_a_faultless_system_of_each_year_keeps_every_rule(tmp_path, year):
    found = checked(system(tmp_path, year=year), year)
    assert found.problems == ()
    assert [outcome.rule for outcome in found.outcomes] == [*RULES, "complexity", *LIMITS[year]]
    assert {outcome.verdict for outcome in found.outcomes} == {"passed"}
    assert found.text().startswith(f"{label(year)}: DCASE {year}")


def test_the_report_tells_each_limit_with_the_figure(tmp_path):
    text = checked(system(tmp_path, year=2022), 2022).text()
    assert "passed       at most 128,000 parameters (45,990)" in text
    assert "passed       at most 30,000,000 MAC (29,202,880)" in text
    assert "ranked by log loss" in text
    assert "No fault was found." in text
    over = system(tmp_path / "over", year=2022, figures=FIGURES | {"macs": 30_000_001})
    text = checked(over, 2022, counted=None).text()
    assert "FAILED       at most 30,000,000 MAC (30,000,001)" in text
    assert "complexity              not checked" in text
    assert "\n1 fault to mend." in text


def test_rules_of_the_model_need_the_model(tmp_path):
    found = checked(system(tmp_path, year=2022), 2022, counted=None)
    verdicts = {outcome.rule: outcome.verdict for outcome in found.outcomes}
    assert verdicts["complexity"] == verdicts["weights"] == "not checked"
    assert found.problems == ()


def test_defaults_of_the_settings_do_not_pass(tmp_path):
    first, second = faults(system(tmp_path, label=None, authors=()))
    assert first[0] == "label"
    assert first[1].startswith(
        "Lastname_Inst_task1a_1.meta.yaml: submission.label: the label is still the placeholder"
    )
    assert second[0] == "authors"
    assert "exactly one of the authors must be corresponding, not 0 of 0" in second[1]


DESCRIPTION, COMPLEXITY = "system.description", "system.complexity"


@pytest.mark.parametrize(
    ("year", "path", "value", "rule", "message"),
    [
        (2021, "submission.abbreviation", "elevenchars", "meta", "at most 10 characters"),
        (2021, "submission.abbreviation", "", "meta", "at least 1 character"),
        (2021, "submission.name", ..., "meta", "submission.name is missing"),
        (2021, "submission.label", "Muller_TAU_task1a_3", "label", "the files' label is Muller"),
        (2021, "submission.authors.0.corresponding", False, "authors", "not 0 of 1"),
        (2021, "submission.authors.0.email", "kim at example", "authors", "no e-mail address"),
        (2021, "submission.authors.0.email", ..., "authors", "authors.0.email is missing"),
        (2021, "submission.authors.0.affiliation.abbreviation", " ", "authors", "at least 1"),
        (2021, "submission.authors", "Kim", "authors", "valid list"),
        (2021, f"{DESCRIPTION}.embeddings", ..., "meta", "embeddings is missing"),
        (2021, f"{DESCRIPTION}.input_sampling_rate", None, "meta", "input_sampling_rate.*string"),
        (2021, f"{COMPLEXITY}.model_size", -1.0, "meta", "greater than 0"),
        (2021, "system.external_datasets", [{"name": "E", "url": "u"}], "meta", "length is miss"),
        (2021, f"{META}.overall.logloss", float("nan"), "results", "finite number"),
        (2021, f"{META}.overall.accuracy", "50 %", "results", "accuracy.*number"),
        (2021, f"{META}.overall.accuracy", 101, "results", "less than or equal to 100"),
        (2021, f"{META}.class_wise.bus", ..., "results", "missing: bus; unknown: none"),
        (2021, f"{META}.device_wise.s9", {"logloss": 1.0, "accuracy": 1.0}, "results", "s9"),
        (2021, f"{META}.device_wise", ..., "results", "device_wise is missing"),
        (2022, "submission.label", "Muller_TAU_task1a_1", "label", "must be .*_task1_"),
        (2022, f"{DESCRIPTION}.pipeline", None, "meta", "pipeline.*string"),
        (2022, f"{DESCRIPTION}.framework", ..., "meta", "framework is missing"),
        (2022, f"{COMPLEXITY}.memory_use", ..., "meta", "memory_use is missing"),
        (2022, f"{COMPLEXITY}.memory_use", 65.28, "meta", "memory_use.*integer"),
        (2023, f"{COMPLEXITY}.total_model_size", ..., "meta", "total_model_size is missing"),
        (2023, "system.energy_consumption", ..., "meta", "energy_consumption is missing"),
        (2023, "system.energy_consumption.training", None, "meta", "training.*number"),
    ],
)
def test_a_fault_in_the_meta_file_fails_its_rule(tmp_path, year, path, value, rule, message):
    folder = system(tmp_path, year=year)
    edit_meta(meta_path(folder), path, value)
    found = faults(folder, year, counted=None)
    assert {name for name, _ in found} == {rule}, found
    problem = found[0][1]
    assert problem.startswith(f"{label(year)}.meta.yaml: ")
    assert problem.endswith(".")
    assert any(re.search(message, text) for _, text in found), found


@pytest.mark.parametrize(
    ("year", "field", "value", "limit"),
    [
        (2021, "model_size", 128.001, "128 KB of non-zero parameters"),
        (2022, "total_parameters", 128_001, "128,000 parameters"),
        (2022, "macs", 30_000_001, "30,000,000 MAC"),
        (2023, "total_model_size", 128_001, "128,000 bytes of parameters"),
        (2023, "macs", 30_000_001, "30,000,000 MAC"),
    ],
)
def test_a_figure_over_the_limit_of_the_year_fails(tmp_path, year, field, value, limit):
    most = system(
        tmp_path / "most",
        year=year,
        figures=FIGURES | {field: int(limit.split()[0].replace(",", ""))},
    )
    assert faults(most, year, counted=None) == []
    over = system(tmp_path / "over", year=year, figures=FIGURES | {field: value})
    rule, problem = the_fault(over, year, counted=None)
    assert rule == f"limit {field}"
    assert f"{value:,} is over the challenge's limit of {limit}" in problem


@pytest.mark.parametrize("field", ["total_parameters", "model_size"])
def test_figures_that_are_not_those_of_the_model_fail(tmp_path, field):
    folder = system(tmp_path)
    edit_meta(meta_path(folder), f"system.complexity.{field}", FIGURES[field] + 1)
    rule, problem = the_fault(folder)
    assert rule == "complexity"
    assert f"{FIGURES[field] + 1}, but model_int8.tflite has {FIGURES[field]}" in problem


def test_figures_that_nobody_counted_are_named(tmp_path):
    counted = Counted(FIGURES | {"macs": None}, ("int32", "int8"), "model_int8.tflite")
    text = checked(system(tmp_path, year=2022), 2022, counted).text()
    assert "(model_int8.tflite; not counted but told: macs)" in text


def test_more_parameters_than_there_are_cannot_be_non_zero(tmp_path):
    folder = system(tmp_path, figures=FIGURES | {"total_parameters": 45989})
    rule, problem = the_fault(folder, counted=None)
    assert rule == "meta"
    assert "45990 of 45989 parameters cannot be non-zero" in problem


@pytest.mark.parametrize("types", [("float32", "int8"), ("float16",), ("int32",)])
def test_the_form_of_2022_fixes_the_type_of_weights(tmp_path, types):
    folder = system(tmp_path, year=2022)
    rule, problem = the_fault(folder, 2022, Counted(FIGURES, types, "model.tflite"))
    assert rule == "weights"
    assert "the form fixes int8" in problem
    assert faults(system(tmp_path / "b"), 2021, Counted(FIGURES, types, "model.tflite")) == []


def test_listed_data_need_their_usage(tmp_path):
    folder = system(tmp_path)
    listed = [{"name": "E", "url": "u", "total_audio_length": 6.0}]
    edit_meta(meta_path(folder), "system.external_datasets", listed)
    rule, problem = the_fault(folder)
    assert rule == "meta"
    assert "external_data_usage is null" in problem


@pytest.mark.parametrize(
    "wrong",
    [
        "Muller_TAU_task1a_5",
        "Muller_TAU_task1b_1",
        "Muller_task1a_1",
        "_TAU_task1a_1",
        "A_B_C_task1a_1",
    ],
)
def test_labels_of_another_form_are_refused(tmp_path, wrong):
    rule, problem = the_fault(system(tmp_path, label=wrong))
    assert rule == "label"
    assert "the label must be [LastName]_[Inst]_task1a_[1-4]" in problem


@pytest.mark.parametrize("right", ["puy_vai_task1a_1", "García-López_U2_task1a_4"])
def test_labels_of_the_form_pass(tmp_path, right):
    assert faults(system(tmp_path, label=right)) == []


def test_several_faults_are_all_told(tmp_path):
    folder = system(tmp_path, abbreviation="Base")
    edit_meta(meta_path(folder), "submission.abbreviation", "far too long a name")
    edit_meta(meta_path(folder), "system.complexity.model_size", 200.0)
    edit_meta(meta_path(folder), f"{META}.class_wise.tram", ...)
    rules = [rule for rule, _ in faults(folder, counted=None)]
    assert rules == ["meta", "results", "limit model_size"]


def test_devices_without_clips_are_told(tmp_path):
    rule, problem = the_fault(system(tmp_path, devices=DEVICES[:8]))
    assert rule == "results"
    assert "missing: s6; unknown: none" in problem


def test_a_split_without_output_or_results_is_told(tmp_path):
    only = splits(tmp_path)[1]
    found = faults(only, 2024)
    missing = [problem for rule, problem in found if rule == "files"]
    assert len(missing) == 4
    assert f"{label(2024)}.output.split_100.csv: is missing" in missing[3]
    assert [problem.split(": ")[1] for rule, problem in found if rule == "results"] == [
        f"{META}.split_{split} is missing." for split in (5, 25, 50, 100)
    ]


@pytest.mark.parametrize(
    ("old", "new", "rule", "message"),
    [
        ("filename\t", "file\t", "output", "the header must be filename scene_label bus metro"),
        ("bus\tmetro\ttram", "metro\tbus\ttram", "output", "the header must be"),
        ("3.wav\t", "3.wav\tship\t", "output", "6 are needed|fields with tabs"),
    ],
)
def test_a_fault_of_the_table_is_told(tmp_path, old, new, rule, message):
    folder = system(tmp_path)
    output = folder / f"{folder.name}.output.csv"
    output.write_text(output.read_text().replace(old, new, 1))
    found = the_fault(folder)
    assert found[0] == rule
    assert re.search(message, found[1])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("0.wav", "zero.wav", "row 2: zero.wav is no clip of the evaluation set"),
        ("0.wav", "0.flac", "row 2: 0.flac is no clip"),
        (
            "4.wav",
            "5.wav",
            "row 6: 5.wav is no clip of the evaluation set; they are named 0.wav to",
        ),
        ("4.wav", "04.wav", "row 6: 04.wav is no clip"),
    ],
)
def test_rows_are_those_of_the_evaluation_set(tmp_path, old, new, told):
    folder = system(tmp_path)
    output = folder / f"{folder.name}.output.csv"
    output.write_text(output.read_text().replace(f"{old}\t", f"{new}\t", 1))
    first, second = faults(folder)
    assert first[0] == second[0] == "clips"
    assert told in first[1]
    assert f"no row for {old}" in second[1]


def test_a_clip_may_have_one_row(tmp_path):
    folder = system(tmp_path)
    output = folder / f"{folder.name}.output.csv"
    output.write_text(output.read_text().replace("3.wav\t", "audio/2.wav\t", 1))
    first, second = faults(folder)
    assert first[0] == "output"
    assert "row 5: 2.wav stands in row 4" in first[1]
    assert second == ("clips", f"{folder.name}.output.csv: no row for 3.wav, a clip of the "
                      "evaluation set.")  # fmt: skip


def test_rows_are_counted_as_an_editor_does(tmp_path):
    folder = system(tmp_path)
    output = folder / f"{folder.name}.output.csv"
    lines = output.read_text().splitlines()
    lines[2:2] = [""]
    lines[-1] = lines[-1].replace("4.wav", "four.wav")
    output.write_text("\n".join(lines) + "\n")
    blank, name, _ = (problem for _, problem in faults(folder))
    assert "row 3: 5 fields" in blank
    assert "row 7: four.wav" in name


def test_probabilities_are_checked(tmp_path):
    folder = system(tmp_path)
    output = folder / f"{folder.name}.output.csv"
    lines = output.read_text().splitlines()
    lines[1] = "0.wav\tbus\t0.2\t0.8\t0.0"
    lines[2] = "1.wav\tbus\tnan\t0.8\t0.2"
    lines[3] = "2.wav\tbus\t2.0\t-0.5\t-0.5"
    lines[4] = "3.wav\tship\t0.8\t0.1\t0.0"
    output.write_text("\n".join(lines) + "\n")
    found = faults(folder)
    assert {rule for rule, _ in found} == {"output"}
    rows = [problem.split(": ")[0].split(", ")[1] for _, problem in found]
    assert rows == ["row 2", "row 3", "row 4", "row 5", "row 5"]


def test_many_faults_of_a_rule_are_counted(tmp_path):
    folder = system(tmp_path)
    larger = replace(TINY[2021], clips=105)
    problems = check_system(folder, form=larger, classes=CLASSES).problems
    assert len(problems) == 21
    assert problems[-1] == "80 more problems of this kind."


def test_names_of_the_files_must_agree(tmp_path):
    folder = system(tmp_path)
    meta_path(folder).rename(folder / "Other_TAU_task1a_1.meta.yaml")
    first, second = faults(folder)
    assert first == ("files", f"{folder.name}.meta.yaml: is missing from the folder {folder.name}.")
    assert second[0] == "files"
    assert "Other_TAU_task1a_1.meta.yaml: does not belong in the folder" in second[1]


def test_missing_and_broken_files_are_told(tmp_path):
    folder = system(tmp_path)
    (folder / f"{folder.name}.output.csv").unlink()
    meta_path(folder).write_text("submission: [1, 2\n")
    first, second = faults(folder, counted=None)
    assert first == (
        "files",
        f"{folder.name}.output.csv: is missing from the folder {folder.name}.",
    )
    assert second[0] == "meta"
    assert "cannot be read as YAML" in second[1]
    assert "line" in second[1]


def test_yaml_cannot_run_code(tmp_path):
    folder = system(tmp_path)
    meta_path(folder).write_text(f"!!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n")
    assert "cannot be read as YAML" in the_fault(folder, counted=None)[1]
    assert not (tmp_path / "made").exists()


def test_demo_data_does_not_pass(tmp_path):
    rule, problem = the_fault(system(tmp_path, demo=True))
    assert rule == "data"
    assert "was made from demo data" in problem


def test_an_empty_meta_file_is_told(tmp_path):
    folder = system(tmp_path)
    meta_path(folder).write_text("")
    rule, problem = the_fault(folder, counted=None)
    assert rule == "meta"
    assert ": the file: " in problem


def test_sections_that_are_no_mapping_are_told(tmp_path):
    folder = system(tmp_path)
    content = yaml.safe_load(meta_path(folder).read_text())
    for section in ("system", "results"):
        meta_path(folder).write_text(yaml.safe_dump(content | {section: None}))
        rule, problem = the_fault(folder, counted=None)
        assert rule == "meta"
        assert f"{section}: " in problem
