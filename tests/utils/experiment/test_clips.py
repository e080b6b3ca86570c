"""What becomes of the networks of all folds: which clips each tells of, shifts, temperature."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from utils.datasets import Fold
from utils.errors import ConfigError, DataError
from utils.experiment import ClipExperiment
from utils.features import Normaliser, from_settings
from utils.inference import read_metadata
from utils.metrics.calibration import fit_temperature, temper
from utils.report.results import read_results, write_results
from utils.targets import encode

SHIFTS = (-2, 0, 1)  # frames of the settings' three shifts


def features_of(job, clips):
    representation = from_settings(job.settings.audio, job.settings.features)
    return np.stack([representation(soundfile.read(c.path, dtype="float32")[0]) for c in clips])


def said(job, network, fold, clips, *, shifts=SHIFTS):
    """What a fold's network says of clips before calibration, from their files."""
    train = features_of(job, fold.train)
    normaliser = Normaliser.fit(train, range(len(train)))
    seen = normaliser(features_of(job, clips))
    return np.mean([network(np.roll(seen, shift, axis=2)) for shift in shifts], axis=0)


def temperature_of(job, network, fold):
    """The temperature of a fold, from its validation clips alone."""
    truth = encode(fold.validation, classes=job.data.classes, kind="distribution")
    return fit_temperature(truth, said(job, network, fold, fold.validation))


def calibrated(job, network, fold, clips):
    return temper(said(job, network, fold, clips), temperature_of(job, network, fold))


def test_every_fold_has_a_temperature_of_its_own_validation_clips(job, finish, network):
    done = finish(job)
    for number, fold in enumerate(job.data.folds):
        expected = temperature_of(job, network(done, number), fold)
        assert done.folds[number].temperature == pytest.approx(expected, rel=1e-3)
        assert abs(expected - 1) > 0.05
    assert done.folds[0].temperature != done.folds[1].temperature


def test_held_out_clips_are_the_mean_of_all_folds(job, finish, network):
    done = finish(job)
    found = done.predictions("keras")
    assert found.names == tuple(clip.name for clip in job.data.held_out)
    expected = np.mean(
        [
            calibrated(job, network(done, number), fold, job.data.held_out)
            for number, fold in enumerate(job.data.folds)
        ],
        axis=0,
    )
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    truth = encode(job.data.held_out, classes=job.data.classes, kind="distribution")
    np.testing.assert_array_equal(found.truth, truth)


def test_out_of_fold_each_clip_is_told_of_by_the_network_that_did_not_learn_it(
    job, finish, network
):
    done = finish(job)
    found = done.out_of_fold()
    assert sorted(found.names) == sorted(c.name for fold in job.data.folds for c in fold.test)
    for number, fold in enumerate(job.data.folds):
        rows = [found.names.index(clip.name) for clip in fold.test]
        expected = calibrated(job, network(done, number), fold, fold.test)
        np.testing.assert_allclose(found.probabilities[rows], expected, atol=1e-5)
        truth = encode(fold.test, classes=job.data.classes, kind="distribution")
        np.testing.assert_array_equal(found.truth[rows], truth)


def test_without_clips_outside_the_folds_their_tests_are_put_together(job, finish):
    done = finish(replace(job, data=replace(job.data, held_out=())))
    found = done.predictions("keras")
    assert found.names == done.out_of_fold().names
    np.testing.assert_array_equal(found.probabilities, done.out_of_fold().probabilities)
    assert len(found.names) == 12
    assert "out_of_fold" not in done.results().scores


def test_with_one_fold_the_validation_clips_are_out_of_fold(job, finish, network):
    fold = job.data.folds[0]
    done = finish(replace(job, data=replace(job.data, folds=(fold,), held_out=())))
    found = done.out_of_fold()
    assert found.names == tuple(clip.name for clip in fold.validation)
    expected = calibrated(job, network(done, 0), fold, fold.validation)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    assert "per_fold" not in done.results().scores


def test_clips_without_labels_are_the_mean_of_all_folds(job, finish, network, make_clips):
    unlabelled = make_clips("new", 3, labelled=False)
    done = finish(job, unlabelled)
    found = done.predict_unlabelled()
    assert found.names == ("new0.wav", "new1.wav", "new2.wav")
    assert found.truth is None
    expected = np.mean(
        [
            calibrated(job, network(done, number), fold, unlabelled)
            for number, fold in enumerate(job.data.folds)
        ],
        axis=0,
    )
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)


def test_an_unlabelled_clip_that_cannot_be_used_is_not_among_the_answers(
    job, finish, changed, make_clips
):
    unlabelled = make_clips("new", 3, labelled=False)
    job = changed(job, "audio", on_bad_audio="skip")
    whole = finish(job, unlabelled).predict_unlabelled()
    unlabelled[1].path.write_bytes(b"no audio")
    found = finish(job, unlabelled).predict_unlabelled()
    assert found.names == ("new0.wav", "new2.wav")
    np.testing.assert_allclose(found.probabilities, whole.probabilities[[0, 2]], atol=1e-6)


def test_blocks_of_clips_are_put_together(job, finish, monkeypatch):
    from utils.experiment import learning

    whole = finish(job).predictions("keras")
    assert learning._BLOCK > 12
    monkeypatch.setattr(learning, "_BLOCK", 3)
    parts = finish(replace(job, data=replace(job.data, name="other"))).predictions("keras")
    assert parts.names == whole.names
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, atol=1e-6)


def test_exported_files_are_shifted_calibrated_and_averaged_too(job, finish, predictors):
    done = finish(job)
    files = [p for p in predictors if p.path.suffix == ".tflite"]
    clips = job.data.held_out
    of_folds = []
    for fold, experiment in zip(job.data.folds, done.folds, strict=True):
        file = next(p for p in files if p.path.parent == experiment.place.folder)
        plain = said(job, file, fold, clips)
        of_folds.append(temper(plain, experiment.temperature))
        keras = said(job, type(file)(experiment.model_path), fold, clips)
        difference = experiment.export_facts()["float32"]["max_difference"]
        assert difference == pytest.approx(np.abs(plain - keras).max(), abs=1e-6)
        metadata = file.path.read_text()
        assert f'"temperature": {experiment.temperature!r}' in metadata
        assert '"shifts_seconds": [-0.02, 0.0, 0.01]' in metadata
    found = done.predictions("float32")
    np.testing.assert_allclose(found.probabilities, np.mean(of_folds, axis=0), atol=1e-5)
    assert np.abs(found.probabilities - done.predictions("keras").probabilities).max() > 0.01


def test_results_tell_of_every_fold_and_of_no_calibration(job, finish, network, tmp_path):
    done = finish(job)
    results = done.results()
    folds = results.scores["per_fold"]["folds"]
    out_of_fold = results.scores["out_of_fold"]["kl"]
    assert np.mean([fold["kl"] for fold in folds.values()]) == pytest.approx(out_of_fold)
    plain = np.mean(
        [said(job, network(done, n), f, job.data.held_out) for n, f in enumerate(job.data.folds)],
        axis=0,
    )
    truth = encode(job.data.held_out, classes=job.data.classes, kind="distribution")
    logs = np.log(np.maximum(truth, 1e-12) / plain, where=truth > 0, out=np.zeros_like(plain))
    expected = (truth * logs).sum(axis=1).mean()
    uncalibrated = results.scores["uncalibrated"]["overall"]["kl"]
    assert uncalibrated == pytest.approx(expected, abs=1e-4)
    assert abs(results.overall["kl"] - uncalibrated) > 1e-3
    for fold in ("fold1", "fold2"):
        assert any(note.startswith(f"{fold}: temperature") for note in results.notes)
    write_results(tmp_path / "results.json", results)
    assert read_results(tmp_path / "results.json").scores["clips"] == 4


def test_a_second_start_asks_no_network(job, finish, predictors):
    done = finish(job)
    first = {of: done.predictions(of).probabilities for of in ("keras", "float32")}
    predictors.clear()
    again = finish(job)
    assert predictors == []
    for of, probabilities in first.items():
        np.testing.assert_array_equal(again.predictions(of).probabilities, probabilities)


@pytest.mark.parametrize(
    "change", [{"calibration": "none"}, {"shifts_seconds": (0.0,)}, {"shifts_seconds": (0.0, 0.01)}]
)
def test_another_refinement_predicts_anew_and_trains_nothing(
    job, finish, changed, network, monkeypatch, change
):
    before = finish(job).predictions("keras").probabilities

    def never(self):
        raise AssertionError("trained anew")

    monkeypatch.setattr("utils.experiment.fold.FoldExperiment._train", never)
    other = changed(job, "evaluation", **change)
    done = finish(other)
    assert not np.allclose(done.predictions("keras").probabilities, before)
    metadata = read_metadata(done.folds[0].model_path)
    assert metadata.shifts_seconds == other.settings.evaluation.shifts_seconds
    if "calibration" in change:
        assert metadata.temperature == 1.0
        first = job.data.folds[0]
        expected = said(job, network(done, 0), first, first.test)
        found = done.out_of_fold().probabilities[: len(first.test)]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert "uncalibrated" not in done.results().scores
        assert not any("temperature" in note for note in done.results().notes)
    back = finish(job)
    np.testing.assert_array_equal(back.predictions("keras").probabilities, before)


def test_a_recording_that_changes_is_predicted_anew(job, finish, rng):
    before = finish(job).predictions("keras").probabilities
    path = job.data.held_out[1].path
    soundfile.write(path, 0.2 * rng.standard_normal(80), 1000, subtype="FLOAT")
    after = finish(job)
    found = after.predictions("keras").probabilities
    kept = [0, 2, 3]
    np.testing.assert_array_equal(found[kept], before[kept])
    assert not np.allclose(found[1], before[1])
    exported = after.predictions("float32")
    assert not np.allclose(exported.probabilities[1], exported.probabilities[0])


def test_an_unlabelled_recording_that_changes_is_predicted_anew_by_the_same_network(
    job, finish, make_clips, monkeypatch, rng
):
    unlabelled = make_clips("new", 3, labelled=False)
    done = finish(job)

    def submitted():
        fold = done.evaluation_fold(unlabelled)
        fold.train()
        fold.calibrate()
        return fold.fold, fold.test()

    fold, before = submitted()
    assert before.names == ("new0.wav", "new1.wav", "new2.wav")
    assert before.truth is None
    assert {clip.name for clip in fold.train + fold.validation} == {c.name for c in job.data.clips}
    soundfile.write(unlabelled[2].path, 0.2 * rng.standard_normal(80), 1000, subtype="FLOAT")

    def never(self):
        raise AssertionError("trained anew")

    monkeypatch.setattr("utils.experiment.fold.FoldExperiment._train", never)
    _, after = submitted()
    np.testing.assert_array_equal(after.probabilities[:2], before.probabilities[:2])
    assert not np.allclose(after.probabilities[2], before.probabilities[2])


def test_recordings_that_cannot_be_used_are_left_out_of_every_part(job, finish, changed):
    broken = job.data.held_out[0], job.data.folds[0].test[1]
    for clip in broken:
        clip.path.write_bytes(b"no audio")
    done = finish(changed(job, "audio", on_bad_audio="skip"))
    assert {bad.name for bad in done.bad} == {clip.name for clip in broken}
    assert done.predictions("keras").names == tuple(clip.name for clip in job.data.held_out[1:])
    found = done.out_of_fold()
    assert len(found.names) == 11
    assert broken[1].name not in found.names
    left_out = [note for note in done.results().notes if "left out" in note]
    assert len(left_out) == 2


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_part_without_usable_clips_is_a_sentence(job, finish, part):
    fold = replace(job.data.folds[1], **{part: ()})
    data = replace(job.data, folds=(job.data.folds[0], fold))
    name = "training" if part == "train" else part
    with pytest.raises(DataError, match=f"fold2: has no usable {name} clips"):
        finish(replace(job, data=data))


def test_waveforms_are_stored_for_training_clips_alone(job, changed, finish, data):
    settings = job.settings.model_copy(
        update={"augment": type(job.settings).model_validate(
            {"set_id": "x", "model": {"use": "x"}, "augment": ["Noise"]}
        ).augment}
    )  # fmt: skip
    one = Fold("fold1", data.folds[0].train, data.folds[0].validation, data.folds[0].test)
    alone = replace(job, settings=settings, data=replace(data, folds=(one,)))
    features = finish(alone).folds[0].features
    assert features.waveforms is not None
    assert set(features.waveforms.row_of) == {clip.name for clip in one.train}
    assert set(features.store.row_of) == {clip.name for clip in alone.data.clips}
    assert finish(job).folds[0].features.waveforms is None


EVENT_SETTINGS = {
    "feature_augment": {"feature_augment": ["GroupMixup"]},
    "view_augment": {"view_augment": ["FilterAugment"]},
    "training.parts": {"training": {"batch_size": 48, "parts": {}}},
    "training.teacher": {"training": {"teacher": {}}},
    "postprocess": {"postprocess": {"threshold": 0.4}},
}


@pytest.mark.parametrize("path", EVENT_SETTINGS)
def test_settings_of_sound_events_are_refused_before_a_network_is_built(job, path, monkeypatch):
    def never(job, representation):
        raise AssertionError("built")

    monkeypatch.setattr("utils.experiment.checks.build_network", never)
    with pytest.raises(AssertionError, match="built"):
        ClipExperiment(job, run=None, score=None).check_network()
    content = job.settings.model_dump() | {"set_id": "test"}
    for section, values in EVENT_SETTINGS[path].items():
        plain = isinstance(values, list)
        content[section] = values if plain else content[section] | values
    other = replace(job, settings=type(job.settings).model_validate(content))
    with pytest.raises(ConfigError, match=f"^{path}: is for networks of sound events"):
        ClipExperiment(other, run=None, score=None).check_network()
