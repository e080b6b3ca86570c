"""What a fold learns from: rows, targets, statistics and front ends, of clips and of words."""

import os
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from utils import mixing, pipeline
from utils.config.schema import MixingSettings, Settings
from utils.datasets import DataSet, Fold
from utils.errors import ConfigError, DataError
from utils.experiment.augmentation import check_responses
from utils.experiment.learning import Learning, needs_waveforms, waveform_of
from utils.features import ClipImage, ClipNormaliser, Normaliser, from_settings
from utils.targets import encode

CLASSES = ("high", "low", "mid")
MIXING = MixingSettings(words=2, train=16, level_db=3.0, shift_seconds=0.0)
NOISE = Settings.model_validate({"set_id": "x", "model": {"use": "x"}, "augment": ["Noise"]})


@pytest.fixture
def words(make_clips) -> DataSet:
    """Twelve words by four speakers to be mixed; mixtures to choose by and to test on."""
    isolated = tuple(
        replace(clip, labels=(CLASSES[n % 3],), weights=(), group="dbca"[n % 4])
        for n, clip in enumerate(make_clips("word", 12))
    )
    fold = Fold("fold1", isolated[::-1], make_clips("valid", 4), make_clips("test", 3))
    return DataSet("words", CLASSES, (fold,), mixing=MIXING)


@pytest.fixture
def learning(finish):
    """What the first fold of a job learns from."""

    def of(job):
        return Learning(job, job.data.folds[0], finish(job).folds[0].features)

    return of


@pytest.fixture
def augmented(job):
    return replace(job, settings=job.settings.model_copy(update={"augment": NOISE.augment}))


def samples_of(clips):
    return np.stack([soundfile.read(clip.path, dtype="float32")[0] for clip in clips])


def features_of(job, samples):
    representation = from_settings(job.settings.audio, job.settings.features)
    return np.stack([representation(clip) for clip in samples])


def normalise(job, **values):
    features = job.settings.features
    changed = features.normalise.model_copy(update=values)
    features = features.model_copy(update={"normalise": changed})
    return replace(job, settings=job.settings.model_copy(update={"features": features}))


def test_features_of_training_and_validation_clips_stand_beside_their_targets(job, learning):
    fold = job.data.folds[0]
    turned = replace(fold, train=fold.train[::-1])  # the store is in the order of names
    found = learning(replace(job, data=replace(job.data, folds=(turned,))))
    for source, clips in ((found.source, turned.train), (found.validation, fold.validation)):
        assert isinstance(source, pipeline.Source)
        expected = features_of(job, samples_of(clips))
        np.testing.assert_allclose(source.array[source.rows], expected, rtol=1e-6)
        truth = encode(clips, classes=CLASSES, kind="distribution")
        np.testing.assert_array_equal(source.targets, truth)
    assert found.source.targets.max() == 1.0
    assert 0.75 in found.source.targets


def test_where_training_acts_on_samples_it_learns_from_samples(augmented, job, learning):
    assert needs_waveforms(augmented)
    assert not needs_waveforms(job)
    found = learning(augmented)
    train = augmented.data.folds[0].train
    source = found.source
    np.testing.assert_array_equal(source.array[source.rows], samples_of(train))
    assert found.augment is not None
    assert found.validation.array.shape[1:] == (4, 9)
    assert learning(job).augment is None


DIRS = Settings.model_validate(
    {
        "set_id": "x", "model": {"use": "x"},
        "augment": [{"DeviceResponse": {"folder": "dirs", "devices": ["a"], "probability": 1.0}}],
    }
)  # fmt: skip


@pytest.fixture
def devices(job, tmp_path):
    """Training clips of devices a, b and none that is known; one impulse response."""
    (tmp_path / "dirs").mkdir()
    soundfile.write(tmp_path / "dirs" / "a.wav", [0.5, 0.25], 1000, subtype="FLOAT")
    fold = job.data.folds[0]
    train = tuple(
        replace(clip, device=name) for clip, name in zip(fold.train, ("b", "a", None), strict=True)
    )
    data = replace(job.data, folds=(replace(fold, train=train),))
    settings = job.settings.model_copy(update={"augment": DIRS.augment})
    return replace(job, data=data, settings=settings)


def test_clips_of_some_devices_are_heard_through_another(devices, learning):
    found = learning(devices)
    (batch, truth), *_ = pipeline.training_batches(
        found.source, batch_size=3, seed=0, first_epoch=0, epochs=1, augment=found.augment,
        memory_gb=1.0,
    )  # fmt: skip
    clips = devices.data.folds[0].train
    labels = encode(clips, classes=CLASSES, kind="distribution")
    order = [int(np.abs(labels - row).sum(axis=1).argmin()) for row in truth.numpy()]
    assert sorted(order) == [0, 1, 2]
    before = samples_of(clips)[order]
    same = (batch.numpy() == before).all(axis=1)
    np.testing.assert_array_equal(same, [clips[number].device != "a" for number in order])


def test_other_responses_are_another_training(devices, learning, tmp_path):
    found = learning(devices)
    keys = [(found.key, found.stage_key)]
    soundfile.write(tmp_path / "dirs" / "b.wav", [0.5], 1000, subtype="FLOAT")
    again = Learning(found.job, found.fold, found.features)
    keys.append((again.key, again.stage_key))
    without = devices.settings.model_copy(update={"augment": NOISE.augment})
    plain = Learning(replace(devices, settings=without), found.fold, found.features)
    keys.append((plain.key, plain.stage_key))
    assert all(len(set(column)) == 3 for column in zip(*keys, strict=True))
    assert plain.stage_key == found.features.key


def changed_augment(job, *steps):
    augment = Settings.model_validate(
        {"set_id": "x", "model": {"use": "x"}, "augment": list(steps)}
    ).augment
    return replace(job, settings=job.settings.model_copy(update={"augment": augment}))


def test_responses_that_fit_no_clip_or_come_too_late_are_refused(devices, words, job):
    of_a = {"DeviceResponse": {"devices": ["a"]}}
    check_responses(devices)
    check_responses(changed_augment(devices, of_a, "Mixup"))
    check_responses(changed_augment(devices, "Mixup", "DeviceResponse"))
    with pytest.raises(ConfigError, match=r"no training clip is of device 'c'; words has a, b\."):
        check_responses(changed_augment(devices, {"DeviceResponse": {"devices": ["c"]}}))
    with pytest.raises(ConfigError, match="has none that are known"):
        check_responses(changed_augment(replace(job, data=words), of_a))
    with pytest.raises(ConfigError, match="stands behind Mixup"):
        check_responses(changed_augment(devices, "Mixup", of_a))
    with pytest.raises(DataError, match="nowhere is no folder"):
        check_responses(changed_augment(devices, {"DeviceResponse": {"folder": "nowhere"}}))


def test_words_are_mixed_each_with_its_class_and_speaker(job, words, learning):
    found = learning(replace(job, data=words))
    source, clips = found.source, words.folds[0].train
    assert isinstance(source, pipeline.Mixtures)
    np.testing.assert_array_equal(source.array[source.rows], samples_of(clips))
    assert [CLASSES[number] for number in source.classes] == [clip.labels[0] for clip in clips]
    assert ["abcd"[number] for number in source.speakers] == [clip.group for clip in clips]
    assert (source.class_count, source.sample_rate, source.per_epoch) == (3, 1000, 16)
    assert source.settings == MIXING


def test_words_that_are_only_mixed_have_no_features_of_their_own(job, words, learning):
    features = learning(replace(job, data=words)).features
    fold = words.folds[0]
    assert set(features.waveforms.row_of) == {clip.name for clip in fold.train}
    assert set(features.store.row_of) == {clip.name for clip in fold.validation + fold.test}


def test_clips_are_normalised_by_the_training_clips(job, learning):
    fold = job.data.folds[0]
    expected = Normaliser.fit(features_of(job, samples_of(fold.train)), range(3))
    found = learning(job).fit_normaliser()
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-5)
    np.testing.assert_allclose(found.std, expected.std, rtol=1e-5)
    both = features_of(job, samples_of(fold.train + fold.validation))
    other = learning(normalise(job, clips="train_and_validation")).fit_normaliser()
    np.testing.assert_allclose(other.mean, Normaliser.fit(both, range(6)).mean, rtol=1e-5)
    assert np.abs(other.mean - found.mean).max() > 1e-3


def test_mixtures_are_normalised_by_mixtures_not_by_words(job, words, learning, rng):
    job = replace(job, data=words)
    found = learning(job).fit_normaliser()
    clips = words.folds[0].train
    drawn = mixing.draw(
        rng, 1500, words=np.array([CLASSES.index(clip.labels[0]) for clip in clips]),
        speakers=np.array(["abcd".index(clip.group) for clip in clips]), number=2,
        repeat_words=False, repeat_speakers=False, level_db=3.0, shift_seconds=0.0,
    )  # fmt: skip
    words = samples_of(clips)[drawn.rows]
    mixed = mixing.mix(words, drawn.gains_db, drawn.shifts, sample_rate=1)
    expected = Normaliser.fit(features_of(job, mixed), range(1500))
    np.testing.assert_allclose(found.mean, expected.mean, atol=0.05)
    np.testing.assert_allclose(found.std, expected.std, rtol=0.05)
    of_words = Normaliser.fit(features_of(job, samples_of(clips)), range(12))
    assert np.abs(found.mean - of_words.mean).min() > 0.2


def test_validation_mixtures_count_where_they_are_asked_to(job, words, learning, monkeypatch):
    monkeypatch.setattr("utils.experiment.learning.STATISTICS_CLIPS", 20)
    job = replace(job, data=words)
    alone = learning(job)
    both = learning(normalise(job, clips="train_and_validation"))
    mixed = alone.examples(20)
    known = features_of(job, samples_of(words.folds[0].validation))
    for found, features in (
        (alone.fit_normaliser(), mixed),
        (both.fit_normaliser(), np.concatenate([mixed, known])),
    ):
        expected = Normaliser.fit(features, range(len(features)))
        np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-5)


def test_other_normalisers_need_no_statistics(job, finish):
    fold, features = job.data.folds[0], finish(job).folds[0].features
    of_clips = Learning(normalise(job, method="clip_mean_std"), fold, features)
    assert of_clips.fit_normaliser() == ClipNormaliser()
    of_images = Learning(normalise(job, method="clip_image"), fold, features)
    assert of_images.fit_normaliser() == ClipImage()
    assert Learning(normalise(job, method="none"), fold, features).fit_normaliser() is None


def test_examples_are_training_clips_chosen_by_the_seed(job, learning):
    found = learning(job)
    train = features_of(job, samples_of(job.data.folds[0].train))
    everything = found.examples(50)
    np.testing.assert_allclose(np.sort(everything.ravel()), np.sort(train.ravel()), rtol=1e-6)
    two = found.examples(2)
    np.testing.assert_array_equal(two, learning(job).examples(2))
    places = [int(np.argmin(np.abs(train - clip).sum(axis=(1, 2)))) for clip in two]
    assert len(set(places)) == 2
    chosen = set()
    for seed in range(8):
        settings = job.settings.model_copy(update={"seed": seed})
        other = replace(found, job=replace(job, settings=settings))
        chosen.add(other.examples(1).tobytes())
    assert len(chosen) > 1


def test_examples_of_words_are_mixtures_that_repeat(job, words, learning):
    job = replace(job, data=words)
    found = learning(job)
    first = found.examples(10)
    assert first.shape == (10, 4, 9)
    np.testing.assert_array_equal(first, found.examples(10))
    waveforms, _ = pipeline.sample(found.source, 10, seed=job.settings.seed)
    np.testing.assert_allclose(first, features_of(job, waveforms), rtol=1e-6)
    settings = job.settings.model_copy(update={"seed": 1})
    other = replace(found, job=replace(job, settings=settings)).examples(10)
    assert np.abs(other - first).max() > 0.1


def test_samples_and_stored_features_are_prepared_to_the_same(augmented, job, learning):
    found = learning(augmented)
    normaliser = found.fit_normaliser()
    of_training, of_others = found.preparations(normaliser)
    clips = augmented.data.folds[0].train
    features = features_of(job, samples_of(clips))
    expected = normaliser(features)[..., np.newaxis]
    np.testing.assert_allclose(of_training(samples_of(clips)), expected, atol=1e-4)
    np.testing.assert_allclose(of_others(features), expected, atol=1e-6)
    of_training, _ = learning(job).preparations(None)
    np.testing.assert_array_equal(of_training(features), features[..., np.newaxis])


def test_recordings_that_cannot_be_used_are_not_learnt(augmented, changed, learning):
    job = changed(augmented, "audio", on_bad_audio="skip")
    fold = job.data.folds[0]
    fold.train[1].path.write_bytes(b"no audio")
    found = learning(job)
    kept = fold.train[0], fold.train[2]
    assert found.features.learnable(fold.train) == found.features.usable(fold.train) == kept
    np.testing.assert_array_equal(found.source.array[found.source.rows], samples_of(kept))
    truth = encode(kept, classes=CLASSES, kind="distribution")
    np.testing.assert_array_equal(found.source.targets, truth)


def test_the_features_key_tells_of_the_samples_too(augmented, job, finish):
    plain, both = finish(job).folds[0].features, finish(augmented).folds[0].features
    assert plain.store.key == both.store.key
    assert plain.key != both.key
    assert both.key.endswith(both.waveforms.key)
    assert waveform_of(both.representation).shape == (80,)


def test_the_key_of_what_is_learnt_is_of_training_and_validation_clips(augmented, learning):
    """A test clip, and a file of the cache that was made once more, are learnt from by nothing."""
    fold = augmented.data.folds[0]

    def later(clip):
        state = clip.path.stat()
        os.utime(clip.path, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))
        return learning(augmented).key

    first = learning(augmented).key
    assert later(fold.test[0]) == first
    assert later(fold.train[0]) != first != later(fold.validation[0])
    cached = replace(augmented, cache=fold.train[0].path.parents[1])
    before = learning(cached).key
    later(fold.train[0])
    assert learning(cached).key == before
