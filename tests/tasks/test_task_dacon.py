"""task_dacon.py as its users run it: words and mixtures, folds, ensembles, answers, own files."""

import csv
import shutil

import numpy as np
import pytest
import soundfile

from tests.tasks.processes import kill_in_epoch
from tests.tasks.runs import results_of, run_of
from utils.evaluation import answers
from utils.report.results import read_results

WORDS = ("down", "go", "no", "off", "up", "yes")
UNIFORM = np.log(6) - np.log(2)  # KL divergence of equal probabilities for two words of six
EVERY_FORMAT = "export.formats=[float32,float16,dynamic,int8]"
REFINED = ("evaluation.shifts_seconds=[-0.0125,0.0,0.0125]", "evaluation.calibration=temperature")
pytestmark = pytest.mark.smoke


def kl_of(path, truth):
    """Mean KL divergence of two tables, without the project's scores."""
    given, right = answers.read(path), answers.read(truth)
    said = given.probabilities[[given.ids.index(name) for name in right.ids]]
    shares = right.probabilities
    ratios = np.divide(shares, np.maximum(said, 1e-7))
    logs = np.log(ratios, out=np.zeros_like(shares), where=shares > 0)
    return (shares * logs).sum(axis=1).mean()


def speakers_of_test_mixtures(cache):
    """Speakers in the test mixtures of each folder that words were mixed into."""
    found = []
    for table in sorted((cache / "mixtures").glob("*/mixtures.csv")):
        with table.open(newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["part"] == "test"]
        found.append({speaker for row in rows for speaker in row["speakers"].split("|")})
    return found


def test_everything_from_words_to_report(finished):
    run = run_of(finished)
    expected = {
        "results.json", "report.html", "parameters.yaml", "model.keras", "model.metadata.json",
        "test.csv", "out_of_fold.csv", "history.csv", "log.txt",
        *(f"model_{name}.tflite" for name in ("float32", "float16", "dynamic", "int8")),
    }  # fmt: skip
    assert expected <= {path.name for path in run.iterdir()}
    results = results_of(finished)
    assert results.data == "words"
    assert not results.demo
    assert results.overall["kl_uniform"] == pytest.approx(UNIFORM, abs=1e-5)  # 0 counts as 1e-7
    assert results.overall["kl"] < 0.25 * UNIFORM
    assert results.overall["top2_recall"] > 0.9
    assert set(results.exports) == {"float32", "float16", "dynamic", "int8"}
    for name, near in (("float32", 1e-4), ("float16", 1e-2), ("dynamic", 0.05), ("int8", 0.1)):
        assert results.exports[name].scores["kl"] == pytest.approx(results.overall["kl"], abs=near)
    assert results.exports["float32"].max_difference < 1e-5
    tested = answers.read(run / "test.csv", classes=WORDS)
    assert len(tested.ids) == 40
    assert len(answers.read(run / "out_of_fold.csv", classes=WORDS).ids) == 32
    page = (run / "report.html").read_text()
    assert "generated" not in page
    assert "KL divergence" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_second_start_reuses_all_stages(dacon, finished, words, capsys):
    before = results_of(finished).scores
    arguments = ("-s", "tiny", "-p", finished / "tiny.yaml", "--data", words)
    assert dacon(*arguments, "--override", EVERY_FORMAT) == 0
    printed = capsys.readouterr().out
    for stage in ("training", "validation", "test", "export"):
        assert f"\n{stage} (reused)\n" in printed
    assert results_of(finished).scores == before


def test_a_table_of_the_same_words_gives_the_same_scores(
    dacon, finished, word_table, tiny_words, tmp_path
):
    assert dacon("-s", "tiny", "-p", tiny_words, "--data", word_table) == 0
    assert results_of(tmp_path).scores == results_of(finished).scores
    assert "words.csv" in results_of(tmp_path).notes[0]


def test_the_seed_decides_the_numbers(dacon, words, tiny_words, tmp_path):
    arguments = ("-s", "tiny", "-p", tiny_words, "--data", words, "--override")
    steps = "augment=[{Shift: {max_seconds: 0.02}}, Noise]"
    found = []
    for seed in (("--seed", 1), ("--seed", 1, "--overwrite"), ("--seed", 2)):
        assert dacon(*arguments, steps, "training.epochs=2", *seed) == 0
        run = run_of(tmp_path)
        found.append(((run / "history.csv").read_bytes(), results_of(tmp_path).scores))
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]
    assert found[0][1] != found[2][1]


def test_evaluation_is_changed_without_another_training(dacon, finished, words, tmp_path, capsys):
    shutil.copytree(finished, tmp_path / "runs", symlinks=True)
    kept = tmp_path / "runs"
    paths = (f"paths.runs={kept}/runs", f"paths.cache={kept}/cache")
    arguments = ("-s", "tiny", "-p", finished / "tiny.yaml", "--data", words)
    plain = results_of(kept)
    run = run_of(kept)
    assert dacon(*arguments, "--override", *paths, EVERY_FORMAT, *REFINED) == 0
    printed = capsys.readouterr().out
    assert "\ntraining (reused)\n" in printed
    assert "\ntest\n" in printed
    assert run_of(kept) == run
    refined = results_of(kept)
    assert refined.overall != plain.overall
    before = refined.scores["uncalibrated"]["overall"]["kl"]
    assert before != refined.overall["kl"]
    assert before != plain.overall["kl"]
    assert any("temperature" in note for note in refined.notes)
    clips = sorted(kept.rglob("test_0000*.wav"))[:3]
    expected = answers.read(run / "test.csv")
    rows = [expected.ids.index(clip.stem) for clip in clips]
    capsys.readouterr()
    for model in ("model.keras", "model_float32.tflite"):
        table = tmp_path / "said.csv"
        said = ("-m", "predict", *clips, "-s", "tiny", "-p", finished / "tiny.yaml", "-o", table)
        assert dacon(*said, "--model", run / model) == 0
        found = answers.read(table, classes=WORDS)
        assert found.ids == tuple(clip.stem for clip in clips)
        np.testing.assert_allclose(found.probabilities, expected.probabilities[rows], atol=1e-4)
    assert dacon(*arguments, "--override", *paths, EVERY_FORMAT) == 0
    assert results_of(kept).scores == plain.scores


def test_predict_prints_the_likeliest_words(dacon, finished, words, tmp_path, capsys):
    own = tmp_path / "own"
    own.mkdir()
    clip, rate = soundfile.read(words / "go" / "l_nohash_0.wav")
    soundfile.write(own / "go.flac", clip, rate)
    soundfile.write(own / "stereo.wav", np.stack([clip, clip], axis=1), rate)
    table = tmp_path / "labels.csv"
    arguments = ("-m", "predict", own, "-s", "tiny", "-p", finished / "tiny.yaml", "-o", table)
    capsys.readouterr()
    assert dacon(*arguments) == 0
    printed = capsys.readouterr().out
    line = next(line for line in printed.splitlines() if line.startswith("go.flac"))
    shown = line.split()[1:]
    assert len(shown) == 8
    assert shown[0] == "go"
    assert sorted(map(float, shown[1::2]), reverse=True) == list(map(float, shown[1::2]))
    found = answers.read(table, classes=WORDS)
    assert found.ids == ("go", "stereo")
    assert found.probabilities[0].argmax() == WORDS.index("go")
    np.testing.assert_allclose(found.probabilities[0], found.probabilities[1], atol=0.02)


def test_answers_are_scored_by_the_data_and_by_a_table(dacon, finished, words, mixed, capsys):
    parameters = ("-s", "tiny", "-p", finished / "tiny.yaml")
    told = run_of(finished) / "test.csv"
    capsys.readouterr()
    assert dacon("-m", "score", told, *parameters, "--data", words) == 0
    by_data = capsys.readouterr().out
    assert f"KL divergence        {results_of(finished).overall['kl']:.3f}" in by_data
    right = mixed / "test_answer.csv"
    for given, value in ((right, 0.0), (mixed / "submission.csv", UNIFORM)):
        assert dacon("-m", "score", given, *parameters, "--ground_truth", right) == 0
        assert f"KL divergence        {value:.3f}" in capsys.readouterr().out
    assert (
        dacon("-m", "score", right, "-s", "tiny_competition", *parameters[2:], "--data", mixed) == 0
    )
    assert "KL divergence        0.000" in capsys.readouterr().out


def test_a_numbered_submission_is_scored_by_the_data(
    dacon, published, mixed, tiny_words, tmp_path, capsys
):
    data = tmp_path / "data"
    shutil.copytree(published, data)
    shutil.copy(mixed / "test_answer.csv", data)
    arguments = ("-s", "tiny_competition", "-p", tiny_words)
    assert dacon("-m", "score", data / "submission.csv", *arguments, "--data", data) == 0
    assert f"KL divergence        {UNIFORM:.3f}" in capsys.readouterr().out


def test_a_submission_without_answers_is_checked(dacon, published, tiny_words, tmp_path, capsys):
    arguments = ("-s", "tiny_competition", "-p", tiny_words, "--data", published)
    template = published / "submission.csv"
    assert dacon("-m", "score", template, *arguments) == 0
    printed = capsys.readouterr().out
    assert "submission.csv: can be handed in; without answers there is no score" in printed
    assert "KL divergence" not in printed
    header, first, *rows = template.read_text().splitlines()
    mine = tmp_path / "mine.csv"
    mine.write_text("\n".join([header, rows[0], first, *rows[1:]]).replace(",", ";"))
    assert dacon("-m", "score", mine, *arguments) == 2
    printed = capsys.readouterr()
    assert "to mend before handing in" in printed.out
    assert "mine.csv: cannot be handed in as it is." in printed.err


def test_the_set_and_the_seed_decide_the_intervals_of_a_score(
    dacon, finished, words, mixed, tmp_path, capsys
):
    parameters = ("-s", "tiny", "-p", finished / "tiny.yaml")
    told, right = run_of(finished) / "test.csv", tmp_path / "right.csv"
    names = answers.read(told)
    rows = np.eye(6)[np.arange(40) % 6] * 0.5 + np.eye(6)[(np.arange(40) + 1) % 6] * 0.5
    answers.write(right, ids=names.ids, classes=names.classes, probabilities=rows)
    for known in (("--data", words), ("--ground_truth", right)):
        printed = []
        for changes in ((), (), ("--seed", 5), ("--override", "evaluation.bootstrap=0")):
            capsys.readouterr()
            assert dacon("-m", "score", told, *parameters, *known, *changes) == 0
            printed.append(capsys.readouterr().out)
        assert printed[0] == printed[1]
        assert len(set(printed)) == 3


def test_eval_answers_the_competitions_template(dacon, mixed, tiny_words, tmp_path, capsys):
    output = tmp_path / "here" / "answers.csv"
    arguments = ("-m", "eval", "-s", "tiny_competition", "-p", tiny_words, "--data", mixed)
    assert dacon(*arguments, "-o", output, "--override", "training.epochs=20") == 0
    printed = capsys.readouterr().out
    assert "to mend before handing in" not in printed
    run, results = run_of(tmp_path, "tiny_competition"), results_of(tmp_path, "tiny_competition")
    assert results.data == "dacon"
    assert results.overall["kl"] < 0.5 * UNIFORM
    submission = run / "submission.csv"
    assert str(submission) in printed
    template = answers.read(mixed / "submission.csv")
    assert answers.problems(submission, ids=template.ids, classes=template.classes) == []
    given = answers.read(submission)
    assert (given.ids, given.classes) == (template.ids, template.classes)
    np.testing.assert_allclose(given.probabilities.sum(axis=1), 1.0, atol=1e-6)
    # mixed here, the unlabelled clips are those of the test part
    assert kl_of(submission, mixed / "test_answer.csv") == pytest.approx(
        results.overall["kl"], abs=1e-5
    )
    assert output.read_bytes() == submission.read_bytes()


def test_the_published_layout_in_folds(dacon, published, mixed, tiny_words, tmp_path, capsys):
    order, output = published / "submission.csv", tmp_path / "answers.csv"
    parameters = ("-s", "tiny_competition", "-p", tiny_words)
    arguments = ("-m", "eval", *parameters, "--data", published, "-o", output)
    assert dacon(*arguments, "--override", "training.folds=2", "training.epochs=15") == 0
    assert "to mend before handing in" not in capsys.readouterr().out
    run, results = run_of(tmp_path, "tiny_competition"), results_of(tmp_path, "tiny_competition")
    assert {"fold1", "fold2", "evaluation"} <= {path.name for path in run.iterdir()}
    scores = results.scores
    assert set(scores["per_fold"]["folds"]) == {"fold1", "fold2"}
    assert scores["clips"] == 192
    assert len(answers.read(run / "out_of_fold.csv").ids) == 192
    submission = run / "submission.csv"
    given, template = answers.read(submission), answers.read(order)
    assert (given.ids, given.classes) == (template.ids, template.classes)
    assert answers.problems(submission, ids=template.ids, classes=template.classes) == []
    # the competition keeps the right answers; rows are those of the mixtures that were published
    right = answers.read(mixed / "test_answer.csv")
    numbered = tmp_path / "right.csv"
    answers.write(numbered, ids=given.ids, classes=right.classes, probabilities=right.probabilities)
    assert kl_of(submission, numbered) < 0.7 * UNIFORM
    assert given.ids[:3] == ("0", "1", "2")
    assert output.read_bytes() == submission.read_bytes()
    # a file of the run beside a table of the competition: stems there, numbers here, or the reverse
    for said, truth, value in (
        (run / "out_of_fold.csv", published / "train_answer.csv", scores["overall"]["kl"]),
        (submission, mixed / "test_answer.csv", kl_of(submission, numbered)),
    ):
        assert dacon("-m", "score", said, *parameters, "--ground_truth", truth) == 0
        assert f"KL divergence        {value:.3f}" in capsys.readouterr().out


def test_a_clip_that_cannot_be_read_is_answered_too(dacon, published, tiny_words, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(published, data)
    (data / "test/test_00003.wav").write_bytes(b"no audio")
    output = tmp_path / "answers.csv"
    arguments = ("-s", "tiny_competition", "-p", tiny_words, "--data", data)
    changes = ("--override", "audio.on_bad_audio=skip", "training.epochs=2")
    assert dacon("-m", "eval", *arguments, "-o", output, *changes) == 0
    printed = capsys.readouterr().out
    assert "test/test_00003.wav: left out; every word is given the same probability" in printed
    assert "to mend before handing in" not in printed
    given, template = answers.read(output), answers.read(data / "submission.csv")
    assert (given.ids, given.classes) == (template.ids, template.classes)
    np.testing.assert_allclose(given.probabilities[3], 1 / 6, atol=1e-8)
    assert (np.ptp(given.probabilities, axis=1) > 1e-6).sum() == 29
    # a run without -m eval in the same folder leaves no answers that are not its own
    run = run_of(tmp_path, "tiny_competition")
    assert dacon(*arguments, *changes, "evaluation.calibration=temperature") == 0
    assert run_of(tmp_path, "tiny_competition") == run
    assert not (run / "submission.csv").exists()
    assert f"removed: {run / 'submission.csv'}" in capsys.readouterr().out
    assert output.exists()


def test_two_sets_in_two_folds_and_their_ensemble(dacon, words, tiny_words, tmp_path, capsys):
    arguments = ("-s", "tiny_both", "-p", tiny_words, "--data", words)
    assert dacon(*arguments, "--override", "training.folds=2", "training.epochs=3") == 0
    members = [results_of(tmp_path, set_id) for set_id in ("tiny", "tiny_mfcc")]
    runs = [run_of(tmp_path, set_id) for set_id in ("tiny", "tiny_mfcc", "tiny_both")]
    kept = [np.load(run / "kept_predictions.npz") for run in runs]
    for member in members:
        assert set(member.scores["per_fold"]["folds"]) == {"fold1", "fold2"}
        assert member.scores["clips"] == 40
        assert member.scores["out_of_fold"]["kl"] > 0
    for held in (answers.read(runs[0] / "test.csv"), answers.read(runs[2] / "test.csv")):
        assert len(held.ids) == 40
    assert len(kept[0]["out_of_fold_names"]) == 2 * 40
    networks = [np.load(runs[0] / f"fold{n}" / "predictions.npz")["held_out"] for n in (1, 2)]
    np.testing.assert_allclose(kept[0]["test_probabilities"], np.mean(networks, axis=0), atol=1e-6)
    check_ensemble(kept, members, results_of(tmp_path, "tiny_both"))
    (table,) = (tmp_path / "runs" / "comparisons").glob("*/comparison.md")
    assert r"tiny\_both" in table.read_text()
    assert "comparison:" in capsys.readouterr().out
    check_speakers(tmp_path)


def check_ensemble(kept, members, together):
    """Weights on the simplex, out of fold no worse than a member, test parts averaged by them."""
    (note,) = (note for note in together.notes if "Weights" in note)
    weights = np.array([float(part.split()[-1]) for part in note.rstrip(".").split(", ")[-2:]])
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1.0, abs=2e-3)
    truth = kept[0]["out_of_fold_truth"]
    logs = [np.log(np.maximum(file["out_of_fold_probabilities"], 1e-7)) for file in kept]
    losses = [-(truth * log).sum(axis=1).mean() for log in logs]
    assert losses[2] <= min(losses[:2]) + 1e-5
    mean = np.tensordot(weights, [file["test_probabilities"] for file in kept[:2]], axes=1)
    np.testing.assert_allclose(kept[2]["test_probabilities"], mean, atol=2e-3)
    assert together.model.parameters == sum(member.model.parameters for member in members)
    entropy = -(truth * np.log(np.maximum(truth, 1e-7))).sum(axis=1).mean()
    assert together.scores["out_of_fold"]["kl"] == pytest.approx(losses[2] - entropy, abs=1e-3)
    by_fold = together.scores["per_fold"]
    assert set(by_fold["folds"]) == {"fold1", "fold2"}
    assert by_fold["mean"]["kl"] == pytest.approx(together.scores["out_of_fold"]["kl"], abs=1e-6)


def check_speakers(folder):
    """No speaker is in two folds' test mixtures, or in those and the held-out ones."""
    spoken = speakers_of_test_mixtures(folder / "cache")
    assert len(spoken) == 3
    assert set("lmn") in spoken
    assert sum(map(len, spoken)) == len(set().union(*spoken)) == 14


def test_interrupted_by_kill_it_ends_as_if_undisturbed(dacon, words, tiny_words, tmp_path):
    """``kill -9`` in the middle of training on words that are mixed afresh; then once more."""
    steps = "augment=[{Shift: {max_seconds: 0.02, probability: 1.0}}, Noise]"
    command = ("-s", "tiny", "-p", tiny_words, "--data", words, "--override", steps)
    kill_in_epoch(3, "task_dacon.py", *command, runs=tmp_path / "runs" / "tiny")
    assert dacon(*command) == 0
    assert dacon(*command, f"paths.runs={tmp_path}/quiet") == 0
    quiet = (tmp_path / "quiet" / "tiny" / "latest").resolve()
    assert (run_of(tmp_path) / "history.csv").read_bytes() == (quiet / "history.csv").read_bytes()
    assert results_of(tmp_path).scores == read_results(quiet / "results.json").scores


def test_without_data_it_runs_on_generated_words(dacon, tiny_words, tmp_path, monkeypatch, capsys):
    from utils.datasets import demo_words

    size = demo_words.WordsSize(train=3, validation=2, test=2, takes=1)
    monkeypatch.setattr(demo_words, "WordsSize", lambda: size)
    assert dacon("-s", "tiny", "-p", tiny_words) == 0
    results = results_of(tmp_path)
    assert results.demo
    assert results.data == "demo"
    assert len(results.scores["classes"]) == 30
    assert "generated demo data" in capsys.readouterr().out
    assert "generated" in (run_of(tmp_path) / "report.html").read_text()


def test_shows_without_training(dacon, words, tiny_words, capsys):
    assert dacon("--show_sets", "-p", tiny_words) == 0
    printed = capsys.readouterr().out
    assert "dacon_ensemble" in printed
    assert "task1a_layer5" not in printed
    assert dacon("--show_model", "-s", "tiny_both", "-p", tiny_words, "--data", words) == 0
    assert capsys.readouterr().out.count("Conv2D") == 2
