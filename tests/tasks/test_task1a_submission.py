"""``task1a.py -m eval`` as its users run it: submissions of some years, packed or not, and why."""

import shutil
import zipfile
from dataclasses import replace

import pytest
import yaml

from tests.tasks.conftest import SCENES, TINY
from utils.datasets.split import split_validation
from utils.evaluation.package import check_package
from utils.evaluation.submission_forms import FORMS
from utils.export import measure, peak_memory

pytestmark = pytest.mark.smoke

DEVELOPMENT = "TAU-urban-acoustic-scenes-2020-mobile-development"
MORE_DEVICES = ("b", "c", "s1", "s2", "s3", "s5", "s6")  # beside a and s4
SHIFTS = "evaluation.shifts_seconds=[0.0, 0.1]"
QUICK = ("training.epochs=1", "export.formats=[int8]", "evaluation.bootstrap=0", SHIFTS)
AUTHOR = (
    "{firstname: Kim, lastname: Muller, email: kim@example.org, corresponding: true, "
    "institute: University of Examples, affiliation: TAU}"
)


@pytest.fixture(scope="module")
def root(tau, tmp_path_factory):
    """The tiny set with test clips of all nine devices, five evaluation clips of three years."""
    root = tmp_path_factory.mktemp("both")
    data = root / DEVELOPMENT
    shutil.copytree(tau, data)
    setup = (f"evaluation_setup/fold1_{part}.csv" for part in ("test", "evaluate"))
    for name in ("meta.csv", *setup):
        lines = (data / name).read_text().splitlines()
        known = [line for line in lines if "-s4" in line]
        for device in MORE_DEVICES:
            renamed = (line.replace("-s4", f"-{device}") for line in known)
            lines += [line.replace("\ts4", f"\t{device}") for line in renamed]
        (data / name).write_text("\n".join(lines) + "\n")
    for clip in (data / "audio").glob("*-s4.wav"):
        for device in MORE_DEVICES:
            shutil.copy(clip, clip.with_name(clip.name.replace("-s4", f"-{device}")))
    for year in (2021, 2022, 2024):
        evaluation = root / FORMS[year].evaluation
        (evaluation / "evaluation_setup").mkdir(parents=True)
        (evaluation / "audio").mkdir()
        for number, clip in enumerate(sorted((tau / "audio").glob("*-s4.wav"))[:5]):
            shutil.copy(clip, evaluation / "audio" / f"{number}.wav")
        names = "".join(f"audio/{number}.wav\n" for number in range(5))
        (evaluation / "evaluation_setup" / "fold1_test.csv").write_text("filename\n" + names)
    return root


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Folder of the parameter file and of one run that all submissions are of."""
    folder = tmp_path_factory.mktemp("submissions")
    (folder / "tiny.yaml").write_text(TINY.format(folder=folder))
    return folder


@pytest.fixture
def evaluates(script, place, root, monkeypatch):
    """-m eval with settings of the submission, where an evaluation set has five clips."""
    for year, form in FORMS.items():
        monkeypatch.setitem(FORMS, year, replace(form, clips=5))

    def run(*arguments, more=(), **settings):
        given = [*more, *(f"submission.{name}={value}" for name, value in settings.items())]
        command = ("-m", "eval", "-s", "tiny", "-p", place / "tiny.yaml", "--data", root)
        return script(*command, *arguments, "--override", *QUICK, *given)

    return run


def test_a_system_of_2024_learns_no_other_clips_than_those_of_its_split(
    evaluates, place, root, capsys, monkeypatch
):
    """Every second training clip; the test clips are learnt in other years."""
    divided = []

    def divide(clips, settings):
        divided.append([clip.name for clip in clips])
        return split_validation(clips, settings)

    monkeypatch.setattr("utils.experiment.clips.split_validation", divide)
    setup = root / DEVELOPMENT / "evaluation_setup"
    head, *rows = (setup / "fold1_train.csv").read_text().splitlines()
    listed = [row.split("\t")[0] for row in rows][::2]
    (setup / "split25.csv").write_text("\n".join([head.split("\t")[0], *listed]) + "\n")
    label = "Muller_TAU_task1_1"
    assert evaluates(more=("dataset.subset=25",), label=label, authors=f"[{AUTHOR}]") == 0
    assert "split 25 of 2024 is ready" in " ".join(capsys.readouterr().out.split())
    run = place / "runs" / "tiny" / "latest"
    meta = run / "submission" / label / f"{label}.meta.yaml"
    results = yaml.safe_load(meta.read_text())["results"]["development_dataset"]
    assert list(results) == ["split_25"]
    assert divided == [sorted(listed)]


def test_a_submission_without_author_is_written_and_not_packed(evaluates, place, tmp_path, capsys):
    output = tmp_path / "answers.csv"
    assert evaluates("-o", output) == 0
    run = place / "runs" / "tiny" / "latest"
    assert (run / "all_data" / "model.keras").exists()
    label = "Lastname_Inst_task1a_1"
    assert (run / "submission" / f"{label}.report.txt").is_file()
    assert not (run / "submission" / f"{label}.zip").exists()
    rows = (run / "submission" / label / f"{label}.output.csv").read_text().splitlines()
    assert [row.split("\t")[0] for row in rows[1:]] == [f"{number}.wav" for number in range(5)]
    assert len(output.read_text().splitlines()) == 6
    printed = " ".join(capsys.readouterr().out.split())
    assert "exactly one of the authors must be corresponding" in printed
    assert "still the placeholder" in printed
    assert "output.csv" not in printed.replace(str(output), "")


def test_each_year_is_packed_with_the_figures_of_its_file(evaluates, place, capsys):
    run = place / "runs" / "tiny" / "latest"
    for year, label in ((2021, "Muller_TAU_task1a_2"), (2022, "Muller_TAU_task1_2")):
        settings = {"label": label, "authors": f"[{AUTHOR}]", "year": year}
        assert evaluates(**settings) == 0
        package = run / "submission" / f"{label}.zip"
        assert f"package: {package.resolve()}" in capsys.readouterr().out.replace("\n", "")
        made = package.read_bytes()
        again = check_package(package, form=FORMS[year], classes=SCENES)
        assert again.problems == ()
        name = f"{FORMS[year].package}/{label}/{label}.meta.yaml"
        with zipfile.ZipFile(package) as opened:
            told = yaml.safe_load(opened.read(name))["system"]["complexity"]
            report = opened.read("report.txt").decode()
        assert report == (run / "submission" / f"{label}.report.txt").read_text()
        assert again.text() == report  # what was counted lies beside the package
        assert "not checked" not in report
        facts = measure(run / "all_data" / "model_int8.tflite")
        counted = {
            "total_parameters": facts.parameters,
            "total_parameters_non_zero": facts.non_zero,
            "model_size": round(facts.non_zero_bytes / 1024, 3),
            "memory_use": peak_memory(run / "all_data" / "model_int8.tflite"),
            "macs": 2 * facts.nessi_macs,  # one pass a shift
        }
        assert told == {field: counted[field] for field in FORMS[year].complexity}
    assert evaluates(**settings) == 0
    assert package.read_bytes() == made
    wrong = f"{{total_parameters: {facts.parameters + 1}}}"
    assert evaluates(**settings, complexity=wrong) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "submission.complexity.total_parameters: says" in error
    assert f"model_int8.tflite has {facts.parameters:,}" in error


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("submission.year=2024",), "dataset.subset: the form of 2024 wants one system"),
        (("dataset.subset=5",), "split5.csv, which the baseline of DCASE 2024 comes with, lies"),
        (("submission.complexity={macs: 5}",), "submission.complexity.macs: the form of 2021"),
        (("submission.label=../outside",), "submission.label"),
        (
            ("limits.format=keras_float16",),
            "limits.format: keras_float16 is to be handed in, but only exported files can be",
        ),
    ],
)
def test_what_contradicts_the_form_is_told_before_training(
    script, tiny, root, tmp_path, capsys, more, message
):
    command = ("-m", "eval", "-s", "tiny", "-p", tiny, "--data", root, "--override", *more)
    assert script(*command) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.rglob("model.keras"))
