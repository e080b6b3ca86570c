"""task4_sed.py as its users run it: student and teacher, tables, own files, gaps, a kill."""

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile

from tests.tasks.processes import kill_in_epoch
from tests.tasks.runs import results_of, run_of, set_of

CLASSES = ["Beep", "Buzz", "Whistle"]
FORMATS = ("float32", "float16", "dynamic")
BRIEF = ("training.epochs=1", "training.schedule.warmup_epochs=0", "export.formats=[]")
pytest_plugins = ["tests.tasks.sed_fixtures"]
pytestmark = pytest.mark.smoke


def table(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def history(folder):
    with (run_of(folder) / "history.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_everything_from_soundscapes_to_report(searched):
    run, results = run_of(searched), results_of(searched)
    expected = {
        "results.json", "report.html", "parameters.yaml", "history.csv", "log.txt", "missing.tsv",
        "model.keras", "model.metadata.json", "student.keras", "teacher.keras", "decisions.json",
        *(f"model_{name}.tflite" for name in FORMATS),
    }  # fmt: skip
    assert expected <= {path.name for path in run.iterdir()}
    assert (results.data, results.demo) == ("desed", False)
    assert results.overall["psds_scenario2"] > 0.8
    assert results.overall["intersection_f1_macro"] > 0.6
    assert set(results.scores["networks"]) == {"student", "teacher"}
    assert results.overall in results.scores["networks"].values()
    assert set(results.scores["per_class"]) == set(CLASSES)
    assert results.scores["clips"] == 12
    assert set(results.exports) == set(FORMATS)
    for name, near in zip(FORMATS, (1e-5, 1e-2, 0.1), strict=True):
        assert results.exports[name].max_difference < near
    assert results.exports["float32"].scores == pytest.approx(
        {name: results.overall[name] for name in results.exports["float32"].scores}
    )
    assert any(note.startswith("The model is the") for note in results.notes)
    page = (run / "report.html").read_text()
    assert "PSD-ROC" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert (run / "missing.tsv").read_text() == "filename\n"


def test_history_has_student_and_teacher(searched):
    rows = history(searched)
    assert len(rows) == 16
    scores = ("weak_f1", "intersection_f1", "objective", "psds_scenario1", "psds_scenario2", "psds")
    losses = {"strong", "weak", "strong_consistency", "weak_consistency"}
    columns = {f"val_{who}{name}" for who in ("", "teacher_") for name in scores}
    assert set(rows[0]) == {"epoch", "loss", "learning_rate"} | losses | columns
    last = {name: float(value) for name, value in rows[-1].items()}
    first = {name: float(value) for name, value in rows[0].items()}
    assert last["loss"] < 0.5 * first["loss"]
    assert last["val_teacher_objective"] > 1.0
    assert last["val_objective"] == pytest.approx(last["val_weak_f1"] + last["val_intersection_f1"])
    assert last["learning_rate"] == pytest.approx(0.02, rel=1e-4)
    assert first["learning_rate"] < last["learning_rate"]


def scored(sed, tables, desed, capsys, *options):
    """What ``-m score`` prints about a folder of tables."""
    part = desed / "metadata" / "validation"
    capsys.readouterr()
    truth = ("--ground_truth", part / "validation.tsv")
    lengths = ("--durations", part / "validation_durations.tsv")
    assert sed("-m", "score", "--detections", tables, *truth, *lengths, *options) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("network", ["student", "teacher"])
def test_tables_of_other_programs_would_be_scored_alike(
    sed, searched, desed, network, capsys, tmp_path
):
    place = run_of(searched) / "detections" / network
    expected = results_of(searched).scores["networks"][network]
    assert len(list((place / "tables").iterdir())) == 50
    told = scored(sed, place / "tables", desed, capsys)
    for scenario in ("psds_scenario1", "psds_scenario2"):
        assert told[scenario] == pytest.approx(expected[f"{scenario}_50"], abs=1e-6)
    assert told["psds_scenario2_2021"] == pytest.approx(expected["psds_scenario2_2021"], abs=1e-6)
    assert told["f1_threshold"] == 0.49
    shutil.copy(place / "events.tsv", tmp_path / "decided_0.5.tsv")
    told = scored(sed, tmp_path, desed, capsys)
    for name in ("event_f1_macro", "intersection_f1_macro", "segment_f1_macro"):
        assert told[name] == pytest.approx(expected[name], abs=1e-6)


def test_decided_events_are_near_what_was_there(searched, desed):
    found = table(run_of(searched) / "detections" / "student" / "events.tsv")
    assert list(found[0]) == ["event_label", "onset", "offset", "filename"]
    there = [row for row in table(desed / "metadata/validation/validation.tsv") if row["onset"]]
    near = [
        row
        for row in there
        for one in found
        if (one["filename"], one["event_label"]) == (row["filename"], row["event_label"])
        and abs(float(one["onset"]) - float(row["onset"])) < 0.25
    ]
    assert len(near) > 0.7 * len(there)


def test_a_second_start_reuses_all_stages(sed, searched, desed, tmp_path, capsys):
    before, output = results_of(searched).scores, tmp_path / "told" / "events.tsv"
    formats = f"export.formats=[{','.join(FORMATS)}]"
    assert sed(*set_of(searched), "--data", desed, "-o", output, "--override", formats) == 0
    printed = capsys.readouterr().out
    for stage in ("training", "validation", "test", "export"):
        assert f"\n{stage} (reused)\n" in printed
    assert results_of(searched).scores == before
    decisions = json.loads((run_of(searched) / "decisions.json").read_text())
    model = run_of(searched) / "detections" / decisions["model"]
    assert output.read_bytes() == (model / "events.tsv").read_bytes()


def test_decisions_are_tuned_without_another_training(sed, searched, desed, tmp_path, capsys):
    shutil.copytree(searched, tmp_path / "kept", symlinks=True)
    kept = tmp_path / "kept"
    paths = (f"paths.runs={kept}/runs", f"paths.cache={kept}/cache")
    formats = f"export.formats=[{','.join(FORMATS)}]"
    changes = ("postprocess.method=boxes", "postprocess.tune=true", "postprocess.weak_masking=true")
    arguments = (*set_of(searched), "--data", desed, "--override", *paths, formats)
    assert sed(*arguments, *changes) == 0
    printed = capsys.readouterr().out
    assert "\ntraining (reused)\n" in printed
    assert "\ntest\n" in printed
    decided = json.loads((run_of(kept) / "decisions.json").read_text())["decisions"]
    for network in ("student", "teacher"):
        assert decided[network]["method"] == "boxes"
        assert decided[network]["weak_masking"]
        assert len(decided[network]["thresholds"]) == 3
    assert results_of(kept).overall["intersection_f1_macro"] > 0.5
    assert results_of(kept).overall != results_of(searched).overall


@pytest.fixture
def own_files(tmp_path):
    """Files of several lengths, rates and channels; Beep at 1.0 s and Buzz at 3.5 s of the long."""
    rng = np.random.default_rng(23)
    folder = tmp_path / "own"
    folder.mkdir()

    def tone(rate, seconds, *sounds):
        time = np.arange(round(rate * seconds)) / rate
        samples = 0.01 * rng.standard_normal(len(time))
        for pitch, onset, offset in sounds:
            there = (time >= onset) & (time < offset)
            samples += 0.2 * there * np.sin(2 * np.pi * pitch * time)
        return samples

    soundfile.write(folder / "short.wav", tone(8000, 0.7, (1500.0, 0.0, 0.7)), 8000)
    soundfile.write(folder / "clip.wav", tone(8000, 2.0, (2900.0, 0.5, 1.3)), 8000)
    long = tone(16_000, 5.3, (1500.0, 1.0, 2.0), (300.0, 3.5, 4.3))
    soundfile.write(folder / "long.flac", np.stack([long, long], axis=1), 16_000)
    soundfile.write(folder / "nothing.wav", tone(8000, 3.1), 8000)
    return folder


@pytest.fixture
def predict(sed, searched, tmp_path, capsys):
    """Search files with a model of the run; give the folder that was written."""

    def run(folder, model, output):
        capsys.readouterr()
        arguments = ("-m", "predict", folder, *set_of(searched), "-o", tmp_path / output)
        assert sed(*arguments, "--model", run_of(searched) / model) == 0
        return tmp_path / output

    return run


def test_files_of_any_length_are_searched_alike_by_every_file(predict, own_files, capsys):
    by_keras = predict(own_files, "model.keras", "keras")
    printed = capsys.readouterr().out
    assert "nothing.wav" in printed
    names = ("clip.wav", "long.flac", "nothing.wav", "short.wav")
    assert {path.name for path in by_keras.iterdir()} == {
        "events.tsv", "events.json",
        *(f"{name}.{kind}" for name in names for kind in ("txt", "png")),
    }  # fmt: skip
    told = json.loads((by_keras / "events.json").read_text())
    assert told["classes"] == CLASSES
    assert tuple(told["files"]) == names
    long = {event["event_label"]: event for event in told["files"]["long.flac"]}
    for label, onset, offset in (("Beep", 1.0, 2.0), ("Buzz", 3.5, 4.3)):
        assert long[label]["onset"] == pytest.approx(onset, abs=0.3)
        assert long[label]["offset"] == pytest.approx(offset, abs=0.3)
    assert all(event["offset"] <= 0.7 for event in told["files"]["short.wav"])
    rows = table(by_keras / "events.tsv")
    assert len(rows) == sum(map(len, told["files"].values()))
    track = (by_keras / "long.flac.txt").read_text().splitlines()
    assert [line.split("\t")[2] for line in track] == [
        event["event_label"] for event in told["files"]["long.flac"]
    ]
    assert (by_keras / "nothing.wav.png").read_bytes().startswith(b"\x89PNG")
    by_tflite = predict(own_files, "model_float32.tflite", "tflite")
    again = json.loads((by_tflite / "events.json").read_text())
    for name in names:
        found, expected = again["files"][name], told["files"][name]
        assert [e["event_label"] for e in found] == [e["event_label"] for e in expected]
        for key in ("onset", "offset"):
            np.testing.assert_allclose(
                [e[key] for e in found], [e[key] for e in expected], atol=0.065
            )


def test_own_files_that_cannot_be_searched(sed, searched, tmp_path, capsys):
    own = tmp_path / "own"
    own.mkdir()
    (own / "broken.wav").write_bytes(b"no audio")
    capsys.readouterr()
    assert sed("-m", "predict", own, *set_of(searched), "-o", tmp_path / "found") == 2
    message = capsys.readouterr().err
    assert "broken.wav" in message
    assert "Traceback" not in message
    assert not (tmp_path / "found").exists()


def test_int8_is_refused_before_anything_is_trained(sed, desed, tiny_sed, tmp_path, capsys):
    formats = "export.formats=[float32,int8]"
    arguments = (*set_of(tmp_path), "--data", desed, "--override", formats)
    assert sed(*arguments) == 2
    message = capsys.readouterr().err
    assert "int8 is not possible with a recurrent layer" in message
    assert len(message.strip().splitlines()) == 1
    assert not list(tmp_path.rglob("features.npy"))


def test_the_public_part_is_answered_and_every_augmentation_runs(
    sed, desed, tiny_sed, tmp_path, capsys
):
    steps = (
        "feature_augment=[FrameShift, {GroupMixup: {labels: hard}}, TimeMask]",
        "view_augment=[{FilterAugment: {min_bandwidth: 2, max_bands: 4}}]",
        "training.teacher.distance=bce",
    )
    output = tmp_path / "answers.tsv"
    arguments = ("-m", "eval", *set_of(tmp_path), "--data", desed, "-o", output)
    assert sed(*arguments, "--override", *BRIEF, *steps) == 0
    (row,) = history(tmp_path)
    assert float(row["strong_consistency"]) > 0
    assert np.isfinite([float(value) for value in row.values()]).all()
    run, printed = run_of(tmp_path), capsys.readouterr().out
    for network in ("student", "teacher"):
        place = run / "submission" / network
        assert f"submission: {place}" in printed
        assert len(list((place / "tables").iterdir())) == 50
        everything = table(place / "tables" / "predictions_th_0.01.tsv")
        assert {row["filename"] for row in everything} == {f"public_{n}.wav" for n in range(4)}
    model = json.loads((run / "decisions.json").read_text())["model"]
    assert output.read_bytes() == (run / "submission" / model / "events.tsv").read_bytes()
    assert results_of(tmp_path).exports == {}


def test_without_weak_clips_a_network_learns_from_strong_ones_alone(
    sed, desed, tiny_sed, tmp_path, capsys
):
    data = tmp_path / "data"
    shutil.copytree(desed, data, ignore=shutil.ignore_patterns("weak_*.wav", "unlabel*"))
    (data / "audio/validation/validation/validation_3.wav").unlink()
    (data / "metadata/validation/validation_durations.tsv").unlink()  # told by the files then
    arguments = (*set_of(tmp_path), "--data", data, "--override")
    assert sed(*arguments, *BRIEF, "training.teacher=null", "feature_augment=[]") == 0
    run, results = run_of(tmp_path), results_of(tmp_path)
    for told in (
        "train/weak: none of its 16 files is there",
        "train/unlabel_in_domain: there is neither a table nor audio",
        "validation/validation: 1 of 12 files are missing",
        "A batch has 0 weak clips instead of 4",
        "A batch has 0 unlabelled clips instead of 4",
    ):
        assert any(told in note for note in results.notes)
    assert (results.scores["clips"], results.scores["seconds"]) == (11, 22.0)
    assert list(results.scores["networks"]) == ["student"]
    assert not (run / "teacher.keras").exists()
    assert "teacher" not in (run / "history.csv").read_text()
    missing = [row["filename"] for row in table(run / "missing.tsv")]
    assert len(missing) == 17
    assert {"train/weak/weak_0.wav", "validation/validation/validation_3.wav"} <= set(missing)


def test_interrupted_by_kill_it_ends_as_if_undisturbed(
    sed, searched, desed, tiny_sed, tmp_path, capsys
):
    """``kill -9`` in the middle of training student and teacher; then once more."""
    command = (*set_of(tmp_path), "--data", desed, "--override", "export.formats=[]")
    kill_in_epoch(13, "task4_sed.py", *command, runs=tmp_path / "runs" / "tiny")
    assert sed(*command) == 0
    assert "training stopped" not in capsys.readouterr().out
    histories = [(run_of(folder) / "history.csv").read_bytes() for folder in (tmp_path, searched)]
    assert histories[0] == histories[1]
    assert results_of(tmp_path).scores == results_of(searched).scores


def test_without_data_it_runs_on_generated_soundscapes(
    sed, tiny_sed, tmp_path, monkeypatch, capsys
):
    from utils.datasets import demo_desed

    size = demo_desed.DesedSize(
        1, 1, strong=4, weak=3, unlabelled=2, validation=2, test=2, seconds=5.0
    )
    monkeypatch.setattr(demo_desed, "DesedSize", lambda: size)
    changes = ("audio.seconds=5.0", *BRIEF)
    assert sed(*set_of(tmp_path), "--override", *changes) == 0
    results = results_of(tmp_path)
    assert (results.data, results.demo) == ("demo", True)
    assert len(results.scores["classes"]) == 10
    assert "generated demo data" in capsys.readouterr().out
    assert "generated" in (run_of(tmp_path) / "report.html").read_text()


def test_shows_without_training(sed, desed, tiny_sed, tmp_path, capsys):
    assert sed("--show_sets", "-p", tiny_sed) == 0
    printed = capsys.readouterr().out
    assert "task4_sed" in printed
    assert "urbansound" not in printed
    assert sed("--show_model", *set_of(tmp_path), "--data", desed) == 0
    assert "AttentionPooling" in capsys.readouterr().out
