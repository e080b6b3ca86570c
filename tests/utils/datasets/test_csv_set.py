"""A user's own table and audio folder."""

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils import datasets
from utils.config.schema import AudioSettings, ColumnSettings, DatasetSettings, ValidationSettings
from utils.datasets import load_evaluation
from utils.datasets.csv_set import NamePattern
from utils.datasets.tables import Row, Table
from utils.errors import DataError

load = partial(datasets.load, audio=AudioSettings(), cache=Path("cache"))
RANDOM = ValidationSettings(method="random")


def settings(validation=RANDOM, **changes):
    columns = ColumnSettings(fold="part", group="source", device="microphone")
    given = {"columns": columns, "metadata": "clips.csv", "audio_folder": "sound"} | changes
    return DatasetSettings(name="csv", validation=validation, **given)


def write(folder, header="filename;label;part;source;microphone", **changes):
    """Two classes, three folds of six clips, two clips from each source."""
    (folder / "sound").mkdir(parents=True, exist_ok=True)
    lines = [header]
    for number in range(18):
        row = {
            "filename": f"{number}.ogg",
            "label": ("dog", "cat")[number % 2],
            "part": str(number // 6 + 1),
            "source": f"source{number // 2}",
            "microphone": "phone" if number < 12 else "",
        }
        (folder / "sound" / row["filename"]).write_bytes(b"OggS")
        row.update(changes.get(f"row{number}", {}))
        lines.append(";".join(row[name] for name in row if name in header))
    (folder / "clips.csv").write_text("\r\n".join(lines) + "\r\n", "utf-8")
    return folder


def test_each_fold_tests_its_own_clips(tmp_path):
    data = load(settings(), root=write(tmp_path))
    assert data.classes == ("cat", "dog")
    assert [fold.name for fold in data.folds] == ["fold1", "fold2", "fold3"]
    assert [clip.name for clip in data.folds[1].test] == [f"{n}.ogg" for n in range(6, 12)]
    for fold in data.folds:
        assert (len(fold.train), len(fold.validation), len(fold.test)) == (8, 4, 6)
        assert len({clip.name for clip in fold.clips}) == 18
    clip = data.clips[0]
    assert (clip.name, clip.labels, clip.group, clip.device) == (
        "0.ogg",
        ("dog",),
        "source0",
        "phone",
    )
    assert clip.path == tmp_path / "sound" / "0.ogg"


def test_chosen_folds_and_class_order(tmp_path):
    write(tmp_path)
    data = load(settings(folds=(3, 1), classes=("dog", "cat")), root=tmp_path)
    assert [fold.name for fold in data.folds] == ["fold3", "fold1"]
    assert data.classes == ("dog", "cat")
    assert data.unseen_devices == ()


def test_groups_split_by_the_validation_are_noted(tmp_path):
    notes = load(settings(), root=write(tmp_path)).notes
    assert any("training part" in note and "validation part" in note for note in notes)
    clean = settings(ValidationSettings(method="group"))
    assert load(clean, root=tmp_path).notes == ()


def test_without_folds_a_test_part_is_drawn_and_noted(tmp_path):
    write(tmp_path)
    chosen = settings(ValidationSettings(method="group"), columns=ColumnSettings(group="source"))
    data = load(chosen, root=tmp_path)
    fold = data.folds[0]
    assert [len(fold.test), len(fold.clips)] == [6, 18] or 4 <= len(fold.test) <= 6
    assert (
        f"The test part was drawn: {len(fold.test)} of 18 clips of clips.csv (seed 0,"
        in data.notes[0]
    )
    assert not {c.group for c in fold.test} & {c.group for c in fold.train + fold.validation}
    assert load(chosen, root=tmp_path).identity == data.identity
    with pytest.raises(DataError, match="has no fold 2, only 1"):
        load(chosen.model_copy(update={"folds": (2,)}), root=tmp_path)


def test_the_drawn_test_part_is_as_large_as_asked(tmp_path):
    chosen = settings(columns=ColumnSettings(), test_amount=0.5)
    fold = load(chosen, root=write(tmp_path)).folds[0]
    assert len(fold.test) == 8  # of nine clips of each class, half rounded to even


def test_cross_validation_where_the_table_has_no_folds(tmp_path):
    chosen = settings(ValidationSettings(method="group"), columns=ColumnSettings(group="source"))
    data = load(chosen, root=write(tmp_path), folds=3)
    assert [fold.name for fold in data.folds] == ["fold1", "fold2", "fold3"]
    assert sorted(clip.name for fold in data.folds for clip in fold.test) == sorted(
        clip.name for clip in data.clips
    )
    assert data.notes == ("18 clips were divided at random into 3 folds (seed 0, method 'group').",)
    only = load(chosen.model_copy(update={"folds": (2,)}), root=tmp_path, folds=3)
    assert only.folds == data.folds[1:2]


@pytest.mark.parametrize("wanted", [None, (2,)])
def test_folds_of_the_table_are_not_divided_anew(tmp_path, wanted):
    with pytest.raises(DataError, match=r"'csv' has its own 3 folds; leave training\.folds out"):
        load(settings(folds=wanted), root=write(tmp_path), folds=5)


@pytest.mark.parametrize(
    ("row", "chosen", "message"),
    [
        ({"part": "one"}, {}, "line 5: fold 'one' is not a whole number"),
        ({"part": ""}, {}, "line 5: column 'part' has no value"),
        ({"label": "cow"}, {"classes": ("dog", "cat")}, "line 5: unknown class 'cow'"),
        ({}, {"classes": ("dog", "cat", "cow")}, "no clip has the class 'cow'"),
        ({"filename": "gone.ogg"}, {}, "1 of 18 listed audio files are missing: gone.ogg"),
        ({"filename": "2.ogg"}, {}, "line 5: '2.ogg' is listed twice"),
        ({"filename": "/etc/passwd"}, {}, "not inside the folder"),
        ({}, {"folds": (7,)}, "has no fold 7, only 1, 2, 3"),
        ({}, {"metadata": "clip.csv"}, "clip.csv: the table is missing"),
        ({}, {"audio_folder": "sounds"}, "18 of 18 listed audio files are missing"),
        ({}, {"columns": ColumnSettings(label="labels")}, "no column 'labels'. Did you mean"),
    ],
)
def test_a_bad_row_or_setting_is_one_sentence(tmp_path, row, chosen, message):
    write(tmp_path, row3=row)
    with pytest.raises(DataError) as caught:
        load(settings(**chosen), root=tmp_path)
    assert message in str(caught.value)


def test_a_single_fold_is_refused(tmp_path):
    write(tmp_path)
    text = (tmp_path / "clips.csv").read_text("utf-8")
    (tmp_path / "clips.csv").write_text(text.replace(";2;", ";1;").replace(";3;", ";1;"), "utf-8")
    with pytest.raises(DataError, match="has only fold 1"):
        load(settings(), root=tmp_path)


def test_the_default_validation_needs_cities(tmp_path):
    with pytest.raises(DataError, match="choose method 'group' or 'random'"):
        load(settings(ValidationSettings()), root=write(tmp_path))


def test_unlabelled_files_for_evaluation(tmp_path):
    write(tmp_path)
    (tmp_path / "new.csv").write_text("filename\na.ogg\nb.ogg\n", "utf-8")
    for name in ("a.ogg", "b.ogg"):
        (tmp_path / "sound" / name).write_bytes(b"OggS")
    chosen, known = settings(evaluation="new.csv"), load(settings(), root=tmp_path).clips
    clips = load_evaluation(chosen, root=tmp_path, known=known)
    assert [clip.path for clip in clips] == [tmp_path / "sound" / n for n in ("a.ogg", "b.ogg")]
    assert {(clip.labels, clip.group) for clip in clips} == {((), None)}
    with pytest.raises(DataError, match="no such folder"):
        load_evaluation(chosen, root=tmp_path / "nowhere")
    (tmp_path / "new.csv").unlink()
    with pytest.raises(DataError, match=r"new\.csv: the table is missing"):
        load_evaluation(chosen, root=tmp_path)


def test_the_labelled_table_is_never_the_evaluation_set(tmp_path):
    write(tmp_path)
    with pytest.raises(DataError, match=r"names no evaluation table; set dataset\.evaluation"):
        load_evaluation(settings(), root=tmp_path)
    known = load(settings(), root=tmp_path).clips
    with pytest.raises(DataError, match=r"18 of 18 evaluation clips are labelled clips .*0\.ogg"):
        load_evaluation(settings(evaluation="clips.csv"), root=tmp_path, known=known)


def arranged(folder, pattern):
    """Clips of :func:`write` as the pattern has them, and the settings that read them."""
    write(folder)
    for number in range(18):
        place = folder / "sound" / f"fold{number // 6 + 1}" / f"take {number}.ogg"
        place.parent.mkdir(exist_ok=True)
        (folder / "sound" / f"{number}.ogg").rename(place)
    columns = ColumnSettings(filename=pattern, fold="part", group="source")
    return settings(columns=columns)


@pytest.mark.parametrize("pattern", ["fold{part}/take {filename}", "fold{ part }/take {filename}"])
def test_a_file_name_of_several_columns(tmp_path, pattern):
    data = load(arranged(tmp_path, pattern), root=tmp_path)
    assert [clip.name for clip in data.folds[1].test] == [
        f"fold2/take {n}.ogg" for n in range(6, 12)
    ]
    assert data.folds[1].test[0].path == tmp_path / "sound" / "fold2" / "take 6.ogg"


def test_a_pattern_of_evaluation_files(tmp_path):
    write(tmp_path)
    (tmp_path / "new.csv").write_text("ID\n7\n8\n", "utf-8")
    chosen = settings(evaluation="new.csv", columns=ColumnSettings(filename="{ID}.ogg"))
    assert [clip.name for clip in load_evaluation(chosen, root=tmp_path)] == ["7.ogg", "8.ogg"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("fold{prt}/take {filename}", "no column 'prt', which dataset.columns.filename"),
        ("fold{prt}/take {filename}", "Did you mean 'part'?"),
        ("fold{part/take {filename}", "has a brace without its other half"),
        ("fold{part}}/take {filename}", "has a brace without its other half"),
        ("filename}", "has a brace without its other half"),
        ("{{filename}}", "has a brace without its other half"),
        ("fold{}/take {filename}", "has braces without a column"),
        ("../{filename}", "not inside the folder"),
    ],
)
def test_a_bad_pattern_is_one_sentence(tmp_path, pattern, message):
    with pytest.raises(DataError) as caught:
        load(arranged(tmp_path, pattern), root=tmp_path)
    assert message in str(caught.value)


def test_a_pattern_needs_a_value_in_every_row(tmp_path):
    write(tmp_path, row3={"source": ""})
    columns = ColumnSettings(filename="{source}/{filename}")
    with pytest.raises(DataError, match="line 5: column 'source' has no value"):
        load(settings(columns=columns), root=tmp_path)


@given(
    st.lists(st.text(alphabet="ab/.{} \"'", max_size=3), min_size=1, max_size=5),
    st.dictionaries(st.sampled_from(["a", "b", "a b"]), st.text(min_size=1), min_size=3),
)
def test_a_pattern_is_filled_or_refused(pieces, values):
    """Text without its braces stays; a pattern is refused exactly where braces do not pair."""
    text = "{a}".join(pieces) + "{b}"
    table = Table(Path("t.csv"), tuple(values), (Row(2, values),))
    paired = all(piece.count("{") == piece.count("}") == 0 for piece in pieces)
    try:
        filled = NamePattern.read(text).fill(table, table.rows[0])
    except (DataError, KeyError):
        assert not paired
    else:
        if paired:
            assert filled == values["a"].join(pieces) + values["b"]


def test_folds_of_the_table_may_be_ignored(tmp_path):
    write(tmp_path)
    ignored = settings(published_folds=False)
    data = load(ignored, root=tmp_path)
    assert [fold.name for fold in data.folds] == ["fold1", "fold2", "fold3"]
    assert len(data.clips) == 18
    assert data.notes[0] == (
        "clips.csv gives 3 folds (column 'part'), which are ignored (dataset.published_folds:"
        " false): do not compare the scores with those of its folds."
    )
    assert any("source recordings" in note and "test part" in note for note in data.notes)
    crossed = load(ignored, root=tmp_path, folds=6)
    assert [len(fold.test) for fold in crossed.folds] == [3] * 6
    kept = settings(ValidationSettings(method="group"), published_folds=False)
    assert len(load(kept, root=tmp_path).notes) == 2
    without = settings(columns=ColumnSettings(), published_folds=False)
    assert not any("ignored" in note for note in load(without, root=tmp_path).notes)


@pytest.mark.real_audio
def test_real_esc10(real_audio: Path):
    chosen = DatasetSettings(
        name="csv",
        metadata="meta/esc10.csv",
        columns=ColumnSettings(label="category", fold="fold", group="src_file"),
        validation=ValidationSettings(method="group"),
    )
    data = load(chosen, root=real_audio / "esc10")
    assert len(data.clips) == 400
    assert len(data.classes) == 10
    assert [len(fold.test) for fold in data.folds] == [80] * 5
    assert data.notes == ()
