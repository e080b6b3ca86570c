"""A network that is trained, narrowed, pruned, exported and trained in int8, on clips of noise."""

from dataclasses import replace

import numpy as np
import pytest

from utils import pipeline
from utils.config.schema import Settings
from utils.errors import ConfigError, UserError
from utils.evaluation import score_words
from utils.experiment import ClipExperiment, check_clips
from utils.experiment.facts import steps_of
from utils.experiment.records import read_history
from utils.files import read_json
from utils.inference import load_keras, read_metadata, save_keras
from utils.report.results import ExportFacts, StepFacts, read_results, write_results
from utils.report.size import steps_table
from utils.run import Source, open_run
from utils.training.callbacks import KeepState

LAYERS = [
    {"Conv2D": {"filters": 10, "kernel_size": 3}},
    "BatchNormalization",
    {"Activation": {"activation": "relu"}},
    {"Dropout": {"rate": 0.3}},
    "GlobalAveragePooling2D",
    {"Dense": {"units": "$CLASS_COUNT", "activation": "softmax"}},
]
QUICK = {"optimizer": {"Adam": {"learning_rate": 0.01}}}
STEPS = {"channels": {"share": 0.4, "epochs": 2} | QUICK, "zeros": {"epochs": 3} | QUICK}


class KilledError(Exception):
    """Stands for the end of the process between two epochs."""


@pytest.fixture
def compressing(job, data):
    """A job of one fold that compresses its network."""

    def make(layers=LAYERS, compression=STEPS, **export) -> object:
        plain = job.settings.model_dump(mode="json")
        plain["model"]["layers"] = layers
        plain["compression"] = compression
        plain["training"] |= {"batch_size": 1}
        plain["export"] |= export
        one = replace(data, folds=data.folds[:1], held_out=())
        return replace(job, settings=Settings.model_validate(plain), data=one)

    return make


@pytest.fixture
def run_in(tmp_path):
    """Run all stages of a job in a folder, or those that train; give the experiment."""

    def run(job, name, *, trained=False):
        opened = open_run(
            tmp_path / name, parameters={}, data="words", identity="data", source=Source("", {}),
            console=job.console,
        )  # fmt: skip
        with opened:
            done = ClipExperiment(
                job, opened,
                score=lambda found, _: score_words(found, classes=job.data.classes, bootstrap=0),
            )  # fmt: skip
            done.extract()
            if trained:
                done.folds[0].train()
            else:
                done.run_folds()
            return done

    return run


def shares_of_zeros(path):
    model = load_keras(path)
    kernels = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]
    return [float(np.mean(np.asarray(kernel) == 0)) for kernel in kernels]


def test_every_step_leaves_a_network_and_a_row(compressing, run_in, tmp_path, monkeypatch):
    job = compressing(formats=["int8"], qat={"epochs": 1} | QUICK)
    check_clips(job)
    done = run_in(job, "run")
    results = done.results()
    folder, fold = tmp_path / "run", done.folds[0]
    names = ["trained", "channels", "zeros", "int8", "int8_qat"]
    assert [step.name for step in results.steps] == names
    assert_networks(folder, fold)
    assert_costs(results)
    assert [section.title for section in done.curves()] == [
        "Training", "Training: channels", "Training: zeros", "Training: int8_qat"
    ]  # fmt: skip
    assert read_json(folder / "zeros" / "training.json")["best_epoch"] in (2, 3)  # at its share
    write_results(folder / "results.json", results)
    assert read_results(folder / "results.json").steps == results.steps
    table = steps_table(results)
    assert [row.cells[0] for row in table.rows] == names
    assert table.rows[1].cells[1] == f"{results.steps[1].parameters:,}"
    end_twice(job, run_in, monkeypatch)
    (again,) = run_in(job, "killed", trained=True).folds
    for name, path in fold.networks.items():
        pair = load_keras(path).weights, load_keras(again.networks[name]).weights
        for old, new in zip(*pair, strict=True):
            np.testing.assert_array_equal(np.array(old), np.array(new))
    for step in ("channels", "zeros"):
        name = f"{step}/history.csv"
        assert (folder / name).read_text() == (tmp_path / "killed" / name).read_text()
    monkeypatch.setattr("utils.experiment.compressing._STEPS", {})  # no step is taken again
    assert run_in(job, "run").results().steps == results.steps


def test_each_training_of_a_network_draws_for_itself(compressing, run_in, monkeypatch):
    seeds, batches = [], pipeline.training_batches

    def drawn(source, *, seed, **settings):
        seeds.append(seed)
        return batches(source, seed=seed, **settings)

    monkeypatch.setattr(pipeline, "training_batches", drawn)
    job = compressing(formats=["int8"], qat={"epochs": 1} | QUICK)
    run_in(job, "run")
    assert seeds[0] == job.settings.seed
    assert len(set(seeds)) == len(seeds) == 4


def end_twice(job, run_in, monkeypatch):
    """Run the stages in another folder; a process ends in a step, the next one in the other."""
    end_in({("channels", 1), ("zeros", 2)}, job, run_in, monkeypatch)


def end_in(ends, job, run_in, monkeypatch):
    """Run the stages in a folder; a process ends after each of these epochs of steps."""
    saved, times = KeepState.on_epoch_end, len(ends)

    def killed(self, number, logs=None):
        saved(self, number, logs)
        now = self.folder.name, number + 1
        if now in ends:
            ends.remove(now)
            raise KilledError

    monkeypatch.setattr(KeepState, "on_epoch_end", killed)
    for _ in range(times):
        with pytest.raises(KilledError):
            run_in(job, "killed", trained=True)
    assert not ends


def test_a_step_from_another_network_starts_anew(compressing, run_in, tmp_path, monkeypatch):
    job = compressing()
    end_in({("zeros", 2)}, job, run_in, monkeypatch)
    path = tmp_path / "killed" / "channels.keras"
    network = load_keras(path)
    network.set_weights([weight + 0.1 for weight in network.get_weights()])
    save_keras(path, network)
    run_in(job, "killed", trained=True)
    assert "What it learns from has changed" in job.console.file.getvalue()
    assert len(read_history(tmp_path / "killed" / "zeros")) == 3


def test_a_step_that_diverges_names_its_optimizer(compressing, run_in, tmp_path):
    wild = {"zeros": {"epochs": 2, "optimizer": {"SGD": {"learning_rate": 1e38}}}}
    with pytest.raises(UserError, match=r"lower compression\.zeros\.optimizer's learning_rate"):
        run_in(compressing(compression=wild), "wild", trained=True)
    assert (tmp_path / "wild" / "zeros" / "diverged.json").exists()


def assert_networks(folder, fold):
    widths = {name: load_keras(path).layers[1].filters for name, path in fold.networks.items()}
    assert widths == {"trained": 10, "channels": 6, "zeros": 6}
    assert fold.networks["zeros"] == fold.model_path == folder / "model.keras"
    assert fold.networks["trained"] == folder / "trained.keras"
    assert shares_of_zeros(folder / "channels.keras") == [0.0, 0.0]
    assert shares_of_zeros(folder / "model.keras") == [0.5, 0.5]
    assert (folder / "trained.metadata.json").exists()
    temperatures = {read_metadata(path).temperature for path in fold.networks.values()}
    assert len(temperatures) == 3  # each is calibrated


def assert_costs(results):
    trained, channels, zeros, *files = results.steps
    for step, n in ((trained, 10), (channels, 6), (zeros, 6)):
        assert step.parameters == 10 * n + 4 * n + 3 * n + 3
        assert step.macs == 2 * 7 * 9 * n + 3 * n
        assert (step.bytes, step.non_zero_bytes) == (4 * step.parameters, 4 * step.non_zero)
        assert step.latency_ms > 0
    dead = (9 + 3) * 6 // 2
    assert zeros.non_zero <= channels.non_zero - dead
    assert results.model.parameters == zeros.parameters
    for step in files:
        assert step.macs == zeros.macs
        assert step.non_zero <= step.parameters - dead
        assert step.scores == results.exports[step.name].scores
    assert zeros.scores == pytest.approx({key: results.overall[key] for key in zeros.scores})
    assert trained.scores != channels.scores != zeros.scores


@pytest.mark.parametrize(
    ("layers", "compression", "told"),
    [
        (LAYERS[-2:], {"channels": {}}, r"^compression\.channels: .* nothing to take away"),
        (LAYERS, {"channels": {"share": 0.05}}, r"^compression\.channels: a share of 0\.05 is"),
        (LAYERS, {"zeros": {"optimizer": {"Adma": {}}}}, r"^compression\.zeros\.optimizer: unk"),
        (LAYERS, {"channels": {"optimizer": {"Adam": {"rate": 1}}}}, r"^compression\.channels\.op"),
        (
            [{"DepthwiseConv2D": {"kernel_size": 2, "depth_multiplier": 3}}, LAYERS[-2]],
            {"zeros": {}},
            r"^compression\.zeros: test has no convolution and no dense layer",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_compressed_is_refused_first(compressing, layers, compression, told):
    with pytest.raises((UserError, ConfigError), match=told):
        check_clips(compressing(layers, compression))


@pytest.mark.parametrize(
    ("compression", "told"),
    [
        ({}, "expected channels, zeros or both"),
        ({"zeros": {"share": 1.0}}, "less than 1"),
        ({"channels": {"share": 0.0}}, "greater than 0"),
        ({"zeros": {"rise": 1.0}}, "less than 1"),
    ],
)
def test_sections_that_make_no_sense_are_refused(compressing, compression, told):
    with pytest.raises(ValueError, match=told):
        compressing(compression=compression)


def test_files_of_samples_are_no_step():
    network = StepFacts("trained", 9, 9, 36, 36, 50)
    file = ExportFacts(99, 8, 7, 8, 7, {"kl": 0.5}, 0.1, 0.2)
    found = steps_of([network], {"int8": file, "int8_samples": file})
    assert found == (network, StepFacts("int8", 8, 7, 8, 7, 50, {"kl": 0.5}, 0.2))
    assert steps_of([], {"int8": file}) == ()
