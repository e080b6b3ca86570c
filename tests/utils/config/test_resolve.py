"""Sets resolved from files: order of merging, errors as a user sees them, import time."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utils.config import load
from utils.errors import ConfigError

BASE = """\
sets:
  - set_id: task1a
    task: task1a
    description: base
    model: {use: net}
  - set_id: other
    task: task_dacon
    model: {use: net}
  - set_id: x
    based_on: task1a
"""
MODELS = """\
models:
  net: {layers: [{use: part}, Dense: {units: $CLASS_COUNT}]}
  part: [Flatten]
  unused: [Flatten]
"""


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Loads BASE with lines added to its last set (from line 11 on), and a parameter file."""
    monkeypatch.chdir(tmp_path)

    def make(lines: str = "", param: str | None = None, defaults: str = "", models: str = MODELS):
        Path("task.yaml").write_text(BASE + lines + models + defaults, encoding="utf-8")
        if param is None:
            return load(Path("task.yaml"))
        Path("my.yaml").write_text(param, encoding="utf-8")
        return load(Path("task.yaml"), Path("my.yaml"))

    return make


def error_of(call) -> str:
    with pytest.raises(ConfigError) as error:
        call()
    return str(error.value)


def test_each_layer_beats_the_one_before(catalogue):
    made = catalogue(
        "    training: {epochs: 3, batch_size: 4}\n"
        "    demo: {training: {batch_size: 5}, seed: 7}\n",
        defaults="defaults: {training: {epochs: 1, batch_size: 1, loss: mae}, seed: 1}\n",
    )
    real = made.resolve("x")
    assert (real.settings.training.epochs, real.settings.training.batch_size) == (3, 4)
    assert (real.settings.training.loss, real.settings.seed) == ("mae", 1)
    assert real.demo_differences == {}
    demo = made.resolve("x", demo=True, overrides=["training.epochs=9"])
    assert (demo.settings.training.epochs, demo.settings.training.batch_size) == (9, 5)
    assert demo.settings.seed == 7
    assert demo.demo_differences == {"training": {"batch_size": 5}, "seed": 7}


def test_overrides_beat_the_demo_block_and_the_last_wins(catalogue):
    made = catalogue("    demo: {training: {epochs: 5}}\n")
    overrides = ["training.epochs=6", "training.epochs=7"]
    assert made.resolve("x", demo=True, overrides=overrides).settings.training.epochs == 7


@pytest.mark.parametrize("turned", [False, True])
def test_an_override_of_the_network_leaves_those_of_its_constants(catalogue, turned):
    overrides = ["model.constants.WIDTH=8", "model.use=wide"]
    made = catalogue(models=MODELS + "  wide: {constants: {WIDTH: 4}, layers: [Flatten]}\n")
    model = made.resolve("x", overrides=overrides[:: -1 if turned else 1]).settings.model
    assert (model.use, model.constants) == ("wide", {"WIDTH": 8})
    overrides = ["model.constants.WIDTH=8", "model={use: wide, constants: {WIDTH: 2}}"]
    assert made.resolve("x", overrides=overrides).settings.model.constants == {"WIDTH": 2}


@pytest.mark.parametrize(
    ("metric", "mode", "better"),
    [
        ("val_loss", "max", "min"),
        ("val_categorical_accuracy", "min", "max"),
        ("epoch", "min", "max"),
    ],
)
def test_the_worst_epoch_is_not_kept(catalogue, metric, mode, better):
    selecting = f"    training: {{select: {{metric: {metric}, mode: %s}}}}\n"
    told = error_of(lambda: catalogue(selecting % mode).resolve("x"))
    which = {"min": "low", "max": "high"}[better]
    sentence = f"{metric} is better {which}; set it to {better}."
    assert told == f"task.yaml:11: training.select.mode: {sentence}"
    assert catalogue(selecting % better).resolve("x").settings.training.select.mode == better
    given = f"    training: {{select: {{metric: val_own_score, mode: {mode}}}}}\n"
    assert catalogue(given).resolve("x").settings.training.select.mode == mode


def test_a_set_without_a_demo_block_says_so(catalogue):
    assert catalogue().resolve("other", demo=True).demo_differences == {}


def test_parameter_file_lies_over_block_by_block(catalogue):
    made = catalogue(
        "    training: {epochs: 3, batch_size: 4}\n",
        param="defaults: {training: {epochs: 50, loss: mae}}\n"
        "sets:\n"
        "  - {set_id: x, training: {batch_size: 9}}\n"
        "  - {set_id: mine, based_on: x, seed: 3}\n"
        "models: {part: [GlobalAveragePooling2D]}\n",
    )
    assert made.set_ids() == ["task1a", "other", "x", "mine"]
    training = made.resolve("mine").settings.training
    assert (training.epochs, training.batch_size, training.loss) == (3, 9, "mae")
    assert made.resolve("x").models["part"] == ["GlobalAveragePooling2D"]


def test_sets_are_listed_by_script(catalogue):
    made = catalogue()
    assert made.set_ids("task1a") == ["task1a", "x"]
    assert made.set_ids("task_dacon") == ["other"]
    assert made.resolve("x").task == "task1a"
    assert made.description("x") == "base"


def test_a_set_of_no_script_is_listed_by_all(catalogue):
    made = catalogue(param="sets: [{set_id: free, model: {use: net}}]\n")
    assert "free" in made.set_ids("task1a")
    assert "free" in made.set_ids("task_dacon")


def test_parameters_are_plain_and_hold_the_networks_that_are_used(catalogue):
    parameters = (
        catalogue("    augment: [Noise, Shift: {probability: 1}]\n").resolve("x").parameters()
    )
    assert list(parameters["models"]) == ["net", "part"]
    assert type(parameters["models"]["net"]) is dict
    assert type(parameters["models"]["net"]["layers"]) is list
    assert parameters["training"]["epochs"] == 200
    assert parameters["augment"][1]["Shift"] == {"max_seconds": 1.0, "probability": 1.0}


def test_lists_become_tuples_and_optimizers_replace(catalogue):
    made = catalogue("    dataset: {folds: [1, 2], classes: [a, b]}\n")
    settings_ = made.resolve("x", overrides=["training.optimizer.SGD.momentum=0.5"]).settings
    assert settings_.dataset.folds == (1, 2)
    assert settings_.dataset.classes == ("a", "b")
    assert settings_.training.optimizer == {"SGD": {"momentum": 0.5}}


WRONG = {
    "training: {epoch: 3}": "training.epoch: unknown key 'epoch'. Did you mean 'epochs'?",
    "trainin: {}": "trainin: unknown key 'trainin'. Did you mean 'training'?",
    "training: {epochs: many}": "training.epochs: expected a whole number, received the text 'ma",
    "training: {epochs: '3'}": "received the text '3'. Write it without quotes.",
    "training: {epochs: 2.5}": "training.epochs: expected a whole number, received the number 2.5.",
    "training: {epochs: -3}": "training.epochs: must be at least 1, received -3.",
    "training: {optimizer: {Adam: {learning_rate: 1e-3}}}": "YAML reads 1e-3 as text; write 1.0e",
    "training: {optimizer: Adam}": "training.optimizer: expected a mapping, received the text 'A",
    "training: {optimizer: {SGD: {}, Adam: {}}}": "training.optimizer: expected one optimizer",
    "training: {select: {mode: maxx}}": "'max' or 'min', received the text 'maxx'. Did you mean",
    "training: 5": "training: expected a mapping, received the number 5.",
    "training:": "training: expected a mapping, received nothing (null).",
    "description: yes": "received true. YAML reads yes, no, on and off as true and false",
    "dataset: {folds: 1}": "dataset.folds: expected a list, received the number 1.",
    "dataset: {folds: [one]}": "dataset.folds[0]: expected a whole number, received the text 'on",
    "dataset: {validation: {amount: 1.5}}": "dataset.validation.amount: must be below 1, receive",
    "audio: {seconds: .nan}": "audio.seconds: expected a finite number",
    "audio: {seconds: 1.0}": "features.frames: a clip of 1 s has 51 frames, received 500",
    "features: {f_max: 30000}": "features.f_max: 30000 Hz is above half the sample rate",
    "features: {f_min: 9000, f_max: 8000}": "features.f_min: 9000 Hz is not below 8000 Hz",
    "features: {n_fft: 512}": "features.n_fft: 512 is less than the window of 1764 samples",
    "features: {kind: mfcc, log: none}": "features.log: mfcc are coefficients of a logarithm",
    "features: {normalise: {method: clip_decibel}}": "features.log: normalise.method clip_decibel",
    "features: {log: none, power: 2, normalise: {method: clip_decibel}}": "features.power: ",
    "features: {kind: mfcc, normalise: {method: clip_decibel}}": "features.kind: normalise.method",
    "augment: [{Nois: {}}]": "augment[0].Nois: unknown key 'Nois'. Did you mean 'Noise'?",
    "augment: [Noice]": "augment[0].Noice: unknown key 'Noice'. Did you mean 'Noise'?",
    "augment: [{Noise: {}, Shift: {}}]": "augment[0]: an augmentation step has one name",
    "augment: [{Noise: {min_snr_db: 50}}]": "augment[0].Noise: min_snr_db 50 is above max_snr_db",
    "model: {use: nett}": "model.use: there is no 'nett' in models. Did you mean 'net'?",
    "model: {use: net, layers: [Flatten]}": "model: expected use: NAME or layers: [...], receive",
    "model: {constants: {A: [1]}}": "model.constants.A: expected a number or text, received a list",
    "submission: {authors: [{firstname: A}]}": "submission.authors[0].email: the key 'email' is",
    "submission: {abbreviation: abcdefghijkl}": "submission.abbreviation: at most 10 characters",
    "export: {formats: [int16]}": "export.formats[0]: expected 'float32', 'float16', 'dynamic' or",
    "demo: {trainng: {epochs: 3}}": "trainng: unknown key 'trainng'. Did you mean 'training'?",
    "demo: 3": "sets.x.demo: expected a mapping, received the number 3.",
    "task: 3": "sets.x.task: expected a script's name, received the number 3.",
}


@pytest.mark.parametrize(("line", "sentence"), WRONG.items(), ids=WRONG)
def test_what_is_wrong_in_a_set_is_named_with_its_line(catalogue, line, sentence):
    message = error_of(lambda: catalogue(f"    {line}\n").resolve("x"))
    assert sentence in message
    assert all(one.startswith("task.yaml:11: ") for one in message.splitlines()) or (
        "frames" in sentence and message.startswith("task.yaml:9: ")
    )


def test_two_mistakes_are_two_sentences(catalogue):
    made = catalogue("    training: {epoch: 3,\n      loss: 4}\n")
    lines = error_of(lambda: made.resolve("x")).splitlines()
    assert sorted(line.split(":")[1] for line in lines) == ["11", "12"]


OVERRIDES = {
    "training.epoch=5": "training.epoch: unknown key 'epoch'. Did you mean 'epochs'?",
    "training.epochs=1e1": "training.epochs: YAML reads 1e1 as text; write 1.0e+1.",
    "training.epochs=": "training.epochs: expected a whole number, received nothing (null).",
    "training.epochs=[1": "training.epochs: is not valid YAML",
    "training.epochs": "expected KEY=VALUE such as training.epochs=5.",
    "training..epochs=3": "expected KEY=VALUE",
    "=3": "expected KEY=VALUE",
    "set_id=y": "'set_id' cannot be overridden",
    "demo.training.epochs=3": "'demo' cannot be overridden",
    "audio.seconds=1": "features.frames: a clip of 1 s has 51 frames",
    "model.use=nope": "model.use: there is no 'nope' in models. Known: net, part, unused.",
}


@pytest.mark.parametrize(("text", "sentence"), OVERRIDES.items(), ids=OVERRIDES)
def test_what_is_wrong_in_an_override_is_named(catalogue, text, sentence):
    made = catalogue("    features: {frames: 500}\n")
    message = error_of(lambda: made.resolve("x", overrides=[text]))
    assert sentence in message
    assert message.startswith((f"--override {text}: ", "task.yaml:11: features.frames"))


FILES = {
    "set: []": "my.yaml:1: set: unknown block. Did you mean 'sets'?",
    "sets: {set_id: x}": "my.yaml:1: sets: expected a list of sets",
    "sets: [3]": "my.yaml:1: sets[0]: expected a mapping with a set_id",
    "sets: [{description: a}]": "my.yaml:1: sets[0]: expected a set_id of text",
    "sets:\n  - set_id: a\n  - set_id: a": "sets[1]: the set 'a' is given twice (first: my.yaml:",
    "models: []": "my.yaml:1: models: expected a mapping, received a list of 0.",
    "sets:\n  - {set_id: x, seed: a}": "my.yaml:2: seed: expected a whole number",
    "models: {net: {layer: []}}": "my.yaml:1: models.net.layer: unknown key 'layer'. Did you mean",
    "models: {net: 3}": "my.yaml:1: models.net: expected a mapping with the key layers",
    "models: {part: {constants: {}}}": "my.yaml:1: models.part: the key layers is missing",
    "models: {part: [use: parts]}": "my.yaml:1: models.part[0].use: there is no 'parts' in models.",
    "sets: [{set_id: x, based_on: task1b}]": "sets.x.based_on: there is no set 'task1b'. Did you",
    "sets: [{set_id: x, based_on: [a]}]": "sets.x.based_on: there is no set",
    "sets: [{set_id: x, based_on: y}, {set_id: y, based_on: x}]": "is based on itself: x -> y -> x",
}


@pytest.mark.parametrize(("text", "sentence"), FILES.items(), ids=FILES)
def test_what_is_wrong_in_a_parameter_file_is_named(catalogue, text, sentence):
    message = error_of(lambda: catalogue(param=text + "\n").resolve("x"))
    assert sentence in message
    assert message.startswith("my.yaml:")


def test_an_unknown_set_names_the_nearest_and_all(catalogue):
    message = error_of(lambda: catalogue().resolve("tsk1a"))
    assert message == (
        "task.yaml: there is no set 'tsk1a'. Did you mean 'task1a'? Sets: task1a, other, x."
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.sampled_from(["net", "Noise", "a", ""]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["use", "layers", "epochs", "A"]), inner, max_size=2)
    ),
    max_leaves=6,
)
SECTIONS = ["model", "training", "augment", "demo", "task", "based_on", "dataset", "description"]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(SECTIONS), VALUES, max_size=3))
def test_any_set_resolves_or_is_refused_with_a_sentence(catalogue, data):
    import yaml

    text = yaml.safe_dump({"sets": [{**data, "set_id": "x"}]})
    try:
        catalogue(param=text).resolve("x", demo=True)
    except ConfigError as error:
        assert str(error).startswith(("my.yaml", "task.yaml"))


def test_configuration_needs_no_heavy_library():
    code = (
        "import sys, utils.config\n"
        "print([n for n in ('tensorflow', 'keras', 'numpy', 'librosa') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
