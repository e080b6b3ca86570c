import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from utils.config.schema import AuthorSettings, SubmissionSettings
from utils.evaluation import Predictions, score_scenes
from utils.evaluation.submission import SubmissionFacts, write_pair
from utils.evaluation.validator import validate_pair

CLASSES = ("bus", "metro", "tram")
LABEL = "Muller_TAU_task1a_1"
DEVICES = ("a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6")
CLIPS = tuple(f"audio/{number}.wav" for number in range(5))


def pair(folder: Path, *, devices=DEVICES, demo=False, **changes) -> tuple[Path, Path]:
    """A faultless submission, but for what is changed in its settings."""
    rng = np.random.default_rng(0)
    author = AuthorSettings(
        firstname="Kim",
        lastname="Muller",
        email="kim@example.org",
        corresponding=True,
        institute="University of Examples",
        affiliation="TAU",
    )
    test = Predictions(
        names=tuple(str(number) for number in range(27)),
        probabilities=rng.dirichlet(np.ones(3), size=27),
        truth=np.arange(27) % 3,
        devices=tuple(devices[number // 3 % len(devices)] for number in range(27)),
    )
    return write_pair(
        folder,
        submission=SubmissionSettings(**({"label": LABEL, "authors": (author,)} | changes)),
        facts=SubmissionFacts(
            sample_rate_hz=44100,
            acoustic_features="log-mel energies",
            data_augmentation=None,
            machine_learning_method="CNN",
            total_parameters=46512,
            total_parameters_non_zero=46512,
            parameter_bytes=46512,
            demo=demo,
        ),
        scores=score_scenes(test, classes=CLASSES, bootstrap=0).as_dict(),
        predictions=Predictions(CLIPS, rng.dirichlet(np.ones(3), size=5).astype(np.float32)),
        classes=CLASSES,
    )


def edit_meta(meta: Path, path: str, value) -> None:
    """Set a field of the meta file; the value ``...`` deletes it."""
    content = yaml.safe_load(meta.read_text())
    *parents, last = path.split(".")
    at = content
    for key in parents:
        at = at[int(key)] if key.isdigit() else at[key]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    meta.write_text(yaml.safe_dump(content))


def test_a_faultless_pair_has_no_problems(tmp_path):
    output, meta = pair(tmp_path)
    assert validate_pair(output, meta, classes=CLASSES, expected_names=CLIPS) == ()
    assert validate_pair(output, meta, classes=CLASSES) == ()


def test_defaults_of_the_settings_do_not_pass(tmp_path):
    output, meta = pair(tmp_path, label=SubmissionSettings().label, authors=())
    problems = validate_pair(output, meta, classes=CLASSES)
    assert len(problems) == 2
    assert problems[0].startswith(
        "Lastname_Inst_task1a_1.meta.yaml: submission.label: the label is still the placeholder"
    )
    assert "exactly one of the authors must be corresponding, not 0 of 0" in problems[1]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("submission.abbreviation", "elevenchars", "at most 10 characters"),
        ("submission.abbreviation", "", "at least 1 character"),
        ("submission.name", ..., "submission.name is missing"),
        ("submission.label", "Muller_TAU_task1a_3", "but the output file's label is Muller_TAU"),
        ("submission.authors.0.corresponding", False, "not 0 of 1"),
        ("submission.authors.0.email", "kim at example", "this is no e-mail address"),
        ("submission.authors.0.email", ..., "submission.authors.0.email is missing"),
        ("submission.authors.0.affiliation.abbreviation", " ", "at least 1 character"),
        ("submission.authors", "Kim", "valid list"),
        ("system.description.embeddings", ..., "system.description.embeddings is missing"),
        ("system.description.input_sampling_rate", None, "input_sampling_rate.*string"),
        ("system.complexity.total_parameters", "46 k", "total_parameters.*integer"),
        ("system.complexity.total_parameters", 46511, "46512 of 46511 parameters"),
        ("system.complexity.model_size", 128.5, r"over the challenge's limit of 128 KB"),
        ("system.external_datasets", [{"name": "E", "url": "u"}], "total_audio_length is missing"),
        ("system", None, "system: .*valid dictionary"),
        ("results.development_dataset.overall.logloss", float("nan"), "finite number"),
        ("results.development_dataset.overall.accuracy", "50 %", "accuracy.*number"),
        ("results.development_dataset.overall.accuracy", 101, "less than or equal to 100"),
        ("results.development_dataset.class_wise.bus", ..., "missing: bus; unknown: none"),
        ("results.development_dataset.device_wise.s9", {"logloss": 1.0, "accuracy": 1.0}, "s9"),
        ("results.development_dataset.device_wise", ..., "device_wise is missing"),
    ],
)
def test_a_fault_in_the_meta_file_is_one_sentence(tmp_path, path, value, message):
    output, meta = pair(tmp_path)
    edit_meta(meta, path, value)
    problems = validate_pair(output, meta, classes=CLASSES)
    assert len(problems) == 1, problems
    assert problems[0].startswith("Muller_TAU_task1a_1.meta.yaml: ")
    assert problems[0].endswith(".")
    assert re.search(message, problems[0]), problems[0]


@pytest.mark.parametrize(
    "label",
    [
        "Muller_TAU_task1a_5",
        "Muller_TAU_task1b_1",
        "Muller_task1a_1",
        "_TAU_task1a_1",
        "A_B_C_task1a_1",
    ],
)
def test_labels_of_another_form_are_refused(tmp_path, label):
    (problem,) = validate_pair(*pair(tmp_path, label=label), classes=CLASSES)
    assert "the label must be [LastName]_[Inst]_task1a_[1-4]" in problem


@pytest.mark.parametrize("label", ["puy_vai_task1a_1", "García-López_U2_task1a_4"])
def test_labels_of_the_form_pass(tmp_path, label):
    assert validate_pair(*pair(tmp_path, label=label), classes=CLASSES) == ()


def test_several_faults_are_all_told(tmp_path):
    output, meta = pair(tmp_path, abbreviation="Base")
    edit_meta(meta, "submission.abbreviation", "far too long a name")
    edit_meta(meta, "system.complexity.model_size", 200.0)
    edit_meta(meta, "results.development_dataset.class_wise.tram", ...)
    assert len(validate_pair(output, meta, classes=CLASSES)) == 3


def test_devices_without_clips_are_told(tmp_path):
    output, meta = pair(tmp_path, devices=DEVICES[:8])
    (problem,) = validate_pair(output, meta, classes=CLASSES)
    assert "device_wise" in problem
    assert "missing: s6; unknown: none" in problem


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("filename\t", "file\t", "the header must be filename scene_label bus metro tram"),
        ("bus\tmetro\ttram", "metro\tbus\ttram", "the header must be"),
        ("0.wav\t", "zero.wav\t", "row 2: zero.wav is no evaluation clip"),
        ("0.wav\t", "0.flac\t", "row 2: 0.flac is no evaluation clip"),
        ("3.wav\t", "audio/2.wav\t", "row 5: 2.wav stands in row 4"),
    ],
)
def test_a_fault_in_the_output_is_told_with_its_row(tmp_path, old, new, message):
    output, meta = pair(tmp_path)
    text = output.read_text()
    assert old in text
    output.write_text(text.replace(old, new, 1))
    (problem,) = validate_pair(output, meta, classes=CLASSES)
    assert f"Muller_TAU_task1a_1.output.csv{', ' if 'row' in message else ': '}{message}" in problem


def test_rows_are_compared_with_the_evaluation_set(tmp_path):
    output, meta = pair(tmp_path)
    problems = validate_pair(
        output, meta, classes=CLASSES, expected_names=(*CLIPS[:3], "audio/4.wav", "audio/7.wav")
    )
    assert problems == (
        "Muller_TAU_task1a_1.output.csv: no row for 7.wav, a clip of the evaluation set.",
        "Muller_TAU_task1a_1.output.csv, row 5: 3.wav is not in the evaluation set.",
    )


def test_rows_are_counted_as_an_editor_does(tmp_path):
    output, meta = pair(tmp_path)
    lines = output.read_text().splitlines()
    lines[2:2] = [""]
    lines[-1] = lines[-1].replace("4.wav", "four.wav")
    output.write_text("\n".join(lines) + "\n")
    blank, name = validate_pair(output, meta, classes=CLASSES)
    assert "row 3: 5 fields" in blank
    assert "row 7: four.wav" in name


def test_probabilities_are_checked(tmp_path):
    output, meta = pair(tmp_path)
    lines = output.read_text().splitlines()
    lines[1] = "0.wav\tbus\t0.2\t0.8\t0.0"
    lines[2] = "1.wav\tbus\tnan\t0.8\t0.2"
    lines[3] = "2.wav\tbus\t2.0\t-0.5\t-0.5"
    lines[4] = "3.wav\tship\t0.8\t0.1\t0.0"
    output.write_text("\n".join(lines) + "\n")
    problems = validate_pair(output, meta, classes=CLASSES)
    assert [problem.split(": ")[0].split(", ")[1] for problem in problems] == [
        "row 2",
        "row 3",
        "row 4",
        "row 5",
        "row 5",
    ]


def test_many_faults_of_the_output_are_counted(tmp_path):
    output, meta = pair(tmp_path)
    missing = [f"{number}.wav" for number in range(5, 105)]
    problems = validate_pair(output, meta, classes=CLASSES, expected_names=[*CLIPS, *missing])
    assert len(problems) == 21
    assert "80 more problems" in problems[-1]


def test_names_of_the_files_must_agree(tmp_path):
    output, meta = pair(tmp_path)
    moved = meta.rename(tmp_path / "Other_TAU_task1a_1.meta.yaml")
    (problem,) = validate_pair(output, moved, classes=CLASSES)
    assert "must be Muller_TAU_task1a_1.meta.yaml" in problem


def test_missing_and_broken_files_are_told(tmp_path):
    output, meta = pair(tmp_path)
    output.unlink()
    meta.write_text("submission: [1, 2\n")
    first, second = validate_pair(output, meta, classes=CLASSES)
    assert "Muller_TAU_task1a_1.output.csv: cannot be read" in first
    assert "Muller_TAU_task1a_1.meta.yaml: cannot be read as YAML" in second
    assert "line" in second


def test_yaml_cannot_run_code(tmp_path):
    output, meta = pair(tmp_path)
    meta.write_text(f"!!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n")
    (problem,) = validate_pair(output, meta, classes=CLASSES)
    assert "cannot be read as YAML" in problem
    assert not (tmp_path / "made").exists()


def test_demo_data_does_not_pass(tmp_path):
    (problem,) = validate_pair(*pair(tmp_path, demo=True), classes=CLASSES)
    assert "Muller_TAU_task1a_1.meta.yaml: was made from demo data" in problem


def test_an_empty_meta_file_is_told(tmp_path):
    output, meta = pair(tmp_path)
    meta.write_text("")
    (problem,) = validate_pair(output, meta, classes=CLASSES)
    assert problem.startswith("Muller_TAU_task1a_1.meta.yaml: the file: ")
