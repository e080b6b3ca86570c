"""Answers of teachers: computed once, by their own front ends, mixed as labels are."""

from dataclasses import replace

import numpy as np
import pytest

from tests.utils.experiment.conftest import CLASSES, Linear
from utils import inference, pipeline
from utils.config.distillation_section import DistillationSettings
from utils.config.schema import MixingSettings, Settings
from utils.errors import ConfigError, DataError, UserError
from utils.experiment import ClipExperiment, check_clips
from utils.experiment.distillation import Teachers, teachers_note
from utils.experiment.facts import metadata_of
from utils.experiment.learning import ClipFeatures, Learning, stored, waveform_of
from utils.experiment.records import read_history
from utils.experiment.teachers import Teacher
from utils.features import BadClip, Normaliser, extract, from_settings
from utils.targets import DEVICE, LABELS, TEACHER, encode

TAUGHT = DistillationSettings(teachers=("big",), temperature=2.0, weight=0.5)
MIXUP = Settings.model_validate({"set_id": "x", "model": {"use": "x"}, "augment": ["Mixup"]})
FOR_DEVICE_A = Settings.model_validate(
    {"set_id": "x", "model": {"use": "x"}, "augment": [{"DeviceResponse": {"devices": ["a"]}}]}
)


class Told(Linear):
    """A softmax of one layer that writes down how many clips it is asked about."""

    asked = 0

    def _predict(self, features):
        Told.asked += len(features)
        return super()._predict(features)


@pytest.fixture
def student(job):
    """A set with a teacher."""
    training = job.settings.training.model_copy(update={"distillation": TAUGHT})
    return replace(job, settings=job.settings.model_copy(update={"training": training}))


@pytest.fixture
def teachers(student, tmp_path, monkeypatch):
    """Two runs whose networks are stand-ins, with the student's front end."""
    normaliser = Normaliser(np.full(4, -2.0), np.full(4, 3.0))
    found = []
    for name in ("big", "large"):
        path = tmp_path / "runs" / name / "model.keras"
        path.parent.mkdir(parents=True)
        path.touch()
        told = metadata_of(student, normaliser, shifts_seconds=(0.0, 0.01), temperature=3.0)
        inference.write_metadata(path, told)
        found.append(Teacher(name, path.parent))

    def load(path, **given):
        predictor = Told(path)
        predictor.metadata = inference.read_metadata(path)
        return predictor

    monkeypatch.setattr(inference, "load_predictor", load)
    monkeypatch.setattr(
        "utils.experiment.distillation.model_identity", lambda path: path.parent.name
    )
    Told.asked = 0
    return tuple(found)


def taught_by(student, teachers):
    return replace(student, teachers=teachers)


def with_softmax(student):
    softmax = student.settings.model.model_copy(
        update={"layers": ["Flatten", {"Dense": {"units": 3, "activation": "softmax"}}]}
    )
    return replace(student, settings=student.settings.model_copy(update={"model": softmax}))


def learning_of(job, *, place=""):
    fold, representation = (
        job.data.folds[0],
        from_settings(job.settings.audio, job.settings.features),
    )
    store = stored(job, representation, job.data.clips)
    waveforms = None
    if job.settings.augment:
        waveforms = stored(job, waveform_of(representation), fold.train)
    features = ClipFeatures(representation, store, waveforms)
    return Learning(job, fold, features, Teachers.of(job, place))


def test_teachers_answer_with_their_own_front_end_and_no_refinement(student, teachers):
    learning = learning_of(taught_by(student, teachers))
    fold, targets = student.data.folds[0], learning.source.targets
    np.testing.assert_array_equal(
        targets[LABELS], encode(fold.train, classes=CLASSES, kind="distribution")
    )
    store = learning.features.store
    heard = (store.array[store.rows(fold.train)] + 2.0) / 3.0
    logits = [
        heard.reshape(3, -1) @ Linear(teacher.folder / "model.keras").weights
        for teacher in teachers
    ]
    powers = np.exp(np.mean(logits, axis=0) / TAUGHT.temperature)
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(targets[TEACHER], expected, rtol=1e-4)
    assert isinstance(learning.validation.targets, np.ndarray)


def listening(student, **changed):
    """The student's set with other settings of its teachers."""
    told = TAUGHT.model_copy(update=changed)
    training = student.settings.training.model_copy(update={"distillation": told})
    return replace(student, settings=student.settings.model_copy(update={"training": training}))


def test_a_teacher_that_counts_for_nearly_all_is_heard_alone(student, teachers):
    heard = learning_of(taught_by(listening(student, teacher_weights=(1.0, 1e-9)), teachers))
    alone = learning_of(taught_by(student, teachers[:1]))
    both = learning_of(taught_by(student, teachers))
    found, other = (one.source.targets[TEACHER] for one in (heard, alone))
    np.testing.assert_allclose(found, other, rtol=1e-5)
    assert not np.allclose(found, both.source.targets[TEACHER])


def test_each_teacher_is_asked_about_each_clip_once(student, teachers):
    learning = learning_of(taught_by(student, teachers))
    assert len(learning.source.targets[TEACHER]) == 3
    assert Told.asked == 6
    again = learning_of(taught_by(student, teachers)).source.targets
    np.testing.assert_array_equal(again[TEACHER], learning.source.targets[TEACHER])
    other = listening(student, temperature=4.0, weight=1.0)
    warm = learning_of(taught_by(other, teachers[:1])).source.targets
    assert not np.allclose(warm[TEACHER], again[TEACHER])
    assert Told.asked == 6


def test_another_teacher_is_asked_anew(student, teachers, monkeypatch):
    learning = learning_of(taught_by(student, teachers[:1]))
    known = learning.key, learning.stage_key
    assert learning.source.targets
    monkeypatch.setattr("utils.experiment.distillation.model_identity", lambda path: "new")
    other = learning_of(taught_by(student, teachers[:1]))
    assert other.source.targets
    assert Told.asked == 6
    assert other.key != known[0]
    assert other.stage_key != known[1]


def test_without_teachers_the_identity_is_that_of_the_features(job):
    learning = learning_of(job)
    assert learning.teachers is None
    assert learning.stage_key == learning.features.key
    assert isinstance(learning.source.targets, np.ndarray)


def test_mixed_clips_have_mixed_answers(student, teachers):
    """The labels of a batch tell in which shares it was mixed; the answers have the same."""
    one_hot = tuple(
        replace(clip, labels=(CLASSES[n],), weights=())
        for n, clip in enumerate(student.data.folds[0].train)
    )
    fold = replace(student.data.folds[0], train=one_hot)
    mixed = student.settings.model_copy(update={"augment": MIXUP.augment})
    data = replace(student.data, folds=(fold,))
    learning = learning_of(taught_by(replace(student, data=data, settings=mixed), teachers))
    batches = pipeline.training_batches(
        learning.source, batch_size=3, seed=0, first_epoch=0, epochs=4,
        augment=learning.augment, memory_gb=1.0,
    )  # fmt: skip
    unmixed = learning.source.targets
    order = unmixed[LABELS].argmax(axis=1)
    found = list(batches)
    for _, targets in found:
        shares = targets[LABELS].numpy()[:, order]
        np.testing.assert_allclose(targets[TEACHER], shares @ unmixed[TEACHER], rtol=1e-5)
    assert any(0.0 < targets[LABELS].numpy().max(axis=1).min() < 0.99 for _, targets in found)


def test_answers_stay_where_a_step_is_for_some_devices(student, teachers):
    fold = student.data.folds[0]
    named = tuple(replace(clip, device="a") for clip in fold.train)
    data = replace(student.data, folds=(replace(fold, train=named),))
    settings = student.settings.model_copy(update={"augment": FOR_DEVICE_A.augment})
    learning = learning_of(taught_by(replace(student, data=data, settings=settings), teachers))
    assert set(learning.source.targets) == {LABELS, TEACHER, DEVICE}
    batches = pipeline.training_batches(
        learning.source, batch_size=3, seed=0, first_epoch=0, epochs=1,
        augment=learning.augment, memory_gb=1.0,
    )  # fmt: skip
    for _, targets in batches:
        assert set(targets) == {LABELS, TEACHER}


def test_a_clip_that_a_teacher_cannot_use_is_named(student, teachers, monkeypatch):
    def extracted(*clips, **given):
        bad = BadClip("stranger.wav", "/x/stranger.wav: is silent; replace it.")
        return replace(extract(*clips, **given), bad=(bad,))

    monkeypatch.setattr("utils.experiment.distillation.extract", extracted)
    learning = learning_of(taught_by(student, teachers))
    stranger = replace(student.data.folds[0].train[0], name="stranger.wav")
    assert learning.teachers is not None
    with pytest.raises(DataError, match=r"^stranger\.wav: cannot be used by the teacher") as told:
        learning.teachers.beside(np.zeros((1, 3)), [stranger])
    words = "/x/stranger.wav: is silent; replace it. Or leave the teacher out of training.dist"
    assert words in str(told.value)


ANSWERS = {
    "are not finite": (np.nan, 0.5, 0.5),
    "sum to 1.5": (0.75, 0.5, 0.25),
    "reach below 0": (1.5, -0.5, 0.0),
}


@pytest.mark.parametrize("words", ANSWERS)
def test_answers_that_are_no_probabilities_are_refused(student, teachers, monkeypatch, words):
    def predict(self, features):
        return (np.array([(0.5, 0.5, 0.0), *[ANSWERS[words]] * (len(features) - 1)], np.float32),)

    monkeypatch.setattr(Told, "_predict", predict)
    second = student.data.folds[0].train[1].name
    told = rf"^{second}: what the teacher .*big.model\.keras says .* they {words}; train it again"
    with pytest.raises(DataError, match=told):
        _ = learning_of(taught_by(student, teachers)).source
    assert not list((student.cache / "teachers").glob("*"))
    data = replace(student.data, folds=student.data.folds[:1])
    job = replace(with_softmax(student), data=data, teachers=teachers)
    with pytest.raises(ConfigError, match=f"what big gives for a clip are no prob.*they {words}; "):
        check_clips(job)  # before any features


def test_a_fold_that_a_teacher_lacks_is_refused(student, teachers):
    with pytest.raises(UserError, match=r"no finished run of big in .*fold3"):
        Teachers.of(taught_by(student, teachers), "fold3")


def test_each_fold_and_its_compression_learn_from_the_fold_of_each_teacher(
    student, teachers, open_folder, monkeypatch
):
    """Of clips held out of all folds, and of those that choose the epoch, no teacher is asked."""
    for teacher in teachers:
        for place in ("fold1", "fold2"):
            path = teacher.folder / place / "model.keras"
            path.parent.mkdir()
            path.touch()
            inference.write_metadata(path, inference.read_metadata(teacher.folder / "model.keras"))
    monkeypatch.setattr("utils.experiment.distillation.model_identity", str)
    given = student.settings.model_dump(mode="json")
    given["training"] |= {"epochs": 2, "ema": 0.5}
    given["compression"] = {"zeros": {"share": 0.5, "epochs": 1}}
    job = with_softmax(replace(student, settings=Settings(**given), teachers=teachers))
    with open_folder(job) as run:
        experiment = ClipExperiment(job, run, score=lambda *given: None)
        experiment.extract()
        for fold in experiment.folds:
            fold.train()
            for folder in fold.trainings().values():
                for epoch in read_history(folder):
                    loss = 0.5 * epoch["label_loss"] + 0.5 * epoch["distillation_loss"]
                    assert epoch["loss"] == pytest.approx(loss, rel=1e-5)
            (kernel, _) = inference.load_keras(fold.model_path).get_weights()
            assert (kernel == 0).mean() == pytest.approx(0.5, abs=0.01)
    assert Told.asked == 2 * (3 + 3)


def test_the_report_tells_who_taught(student, teachers, job):
    note = teachers_note(taught_by(student, teachers))
    assert note is not None
    assert "from big (big), large (large), with weight 0.5 at temperature 2." in note
    assert teachers_note(job) is None
    counted = listening(student, teacher_weights=(2.0, 0.5))
    note = teachers_note(taught_by(counted, teachers))
    assert note is not None
    assert "from big (big, counted 2), large (large, counted 0.5), with weight" in note


def test_clips_that_are_mixed_afresh_have_no_answers(student):
    mixing = MixingSettings(words=2, train=16)
    job = with_softmax(student)
    with pytest.raises(ConfigError, match=r"^training\.distillation: .* mixed afresh in every"):
        check_clips(replace(job, data=replace(student.data, mixing=mixing)))
    check_clips(job)


def test_a_network_without_a_softmax_is_refused(student):
    with pytest.raises(ConfigError, match=r"are no probabilities, they sum to .*; let it end in"):
        check_clips(student)
