"""Files that take samples, and C source, of a network that is really trained and exported."""

from dataclasses import replace

import numpy as np
import pytest

from utils.config.schema import Settings
from utils.errors import UserError
from utils.evaluation import score_words
from utils.experiment import ClipExperiment, check_clips
from utils.experiment.needs import OF_CLIPS
from utils.files import read_json
from utils.inference import FilePredictor, load_predictor
from utils.report.size import export_table


@pytest.fixture
def exporting(job, data):
    """A job of one fold and one epoch, without shifts, that exports some files."""

    def make(data=data, hidden=0, **export) -> object:
        plain = job.settings.model_dump(mode="json")
        plain["export"] |= export
        plain["evaluation"]["shifts_seconds"] = [0.0]
        layers = plain["model"]["layers"]
        layers[1]["Dense"]["activation"] = "softmax"
        if hidden:
            layers.insert(1, {"Dense": {"units": hidden, "activation": "relu"}})
        return replace(job, settings=Settings.model_validate(plain), data=data)

    return make


def experiment(job, run):
    """All stages of a job."""
    classes = job.data.classes
    done = ClipExperiment(
        job, run, score=lambda found, _: score_words(found, classes=classes, bootstrap=0)
    )
    done.extract()
    done.run_folds()
    return done


def test_files_of_samples_say_what_the_system_says(exporting, data, open_folder):
    one = replace(data, folds=data.folds[:1], held_out=())
    job = exporting(one, formats=["float32", "int8"], samples=["int8", "float32"], c_array=["int8"])
    check_clips(job)
    with open_folder(job) as run:
        done = experiment(job, run)
        results = done.results()
        names = ["float32", "int8", "int8_samples", "float32_samples"]
        assert list(results.exports) == names
        by_keras = done.predictions("keras").probabilities
        assert done.folds[0].temperature != 1.0
        for name, near in (("float32_samples", 1e-5), ("int8_samples", 0.05)):
            found = done.predictions(name).probabilities
            np.testing.assert_allclose(found, by_keras, atol=near)
            difference = np.abs(found - by_keras).max()
            assert results.exports[name].max_difference == pytest.approx(difference)
            predictor = FilePredictor.of(load_predictor(run.folder / f"model_{name}.tflite"))
            said = [predictor(clip.path) for clip in one.folds[0].test]
            np.testing.assert_allclose(said, found, atol=1e-6)
        sizes = results.exports
        assert sizes["int8_samples"].parameters > sizes["int8"].parameters
        assert sizes["float32_samples"].scores == pytest.approx(sizes["float32"].scores, abs=1e-4)
        text = (run.folder / "model_int8.c").read_text()
        assert f"model_int8_len = {(run.folder / 'model_int8.tflite').stat().st_size};" in text
        assert (run.folder / "model_int8.h").exists()
        assert not (run.folder / "model_float32.h").exists()
        table = export_table(results)
        assert [row.cells[0] for row in table.rows[2:]] == names
        assert "Files named .._samples take samples" in table.note


def test_the_int8_file_is_trained_further(exporting, data, open_folder):
    one = replace(data, folds=data.folds[:1], held_out=())
    job = exporting(
        one, formats=["int8"], samples=["int8_qat"],
        qat={"epochs": 2, "optimizer": {"Adam": {"learning_rate": 0.01}}},
    )  # fmt: skip
    judged = job.settings.limits.model_copy(update={"format": "int8"})
    job = replace(job, settings=job.settings.model_copy(update={"limits": judged}))
    check_clips(job)
    with open_folder(job) as run:
        done = experiment(job, run)
        results = done.results()
        assert list(results.exports) == ["int8", "int8_qat", "int8_qat_samples"]
        before, after = results.exports["int8"], results.exports["int8_qat"]
        assert (after.parameters, after.parameter_bytes) == (
            before.parameters,
            before.parameter_bytes,
        )
        assert after.scores != before.scores
        assert before.validation.keys() == {"val_loss", "val_categorical_accuracy"}
        assert before.validation["val_loss"] == pytest.approx(validation_loss(done, run), rel=1e-5)
        assert after.validation == {}  # no limit is on it
        agreement = read_json(run.folder / "qat.json")
        assert agreement["clips"] == len(done.folds[0].learning.validation.rows)
        assert agreement["same_class"] >= 0.99
        assert agreement["largest"] <= 2
        accuracies = [
            agreement[f"scores_{who}"]["val_categorical_accuracy"] for who in ("simulation", "file")
        ]
        assert accuracies[0] == pytest.approx(accuracies[1], abs=0.01)
        loss = validation_loss(done, run, "int8_qat")
        assert agreement["scores_file"]["val_loss"] == pytest.approx(loss, rel=1e-5)
        (note,) = (note for note in results.notes if note.startswith("fold1: int8_qat: on "))
        assert f"val_categorical_accuracy {accuracies[0]:.4g} and {accuracies[1]:.4g}" in note
        assert (run.folder / "qat" / "history.csv").read_text().count("\n") == 1 + 2
        predictor = FilePredictor.of(load_predictor(run.folder / "model_int8_qat.tflite"))
        said = [predictor(clip.path) for clip in one.folds[0].test]
        np.testing.assert_allclose(said, done.predictions("int8_qat").probabilities, atol=1e-6)


def validation_loss(done, run, form="int8"):
    """Of a file, by hand: the cross-entropy of the shares of the words and what it says."""
    (fold,) = done.folds
    source = fold.learning.validation
    predictor = load_predictor(run.folder / f"model_{form}.tflite")
    features = np.asarray(source.array[source.rows])
    if fold.normaliser is not None:
        features = np.asarray(fold.normaliser(features))
    said = predictor(features.reshape(-1, *fold.learning.features.representation.input_shape))
    said = np.clip(said / said.sum(axis=1, keepdims=True), 1e-7, 1.0)
    return -np.mean(np.sum(source.targets * np.log(said), axis=1))


def test_some_layers_stay_in_float16(exporting, data, open_folder):
    job = exporting(
        replace(data, folds=data.folds[:1], held_out=()),
        hidden=8, formats=["int8"], mixed={"layers": 1}, samples=["mixed"], c_array=["mixed"],
    )  # fmt: skip
    check_clips(job)
    with open_folder(job) as run:
        done = experiment(job, run)
        results = done.results()
        assert list(results.exports) == ["int8", "mixed", "mixed_samples"]
        sizes = results.exports
        assert sizes["int8"].parameter_bytes < sizes["mixed"].parameter_bytes
        assert sizes["mixed"].max_difference < sizes["int8"].max_difference
        (note,) = (note for note in results.notes if note.startswith("fold1: mixed keeps FULLY_"))
        assert " of 2 in float16" in note
        by_file = done.predictions("mixed").probabilities
        said = load_predictor(run.folder / "model_mixed_samples.tflite")
        assert said.metadata is not None
        found = done.predictions("mixed_samples").probabilities
        np.testing.assert_allclose(found, by_file, atol=1e-5)
        assert (run.folder / "model_mixed.c").exists()


def test_too_many_layers_in_float16_are_refused_before_any_training(exporting):
    with pytest.raises(UserError, match=r"^export\.mixed\.layers: the network has 1 convolutions"):
        check_clips(exporting(mixed={"layers": 1}))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"optimizer": {"Adma": {}}}, r"^export\.qat\.optimizer: unknown optimiser 'Adma'"),
        ({"epochs": 0}, r"export\.qat\.epochs"),
    ],
)
def test_a_training_in_int8_that_cannot_be_is_refused_first(exporting, changes, told):
    with pytest.raises((UserError, ValueError), match=told):
        check_clips(exporting(qat=changes))


def test_only_exported_formats_can_be_made_something_of(exporting):
    for name in ("samples", "c_array"):
        told = (
            r"int8 is not among the files that are exported \(float32\); add it to export\.formats"
        )
        with pytest.raises(ValueError, match=told):
            exporting(formats=["float32"], **{name: ["int8"]})
        assert OF_CLIPS[f"export.{name}"] == ()


def test_a_system_that_no_file_can_be_made_of_is_refused_before_the_training(exporting, changed):
    job = exporting(samples=["float32"])
    shifted = changed(job, "evaluation", shifts_seconds=(0.0, 0.01))
    with pytest.raises(UserError, match=r"^export\.samples: .* 2 shifted predictions"):
        check_clips(shifted)
    with pytest.raises(UserError, match=r"^export\.samples: .*\.n_fft 40; take 64"):
        check_clips(changed(job, "features", n_fft=40))
