"""What an epoch of separation scores: the loss, the improvement, a few stretches at a time."""

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from models.separation_losses import OWN
from tests.tasks.separation_data import write_songs, write_tiny_separation, write_utterances
from utils import datasets, pipeline
from utils.config import load
from utils.config.separation_sections import SeparationSettings
from utils.evaluation.separation import in_order, score_file
from utils.experiment import Job
from utils.experiment.facts import separator_metadata
from utils.experiment.separation_checks import build_separator
from utils.experiment.separation_judging import BATCH, COLUMNS, SeparationJudge
from utils.experiment.separation_learning import SeparationLearning
from utils.features.heard import heard_by
from utils.inference import MemoryPredictor, Separator
from utils.training.compiling import in_any_order

PROJECT = Path(__file__).resolve().parents[3]
WRITTEN = {"tiny": write_songs, "tiny_voices": write_utterances}
MORE = {"tiny": ["segments.validation=5"], "tiny_voices": ["dataset.speakers.validation=11"]}


@pytest.fixture(scope="module", params=WRITTEN)
def learnt(request, tmp_path_factory):
    """What a network of masks, or one of waveforms, learns from, and the network untrained."""
    set_id, folder = request.param, tmp_path_factory.mktemp("judged")
    catalogue = load(PROJECT / "task.yaml", write_tiny_separation(folder))
    resolved = catalogue.resolve(set_id, overrides=MORE[set_id])
    settings, root, cache = resolved.settings, folder / "data", folder / "cache"
    WRITTEN[set_id](root)
    data = datasets.load(settings.dataset, audio=settings.audio, root=root, cache=cache)
    console = Console(file=io.StringIO())
    job = Job(settings, resolved.models, data, root, cache, console, target="stems")
    heard = heard_by(settings.audio, settings.features)
    return SeparationLearning.prepared(job, heard), build_separator(job, heard)


def all_stretches(learning):
    """Every validation stretch in one array: mixtures, stems."""
    return pipeline.even_stretches(
        learning._tracks(learning.fold.validation),
        number=learning.job.settings.segments.validation,
        samples=learning.heard.n_samples,
        channels=learning.heard.channels,
    )


def test_stretches_come_some_at_a_time_each_time_the_same(learnt):
    learning, _ = learnt
    expected = all_stretches(learning)
    assert len(expected[0]) % 4  # the last batch is smaller
    for _ in range(2):
        batches = list(learning.validation(4))
        assert {len(mixtures) for _, mixtures, _ in batches[:-1]} == {4}
        files, *given = zip(*batches, strict=True)
        for found, whole in zip(given, expected, strict=True):
            np.testing.assert_array_equal(np.concatenate(found), whole)
        each = np.concatenate(files).tolist()
        number = learning.job.settings.segments.validation
        assert each == sorted(each)
        assert set(Counter(each).values()) == {number}
        assert set(each) == set(range(len(learning.fold.validation)))


def test_the_files_are_read_one_after_the_other(learnt, monkeypatch):
    """A full validation part is never in memory."""
    learning, _ = learnt
    read, given = [], pipeline.even_stretches
    monkeypatch.setattr(
        pipeline,
        "even_stretches",
        lambda tracks, **more: read.append(tracks) or given(tracks, **more),
    )
    next(learning.validation(1))
    assert len(read) == 1
    list(learning.validation(BATCH))
    assert {len(tracks) for tracks in read} == {1}


def test_loss_and_improvement_are_those_of_all_stretches(learnt):
    learning, model = learnt
    job, heard = learning.job, learning.heard
    mixtures, stems = all_stretches(learning)
    assert len(mixtures) > BATCH
    found = SeparationJudge(learning)(model)
    assert tuple(found) == COLUMNS
    loss = OWN[job.settings.training.loss]
    expected = np.mean(loss(heard.targets(stems), model.predict_on_batch(heard(mixtures))))
    assert found["val_loss"] == pytest.approx(expected, rel=1e-5)
    metadata = separator_metadata(job, training=True)
    separator = Separator.of(MemoryPredictor(model, metadata=metadata))
    estimates = np.stack([separator(mixture) for mixture in mixtures])
    if in_any_order(job.settings.training):
        estimates = np.stack([in_order(*pair) for pair in zip(estimates, stems, strict=True)])
    files = len(mixtures) // job.settings.segments.validation
    gains = []
    for rows in np.split(np.arange(len(mixtures)), files):
        joined = (np.concatenate(list(of[rows]), axis=-2) for of in (estimates, stems, mixtures))
        scores = score_file(*joined, sample_rate=heard.sample_rate, bss=False)
        gains.append(scores["si_sdr_improvement"])
    assert found["val_si_sdr_improvement"] == pytest.approx(np.nanmean(gains), abs=1e-6)


@pytest.mark.parametrize("learnt", ["tiny"], indirect=True)
def test_losses_of_keras_have_a_value_a_bin(learnt):
    learning, model = learnt
    training = learning.job.settings.training.model_copy(update={"loss": "mean_squared_error"})
    settings = learning.job.settings.model_copy(update={"training": training})
    other = replace(learning, job=replace(learning.job, settings=settings))
    mixtures, stems = all_stretches(learning)
    found = model.predict_on_batch(learning.heard(mixtures))
    expected = np.square(found - np.asarray(learning.heard.targets(stems))).mean()
    assert SeparationJudge(other)(model)["val_loss"] == pytest.approx(expected, rel=1e-5)


def test_what_follows_the_network_does_not_change_how_it_is_judged(learnt):
    """It may change without a new training, so the history must not depend on it."""
    learning, model = learnt
    given = SeparationSettings(exponent=1.0, extension="zeros", add_up=True, overlap=0.0)
    settings = learning.job.settings.model_copy(update={"separation": given})
    other = replace(learning, job=replace(learning.job, settings=settings))
    assert SeparationJudge(other)(model) == SeparationJudge(learning)(model)


of_waveforms = pytest.mark.parametrize("learnt", ["tiny_voices"], indirect=True)


@pytest.fixture
def judged(learnt):
    """Judge a network that gives the mixture as each of two sources, on given stretches."""
    import keras

    learning, _ = learnt
    samples = learning.heard.n_samples
    heard = keras.Input((samples, 1))
    row = keras.layers.Reshape((1, 1, samples))(heard)
    model = keras.Model(heard, keras.layers.Concatenate(axis=2)([row, row]))

    def judge(mixtures, stems):
        given = iter([(range(len(mixtures)), mixtures, stems)])
        stretches = SimpleNamespace(
            job=learning.job, heard=learning.heard, validation=lambda number: given
        )
        return SeparationJudge(stretches)(model)

    return judge


@pytest.fixture
def sounds(learnt, rng):
    """Three mixtures (3, samples, 1) of two sources (3, 2, samples, 1)."""
    shape = (3, 2, learnt[0].heard.n_samples, 1)
    stems = rng.standard_normal(shape).astype(np.float32)
    return stems.sum(axis=1), stems


@of_waveforms
def test_the_mixture_itself_is_no_improvement(judged, sounds):
    assert judged(*sounds)["val_si_sdr_improvement"] == pytest.approx(0.0, abs=1e-4)


@of_waveforms
def test_silent_sources_are_left_out(judged, sounds):
    _, stems = sounds
    stems[0] = 0
    mixtures = stems.sum(axis=1)
    assert judged(mixtures, stems)["val_si_sdr_improvement"] == pytest.approx(0.0, abs=1e-4)
    assert judged(0 * mixtures, 0 * stems)["val_si_sdr_improvement"] == 0.0


@of_waveforms
def test_nothing_improves_over_a_mixture_of_one(judged, sounds):
    """It is that source, so a network could only lose a hundred decibels."""
    _, stems = sounds
    stems[:2, 1] = 0
    found = judged(stems.sum(axis=1) + 0, stems)["val_si_sdr_improvement"]
    assert found == pytest.approx(
        judged(stems[2:].sum(axis=1), stems[2:])["val_si_sdr_improvement"]
    )
    stems[2, 0] = 0
    assert judged(stems.sum(axis=1), stems)["val_si_sdr_improvement"] == 0.0


@of_waveforms
def test_a_network_that_became_nan_has_no_improvement(judged, sounds):
    """Its training ends with a sentence on the loss, so nothing may fail before it."""
    mixtures, stems = sounds
    found = judged(np.full_like(mixtures, np.nan), stems)
    assert tuple(found) == COLUMNS
    assert np.isnan(list(found.values())).all()
