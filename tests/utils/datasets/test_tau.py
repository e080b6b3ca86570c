"""TAU sets in their published layout, whole and broken."""

import errno
import os
from functools import partial
from pathlib import Path

import pytest

from utils import datasets
from utils.config.schema import AudioSettings, DatasetSettings, ValidationSettings
from utils.datasets import load_evaluation
from utils.datasets.tau import SCENES
from utils.errors import DataError

load = partial(datasets.load, audio=AudioSettings(), cache=Path("cache"))
FOLDER_2020 = "TAU-urban-acoustic-scenes-2020-mobile-development"
FOLDER_2021 = "TAU-urban-acoustic-scenes-2021-mobile-evaluation"
META = ["filename", "scene_label", "identifier", "source_label"]


def table(path, rows, line_end="\n", mark=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = mark + "".join("\t".join(row) + line_end for row in rows)
    path.write_bytes(text.encode())


def change(path, old, new):
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode())


def development(folder, second_index=False):
    """Three training places in each scene, one test place; s4 in the test part only."""
    meta, train, test = [META], [["filename", "scene_label"]], [["filename", "scene_label"]]
    (folder / "audio").mkdir(parents=True)
    for number, scene in enumerate(SCENES):
        for place in range(4):
            city = "lyon" if place < 3 else "paris"
            for segment, device in ((1, "a"), (2, "b" if place < 3 else "s4")):
                index = "-7" if second_index else ""
                location = 10 * number + place
                file = f"audio/{scene}-{city}-{location}-{segment}{index}-{device}.wav"
                (folder / file).write_bytes(b"RIFF")
                meta.append([file, scene, f"{city}-{location}", device])
                (train if place < 3 else test).append([file, scene])
    table(folder / "meta.csv", meta)
    table(folder / "evaluation_setup/fold1_train.csv", train, mark="\ufeff")
    table(folder / "evaluation_setup/fold1_evaluate.csv", test, line_end="\r\n")
    table(folder / "evaluation_setup/fold1_test.csv", [row[:1] for row in test])
    return folder


@pytest.fixture
def folder(tmp_path):
    return development(tmp_path / FOLDER_2020)


def test_published_layout(folder):
    data = load(DatasetSettings(), root=folder)
    fold = data.folds[0]
    assert data.name == "tau_urban_2020_mobile"
    assert data.classes == tuple(sorted(SCENES))
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (40, 20, 20)
    assert data.unseen_devices == ("s4",)
    assert data.notes == ()
    clip = fold.test[0]
    assert clip.name == "audio/airport-paris-3-1-a.wav"
    assert clip.path == folder / clip.name
    assert (clip.labels, clip.device, clip.city) == (("airport",), "a", "paris")
    assert clip.group == "airport-paris-3"
    assert not {c.group for c in fold.train} & {c.group for c in fold.validation}


def test_the_folder_above_serves_too_and_gives_the_same_identity(folder):
    inside = load(DatasetSettings(), root=folder)
    above = load(DatasetSettings(), root=folder.parent, name="demo")
    assert above.name == "demo"
    assert above.identity == inside.identity
    assert len(above.clips) == 80


def test_edition_2022_has_an_index_in_the_name(tmp_path):
    folder = development(tmp_path / "any", second_index=True)
    data = load(DatasetSettings(name="tau_urban_2022_mobile"), root=folder)
    assert data.folds[0].test[1].group == "airport-paris-3"
    assert data.folds[0].test[1].device == "s4"
    with pytest.raises(DataError, match=r"line 2: .* has 6 fields between dashes"):
        load(DatasetSettings(), root=folder)


def test_identifiers_that_dcase_util_wrote_are_accepted(tmp_path):
    folder = development(tmp_path / "any", second_index=True)
    change(folder / "meta.csv", "\tlyon-0\t", "\tlyon-0-1\t")
    data = load(DatasetSettings(name="tau_urban_2022_mobile"), root=folder)
    assert {clip.group for clip in data.clips if clip.labels == ("airport",)} == {
        "airport-lyon-0",
        "airport-lyon-1",
        "airport-lyon-2",
        "airport-paris-3",
    }


def test_answers_may_be_missing(folder):
    (folder / "evaluation_setup/fold1_evaluate.csv").unlink()
    assert load(DatasetSettings(), root=folder).folds[0].test[0].labels == ("airport",)


def test_class_order(folder):
    order = tuple(reversed(SCENES))
    assert load(DatasetSettings(classes=order), root=folder).classes == order
    with pytest.raises(DataError, match=r"unknown scene 'tramm'\. Did you mean 'tram'"):
        load(DatasetSettings(classes=("tramm",)), root=folder)
    with pytest.raises(DataError, match="each named once, received 1"):
        load(DatasetSettings(classes=("tram",)), root=folder)


@pytest.mark.parametrize("place", ["evaluation_setup", "split_setup"])
def test_a_subset_of_dcase_2024_is_learnt_and_closes_the_test_part(folder, place):
    whole = load(DatasetSettings(), root=folder)
    listed = sorted(clip.name for clip in whole.learnt)[::3]
    table(folder / place / "split25.csv", [["filename"], *([name] for name in listed)])
    data = load(DatasetSettings(subset=25), root=folder)
    assert sorted(clip.name for clip in data.learnt) == listed
    assert data.folds[0].test == whole.folds[0].test
    assert [clip.name for clip in data.to_hand_in] == listed
    assert whole.to_hand_in == whole.clips
    assert data.identity != whole.identity


def test_a_subset_that_is_not_one_is_refused(folder):
    with pytest.raises(DataError, match=r"split5\.csv, .* lies neither in evaluation_setup nor"):
        load(DatasetSettings(subset=5), root=folder)
    test = load(DatasetSettings(), root=folder).test[0].name
    table(folder / "split_setup" / "split5.csv", [["filename"], [test]])
    with pytest.raises(DataError, match=rf"line 2: '{test}' is not in fold1_train\.csv"):
        load(DatasetSettings(subset=5), root=folder)
    with pytest.raises(DataError, match=r"^dataset\.subset: only the tau_urban data sets have"):
        load(DatasetSettings(name="csv", subset=5), root=folder)


def test_published_folds_are_an_option_of_sets_that_have_some(folder):
    with pytest.raises(DataError, match=r"^dataset\.published_folds: a 'tau_urban_2020"):
        load(DatasetSettings(published_folds=False), root=folder)


BROKEN = {
    "unknown scene": (
        "meta.csv",
        "\tairport\t",
        "\tairprot\t",
        "line 2: unknown scene 'airprot'. Did you mean 'airport'?",
    ),
    "scene against name": (
        "meta.csv",
        "\tairport\t",
        "\tbus\t",
        "begins with 'airport' but scene_label is 'bus'",
    ),
    "device against name": (
        "meta.csv",
        "lyon-0\ta",
        "lyon-0\tc",
        "device 'a' but source_label is 'c'",
    ),
    "place against name": ("meta.csv", "\tlyon-0\t", "\tlyon-9\t", "identifier is 'lyon-9'"),
    "fields": ("meta.csv", "airport-lyon-0-1-a", "airport-lyon-0-a", "has 4 fields"),
    "outside": (
        "meta.csv",
        "audio/airport-lyon-0-1-a",
        "../airport-lyon-0-1-a",
        "not inside the folder",
    ),
    "not in meta": (
        "evaluation_setup/fold1_train.csv",
        "lyon-0-1-a",
        "lyon-0-9-a",
        "line 2: 'audio/airport-lyon-0-9-a.wav' is not in meta.csv",
    ),
    "label": (
        "evaluation_setup/fold1_train.csv",
        "\tairport",
        "\ttram",
        "is 'tram' here but 'airport' in meta.csv",
    ),
    "answers": (
        "evaluation_setup/fold1_evaluate.csv",
        "audio/airport-paris-3-1-a",
        "audio/airport-lyon-0-1-a",
        "lacks files of fold1_test.csv: 1",
    ),
    "both parts": (
        "evaluation_setup/fold1_train.csv",
        "airport-lyon-0-1-a",
        "airport-paris-3-1-a",
        "in both the ",
    ),
    "column": (
        "meta.csv",
        "scene_label",
        "scene",
        "no column 'scene_label'. Did you mean 'scene'?",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_contradictions_are_one_sentence(folder, case):
    file, old, new, message = BROKEN[case]
    change(folder / file, old, new)
    with pytest.raises(DataError) as caught:
        load(DatasetSettings(), root=folder)
    assert message in str(caught.value)


def test_missing_audio_is_counted_and_named(folder):
    (folder / "audio/tram-lyon-90-1-a.wav").unlink()
    (folder / "audio/bus-lyon-10-1-a.wav").unlink()
    with pytest.raises(DataError, match=r"2 of 80 listed audio files are missing: audio/bus-lyon"):
        load(DatasetSettings(), root=folder)


def test_missing_parts_are_named(folder, tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        load(DatasetSettings(), root=tmp_path / "nowhere")
    (folder / "evaluation_setup/fold1_train.csv").unlink()
    with pytest.raises(DataError, match=r"fold1_train\.csv: the table is missing"):
        load(DatasetSettings(), root=folder)
    (folder / "meta.csv").unlink()
    with pytest.raises(DataError, match=rf"neither meta\.csv nor {FOLDER_2020}/meta\.csv"):
        load(DatasetSettings(), root=tmp_path)


def test_a_missing_audio_folder_is_named(folder):
    (folder / "audio").rename(folder / "sounds")
    with pytest.raises(DataError, match="80 of 80 listed audio files are missing"):
        load(DatasetSettings(), root=folder)


def test_the_same_place_on_both_sides_is_noted(folder):
    for part in ("test", "evaluate"):
        path = folder / f"evaluation_setup/fold1_{part}.csv"
        change(path, "audio/airport-paris-3-1-a.wav", "audio/airport-lyon-0-1-a.wav")
    change(
        folder / "evaluation_setup/fold1_train.csv",
        "audio/airport-lyon-0-1-a.wav",
        "audio/airport-paris-3-1-a.wav",
    )
    notes = load(DatasetSettings(), root=folder).notes
    assert any("airport-paris-3" in note and "test part" in note for note in notes)
    assert all("scores may be too good" in note for note in notes)


def test_rows_that_repeat_and_clips_in_no_list_are_noted(folder):
    path = folder / "evaluation_setup/fold1_train.csv"
    change(path, "audio/airport-lyon-0-1-a.wav", "audio/airport-lyon-0-2-b.wav")
    data = load(DatasetSettings(), root=folder)
    assert sum(clip.name == "audio/airport-lyon-0-2-b.wav" for clip in data.clips) == 1
    assert "1 rows repeat a file, first line 3 ('audio/airport-lyon-0-2-b.wav')" in data.notes[0]
    assert "1 clips of meta.csv are in neither" in data.notes[1]


def test_folds_and_names_that_do_not_exist(folder):
    with pytest.raises(DataError, match="has no fold 2, only 1"):
        load(DatasetSettings(folds=(2,)), root=folder)
    with pytest.raises(DataError, match="the list is empty"):
        load(DatasetSettings(folds=()), root=folder)
    with pytest.raises(
        DataError, match=r"unknown data set 'tau_urban_2020'\. Did you mean 'tau_urban_2020_mobile'"
    ):
        load(DatasetSettings(name="tau_urban_2020"), root=folder)


def test_evaluation_set_without_labels(tmp_path):
    folder = tmp_path / FOLDER_2021
    files = [f"audio/{number}.wav" for number in (0, 1, 10, 2)]
    evaluation_set(folder, files)
    for root in (folder, tmp_path):
        clips = load_evaluation(DatasetSettings(), root=root)
        assert [clip.name for clip in clips] == files
        assert {(clip.labels, clip.device) for clip in clips} == {((), None)}
    (folder / "audio/10.wav").unlink()
    with pytest.raises(DataError, match=r"1 of 4 listed audio files are missing: audio/10\.wav"):
        load_evaluation(DatasetSettings(), root=tmp_path)
    change(folder / "evaluation_setup/fold1_test.csv", "audio/1.wav", "audio/0.wav")
    with pytest.raises(DataError, match=r"line 3: 'audio/0\.wav' is listed twice"):
        load_evaluation(DatasetSettings(), root=tmp_path)


def evaluation_set(folder, files=("audio/0.wav",)):
    rows = [["filename"], *([file] for file in files)]
    table(folder / "evaluation_setup/fold1_test.csv", rows)
    (folder / "audio").mkdir()
    for file in files:
        (folder / file).write_bytes(b"RIFF")
    return folder


def test_a_development_set_is_no_evaluation_set(folder):
    with pytest.raises(DataError, match=rf"development set, and {FOLDER_2021} lies neither"):
        load_evaluation(DatasetSettings(), root=folder)
    (folder / "meta.csv").unlink()
    with pytest.raises(DataError, match=rf"development set, and {FOLDER_2021} lies neither"):
        load_evaluation(DatasetSettings(), root=folder)


@pytest.mark.parametrize("place", [".", ".."])
def test_the_evaluation_set_in_or_beside_the_development_set_is_found(folder, monkeypatch, place):
    found = evaluation_set(folder / place / FOLDER_2021)
    monkeypatch.chdir(folder)
    for root in (folder, Path()):
        (clip,) = load_evaluation(DatasetSettings(), root=root)
        assert clip.path.resolve() == (found / "audio/0.wav").resolve()


def test_an_evaluation_folder_may_have_any_name_or_a_meta_table(tmp_path):
    renamed = evaluation_set(tmp_path / "eval")
    assert len(load_evaluation(DatasetSettings(), root=renamed)) == 1
    published = evaluation_set(tmp_path / FOLDER_2021)
    table(published / "meta.csv", [["filename"], ["audio/0.wav"]])
    assert len(load_evaluation(DatasetSettings(), root=published)) == 1


def test_labelled_clips_are_refused_for_evaluation(folder):
    found = evaluation_set(folder / FOLDER_2021, ["audio/0.wav", "audio/1.wav"])
    known = load(DatasetSettings(), root=folder).clips
    assert len(load_evaluation(DatasetSettings(), root=folder, known=known)) == 2
    (found / "audio/1.wav").unlink()
    (found / "audio/1.wav").symlink_to(known[3].path)
    with pytest.raises(DataError, match=r"1 of 2 evaluation clips are .*such as audio/1\.wav"):
        load_evaluation(DatasetSettings(), root=folder, known=known)


def test_cross_validation_holds_the_published_test_list_out(folder):
    data = load(
        DatasetSettings(validation=ValidationSettings(method="group")), root=folder, folds=3
    )
    published = load(DatasetSettings(), root=folder)
    assert data.held_out == published.folds[0].test
    tested = [clip for fold in data.folds for clip in fold.test]
    assert sorted(clip.name for clip in tested) == sorted(
        clip.name for clip in published.folds[0].train + published.folds[0].validation
    )
    for fold in data.folds:
        assert sorted(clip.labels[0] for clip in fold.test) == sorted(2 * SCENES)
        parts = [{clip.group for clip in part} for part in (fold.train, fold.validation, fold.test)]
        assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
    assert data.unseen_devices == ("s4",)
    assert data.classes == published.classes
    assert data.identity != published.identity


def test_a_folder_that_may_not_be_read_is_one_sentence(folder, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as context:
        context.setattr(os, "scandir", refuse)
        with pytest.raises(DataError, match=r"audio: cannot be read \(Permission denied\)"):
            load(DatasetSettings(), root=folder)
    monkeypatch.setattr(Path, "stat", refuse)
    for reader in (load, load_evaluation):
        with pytest.raises(DataError, match=rf"{FOLDER_2020}: cannot be read"):
            reader(DatasetSettings(), root=folder)


@pytest.mark.real_audio
def test_real_excerpt_of_2022(real_audio: Path):
    settings = DatasetSettings(
        name="tau_urban_2022_mobile", validation=ValidationSettings(amount=0.2)
    )
    data = load(settings, root=real_audio / "tau2022_mini")
    assert len(data.clips) == 200
    assert len(data.folds[0].test) == 80
    assert data.unseen_devices == ("s4", "s5", "s6")
    assert {clip.labels[0] for clip in data.clips} == set(SCENES)
