"""task_urbansound.py given what cannot work: one sentence and status 2, before any time is lost."""

import csv
import shutil

import numpy as np
import pytest
import soundfile

from tests.tasks.refusals import refusal
from utils.report.results import read_results

pytestmark = pytest.mark.smoke
TABLE = "metadata/UrbanSound8K.csv"
CLIP = "audio/fold2/1001-3-0-0.wav"  # line 4 of the table
BRIEF = ("training.epochs=1", "dataset.folds=[1]")
LABELLED = "dataset.name=urbansound_labelled"


@pytest.fixture
def refused(urbansound, tiny_urban, capsys):
    """Run a command that must be refused; give its sentence."""

    def run(*arguments, set_id="tiny"):
        return refusal(
            capsys, urbansound, *arguments[:2], "-s", set_id, "-p", tiny_urban, *arguments[2:]
        )

    return run


def changed(source, folder, *changes):
    """A copy of a data set, changed."""
    shutil.copytree(source, folder)
    for change in changes:
        change(folder)
    return folder


def table(change, name=TABLE):
    """Change the rows of a table, the first of which is its header."""

    def apply(folder):
        path = folder / name
        with path.open(newline="") as stream:
            rows = change(list(csv.reader(stream)))
        with path.open("w", newline="") as stream:
            csv.writer(stream).writerows(rows)

    return apply


def cell(column, value, line=4):
    def apply(rows):
        rows[line - 1][rows[0].index(column)] = value
        return rows

    return apply


def without(column):
    def apply(rows):
        place = rows[0].index(column)
        return [[*row[:place], *row[place + 1 :]] for row in rows]

    return apply


def remove(name):
    return lambda folder: (folder / name).unlink()


def content(name, data):
    return lambda folder: (folder / name).write_bytes(data)


def same_names(folder):
    """Names of files that tell nothing, so that the table alone contradicts itself."""
    (folder / CLIP).rename((folder / CLIP).with_name("own.wav"))
    table(cell("slice_file_name", "own.wav"))(folder)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([remove(CLIP)], ("1 of 36", "missing", "fold2/1001-3-0-0.wav")),
        ([table(cell("fold", "3"))], ("1 of 36", "missing", "fold3/1001-3-0-0.wav")),
        ([table(cell("fold", "11"))], (TABLE, "line 4", "fold 11 is not one of 1 to 10")),
        ([table(cell("fold", "0"))], (TABLE, "line 4", "fold 0 is not one of 1 to 10")),
        ([table(cell("fold", "one"))], (TABLE, "line 4", "fold 'one' is not a whole number")),
        ([table(cell("fold", ""))], (TABLE, "line 4", "column 'fold' has no value")),
        ([table(cell("classID", "8"))], ("line 4", "classID 3 in its name but '8'")),
        ([table(cell("fsID", "7"))], ("line 4", "fsID 1001 in its name but '7'")),
        ([table(cell("class", "siren"))], ("line 4", "classID 3 is class 'siren'", "'dog_bark'")),
        (
            [same_names, table(cell("classID", "8"))],
            ("line 4", "class 'dog_bark' has classID 8 but 3 in line 2"),
        ),
        ([same_names, table(cell("classID", "x"))], ("line 4", "classID 'x' is not a whole")),
        ([table(cell("slice_file_name", "../../x.wav"))], ("../../x.wav", "not inside")),
        ([table(lambda rows: [*rows, rows[3]])], ("line 38", "listed twice")),
        ([table(lambda rows: rows[:1])], (TABLE, "no rows")),
        ([content(TABLE, b"")], (TABLE, "empty")),
        ([table(without("class"))], (TABLE, "no column 'class'")),
        ([table(without("fold"))], (TABLE, "no column 'fold'")),
        ([remove(TABLE)], (TABLE, "this is not UrbanSound8K")),
        ([content(CLIP, b"")], (CLIP, "empty", "audio.on_bad_audio")),
        ([content(CLIP, b"no audio at all")], (CLIP, "no audio file", "audio.on_bad_audio")),
    ],
)
def test_the_table_and_the_files_contradict(refused, urban, tmp_path, changes, told):
    data = changed(urban, tmp_path / "data", *changes)
    message = refused("--data", data, "--override", *BRIEF)
    for word in told:
        assert word in message


COLUMNS = "dataset.columns={{filename: '{}', label: class, fold: fold, group: fsID}}"
CSV = ("dataset.name=csv", f"dataset.metadata={TABLE}")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            (*CSV, COLUMNS.format("fold{fold}/{slice_name}")),
            ("no column 'slice_name'", "dataset.columns.filename", "mean 'slice_file_name'"),
        ),
        (
            (*CSV, COLUMNS.format("fold{fold/{slice_file_name}")),
            ("dataset.columns.filename", "brace without its other half"),
        ),
        (
            (*CSV, COLUMNS.format("fold{}/{slice_file_name}")),
            ("dataset.columns.filename", "braces without a column"),
        ),
        (
            ("dataset.columns.label=category",),
            ("dataset.columns", "UrbanSound8K has a layout of its own", "dataset.name to csv"),
        ),
        (("dataset.metadata=table.csv",), ("dataset.metadata", "a layout of its own")),
        (("dataset.evaluation=test.csv",), ("dataset.evaluation", "a layout of its own")),
        (("training.folds=3",), ("training.folds", "its own 3 folds", "leave")),
        (("dataset.folds=[4]",), ("dataset.folds", "no fold 4, only 1, 2, 3")),
        (("dataset.validation.amount=0.01",), ("dataset.validation", "no validation clips")),
        (("dataset.name=urbansound8",), ("dataset.name", "Did you mean 'urbansound8k'")),
        ((LABELLED,), ("not the labelled subset", "dataset.name=urbansound8k reads")),
        (("dataset.name=esc50",), ("not ESC-50", "looks like urbansound8k")),
        (("dataset.published_folds=maybe",), ("dataset.published_folds", "true or false")),
    ],
)
def test_settings_that_do_not_fit_the_data(refused, urban, settings, told):
    message = refused("--data", urban, "--override", *settings)
    for word in told:
        assert word in message


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (("training.batch_size=1",), ("training.batch_size", "clips of a batch", "raise it")),
        (("training.loss=hinge",), ("training.loss", "hinge", "Mixup", "shares")),
        (
            ("training.loss=squared_hinge", "augment=[BetweenClass]"),
            ("training.loss", "squared_hinge", "BetweenClass"),
        ),
        (("augment=[Mixup: {alpha: 0}]",), ("augment[0].Mixup.alpha", "at least")),
        (("augment=[Mixup: {alfa: 1}]",), ("augment[0].Mixup", "Did you mean 'alpha'")),
        (("augment=[Mixp]",), ("augment[0]", "Did you mean 'Mixup'")),
        (("augment=[BetweenClass: {alpha: 1}]",), ("augment[0].BetweenClass", "alpha")),
    ],
)
def test_clips_that_cannot_be_mixed(refused, urban, settings, told):
    message = refused("--data", urban, "--override", *settings, set_id="tiny_mixed")
    for word in told:
        assert word in message


@pytest.mark.parametrize("name", ["urbansound8k", "urbansound_labelled", "esc50", "esc10"])
def test_a_folder_that_is_not_there(refused, tmp_path, name):
    nowhere = tmp_path / "nowhere"
    message = refused("--data", nowhere, "--override", f"dataset.name={name}")
    assert f"{nowhere}: there is no such folder; --data names the data set's folder" in message


@pytest.fixture
def esc(urban, tmp_path):
    """The urban sounds as ESC-10 would list them: numbers of classes and folds as there."""
    folder = tmp_path / "esc"
    (folder / "meta").mkdir(parents=True)
    (folder / "audio").mkdir()
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for clip in sorted(urban.rglob("*-0-0.wav")):
        source, number = clip.name.split("-")[:2]
        fold = clip.parent.name[-1]
        name = f"{fold}-{source}-A-{number}.wav"
        shutil.copy(clip, folder / "audio" / name)
        rows.append(f"{name},{fold},{number},class{number},True,{source},A")
    (folder / "meta" / "esc50.csv").write_text("\n".join(rows))
    return folder


@pytest.mark.parametrize("name", ["urbansound8k", "esc10"])
def test_a_set_without_unlabelled_clips(refused, urban, esc, name):
    data = urban if name == "urbansound8k" else esc
    message = refused("-m", "eval", "--data", data, "--override", f"dataset.name={name}")
    assert f"'{name}' set has no unlabelled clips for -m eval" in message
    assert "-m predict" in message


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([remove("Test/24.wav")], ("1 of 12", "missing", "24.wav")),
        ([remove("test.csv")], ("test.csv", "missing")),
        ([content("Test/24.wav", b"no audio")], ("Test/24.wav", "no audio file")),
        ([table(without("Class"), "train.csv")], ("train.csv", "no column 'Class'")),
        ([table(cell("Class", "dog", 5), "train.csv")], ("line 5", "unknown class 'dog'")),
        ([table(cell("ID", "id", 1), "test.csv")], ("test.csv", "no column 'ID'")),
    ],
)
def test_the_labelled_subset_is_not_whole(refused, labelled, tmp_path, changes, told):
    data = changed(labelled, tmp_path / "data", *changes)
    message = refused("-m", "eval", "--data", data, "--override", LABELLED, "training.epochs=1")
    for word in told:
        assert word in message


def test_answers_that_cannot_be_scored(refused, urban, tmp_path):
    header, *rows = ["filename\tscene_label\tcar_horn\tdog_bark\tsiren"] + [
        f"{path.relative_to(urban / 'audio')}\tsiren\t0\t0\t1" for path in urban.rglob("*.wav")
    ]
    said = tmp_path / "said.csv"

    def message(*lines):
        said.write_text("\n".join(lines) + "\n")
        return refused("-m", "score", said, "--data", urban)

    assert "1 clips have no answer" in message(header, *rows[1:])
    assert "1 answers have no clip" in message(header, *rows, "x.wav\tsiren\t0\t0\t1")
    assert "row 2" in message(header, rows[0].replace("\t1", "\t0.5"), *rows[1:])
    assert "the header must be" in message("ID,Class", "1,siren")
    said.unlink()
    assert "said.csv" in refused("-m", "score", said, "--data", urban)


def test_a_set_of_another_task_and_a_model_that_is_not_there(refused, urban):
    assert "task1a.py" in refused("--data", urban, set_id="task1a")
    message = refused("-m", "predict", urban / CLIP)
    assert "python task_urbansound.py -s tiny" in message


def test_what_is_short_broken_or_without_a_row_is_told(urbansound, urban, tiny_urban, tmp_path):
    """None of it stops a run: a clip of 0.05 s, one that cannot be read, a file without a row."""
    data = changed(
        urban,
        tmp_path / "data",
        content(CLIP, b"no audio"),
        table(lambda rows: rows[:-1]),
    )
    short = data / "audio" / "fold1" / "1000-3-0-0.wav"
    samples, rate = soundfile.read(short)
    soundfile.write(short, samples[: rate // 20], rate)
    arguments = ("-s", "tiny", "-p", tiny_urban, "--data", data, "--override", *BRIEF)
    assert urbansound(*arguments, "audio.on_bad_audio=skip") == 0
    run = tmp_path / "runs" / "tiny" / "latest"
    results = read_results(run / "results.json")
    assert any("fold2/1001-3-0-0.wav" in note for note in results.notes)
    (note,) = (note for note in results.notes if "no row" in note)
    assert "fold3/1017-8-0-1.wav" in note
    answers = (run / "system_output.csv").read_text().splitlines()
    (line,) = (line for line in answers if line.startswith("fold1/1000-3-0-0.wav"))
    said = np.array(line.split("\t")[2:], float)
    assert said.sum() == pytest.approx(1.0, abs=1e-5)
    assert len(answers) == 13
    # extended by reflection: it sounds as 0.5 s of the same tone do, silence would not
    whole = tmp_path / "whole.wav"
    mirrored = np.concatenate([samples[: rate // 20], samples[rate // 20 - 2 : 0 : -1]])
    soundfile.write(whole, np.resize(mirrored, rate // 2), rate)
    table_of = tmp_path / "labels.csv"
    predict = ("-m", "predict", whole, "-s", "tiny", "-p", tiny_urban, "-o", table_of)
    assert urbansound(*predict) == 0
    found = np.array(table_of.read_text().splitlines()[1].split("\t")[2:], float)
    np.testing.assert_allclose(said, found, atol=1e-4)


def test_the_demo_is_no_other_data_set(refused):
    message = refused("--override", "dataset.name=esc10")
    assert "the generated demo is a 'urbansound8k' set" in message
    assert "with --data" in message
