"""The zip: its layout, its bytes, what is not packed, and the same checks on what is in it."""

import os
import re
import shutil
import zipfile

import pytest

from tests.utils.evaluation.systems import (
    CLASSES,
    COUNTED,
    FIGURES,
    TINY,
    edit_meta,
    label,
    meta_path,
    splits,
    system,
)
from utils.errors import UserError
from utils.evaluation.package import check_package, pack, remove_earlier, write_counted
from utils.evaluation.validator import Counted


def packed(folders, target, year, **options):
    return pack(folders, target=target, form=TINY[year], classes=CLASSES, **options)


def checked(path, year, **options):
    return check_package(path, form=TINY[year], classes=CLASSES, **options)


def folders_of(tmp_path, year):
    return splits(tmp_path) if year == 2024 else [system(tmp_path, year=year)]


LAYOUT = {
    2021: "task1/task1a/Muller_TAU_task1a_1/Muller_TAU_task1a_1",
    2022: "task1/Muller_TAU_task1_1/Muller_TAU_task1_1",
    2023: "task1/Muller_TAU_task1_1/Muller_TAU_task1_1",
    2024: "task1/Muller_TAU_task1_1/Muller_TAU_task1_1",
}


@pytest.mark.parametrize("year", LAYOUT)
def test_each_year_is_packed_in_its_layout_and_passes_again(tmp_path, year):
    target = tmp_path / "out" / "package.zip"
    first = packed(folders_of(tmp_path, year), target, year, counted={label(year): COUNTED})
    assert first.problems == ()
    with zipfile.ZipFile(target) as package:
        names = package.namelist()
        report = package.read("report.txt").decode()
    parts = [f".output.split_{split}.csv" for split in (10, 100, 25, 5, 50)]
    outputs = parts if year == 2024 else [".output.csv"]
    expected = ["report.txt", *(LAYOUT[year] + name for name in (".meta.yaml", *outputs))]
    assert names == sorted(expected)
    assert report == first.text()
    again = checked(target, year, counted={label(year): COUNTED})
    assert again.text() == report


def test_the_same_files_make_the_same_bytes(tmp_path):
    folder = system(tmp_path, year=2022)
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    packed([folder], first, 2022)
    other = tmp_path / "elsewhere" / folder.name
    shutil.copytree(folder, other)
    for path in other.iterdir():
        os.utime(path, (10**9, 10**9))
        path.chmod(0o600)
    packed([other], second, 2022)
    assert first.read_bytes() == second.read_bytes()


def test_a_fault_is_not_packed_and_an_earlier_zip_goes(tmp_path):
    folder, target = system(tmp_path, year=2022), tmp_path / "package.zip"
    assert packed([folder], target, 2022).problems == ()
    assert target.exists()
    edit_meta(meta_path(folder), "submission.name", "")
    assert len(packed([folder], target, 2022).problems) == 1
    assert not target.exists()


def test_a_changed_row_in_a_zip_fails_its_rule(tmp_path):
    target, changed = tmp_path / "package.zip", tmp_path / "changed.zip"
    packed([system(tmp_path, year=2023)], target, 2023)
    with zipfile.ZipFile(target) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(b"3.wav", b"9.wav"))
    (only,) = checked(changed, 2023).systems
    assert [outcome.rule for outcome in only.outcomes if outcome.problems] == ["clips"]


def test_what_else_lies_in_a_package_is_told(tmp_path):
    target = tmp_path / "package.zip"
    packed([system(tmp_path, year=2022)], target, 2022)
    with zipfile.ZipFile(target, "a") as package:
        package.writestr("task1/Muller_TAU_task1_1.technical_report.pdf", "%PDF")
        package.writestr("task1/notes.txt", "mine")
    (problem,) = checked(target, 2022).problems
    assert problem == "task1/notes.txt: lies in no system's folder; remove it."


def test_four_systems_are_the_most(tmp_path):
    names = [f"Muller_TAU_task1_{number}" for number in (1, 2, 3, 4)]
    systems = [system(tmp_path, year=2022, label=name) for name in names]
    target = tmp_path / "package.zip"
    found = packed(systems, target, 2022)
    assert [one.label for one in found.systems] == names
    assert found.problems == ()
    more = packed([*systems, system(tmp_path, year=2022, label="Lee_TAU_task1_1")], target, 2022)
    assert more.problems == ("5 systems in task1/; 1 to 4 may be.",)


def test_an_unpacked_package_and_a_system_are_checked_too(tmp_path):
    folder, target = system(tmp_path, year=2021), tmp_path / "package.zip"
    packed([folder], target, 2021)
    with zipfile.ZipFile(target) as package:
        package.extractall(tmp_path / "unpacked")
    texts = [checked(path, 2021).text() for path in (folder, target, tmp_path / "unpacked")]
    assert texts[0] == texts[1] == texts[2]
    (tmp_path / "empty").mkdir()
    (problem,) = checked(tmp_path / "empty", 2021).problems
    assert "0 systems in task1/task1a/" in problem


def test_a_package_of_another_layout_has_no_system(tmp_path):
    target = tmp_path / "package.zip"
    packed([system(tmp_path, year=2022)], target, 2022)
    problems = checked(target, 2021).problems
    assert problems[0] == "0 systems in task1/task1a/; 1 to 4 may be."


def test_splits_must_be_of_one_system(tmp_path):
    five, ten = splits(tmp_path)[:2]
    edit_meta(meta_path(ten), "system.complexity.macs", 5)
    with pytest.raises(UserError, match=re.escape("'system' is not that of the other folders")):
        packed([five, ten], tmp_path / "package.zip", 2024)
    with pytest.raises(UserError, match=r"has this file too|has split_5 too"):
        packed([five, five], tmp_path / "package.zip", 2024)


def test_what_an_earlier_command_wrote_goes_and_other_files_stay(tmp_path):
    folder = system(tmp_path, year=2024, split=5)
    system(tmp_path, year=2024, split=10)
    shutil.copy(meta_path(folder), folder / f"{folder.name}.output.csv")
    (folder / "notes.txt").write_text("mine")
    write_counted(folder, COUNTED)
    for ending in (".zip", ".report.txt"):
        (tmp_path / f"{folder.name}{ending}").touch()
    (tmp_path / "Muller_TAU_task1_2.zip").touch()
    remove_earlier(folder)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert left == ["Muller_TAU_task1_1/notes.txt", "Muller_TAU_task1_2.zip"]
    remove_earlier(tmp_path / "none")


def test_what_was_counted_is_read_beside_the_folders(tmp_path):
    folder, target = system(tmp_path, year=2022), tmp_path / f"{label(2022)}.zip"
    unknown = packed([folder], target, 2022)
    assert unknown.text().endswith("No fault was found. 2 rules were not checked.\n")
    left = write_counted(folder, COUNTED)
    found = packed([folder], target, 2022)
    assert found.text().endswith("No fault was found.\n")
    with zipfile.ZipFile(target) as package:
        assert left.name not in " ".join(package.namelist())
    write_counted(folder, Counted(FIGURES, ("float32", "int32"), "model_float32.tflite"))
    for again in (packed([folder], target, 2022), checked(folder, 2022)):
        (problem,) = again.problems
        assert "has parameters in float32, but the form fixes int8" in problem
    left.write_text('{"figures": 3}')
    with pytest.raises(UserError, match="has not what -m eval counted"):
        checked(folder, 2022)


def test_what_was_counted_of_splits_must_agree(tmp_path):
    folders, target = splits(tmp_path), tmp_path / "package.zip"
    for folder in folders[1:]:
        write_counted(folder, COUNTED)
    assert "complexity              not checked" in packed(folders, target, 2024).text()
    write_counted(folders[0], COUNTED)
    assert "complexity              passed" in packed(folders, target, 2024).text()
    write_counted(folders[0], Counted(FIGURES | {"macs": 5}, (), "model_int8.tflite"))
    with pytest.raises(UserError, match="not those of the other folders of this label"):
        packed(folders, target, 2024)


def test_a_model_belongs_to_a_system_of_the_package(tmp_path):
    names = [f"Muller_TAU_task1_{number}" for number in (1, 2)]
    target = tmp_path / "package.zip"
    packed([system(tmp_path, year=2022, label=name) for name in names], target, 2022)
    with pytest.raises(UserError, match=r"tell by --label which of them model_int8.tflite is of"):
        checked(target, 2022, counted=COUNTED)
    with pytest.raises(UserError, match=r"holds the systems .*_1, .*_2; package, which"):
        checked(target, 2022, counted={"package": COUNTED})
    first, second = checked(target, 2022, counted={names[1]: COUNTED}).systems
    assert "not checked" in first.text()
    assert "not checked" not in second.text()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("results", None),
        ("results", {}),
        ("results.development_dataset", 3),
        ("results.development_dataset", {5: {}}),
    ],
)
def test_a_damaged_meta_file_of_a_split_is_a_sentence(tmp_path, field, value):
    five, ten = splits(tmp_path)[:2]
    edit_meta(meta_path(ten), field, value)
    with pytest.raises(UserError, match=r"meta.yaml: results.development_dataset has no results"):
        packed([five, ten], tmp_path / "package.zip", 2024)


def test_a_day_that_is_none_is_a_damaged_meta_file(tmp_path):
    five, ten = splits(tmp_path)[:2]
    meta_path(ten).write_text("submission: 2024-13-45\n")
    with pytest.raises(UserError, match="cannot be read as YAML"):
        packed([five, ten], tmp_path / "package.zip", 2024)
    assert "cannot be read as YAML" in " ".join(checked(ten, 2024).problems)


def test_hidden_files_of_the_system_stay_outside(tmp_path):
    folder, target = system(tmp_path, year=2022), tmp_path / "package.zip"
    (folder / ".DS_Store").write_bytes(b"x")
    assert packed([folder], target, 2022).problems == ()
    with zipfile.ZipFile(target) as package:
        assert not [name for name in package.namelist() if "DS_Store" in name]


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "task1/../../out.txt"])
def test_a_zip_cannot_write_outside(tmp_path, name):
    target = tmp_path / "inside" / "package.zip"
    target.parent.mkdir()
    with zipfile.ZipFile(target, "w") as package:
        package.writestr(name, "x")
    with pytest.raises(UserError, match="is outside of it"):
        checked(target, 2022)
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]


def test_a_damaged_zip_and_a_missing_one_are_told(tmp_path):
    target = tmp_path / "package.zip"
    packed([system(tmp_path, year=2022)], target, 2022)
    whole = target.read_bytes()
    damaged = []
    for position in range(60, 300, 40):  # within the first file's content
        damaged.append(tmp_path / f"{position}.zip")
        damaged[-1].write_bytes(whole[:position] + b"????????" + whole[position + 8 :])
    for path in (*damaged, tmp_path / "none.zip", meta_path(tmp_path / label(2022))):
        with pytest.raises(UserError, match="cannot be read as a zip"):
            checked(path, 2022)
