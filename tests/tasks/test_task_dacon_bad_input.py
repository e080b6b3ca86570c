"""task_dacon.py given what cannot work: one sentence and status 2, before any time is lost."""

import csv
import shutil

import numpy as np
import pytest
import soundfile

from tests.tasks.refusals import refusal
from utils.report.results import read_results

pytestmark = pytest.mark.smoke
BRIEF = ("training.epochs=1", "training.schedule.warmup_epochs=0")


@pytest.fixture
def refused(dacon, tiny_words, capsys):
    """Run a command that must be refused; give its sentence."""

    def run(*arguments, set_id="tiny"):
        return refusal(
            capsys, dacon, *arguments[:2], "-s", set_id, "-p", tiny_words, *arguments[2:]
        )

    return run


def changed(source, folder, change):
    """A copy of a data set, changed."""
    shutil.copytree(source, folder)
    change(folder)
    return folder


def table(name, change):
    """Change the rows of a table, the first of which is its header."""

    def apply(folder):
        path = folder / name
        with path.open(newline="") as stream:
            rows = change(list(csv.reader(stream)))
        with path.open("w", newline="") as stream:
            csv.writer(stream).writerows(rows)

    return apply


def line(number, *cells):
    """Other cells in one line (from 1) after its first; empty ones stay as they are."""

    def apply(rows):
        first, *old = rows[number - 1]
        new = [cell or kept for cell, kept in zip(cells, old, strict=False)]
        rows[number - 1] = [first, *new, *old[len(new) :]]
        return rows

    return apply


def without_line(number):
    return lambda rows: rows[: number - 1] + rows[number:]


def twice(number):
    return lambda rows: [*rows, rows[number - 1]]


def without_last_column(rows):
    return [row[:-1] for row in rows]


def remove(name):
    return lambda folder: (folder / name).unlink()


def content(name, data):
    return lambda folder: (folder / name).write_bytes(data)


def cut(name, size):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])


CLIP = "train/train_00003.wav"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (table("train_answer.csv", without_line(5)), ("train_00003.wav", "train_answer.csv")),
        (remove(CLIP), ("train_answer.csv", "line 5", "train_00003", "no wav file")),
        (table("train_answer.csv", twice(4)), ("line 194", "train_00002", "line 4")),
        (
            table("train_answer.csv", line(4, "0.5", "0.5", "0.5", "0", "0", "0")),
            ("train_answer.csv", "line 4", "train_00002", "sum to 1.5"),
        ),
        (
            table("train_answer.csv", line(4, "1.5", "-0.5", "0", "0", "0", "0")),
            ("line 4", "'-0.5'", "column 'go'"),
        ),
        (table("train_answer.csv", line(4, "nan")), ("line 4", "'nan'", "column 'down'")),
        (table("train_answer.csv", line(4, "half")), ("line 4", "'half'", "column 'down'")),
        (table("train_answer.csv", line(1, "", "og")), ("submission.csv", "column 3", "'go'")),
        (table("submission.csv", line(1, "", "og")), ("submission.csv", "column 3", "'og'")),
        (
            table("submission.csv", line(1, "go", "down")),
            ("submission.csv", "column 2", "'go'", "'down'", "order"),
        ),
        (table("submission.csv", without_last_column), ("submission.csv", "no column 'yes'")),
        (content("train_answer.csv", b""), ("train_answer.csv", "empty")),
        (remove("train_answer.csv"), ("train_answer.csv is not there", "--data")),
        (lambda folder: shutil.rmtree(folder / "train"), ("train: the folder", "is missing")),
        (content(CLIP, b""), (CLIP, "empty", "audio.on_bad_audio")),
        (cut(CLIP, 5000), (CLIP, "cut off", "audio.on_bad_audio")),
        (content(CLIP, b"no audio at all"), (CLIP, "no audio file", "audio.on_bad_audio")),
    ],
)  # fmt: skip
def test_the_competitions_files_contradict_themselves(refused, mixed, tmp_path, change, told):
    data = changed(mixed, tmp_path / "data", change)
    message = refused("--data", data, "--override", *BRIEF, set_id="tiny_competition")
    for word in told:
        assert word in message


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (remove("test/test_00003.wav"), ("submission.csv", "line 5", "id '3'", "no wav file")),
        (table("submission.csv", without_line(5)), ("test_00003.wav", "no row in submission.csv")),
        (table("submission.csv", twice(5)), ("submission.csv", "line 32", "line 5", "id '3'")),
        (remove("submission.csv"), ("submission.csv is not there", "--data")),
        (cut("test/test_00003.wav", 5000), ("test_00003.wav", "cut off")),
    ],
)
def test_the_template_asks_for_other_clips(refused, published, tmp_path, change, told):
    data = changed(published, tmp_path / "data", change)
    options = ("-m", "eval", "--data", data, "--override", *BRIEF)
    message = refused(*options, set_id="tiny_competition")
    for word in told:
        assert word in message


def test_isolated_words_have_no_template(refused, words):
    message = refused("-m", "eval", "--data", words)
    assert "'words' set has no unlabelled clips" in message
    assert "-m predict" in message


def only_words(*kept):
    def apply(folder):
        for path in folder.iterdir():
            if path.is_dir() and path.name not in kept:
                shutil.rmtree(path)

    return apply


def only_voices(folder):
    """Three voices, and nothing that divides them."""
    for path in folder.glob("*.txt"):
        path.unlink()
    for path in folder.rglob("*.wav"):
        if path.name[0] not in "abc":
            path.unlink()


def silence(folder):
    soundfile.write(folder / "go" / "a_nohash_0.wav", np.zeros(2000), 8000)


WORD = "go/a_nohash_0.wav"


@pytest.mark.parametrize(
    ("change", "options", "told"),
    [
        (only_words("go"), (), ("train part", "2 different words", "of 1 words")),
        (only_words(), (), ("neither the table words.csv", "folders of words")),
        (only_voices, (), ("3 speakers", "two parts of 2 speakers", "add speakers")),
        (None, ("training.folds=8",), ("training.folds", "11 development speakers", "8 folds")),
        (None, ("dataset.mixing.words=7",), ("7 different words", "of 6 words", "mix fewer")),
        (
            None,
            ("dataset.mixing.words=4",),
            ("validation part", "4 words by different speakers", "3 speakers", "speakers repeat"),
        ),
        (
            None,
            ("dataset.classes=[go, up, maybe]",),
            ("train part has no recording of maybe", "dataset.classes"),
        ),
        (content(WORD, b"no audio"), (), (WORD, "no audio file", "1 of 84", "on_bad_audio")),
        (cut(WORD, 300), (), (WORD, "cut off", "1 of 84", "on_bad_audio")),
        (silence, (), (WORD, "silent", "1 of 84", "on_bad_audio")),
        (None, ("dataset.name=dacon",), ("train_answer.csv is not there", "--data")),
    ],
)
def test_words_that_cannot_be_mixed(refused, words, tmp_path, change, options, told):
    data = words if change is None else changed(words, tmp_path / "data", change)
    message = refused("--data", data, "--override", *BRIEF, *options)
    for word in told:
        assert word in message


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (line(2, "", "", "trian"), ("line 2", "unknown part 'trian'", "Did you mean 'train'")),
        (line(2, "", "", "test"), ("1 speakers", "train and the test part", "(a)")),
        (line(1, "wrd"), ("no column 'word'", "Did you mean 'wrd'")),
        (line(1, "", "voice"), ("no column 'speaker'",)),
        (line(1, "", "", "part"), ("no column 'split'", "dataset.columns.split=null speakers")),
        (twice(3), ("listed twice", "line 86")),
        (lambda rows: rows[:1], ("words.csv", "rows")),
    ],
)
def test_a_table_of_words_is_wrong(refused, word_table, tmp_path, change, told):
    data = changed(word_table, tmp_path / "data", table("words.csv", change))
    message = refused("--data", data, "--override", *BRIEF)
    assert str(data) in message
    for word in told:
        assert word in message


def test_a_listed_word_is_not_there(refused, word_table, tmp_path):
    data = changed(word_table, tmp_path / "data", remove(WORD))
    assert WORD in refused("--data", data)


ROW = 4  # of the answers, id test_00002


@pytest.mark.parametrize("by_table", [True, False])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (line(ROW, "nan"), ("line 4", "'test_00002'", "'down'", "'nan'")),
        (line(ROW, "inf"), ("line 4", "'test_00002'", "'down'", "'inf'")),
        (line(ROW, "-0.5"), ("line 4", "'test_00002'", "'down'", "-0.5")),
        (line(ROW, "0.9", "0.9"), ("line 4", "'test_00002'", "sum to")),
        (line(ROW, "x"), ("line 4", "'test_00002'", "'down'", "'x'")),
        (without_line(ROW), ("1 ids", "'test_00002'")),
        (lambda rows: [*rows, ["test_99999", *rows[1][1:]]], ("1 ids", "'test_99999'")),
        (twice(ROW), ("line 32", "'test_00002'", "line 4")),
        (line(1, "", "og"), ("'go'",)),
        (without_last_column, ("",)),
        (lambda rows: rows[:1], ("no rows",)),
        (lambda rows: rows[1:], ("no header",)),
        (lambda rows: [], ("is empty",)),
    ],
)
def test_answers_that_cannot_be_scored(refused, mixed, tmp_path, change, told, by_table):
    right = mixed / "test_answer.csv"
    shutil.copy(right, tmp_path / "said.csv")
    table("said.csv", change)(tmp_path)
    known = ("--ground_truth", right) if by_table else ("--data", mixed)
    message = refused("-m", "score", tmp_path / "said.csv", *known, set_id="tiny_competition")
    for word in told:
        assert word in message


def test_right_answers_that_are_wrong_or_not_there(refused, mixed, tmp_path):
    right = mixed / "test_answer.csv"
    shutil.copy(right, tmp_path / "truth.csv")
    table("truth.csv", line(ROW, "0.9", "0.9"))(tmp_path)
    truth = ("--ground_truth", tmp_path / "truth.csv")
    assert "truth.csv: line 4" in refused("-m", "score", right, *truth)
    (tmp_path / "truth.csv").unlink()
    assert "truth.csv" in refused("-m", "score", right, *truth)
    assert "said.csv" in refused("-m", "score", tmp_path / "said.csv", "--ground_truth", right)


def test_columns_that_are_out_of_order_are_refused_as_the_competition_would(
    refused, mixed, tmp_path
):
    right = mixed / "test_answer.csv"
    shutil.copy(right, tmp_path / "said.csv")
    table("said.csv", lambda rows: [[row[0], row[2], row[1], *row[3:]] for row in rows])(tmp_path)
    said = ("-m", "score", tmp_path / "said.csv")
    by_data = refused(*said, "--data", mixed, set_id="tiny_competition")
    by_table = refused(*said, "--ground_truth", right)
    for message in (by_data, by_table):
        assert "out of order: 'go' stands where 'down' belongs" in message


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("training.schedule.warmup_epochs=5", ("warmup_epochs", "5 of 5 epochs", "lower it")),
        ("training.epochs=1", ("training.schedule.warmup_epochs", "1 of 1 epochs")),
        ("training.folds=1", ("training.folds", "at least 2")),
        ("training.loss=kl_divergnce", ("training.loss", "Did you mean 'kl_divergence'")),
        ("training.select.metric=val_los", ("training.select.metric", "Did you mean 'val_loss'")),
        ("evaluation.shifts_seconds=[0.0, 0.25]", ("evaluation.shifts_seconds", "not shorter")),
        ("evaluation.shifts_seconds=[0.001]", ("evaluation.shifts_seconds", "whole number")),
        ("evaluation.shifts_seconds=[]", ("evaluation.shifts_seconds", "empty")),
        ("evaluation.calibration=temprature", ("Did you mean 'temperature'",)),
        ("features={kind: mfcc, n_mfcc: 30}", ("features.n_mfcc", "24 mel bands")),
        ("features={kind: stack}", ("features.parts", "one mapping for each channel")),
        ("dataset.mixing.words=0", ("dataset.mixing.words", "at least 1")),
        ("dataset.mixing.shift=0.1", ("dataset.mixing.shift", "shift_seconds")),
        ("dataset.classes=[go, yes]", ("dataset.classes[1]", "put the word in quotes")),
        ("dataset.name=dacn", ("dataset.name", "Did you mean 'dacon'")),
    ],
)
def test_a_wrong_setting_names_its_place(refused, words, setting, told):
    message = refused("--data", words, "--override", setting)
    for word in told:
        assert word in message


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        ("based_on: tiny_both, ensemble: [tiny, tinny]", ("no set 'tinny'", "mean 'tiny'")),
        ("based_on: tiny_both, ensemble: [tiny, wrong]", ("set wrong", "names the set itself")),
        (
            "based_on: tiny_both, ensemble: [tiny, tiny_both]",
            ("set wrong", "member tiny_both", "itself"),
        ),
        ("based_on: tiny_both, ensemble: [tiny, task1a]", ("task1a", "task1a.py")),
        ("based_on: tiny_both, ensemble: tiny", ("ensemble", "expected a list")),
        ("based_on: tiny_both, ensemble: []", ("model", "expected use: NAME or layers")),
    ],
)
def test_an_ensemble_of_what_it_cannot_hold(refused, words, tiny_words, sets, told):
    with tiny_words.open("a") as stream:
        stream.write(f"  - {{set_id: wrong, {sets}}}\n")
    message = refused("--data", words, set_id="wrong")
    for word in told:
        assert word in message


def test_a_model_that_is_not_there(refused, words):
    message = refused("-m", "predict", words / "go" / "a_nohash_0.wav")
    assert "set tiny has no trained model yet" in message
    assert "--model" in message


def test_an_ensemble_is_no_model_to_predict_with(refused, words):
    message = refused("-m", "predict", words / "go" / "a_nohash_0.wav", set_id="tiny_both")
    assert "set tiny_both is an ensemble of tiny, tiny_mfcc" in message
    assert "--model" in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--ground_truth", "x.csv"), "--ground_truth is for -m score"),
        (("-m", "predict", "x.wav", "--ground_truth", "x.csv"), "--ground_truth is for -m score"),
        (("-m", "score"), "needs a file of answers"),
        (("-m", "score", "a.csv", "b.csv"), "takes one file of answers"),
        (("-m", "score", "a.csv", "-s", "tiny,tiny_both"), "takes one set and one seed"),
        (("-m", "score", "a.csv", "-o", "b.csv"), "-o needs one set"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(dacon, capsys, arguments, words):
    with pytest.raises(SystemExit) as left:
        dacon(*arguments)
    assert left.value.code == 2
    assert words in capsys.readouterr().err


def test_a_recording_that_may_be_left_out_is_named(dacon, words, tiny_words, tmp_path, capsys):
    data = changed(words, tmp_path / "data", content(WORD, b"no audio"))
    skip = ("--override", "audio.on_bad_audio=skip", *BRIEF)
    assert dacon("-s", "tiny", "-p", tiny_words, "--data", data, *skip) == 0
    results = read_results(tmp_path / "runs" / "tiny" / "latest" / "results.json")
    assert any(WORD in note for note in results.notes)
    assert results.scores["clips"] == 40
