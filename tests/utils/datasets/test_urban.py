"""UrbanSound8K, its labelled subset, ESC-50 and ESC-10: published layouts, and broken ones."""

from functools import partial
from pathlib import Path

import pytest

from utils import datasets
from utils.config.schema import AudioSettings, ColumnSettings, DatasetSettings, ValidationSettings
from utils.datasets import load_evaluation
from utils.datasets.urban import CLASSES
from utils.errors import DataError

load = partial(datasets.load, audio=AudioSettings(), cache=Path("cache"))
GROUP, RANDOM = ValidationSettings(method="group"), ValidationSettings(method="random")
URBAN_HEADER = "slice_file_name,fsID,start,end,salience,fold,classID,class"
ESC = {"dog": 0, "rain": 10, "chainsaw": 41, "siren": 42}


def settings(name, validation=GROUP, **given):
    return DatasetSettings(name=name, validation=validation, **given)


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF")


def table(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]), "utf-8")


def urban_rows(folds=10, classes=(3, 0)):
    """Two slices of one source for each class and fold: lines 2 and 3, 4 and 5 ..."""
    return [
        [f"{fsid}-{number}-0-{part}.wav", fsid, 0, 4, 1, fold, number, CLASSES[number]]
        for fold in range(1, folds + 1)
        for number in classes
        for fsid in [1000 * fold + number]
        for part in (0, 1)
    ]


def urban(folder, rows=None, made=None):
    """UrbanSound8K with these rows, and the files of ``made`` (the same by default)."""
    rows = urban_rows() if rows is None else rows
    table(folder / "metadata" / "UrbanSound8K.csv", URBAN_HEADER, rows)
    for row in rows if made is None else made:
        touch(folder / "audio" / f"fold{row[5]}" / row[0])
    return folder


def esc_rows(suffix="-{target}.wav"):
    """A clip for each class and fold; siren is not in ESC-10."""
    return [
        [
            f"{fold}-{100 * fold + target}-A{suffix.format(target=target)}",
            fold,
            target,
            label,
            str(label != "siren"),
            100 * fold + target,
            "A",
        ]
        for fold in range(1, 6)
        for label, target in reversed(ESC.items())
    ]


def esc(folder, rows=None, file="esc50.csv"):
    rows = esc_rows() if rows is None else rows
    table(folder / "meta" / file, "filename,fold,target,category,esc10,src_file,take", rows)
    for row in rows:
        touch(folder / "audio" / row[0])
    return folder


def labelled(folder, ids=range(10), label="dog_bark"):
    rows = [(name, (label, "siren")[place % 2]) for place, name in enumerate(ids)]
    table(folder / "train.csv", "ID,Class", rows)
    for name, _ in rows:
        touch(folder / "Train" / f"{name}.wav")
    table(folder / "test.csv", "ID", [(90,), (91,)])
    for name in (90, 91):
        touch(folder / "Test" / f"{name}.wav")
    return folder


@pytest.mark.parametrize("inside", ["", "UrbanSound8K"])
def test_urbansound8k_has_its_ten_folds(tmp_path, inside):
    urban(tmp_path / inside)
    data = load(settings("urbansound8k"), root=tmp_path)
    assert data.classes == ("air_conditioner", "dog_bark")
    assert [fold.name for fold in data.folds] == [f"fold{n}" for n in range(1, 11)]
    assert [clip.name for clip in data.folds[9].test] == [
        f"fold10/{fsid}-0-{part}.wav"
        for fsid, part in (("10003-3", 0), ("10003-3", 1), ("10000-0", 0), ("10000-0", 1))
    ]
    clip = data.folds[9].test[0]
    assert (clip.labels, clip.group) == (("dog_bark",), "10003")
    assert clip.path == tmp_path / inside / "audio/fold10/10003-3-0-0.wav"
    assert data.notes == ()


def test_some_folds_of_a_table_and_folds_that_lack(tmp_path):
    urban(tmp_path, urban_rows(folds=3))
    data = load(settings("urbansound8k", folds=(3, 1)), root=tmp_path)
    assert [fold.name for fold in data.folds] == ["fold3", "fold1"]
    assert data.notes == (
        "UrbanSound8K.csv has 3 of the 10 folds of UrbanSound8K: do not compare the scores with"
        " published ones.",
        "dataset.folds: 2 of the 10 folds of UrbanSound8K are run: do not compare the scores with"
        " published ones.",
    )
    with pytest.raises(DataError, match="has no fold 4, only 1, 2, 3"):
        load(settings("urbansound8k", folds=(4,)), root=tmp_path)


def test_folds_are_never_drawn_anew_unless_asked(tmp_path):
    urban(tmp_path)
    with pytest.raises(DataError, match=r"has its own 10 folds; leave training\.folds out"):
        load(settings("urbansound8k"), root=tmp_path, folds=5)
    chosen = settings("urbansound8k", RANDOM, published_folds=False)
    data = load(chosen, root=tmp_path)
    assert len(data.folds) == 10  # as many as are published
    assert data.notes[0] == (
        "UrbanSound8K.csv gives 10 folds (column 'fold'), which are ignored"
        " (dataset.published_folds: false): do not compare the scores with those of its folds."
    )
    shared = [len({c.group for c in f.train} & {c.group for c in f.test}) for f in data.folds]
    (leak,) = (note for note in data.notes if "training part" in note and "test part" in note)
    assert f"{min(shared)} to {max(shared)} groups (places, speakers or source recordings)" in leak
    assert len(load(chosen, root=tmp_path, folds=5).folds) == 5
    by_source = load(settings("urbansound8k", GROUP, published_folds=False), root=tmp_path, folds=5)
    assert not any("are in both" in note for note in by_source.notes)


def test_the_user_may_order_the_classes(tmp_path):
    urban(tmp_path)
    wanted = ("dog_bark", "air_conditioner")
    assert load(settings("urbansound8k", classes=wanted), root=tmp_path).classes == wanted


def changed(place, **cells):
    rows = urban_rows()
    columns = URBAN_HEADER.split(",")
    for column, value in cells.items():
        rows[place][columns.index(column)] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (changed(3, fold=11), "line 5: fold 11 is not one of 1 to 10, the folds of UrbanSound8K"),
        (changed(3, fold=0), "line 5: fold 0 is not one of 1 to 10"),
        (changed(3, fold="1.5"), "line 5: fold '1.5' is not a whole number"),
        (changed(3, fold=""), "line 5: column 'fold' has no value"),
        (changed(3, fsID=7), "line 5: '1000-0-0-1.wav' has fsID 1000 in its name but '7'"),
        (changed(3, classID=4), "line 5: '1000-0-0-1.wav' has classID 0 in its name but '4'"),
        (
            changed(3, **{"class": "dog_bark"}),
            "line 5: class 'dog_bark' has classID 0 but 3 in line 2",
        ),
        (
            changed(3, **{"class": "air_conditoner"}),
            "line 5: classID 0 is class 'air_conditoner' but 'air_conditioner' in line 4",
        ),
        (
            changed(3, classID="x", slice_file_name="own.wav"),
            "line 5: classID 'x' is not a whole number",
        ),
        (changed(3, slice_file_name="1000-0-0-0.wav"), "line 5: 'fold1/1000-0-0-0.wav' is listed"),
        (changed(3, slice_file_name="../../x.wav"), "not inside the folder"),
    ],
)
def test_a_row_that_contradicts_is_one_sentence(tmp_path, rows, message):
    urban(tmp_path, rows, made=urban_rows())
    with pytest.raises(DataError) as caught:
        load(settings("urbansound8k"), root=tmp_path)
    assert message in str(caught.value)
    assert str(caught.value).count(". ") == 0


def test_a_row_without_its_file_is_an_error(tmp_path):
    urban(tmp_path, made=urban_rows()[1:])
    with pytest.raises(DataError) as caught:
        load(settings("urbansound8k"), root=tmp_path)
    assert "1 of 40 listed audio files are missing: fold1/1003-3-0-0.wav" in str(caught.value)


def test_a_row_in_the_wrong_fold_is_a_missing_file(tmp_path):
    urban(tmp_path, changed(3, fold=2), made=urban_rows())
    with pytest.raises(DataError, match=r"1 of 40 .* missing: fold2/1000-0-0-1\.wav"):
        load(settings("urbansound8k"), root=tmp_path)


def test_files_without_a_row_are_noted(tmp_path):
    urban(tmp_path, urban_rows()[1:], made=urban_rows())
    for stray in ("fold2/.DS_Store", "fold2/._1.wav", "fold2/notes.txt", "fold11/x.WAV"):
        touch(tmp_path / "audio" / stray)
    data = load(settings("urbansound8k"), root=tmp_path)
    assert len(data.clips) == 39
    assert data.notes == (
        "UrbanSound8K.csv: it has no row for 2 of the files in audio, such as fold1/1003-3-0-0.wav;"
        " without a class they are left out.",
    )


def test_names_of_another_form_are_taken_as_they_come(tmp_path):
    urban(tmp_path, [["own clip.wav", *row[1:]] if n == 3 else row
                     for n, row in enumerate(urban_rows())])  # fmt: skip
    assert len(load(settings("urbansound8k"), root=tmp_path).clips) == 40


@pytest.mark.parametrize("inside", ["", "ESC-50-master"])
def test_esc_50_in_the_order_of_its_targets(tmp_path, inside):
    esc(tmp_path / inside)
    data = load(settings("esc50"), root=tmp_path)
    assert data.classes == ("dog", "rain", "chainsaw", "siren")
    assert [len(fold.test) for fold in data.folds] == [4] * 5
    assert data.notes == ()
    assert {clip.group for clip in data.folds[0].test} == {"100", "110", "141", "142"}


def test_esc_10_is_part_of_esc_50(tmp_path):
    esc(tmp_path / "ESC-50-master")
    data = load(settings("esc10"), root=tmp_path)
    assert data.classes == ("dog", "rain", "chainsaw")
    assert len(data.clips) == 15
    assert data.notes == ()


def test_esc_10_by_its_own_table(tmp_path):
    rows = [row for row in esc_rows(".ogg") if row[3] != "siren"]
    esc(tmp_path, rows, file="esc10.csv")
    touch(tmp_path / "audio" / "1-1-A.ogg")
    data = load(settings("esc10"), root=tmp_path)
    assert (data.classes, len(data.clips)) == (("dog", "rain", "chainsaw"), 15)
    assert data.notes == (
        "esc10.csv: it has no row for 1 of the files in audio, such as 1-1-A.ogg; without a class"
        " they are left out.",
    )
    with pytest.raises(DataError, match="looks like esc10, which --override dataset"):
        load(settings("esc50"), root=tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (1, 6, "line 4: fold 6 is not one of 1 to 5, the folds of ESC-50"),
        (1, 2, "line 4: '1-110-A-10.wav' has fold 1 in its name but '2'"),
        (2, 11, "line 4: '1-110-A-10.wav' has target 10 in its name but '11'"),
        (5, 1, "line 4: '1-110-A-10.wav' has src_file 110 in its name but '1'"),
    ],
)
def test_an_esc_row_that_contradicts_is_one_sentence(tmp_path, column, value, message):
    rows = esc_rows()
    rows[2][column] = value
    with pytest.raises(DataError) as caught:
        load(settings("esc50"), root=esc(tmp_path, rows))
    assert message in str(caught.value)


def test_the_esc10_column_says_true_or_false(tmp_path):
    rows = esc_rows()
    rows[2][4] = "perhaps"
    with pytest.raises(DataError, match="line 4: column 'esc10' has 'perhaps'; it says True"):
        load(settings("esc10"), root=esc(tmp_path, rows))
    for row in rows:
        row[4] = "False"
    with pytest.raises(DataError, match="no row has True in column 'esc10'"):
        load(settings("esc10"), root=esc(tmp_path, rows))


def test_the_labelled_subset_is_divided_at_random_and_says_so(tmp_path):
    data = load(settings("urbansound_labelled", RANDOM, test_amount=0.2), root=labelled(tmp_path))
    assert data.classes == ("dog_bark", "siren")
    assert len(data.folds[0].test) == 2
    assert {clip.group for clip in data.clips} == {None}
    assert data.notes[0] == (
        "train.csv has no folds and does not tell of which recording 10 of 10 clips are slices:"
        " slices of one recording lie on both sides of any split, so scores are too good, by how"
        " much cannot be told."
    )


def test_names_that_tell_the_source_are_counted(tmp_path):
    ids = [f"77-{(3, 8)[n % 2]}-0-{n}" for n in range(12)]
    data = load(settings("urbansound_labelled", RANDOM), root=labelled(tmp_path, ids))
    assert {clip.group for clip in data.clips} == {"77"}
    assert not any("does not tell" in note for note in data.notes)
    assert any("training part" in note and "test part" in note for note in data.notes)


def test_a_class_that_the_labelled_subset_does_not_have(tmp_path):
    with pytest.raises(DataError, match=r"line 2: unknown class 'dog'\. "):
        load(settings("urbansound_labelled"), root=labelled(tmp_path, label="dog"))


def test_unlabelled_clips_of_the_labelled_subset(tmp_path):
    labelled(tmp_path)
    chosen = settings("urbansound_labelled")
    known = load(chosen, root=tmp_path).clips
    clips = load_evaluation(chosen, root=tmp_path, known=known)
    assert [(clip.name, clip.path) for clip in clips] == [
        (f"{n}.wav", tmp_path / "Test" / f"{n}.wav") for n in (90, 91)
    ]
    (tmp_path / "test.csv").unlink()
    with pytest.raises(DataError, match=r"test\.csv: the table is missing"):
        load_evaluation(chosen, root=tmp_path)


def test_sets_without_unlabelled_clips_say_so(tmp_path):
    with pytest.raises(DataError, match="'esc10' set has no unlabelled clips for -m eval"):
        load_evaluation(settings("esc10"), root=tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("urbansound8k", "neither metadata/UrbanSound8K.csv nor UrbanSound8K/metadata/"),
        ("urbansound_labelled", "train.csv is not there; this is not the labelled subset"),
        ("esc50", "neither meta/esc50.csv nor ESC-50-master/meta/esc50.csv is there"),
        ("esc10", "neither meta/esc10.csv nor meta/esc50.csv is there, nor in ESC-50-master"),
    ],
)
def test_another_folder_is_one_sentence(tmp_path, name, message):
    with pytest.raises(DataError) as caught:
        load(settings(name), root=tmp_path)
    assert message in str(caught.value)
    with pytest.raises(DataError, match="there is no such folder"):
        load(settings(name), root=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("metadata", "clips.csv"),
        ("audio_folder", "sound"),
        ("columns", ColumnSettings(label="category")),
        ("evaluation", "more.csv"),
    ],
)
def test_settings_of_another_layout_are_not_passed_over(tmp_path, key, value):
    for name, make in (("urbansound8k", urban), ("urbansound_labelled", labelled)):
        chosen = settings(name, **{key: value})
        make(tmp_path)
        with pytest.raises(DataError, match=rf"dataset\.{key}: .* leave dataset\.{key} out, or"):
            load(chosen, root=tmp_path)
    with pytest.raises(DataError, match=rf"dataset\.{key}: "):
        load_evaluation(chosen, root=tmp_path)


def test_a_misspelt_name_finds_its_neighbour(tmp_path):
    with pytest.raises(DataError, match="Did you mean 'urbansound8k'"):
        load(settings("urbansound8"), root=tmp_path)


@pytest.mark.real_audio
def test_real_esc10(real_audio: Path):
    data = load(settings("esc10"), root=real_audio / "esc10")
    assert data.classes == (
        "dog", "rooster", "rain", "sea_waves", "crackling_fire", "crying_baby", "sneezing",
        "clock_tick", "helicopter", "chainsaw",
    )  # fmt: skip
    assert [len(fold.test) for fold in data.folds] == [80] * 5
    assert data.notes == ()
    drawn = settings("esc10", RANDOM, published_folds=False)
    notes = load(drawn, root=real_audio / "esc10", folds=5).notes
    assert "esc10.csv gives 5 folds" in notes[0]
    assert any("training part" in note and "test part" in note for note in notes)
