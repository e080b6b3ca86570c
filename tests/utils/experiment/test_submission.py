"""What a submission refuses before anything is trained, and what it leaves."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.utils.evaluation.systems import CLASSES, COUNTED, DEVICES, label, system
from utils.datasets.tau import SCENES
from utils.errors import ConfigError, DataError
from utils.evaluation import Predictions, score_scenes
from utils.evaluation.submission_forms import FORMS
from utils.evaluation.validator import Counted
from utils.experiment import load_clips_to_submit, submit


@pytest.fixture
def changed(job):
    """The job with other values of some sections; its data are those of TAU 2020."""

    def change(**sections):
        settings = job.settings.model_dump(exclude_unset=True)
        for name, values in sections.items():
            is_list = isinstance(values, list)
            settings[name] = values if is_list else settings.get(name, {}) | values
        return replace(job, settings=type(job.settings).model_validate(settings))

    return change


@pytest.fixture
def published(make_clips, tmp_path):
    """Write the evaluation set of a year, of three clips."""

    def write(year: int):
        folder = tmp_path / FORMS[year].evaluation
        make_clips("new", 3, labelled=False)
        (folder / "evaluation_setup").mkdir(parents=True)
        (tmp_path / "audio").rename(folder / "audio")
        rows = "".join(f"audio/new{number}.wav\n" for number in range(3))
        (folder / "evaluation_setup" / "fold1_test.csv").write_text("filename\n" + rows)
        return folder

    return write


def test_one_network_is_handed_in_not_those_of_folds(changed):
    with pytest.raises(ConfigError, match=r"training.folds: the results of 3 networks"):
        load_clips_to_submit(changed(training={"folds": 3}))


def test_clips_of_another_year_do_not_stand_in(changed, published):
    published(2021)
    asked = changed(submission={"year": 2023})
    with pytest.raises(DataError, match=f"{FORMS[2023].evaluation}, whose clips the form of 2023"):
        load_clips_to_submit(asked)
    demo = replace(asked, data=replace(asked.data, name="demo"))
    assert len(load_clips_to_submit(demo)) == 3


def test_scenes_in_another_order_are_not_handed_in(changed):
    asked = changed()
    turned = replace(asked, data=replace(asked.data, classes=SCENES[::-1]))
    with pytest.raises(ConfigError, match=r"^dataset\.classes: the challenge has its scenes in"):
        load_clips_to_submit(turned)


@pytest.mark.parametrize("year", [None, 2024])
def test_an_evaluation_set_that_lacks_clips_is_told_at_the_start(
    changed, published, monkeypatch, year
):
    form = FORMS[year or 2021]
    folder = published(form.year)
    asked = changed(dataset={} if year is None else {"subset": 25})
    with pytest.raises(DataError, match=f"lists 3 evaluation clips, but .* wants {form.clips:,}"):
        load_clips_to_submit(asked)
    monkeypatch.setitem(FORMS, form.year, replace(form, clips=3))
    paths = [clip.path for clip in load_clips_to_submit(asked)]
    assert paths == [folder / "audio" / f"new{number}.wav" for number in range(3)]


AUTHOR = {
    "firstname": "Kim", "lastname": "Muller", "email": "kim@example.org", "corresponding": True,
    "institute": "University of Examples", "affiliation": "TAU",
}  # fmt: skip


@pytest.mark.parametrize(
    ("submission", "message"),
    [
        ({"label": "Muller_TAU_task1_1"}, "submission.label: the label must be .*_task1a_"),
        ({"authors": []}, "submission.authors: exactly one of the authors must be corresponding"),
        ({"authors": [AUTHOR | {"email": "kim"}]}, "authors.0.email: this is no e-mail address"),
        ({"authors": [AUTHOR | {"affiliation": ""}]}, "submission.authors.0.affiliation: string"),
        ({"year": 2022, "label": "Muller_TAU_task1_1"}, "limits.format: float32 .* to int8; judge"),
    ],
)
def test_what_the_settings_alone_decide_is_told_at_the_start(changed, submission, message):
    named = {"label": "Muller_TAU_task1a_1", "authors": [AUTHOR]} | submission
    with pytest.raises(ConfigError, match=message):
        load_clips_to_submit(changed(submission=named))


def test_impulse_responses_of_a_folder_are_data_to_be_named(changed):
    named = {"label": label(2021), "authors": [AUTHOR]}
    heard = [{"DeviceResponse": {"folder": "micirp"}}]
    with pytest.raises(ConfigError, match="external_datasets: the impulse responses of micirp"):
        load_clips_to_submit(changed(submission=named, augment=heard))
    generated = changed(submission=named, augment=[{"DeviceResponse": {}}])
    with pytest.raises(DataError):  # of the clips, which come last
        load_clips_to_submit(generated)


def test_expected_figures_are_compared_before_the_last_training(changed, monkeypatch):
    counted = Counted({"macs": 9, "total_parameters_non_zero": 5}, (), "model_float32.tflite")
    monkeypatch.setattr("utils.experiment.submission.count", lambda fold, judged: counted)

    def train(evaluation):
        raise DataError("the training begins")

    def hand_in(**expected):
        experiment = SimpleNamespace(
            job=changed(submission={"year": 2023, "complexity": expected}),
            run=None,
            folds=(None,),
            evaluation_fold=train,
        )
        submit(experiment, None, ())

    with pytest.raises(ConfigError, match=r"complexity.macs: says 8, but model_float32.tflite has"):
        hand_in(macs=8)
    with pytest.raises(DataError, match="the training begins"):
        hand_in(macs=9, total_parameters_non_zero=6)  # how many are zero may change


def stand_in(job, folder):
    """An experiment whose network says the same of all clips; what the run said."""
    tested = Predictions(
        tuple(str(number) for number in range(27)), np.full((27, 3), 1 / 3),
        truth=np.arange(27) % 3, devices=tuple(DEVICES[number // 3] for number in range(27)),
    )  # fmt: skip
    answers = Predictions(tuple(f"{number}.wav" for number in range(5)), np.full((5, 3), 1 / 3))
    fold = SimpleNamespace(
        train=lambda: None, calibrate=lambda: None, test=lambda: answers,
        export=lambda: {job.settings.limits.format: answers},
    )  # fmt: skip
    said = []
    experiment = SimpleNamespace(
        job=replace(job, data=replace(job.data, classes=CLASSES)),
        run=SimpleNamespace(folder=folder, say=lambda text, **_: said.append(text), is_demo=False),
        evaluation_fold=lambda evaluation: fold,
        predictions=lambda judged: tested,
        score=lambda predictions, bootstrap: score_scenes(predictions, classes=CLASSES),
    )
    return experiment, said


def test_one_split_is_checked_for_itself_and_the_command_that_joins_is_told(
    changed, monkeypatch, tmp_path
):
    monkeypatch.setitem(FORMS, 2024, replace(FORMS[2024], clips=5))
    monkeypatch.setattr("utils.experiment.submission.count", lambda fold, judged: COUNTED)
    folder = system(tmp_path / "submission", year=2024, split=5)  # of an earlier command
    named = {"label": label(2024), "authors": [AUTHOR]}
    experiment, said = stand_in(changed(submission=named, dataset={"subset": 25}), tmp_path)
    submit(experiment, SimpleNamespace(model=None), ())
    assert sorted(path.name.removeprefix(folder.name) for path in folder.iterdir()) == [
        ".meta.yaml", ".output.split_25.csv",
    ]  # fmt: skip
    report = folder.with_name(f"{folder.name}.report.txt").read_text()
    assert report.endswith("No fault was found.\n")
    assert not [text for text in said if "to mend" in text]
    assert "the splits 5, 10, 50, 100: python -m utils.cli.submission pack" in said[-1]
    assert f"pack {folder} FOLDER ... --year 2024 -o {folder.name}.zip" in said[-1]
    assert folder.with_name(f"{folder.name}.counted.json").is_file()


def test_a_system_of_three_shifts_is_packed_as_an_average(changed, monkeypatch, tmp_path):
    monkeypatch.setitem(FORMS, 2021, replace(FORMS[2021], clips=5))
    monkeypatch.setattr("utils.experiment.submission.count", lambda fold, judged: COUNTED)
    named = {"label": label(2021), "authors": [AUTHOR]}
    experiment, said = stand_in(changed(submission=named), tmp_path)
    submit(experiment, SimpleNamespace(model=None), ())
    folder = tmp_path / "submission" / label(2021)
    assert said[-1].startswith(f"package: {folder}.zip.")
    assert "decision_making: average" in (folder / f"{folder.name}.meta.yaml").read_text()
