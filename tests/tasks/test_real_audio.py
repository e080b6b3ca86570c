"""Real recordings pass through the task scripts: features, training, tables, export, labels."""

import csv

import numpy as np
import pytest
import soundfile

from utils.evaluation import answers, read_system_output
from utils.report.results import read_results

pytestmark = [pytest.mark.smoke, pytest.mark.real_audio]
NETWORK = (
    "model.layers=[{AveragePooling2D: {pool_size: [4, $FRAMES]}}, Flatten, "
    "{Dense: {units: $CLASS_COUNT, activation: softmax}}]",
    "model.use=null",
    "export={formats: [float32], calibration_clips: 8}",
    "limits.format=float32",
    "evaluation.bootstrap=20",
)
SMALL = (
    "dataset.mixing={train: 64, validation: 24, test: 24}",
    "training.epochs=2",
    "training.batch_size=32",
    "dataset.name=words",
    *NETWORK,
)
TINY_CLIPS = (
    "audio={sample_rate: 16000, seconds: 2.0}",
    "features={n_fft: 640, hop_seconds: 0.04, n_mels: 32}",
    "training.epochs=1",
    "training.schedule={kind: constant, warmup_epochs: 0.0}",
    *NETWORK,
)


@pytest.fixture
def paths(tmp_path):
    """Folders of the test's own."""
    return (f"paths.runs={tmp_path}/runs", f"paths.cache={tmp_path}/cache")


def runner(task, paths, smaller):
    """Run a task with folders of the test's own; what makes training short is not for predict."""

    def run(*given):
        return task(*given, "--override", *paths, *(() if "predict" in given else smaller))

    return run


@pytest.fixture
def run(script, paths):
    """Run task1a.py with one epoch."""
    return runner(script, paths, ("training.epochs=1",))


@pytest.fixture
def run_urban(urbansound, paths):
    """Run task_urbansound.py on two seconds of each clip, with a network of one layer."""
    return runner(urbansound, paths, TINY_CLIPS)


@pytest.fixture
def some_of_esc_10(real_audio, tmp_path):
    """ESC-10 with the first two sources of each class in each fold; nothing is copied."""
    with (real_audio / "esc10" / "meta" / "esc10.csv").open(newline="") as stream:
        rows = sorted(csv.DictReader(stream), key=lambda row: row["filename"])
    sources = {}
    for row in rows:
        sources.setdefault((row["fold"], row["target"]), {}).setdefault(row["src_file"], row)
    chosen = [row for found in sources.values() for row in list(found.values())[:2]]
    for name in ("meta", "audio"):
        (tmp_path / "esc10" / name).mkdir(parents=True)
    with (tmp_path / "esc10" / "meta" / "esc10.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(chosen)
    for row in chosen:
        place = tmp_path / "esc10" / "audio" / row["filename"]
        place.symlink_to(real_audio / "esc10" / "audio" / row["filename"])
    return tmp_path / "esc10"


@pytest.fixture
def run_words(dacon, paths):
    """Run task_dacon.py on isolated words, some mixtures of them, with a network of one layer."""
    return runner(dacon, paths, SMALL)


def test_one_second_scenes_of_tau_2022(run, real_audio, tmp_path):
    assert run("-s", "task1a_tau2022", "--data", real_audio / "tau2022_mini") == 0
    folder = tmp_path / "runs" / "task1a_tau2022" / "latest"
    results = read_results(folder / "results.json")
    assert results.data == "tau_urban_2022_mobile"
    assert results.model.parameters == 46_246
    assert results.model.macs == pytest.approx(29.20e6, rel=1e-3)
    assert results.exports["int8"].parameter_bytes == 46_512
    assert set(results.scores["per_device"]) == {"a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6"}
    table = tmp_path / "labels.csv"
    clips = sorted((real_audio / "tau2022_mini" / "audio").iterdir())[:3]
    assert run("-m", "predict", *clips, "-s", "task1a_tau2022", "-o", table) == 0
    assert len(table.read_text().splitlines()) == 4


def test_own_data_as_esc_10_lists_it(run, some_of_esc_10, tmp_path):
    """With a network of one layer; the whole table is read elsewhere."""
    with (some_of_esc_10 / "meta" / "esc10.csv").open(newline="") as stream:
        tested = [row for row in csv.DictReader(stream) if row["fold"] == "1"]
    data = ("-s", "task1a_csv", "--data", some_of_esc_10)
    assert run(*data, "--override", "dataset.folds=[1]", *NETWORK) == 0
    results = read_results(tmp_path / "runs" / "task1a_csv" / "latest" / "results.json")
    clips = [cell["clips"] for cell in results.scores["per_class"].values()]
    assert sum(clips) == len(tested) >= 20
    assert results.scores["per_device"] == {}


def test_esc_10_in_two_of_its_folds(run_urban, some_of_esc_10, tmp_path, capsys):
    esc = ("dataset.name=esc10", "dataset.folds=[1,4]")
    arguments = ("--data", some_of_esc_10, "--override", *esc)
    assert run_urban(*arguments) == 0
    folder = tmp_path / "runs" / "task_urbansound" / "latest"
    results = read_results(folder / "results.json")
    assert results.data == "esc10"
    assert tuple(results.scores["per_class"]) == (
        "dog", "rooster", "rain", "sea_waves", "crackling_fire", "crying_baby", "sneezing",
        "clock_tick", "helicopter", "chainsaw",
    )  # fmt: skip
    assert set(results.scores["per_fold"]["folds"]) == {"fold1", "fold4"}
    assert not any("groups" in note for note in results.notes)
    told = read_system_output(folder / "system_output.csv", classes=results.scores["per_class"])
    assert len(told.names) == 40
    assert {name[0] for name in told.names} == {"1", "4"}
    table = tmp_path / "labels.csv"
    clips = [some_of_esc_10 / "audio" / name for name in told.names[:3]]
    assert run_urban("-m", "predict", *clips, "-o", table) == 0
    # clips are longer than the two seconds of the set: all windows are heard
    found = read_system_output(table, classes=told.classes)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1.0, atol=1e-5)
    capsys.readouterr()
    assert run_urban("-m", "score", folder / "system_output.csv", *arguments) == 0
    assert f"{results.overall['log_loss']:.3f}" in capsys.readouterr().out


def check_words(results, folder):
    """Thirty words, four in a clip; the answers are distributions of them."""
    assert results.data == "words"
    assert len(results.scores["classes"]) == 30
    assert results.overall["kl_uniform"] == pytest.approx(np.log(30 / 4), abs=1e-4)
    assert results.overall["kl"] < 2.5
    told = answers.read(folder / "test.csv")
    assert told.classes == tuple(sorted(told.classes))
    assert told.probabilities.shape == (24, 30)
    mixtures = sorted(folder.parents[2].glob("cache/mixtures/*/test/*.wav"))
    assert len(mixtures) == 24
    for path in mixtures:
        info = soundfile.info(path)
        assert (info.samplerate, info.frames, info.channels) == (16_000, 16_000, 1)


def test_thirty_arabic_words_as_their_table_divides_them(run_words, real_audio, tmp_path):
    data = real_audio / "arabic_words"
    assert run_words("--data", data) == 0
    folder = tmp_path / "runs" / "task_dacon" / "latest"
    results = read_results(folder / "results.json")
    check_words(results, folder.resolve())
    assert (
        results.notes[0]
        == "The words are those of the table words.csv, divided by its column 'split'."
    )
    sizes = next(note for note in results.notes if note.startswith("Isolated words"))
    assert "train 30 words by 18 speakers in 1080 recordings" in sizes
    assert "test 30 words by 6 speakers in 360 recordings" in sizes
    table = tmp_path / "labels.csv"
    clips = sorted((data / "zero").iterdir())[:2]
    assert run_words("-m", "predict", *clips, "-o", table) == 0
    assert answers.read(table).ids == tuple(clip.stem for clip in clips)


def test_the_thirty_words_of_speech_commands_in_their_folders(run_words, real_audio, tmp_path):
    data = real_audio / "speech_commands_mini"
    assert run_words("--data", data) == 0
    folder = tmp_path / "runs" / "task_dacon" / "latest"
    results = read_results(folder / "results.json")
    check_words(results, folder.resolve())
    assert results.notes[1] == "They are divided by validation_list.txt and testing_list.txt."
    # the lists are those of the whole corpus
    assert any("files of testing_list.txt are not there" in note for note in results.notes)
