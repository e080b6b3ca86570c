"""task1a.py given what cannot work: one sentence and status 2, before any time is lost."""

import shutil

import numpy as np
import pytest
import soundfile

from utils.report.results import read_results

pytestmark = pytest.mark.smoke


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--override", "training.epoch=5"), "Did you mean 'epochs'"),
        (("--override", "training.epochs=1e3"), "training.epochs"),
        (("-s", "task1"), "Did you mean 'task1a'"),
        (("-p", "missing.yaml"), "missing.yaml"),
        (("--override", "model.layers=[{Conv2D: {filters: 4, kernel_sise: 3}}]"), "kernel_size"),
        (("--override", "model.layers=[Flaten]"), "Did you mean 'Flatten'"),
        (("--override", "training.optimizer={Adm: {}}"), "Did you mean 'Adam'"),
        (("--override", "limits.format=float32", "export.formats=[int8]"), "limits.format"),
        (("--override", "features.frames=600"), "frames"),
        (("--data", "nowhere"), "nowhere"),
        (("--override", "training.loss=sparse_categorical_crossentropy"), "training.loss"),
        (("--override", "model.layers=[Conv2D: {filters: 10, kernel_size: 3}]"), "output"),
        (("--override", "training.batch_size=0"), "batch_size"),
        (("--override", "augment=[DeviceResponse: {folder: nowhere}]"), "nowhere is no folder"),
        (("--override", "augment=[DeviceResponse: {devices: [z]}]"), "no training clip is of"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(script, tau, tiny, capsys, arguments, words):
    data = () if "--data" in arguments else ("--data", tau)
    chosen = () if "-s" in arguments or "-p" in arguments else ("-s", "tiny")
    file = () if "-p" in arguments else ("-p", tiny)
    assert script(*chosen, *file, *data, *arguments) == 2
    message = capsys.readouterr().err
    assert words in message
    assert "Traceback" not in message
    assert len(message.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "x.keras"), "--model is for -m predict"),
        (("x.wav",), "files are for -m predict"),
        (("-m", "predict"), "needs audio files"),
        (("-m", "score", "a.csv", "--check_limits"), "--check_limits needs a run"),
        (("--seed", "0,1", "-o", "answers.csv"), "-o needs one set"),
        (("--seed", "a"), "seeds are whole numbers"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(script, capsys, arguments, words):
    with pytest.raises(SystemExit) as left:
        script(*arguments)
    assert left.value.code == 2
    assert words in capsys.readouterr().err


def broken_file(kind, path):
    """Put something wrong where a clip should be."""
    samples, rate = soundfile.read(path)
    if kind == "missing":
        path.unlink()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut in the middle":
        path.write_bytes(path.read_bytes()[:20_000])
    elif kind == "not a number":
        samples[100] = np.nan
        soundfile.write(path, samples, rate, subtype="FLOAT")


@pytest.mark.parametrize("kind", ["missing", "empty", "cut in the middle", "not a number"])
def test_a_broken_file_stops_the_run_or_is_left_out(script, tau, tiny, tmp_path, capsys, kind):
    data = tmp_path / "data"
    shutil.copytree(tau, data)
    name = "tram-lyon-0-0-a.wav"
    broken_file(kind, data / "audio" / name)
    arguments = ("-s", "tiny", "-p", tiny, "--data", data, "--override", "training.epochs=1")
    assert script(*arguments) == 2
    message = capsys.readouterr().err
    assert name in message
    assert len(message.strip().splitlines()) == 1
    if kind != "missing":
        assert script(*arguments, "audio.on_bad_audio=skip") == 0
        assert any(
            name in note
            for note in read_results(tmp_path / "runs" / "tiny" / "latest" / "results.json").notes
        )


def test_stereo_at_48_khz_is_read(script, tau, tiny, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(tau, data)
    path = data / "audio" / "tram-lyon-0-0-a.wav"
    soundfile.write(path, np.zeros((24_000, 2)) + 0.1, 48_000)
    arguments = ("-s", "tiny", "-p", tiny, "--data", data, "--override", "training.epochs=1")
    assert script(*arguments) == 0


def test_an_unknown_scene_names_its_row(script, tau, tiny, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(tau, data)
    table = data / "meta.csv"
    table.write_text(table.read_text().replace("\ttram\t", "\ttrm\t", 1))
    assert script("-s", "tiny", "-p", tiny, "--data", data) == 2
    message = capsys.readouterr().err
    assert "meta.csv" in message
    assert "tram" in message


def test_the_same_place_on_both_sides_is_a_warning(script, tau, tiny, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(tau, data)
    meta = data / "meta.csv"
    text = meta.read_text()
    for table in (meta, *(data / "evaluation_setup").glob("*.csv")):
        table.write_text(table.read_text().replace("tram-lyon-4-4", "tram-lyon-0-4"))
    meta.write_text(meta.read_text().replace("tram\tlyon-4", "tram\tlyon-0"))
    for clip in (data / "audio").glob("tram-lyon-4-4-*"):
        clip.rename(clip.with_name(clip.name.replace("lyon-4", "lyon-0")))
    assert meta.read_text() != text
    arguments = ("-s", "tiny", "-p", tiny, "--data", data, "--override", "training.epochs=1")
    assert script(*arguments) == 0
    assert "tram-lyon-0" in capsys.readouterr().out


def test_a_run_folder_that_cannot_be_written(script, tau, tiny, tmp_path, capsys):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder is needed")
    arguments = ("-s", "tiny", "-p", tiny, "--data", tau, "--override", f"paths.runs={blocked}")
    assert script(*arguments) == 2
    assert "cannot be written" in capsys.readouterr().err
