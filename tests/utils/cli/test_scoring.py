"""-m score of detection tables, as a task script of sound events offers it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from utils import cli
from utils.cli.arguments import parse

PROJECT = Path(__file__).resolve().parents[3]
GOLDEN = json.loads(
    (PROJECT / "tests" / "utils" / "metrics" / "golden_psds.json").read_text(encoding="utf-8")
)
TASK = """
sets:
  - set_id: events
    task: events
    description: a script of sound events
    model: {layers: [Flatten]}
    evaluation: {bootstrap: 0}
    demo:
      evaluation: {bootstrap: 30}
"""
SCRIPT = """
import sys
from pathlib import Path
from utils import cli

def nothing(*given):
    raise AssertionError(given)

SCRIPT = cli.Script(
    name="events", title="Sound events.", folder=Path(__file__).parent, check=nothing,
    develop=nothing, evaluate=nothing, predict=nothing, demo=nothing, score=cli.score_tables,
    score_takes="detections",
)
if __name__ == "__main__":
    status = cli.main(SCRIPT)
    assert not {"tensorflow", "keras", "matplotlib"} & set(sys.modules)
    sys.exit(status)
"""
HEADER = "event_label\tonset\toffset\tfilename\n"
TABLES = {
    "0.3": "Dog\t0\t2.1\ta.wav\nCat\t3\t4\ta.wav\nDog\t1\t5\tb.wav\nDog\t6\t7\tc.wav\n",
    "0.5": "Dog\t0\t2.1\ta.wav\nCat\t3\t4\ta.wav\n",
    "0.7": "",
}


def nothing(*given):
    raise AssertionError(given)


@pytest.fixture
def folder(tmp_path):
    """Folder with tables of three thresholds, ground truth, durations and task.yaml."""
    (tmp_path / "task.yaml").write_text(TASK)
    (tmp_path / "said").mkdir()
    for threshold, rows in TABLES.items():
        (tmp_path / "said" / f"predictions_th_{threshold}.tsv").write_text(HEADER + rows)
    rows = "a.wav\t0\t2\tDog\na.wav\t3\t4\tCat\nb.wav\t1\t5\tDog\nc.wav\t\t\t\n"
    (tmp_path / "truth.tsv").write_text("filename\tonset\toffset\tevent_label\n" + rows)
    rows = "a.wav\t10.0\nb.wav\t10.0\nc.wav\t10.0\n"
    (tmp_path / "durations.tsv").write_text("filename\tduration\n" + rows)
    return tmp_path


def options(folder):
    return [
        "-m", "score", "--detections", str(folder / "said"),
        "--ground_truth", str(folder / "truth.tsv"), "--durations", str(folder / "durations.tsv"),
    ]  # fmt: skip


@pytest.fixture
def run(folder, capsys):
    """Run the script: exit status, standard output, standard error on one line."""
    events = cli.Script(
        name="events", title="Sound events.", folder=folder, check=nothing, develop=nothing,
        evaluate=nothing, predict=nothing, demo=nothing, score=cli.score_tables,
        score_takes="detections",
    )  # fmt: skip

    def call(*arguments):
        try:
            status = cli.main(events, list(map(str, arguments)))
        except SystemExit as stop:
            status = stop.code
        printed = capsys.readouterr()
        return status, printed.out, " ".join(printed.err.split())

    return call


def scored(folder, run):
    status, printed, beside = run(*options(folder))
    assert status == 0, beside
    return json.loads(printed), beside


def refused(folder, run):
    status, printed, beside = run(*options(folder))
    assert status == 2 and printed == ""
    assert beside.startswith("error: ")
    return beside


def test_scores_are_printed_as_json_alone(folder, run):
    scores, beside = scored(folder, run)
    overall = scores["overall"]
    assert overall["event_f1_macro"] == pytest.approx((1 + 2 / 3) / 2)
    assert overall["intersection_f1_macro"] == pytest.approx((1 + 2 / 3) / 2)
    # all cats and half of the dogs; the false dog of 0.3 is one in 30 s, more than 100 an hour
    for name in ("psds_scenario1", "psds_scenario2"):
        assert overall[name] == pytest.approx(0.75 - 0.25)
        assert [cell[name] for cell in scores["per_class"].values()] == pytest.approx([1, 0.5])
    assert set(scores["per_class"]) == {"Cat", "Dog"}
    assert scores["per_class"]["Dog"]["event_f1"] == pytest.approx(2 / 3)
    assert {"psds_scenario1", "psds_scenario2", "intersection_f1"} <= set(
        scores["per_class"]["Cat"]
    )
    assert (scores["f1_threshold"], scores["tables"], scores["clips"]) == (0.5, 3, 3)
    assert scores["intervals"] == {} and "roc" not in scores  # the demo block does not apply
    assert scores["notes"] == [
        "detection tables without any event: of threshold 0.7.",
        "number of thresholds: 3; PSDS is the lower the fewer there are, and published ones have "
        "50.",
    ]
    assert (
        "note: detection tables without any event: of threshold 0.7." in beside
        and "PSDS 1" in beside
    )


def test_scores_are_written_too_and_settings_apply(folder, run):
    output = folder / "scores.json"
    status, printed, _ = run(
        *options(folder), "-o", output, "--override", "evaluation.bootstrap=50", "--seed", "1"
    )
    assert status == 0 and output.read_text() == printed
    assert set(json.loads(printed)["intervals"]) >= {"psds_scenario1", "event_f1_macro"}


def test_psds_is_that_of_psds_eval(folder, run):
    case = next(
        case for case in GOLDEN["tables"]
        if None not in case["psds_eval"]["psds_scenario1"]["per_class"]
    )  # fmt: skip
    scale = case["ticks_per_second"]
    for path in (folder / "said").iterdir():
        path.unlink()
    lines = [f"{file}.wav\t{ticks / scale!r}" for file, ticks in enumerate(case["durations"])]
    (folder / "durations.tsv").write_text("\n".join(["filename\tduration", *lines]))

    def rows(events):
        return [(f"{e[0]}.wav", e[2] / scale, e[3] / scale, f"class{e[1]}") for e in events]

    lines = ["\t".join(map(str, row)) for row in rows(case["truth"])]
    (folder / "truth.tsv").write_text("\n".join(["filename\tonset\toffset\tevent_label", *lines]))
    for number, table in enumerate(case["tables"]):
        lines = ["\t".join(map(str, (r[3], r[1], r[2], r[0]))) for r in rows(table)]
        (folder / "said" / f"th_{number / 100}.tsv").write_text(HEADER + "\n".join(lines))
    scores, beside = scored(folder, run)
    for name in ("psds_scenario1", "psds_scenario2"):
        official = case["psds_eval"][name]
        assert scores["overall"][name] == pytest.approx(official["value"], abs=1e-6)
        found = [cell[name] for cell in scores["per_class"].values()]
        assert found == pytest.approx(official["per_class"], abs=1e-6)
    assert "overlapping events of one class were merged in" in beside


@pytest.mark.parametrize("lacking", ["detections", "ground_truth", "durations"])
def test_what_lacks_is_told(folder, run, lacking):
    given = options(folder)
    place = given.index(f"--{lacking}")
    status, printed, beside = run(*given[:place], *given[place + 2 :])
    assert status == 2 and printed == ""
    named = {"detections": "DIR", "ground_truth": "FILE", "durations": "FILE"}[lacking]
    assert f"-m score needs --{lacking} {named}, a " in beside


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.tsv"], "x.tsv: -m score takes --detections DIR, no files"),
        (["--data", "x"], "--ground_truth takes the place of --data"),
        (["--model", "x.keras"], "--model is for -m predict"),
        (["-s", "events,events"], "-m score takes one set and one seed"),
        (["--overwrite"], "--overwrite needs a run"),
    ],
)
def test_what_has_no_effect_is_told(folder, run, arguments, message):
    status, printed, beside = run(*options(folder), *arguments)
    assert status == 2 and printed == "" and message in beside


@pytest.mark.parametrize("option", ["--detections", "--durations", "--ground_truth"])
def test_options_of_score_are_for_score(run, option):
    status, _, beside = run(option, "x")
    assert status == 2 and f"{option} is for -m score" in beside
    status, _, beside = run("x")
    assert status == 2 and "x: files are for -m predict; a data set is" in beside


def test_scripts_that_score_a_file_have_no_detections(folder, capsys):
    seen = []
    other = cli.Script(
        name="events", title="Other.", folder=folder, check=nothing, develop=nothing,
        evaluate=nothing, predict=nothing, demo=nothing, score=seen.append, score_takes="answers",
    )  # fmt: skip
    for option in ("--detections", "--durations"):
        with pytest.raises(SystemExit):
            cli.main(other, ["-m", "score", "a.csv", option, "x"])
        assert "unrecognized arguments" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(other, ["-m", "score", "a.csv", "-o", "x"])
    assert "-o needs one set" in capsys.readouterr().err
    assert cli.main(other, ["-m", "score", "a.csv", "--ground_truth", "b.csv"]) == 0
    assert (seen[0].path, seen[0].truth) == (Path("a.csv"), Path("b.csv"))
    assert (seen[0].durations, seen[0].output) == (None, None)
    with pytest.raises(SystemExit):
        cli.main(other, ["--help"])
    told = capsys.readouterr().out
    assert "--detections" not in told and "--durations" not in told


def test_overlapping_events_of_the_ground_truth_are_merged_with_a_note(folder, run):
    with (folder / "truth.tsv").open("a") as stream:
        stream.write("b.wav\t2\t4\tDog\nb.wav\t4\t5\tDog\n")
    scores, beside = scored(folder, run)
    assert scores["per_class"]["Dog"]["events"] == 2
    assert "truth.tsv: events of one class that overlap were merged" in beside


def test_an_offset_before_its_onset_is_refused_with_file_and_line(folder, run):
    path = folder / "said" / "predictions_th_0.5.tsv"
    path.write_text(HEADER + "Dog\t0\t2.1\ta.wav\nCat\t4\t3\ta.wav\n")
    assert f"{path}: line 3: the offset, 3 s, is before the onset, 4 s" in refused(folder, run)
    path.write_text(HEADER)
    with (folder / "truth.tsv").open("a") as stream:
        stream.write("b.wav\t4\t2\tDog\n")
    assert "truth.tsv: line 6: the offset, 2 s, is before the onset, 4 s" in refused(folder, run)


def test_an_unknown_event_is_refused_with_the_nearest(folder, run):
    (folder / "said" / "predictions_th_0.5.tsv").write_text(HEADER + "Dgo\t0\t2.1\ta.wav\n")
    message = refused(folder, run)
    assert "predictions_th_0.5.tsv: line 2: event 'Dgo' is not in the ground truth" in message
    assert "Did you mean 'Dog'?" in message


def test_detections_of_a_file_without_duration_are_refused(folder, run):
    (folder / "durations.tsv").write_text("filename\tduration\na.wav\t10\nb.wav\t10\n")
    assert "truth.tsv: file 'c.wav' is not in" in refused(folder, run)
    (folder / "truth.tsv").write_text(
        "filename\tonset\toffset\tevent_label\na.wav\t0\t2\tDog\na.wav\t3\t4\tCat\n"
    )
    message = refused(folder, run)
    assert "predictions_th_0.3.tsv: line 5: file 'c.wav' is not in" in message
    assert "durations.tsv" in message


def test_line_ends_and_byte_order_marks_of_windows_change_nothing(folder, run):
    scores, _ = scored(folder, run)
    for path in (*(folder / "said").iterdir(), folder / "truth.tsv", folder / "durations.tsv"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert scored(folder, run)[0] == scores


def test_the_labels_of_desed_found_again_score_1(folder, run, real_audio):
    truth = real_audio / "desed_sample" / "validation.tsv"
    if not truth.exists():
        pytest.skip(f"no {truth}")
    rows = truth.read_text(encoding="utf-8")
    for path in (folder / "said").iterdir():
        path.unlink()
    (folder / "said" / "predictions_th_0.5.tsv").write_text(rows)
    (folder / "truth.tsv").write_text(rows)
    files = dict.fromkeys(row.split("\t")[0] for row in rows.splitlines()[1:])
    lines = [f"{file}\t10.0" for file in files]
    (folder / "durations.tsv").write_text("\n".join(["filename\tduration", *lines]))
    scores, _ = scored(folder, run)
    assert scores["clips"] == 1168
    counts = {name: cell["events"] for name, cell in scores["per_class"].items()}
    assert (counts["Speech"], counts["Cat"], sum(counts.values())) == (1752, 341, 4224)
    assert set(scores["overall"].values()) == {1.0}


def test_no_network_is_needed(folder):
    (folder / "events.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, folder / "events.py", *options(folder)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(PROJECT), "COLUMNS": "80", "TERM": "dumb"},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["overall"]["event_f1_macro"] > 0.8


@pytest.mark.parametrize(
    ("takes", "evaluates", "given", "fits"),
    [
        ("answers", True, ["-m", "score", "said.csv", "--ground_truth", "truth.csv"], True),
        ("labels", True, ["-m", "score", "said.csv", "--ground_truth", "truth.csv"], False),
        ("labels", True, ["-m", "score", "said.csv", "-o", "scores.txt"], False),
        ("stems", False, ["-m", "score", "said", "-o", "scores.json"], True),
        ("stems", False, ["-m", "eval"], False),
        ("stems", False, ["-o", "stems"], False),
        ("labels", True, ["-o", "answers.csv"], True),
    ],
)
def test_options_are_those_that_a_script_heeds(tmp_path, capsys, takes, evaluates, given, fits):
    script = cli.Script(
        name="toy", title="", folder=tmp_path, check=nothing, develop=nothing,
        evaluate=nothing if evaluates else None, predict=nothing, demo=nothing, score=nothing,
        score_takes=takes,
    )  # fmt: skip
    if fits:
        parse(script, given)
        return
    with pytest.raises(SystemExit) as stop:
        parse(script, given)
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert given[-2] in told or given[-1] in told
