"""Grids of studies: the names and differences of their arms, layers over them, mistakes."""

import re
from pathlib import Path

import pytest

from utils.config import load
from utils.errors import ConfigError

SETS = """\
models: {net: [Flatten], other: [Flatten]}
sets:
  - {set_id: base, task: task1a, model: {use: net}}
  - set_id: s
    study:
      base: base
      grid:
        model.constants.WIDTH: [16, 32]
        training: {epochs: [3, 4, 5]}
        kind:
          small: {training: {batch_size: 8}}
          large: {training: {batch_size: 64}, export: {formats: []}}
"""  # line 12 is the last
HEAD = SETS[: SETS.index("      grid:")]


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Loads SETS with lines added, and a parameter file."""
    monkeypatch.chdir(tmp_path)

    def make(lines: str = "", param: str = "sets: []", sets: str = SETS):
        Path("task.yaml").write_text(sets + lines, encoding="utf-8")
        Path("my.yaml").write_text(param, encoding="utf-8")
        return load(Path("task.yaml"), Path("my.yaml"))

    return make


def arms(made, **options) -> dict:
    return made.resolve("s", **options).settings.study.arms


def overridden(made, *overrides) -> list[str]:
    return list(arms(made, overrides=overrides))


def changed(old: str, new: str) -> str:
    assert SETS.count(old) == 1
    return SETS.replace(old, new)


def test_the_product_of_all_values_makes_the_arms(catalogue):
    made = catalogue()
    found = arms(made)
    assert list(found) == [
        f"width{width}-epochs{epochs}-{kind}"
        for width in (16, 32)
        for epochs in (3, 4, 5)
        for kind in ("small", "large")
    ]
    assert found["width32-epochs4-large"] == {
        "model": {"constants": {"WIDTH": 32}},
        "training": {"epochs": 4, "batch_size": 64},
        "export": {"formats": []},
    }
    arm = made.resolve("s/width32-epochs4-large").settings
    assert (arm.set_id, arm.training.epochs, arm.training.batch_size) == (
        "s/width32-epochs4-large", 4, 64,
    )  # fmt: skip
    assert arm.model.constants == {"WIDTH": 32}
    assert arm.model.use == "net"
    assert arm.export.formats == ()


@pytest.mark.parametrize(
    ("axes", "names"),
    [
        ("features.kind: [log_mel, mfcc]", ["kind_log_mel", "kind_mfcc"]),
        ("model.constants.NAME: [a b]", ["name_a_b"]),
        ("evaluation.bootstrap: [0]", ["bootstrap0"]),
        ("model.constants.RATE: [0.5, -1.25, 2.0]", ["rate0_5", "rate-1_25", "rate2"]),
        ("model.constants.WIDTH_1: [8]", ["width_1_8"]),
        ("training.patience: [null, 3]", ["patience_null", "patience3"]),
        ("training.deterministic: [true]", ["deterministic_true"]),
        ("training.schedule.patience: [1]\n        training.patience: [2]",
         ["schedule_patience1-training_patience2"]),
        ("optimizer: {sgd: {training: {optimizer: {SGD: {learning_rate: 1.0}}}}}", ["sgd"]),
    ],
)  # fmt: skip
def test_an_arm_is_named_after_its_values(catalogue, axes, names):
    assert list(arms(catalogue(sets=f"{HEAD}      grid:\n        {axes}\n"))) == names


def test_axes_of_a_network_and_of_its_constants_may_stand_together(catalogue):
    grid = "      grid: {model.constants.WIDTH: [16], model.use: [net, other]}\n"
    made = catalogue(sets=HEAD + grid)
    assert list(arms(made)) == ["width16-use_net", "width16-use_other"]
    for name in ("net", "other"):
        model = made.resolve(f"s/width16-use_{name}").settings.model
        assert (model.use, model.constants) == (name, {"WIDTH": 16})


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ("{training: [3], training.epochs: [4]}", "'training.epochs' and 'training' are one axis"),
        ("{training: {epochs: [3]}, training.epochs: [4]}", "'training.epochs' and 'training.epo"),
        (
            "{a: {x: {}, x-y: {}}, b: {y-z: {}, z: {}}}",
            "study.grid: two combinations of its axes make the arm 'x-y-z'; rename an alternative",
        ),
    ],
)
def test_axes_that_hide_each_other_are_refused_with_their_line(catalogue, grid, message):
    with pytest.raises(ConfigError) as error:
        arms(catalogue(sets=f"{HEAD}      grid: {grid}\n"))
    assert str(error.value).startswith("task.yaml:7: study.grid")
    assert message in str(error.value)


def test_of_two_axes_that_give_a_value_the_later_one_wins(catalogue):
    wide = "{wide: {model: {use: other, constants: {WIDTH: 4}}, training: {batch_size: 32}}}"
    grid = f"      grid: {{training.batch_size: [16], model.constants.WIDTH: [8], kind: {wide}}}\n"
    settings = catalogue(sets=HEAD + grid).resolve("s/batch_size16-width8-wide").settings
    assert settings.training.batch_size == 32
    assert (settings.model.use, settings.model.constants) == ("other", {"WIDTH": 4})


def test_arms_may_stand_beside_a_grid(catalogue):
    made = catalogue("      arms: {plain: {}, big: {training: {batch_size: 99}}}\n")
    names = list(arms(made))
    assert names[:3] == ["plain", "big", "width16-epochs3-small"]
    assert len(names) == 14
    assert made.resolve("s/big").settings.training.batch_size == 99
    both = "      arms: {width16-epochs3-small: {}}\n"
    message = "task.yaml:13: study.arms.width16-epochs3-small: the arm "
    with pytest.raises(ConfigError, match=re.escape(message)):
        arms(catalogue(both))


def test_what_lies_over_a_grid_changes_single_axes(catalogue):
    """A path is one, with dots as in a file or taken apart as in an override."""
    demo = "    demo: {study: {grid: {model.constants.WIDTH: [8], kind: null}}}\n"
    made = catalogue(demo)
    assert list(arms(made, demo=True)) == ["width8-epochs3", "width8-epochs4", "width8-epochs5"]
    assert len(arms(made)) == 12
    short = "study.grid.training.epochs=[1]"
    assert overridden(made, short, "study.grid.kind=null", "study.grid.model=null") == ["epochs1"]
    assert overridden(made, short, "study.grid.model.constants.WIDTH=[2]") == [
        "width2-epochs1-small", "width2-epochs1-large",
    ]  # fmt: skip
    whole = "study.grid={model.constants.WIDTH: [2], training.epochs: [1]}"
    assert overridden(made, whole) == ["width2-epochs1-small", "width2-epochs1-large"]
    small = "study.grid.kind.small.training.optimizer={SGD: {learning_rate: 0.5}}"
    found = arms(made, overrides=[small])["width16-epochs3-small"]["training"]
    assert found == {"epochs": 3, "batch_size": 8, "optimizer": {"SGD": {"learning_rate": 0.5}}}
    param = """
sets:
  - set_id: s
    study: {grid: {training.epochs: [7], kind: {large: {training: {optimizer: {Lion: {}}}}}}}
"""
    made = catalogue(param=param)
    assert [name for name in arms(made) if "width16" in name] == [
        "width16-epochs7-small", "width16-epochs7-large",
    ]  # fmt: skip
    optimizer = made.resolve("s/width16-epochs7-large").settings.training.optimizer
    assert optimizer == {"Lion": {}}


def test_alternatives_may_have_learning_rates_of_their_own(catalogue):
    rates = "small: {learning_rates: [1, 2], training: {batch_size: 8}}"
    sets = changed("small: {training: {batch_size: 8}}", rates)
    made = catalogue("      search: {learning_rates: [5]}\n", sets=sets)
    study = made.resolve("s").settings.study
    assert study.rates("width16-epochs3-small") == (1.0, 2.0)
    assert study.rates("width16-epochs3-large") == (5.0,)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (
            changed("model.constants", "modle.constants"),
            "of an axis of that name. Did you mean 'model'?",
        ),
        (
            changed("model.constants.WIDTH", "modle"),
            "task.yaml:8: study.grid.modle: a set has no 'modle'. Did you mean 'model'?",
        ),
        (
            changed("export: {formats", "exprt: {formats"),
            "task.yaml:12: study.grid.kind.large.exprt: a set has no 'exprt'. Did you mean 'expor",
        ),
        (
            changed("{epochs: [3", "{epoch: [3"),
            "task.yaml:9: training.epoch: unknown key 'epoch'. Did you mean 'epochs'?",
        ),
        (
            changed("[16, 32]", "[]"),
            "task.yaml:8: study.grid.model.constants.WIDTH: expected a list of values, received an",
        ),
        (changed("[16, 32]", "16"), "WIDTH: expected a list of values, received the number 16"),
        (
            changed("[16, 32]", "[16, 16.0]"),
            "task.yaml:8: study.grid.model.constants.WIDTH[1]: 16 is given twice",
        ),
        (changed("[16, 32]", "[[16]]"), "WIDTH[0]: a list of 1 makes no name of an arm; put it"),
        (
            changed("model.constants.WIDTH: [16, 32]", "seed: [1]"),
            "an arm has no 'seed' of its own",
        ),
        (changed("{training: {batch_size: 8}}", "3"), "kind.small: expected the differences of an"),
        (changed("small:", "a/b:"), "'width16-epochs3-a/b' is no name of an arm"),
        (changed("{batch_size: 8}", "{batch_size: 0}"), "task.yaml:11: training.batch_size: must"),
    ],
)
def test_a_mistake_is_a_sentence_with_its_line(catalogue, sets, message):
    made = catalogue(sets=sets)
    with pytest.raises(ConfigError) as error:
        arms(made)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "study.grid=3",
            "study.grid: expected a mapping of paths to lists of values, received th",
        ),
        ("study.under={}", "study.under: expected a limit, such as macs: 30000000"),
        ("study.under={macs: 0}", "study.under.macs: must be at least 1"),
        ("study.under={mac: 3}", "unknown key 'mac'. Did you mean 'macs'?"),
        ("study.arms=3", "study.arms: expected a mapping"),
    ],
)
def test_overrides_are_checked_too(catalogue, override, message):
    made = catalogue()
    with pytest.raises(ConfigError) as error:
        overridden(made, override)
    assert message in str(error.value)


def test_an_empty_grid_is_refused(catalogue):
    for grid in ("{}", "{kind: null}"):
        with pytest.raises(ConfigError, match=r"yaml:7: study\.grid: expected at least one axi"):
            arms(catalogue(sets=f"{HEAD}      grid: {grid}\n"))
    with pytest.raises(ConfigError, match=r"grid\.kind: expected alternatives by name"):
        arms(catalogue(sets=f"{HEAD}      grid: {{kind: {{}}}}\n"))


def test_the_shipped_search_is_of_sizes_in_three_files():
    made = load(Path(__file__).resolve().parents[3] / "task.yaml")
    study = made.resolve("task1a_search").settings.study
    assert len(study.arms) == 18
    assert study.under.limits
    for name in study.arms:
        arm = made.resolve(f"task1a_search/{name}").settings
        assert arm.model.constants["DEPTH"] in (4, 6)
        assert (arm.limits.format == "int8_qat") is (arm.export.qat is not None)
        assert name.endswith(("int8", "qat", "sparse"))
        assert name.endswith("sparse") is (arm.compression is not None)
        assert arm.limits.macs == {"DCASE 2022 (30 MMAC)": 30_000_000}
        assert arm.training.select.metric == "val_categorical_accuracy"
    demo = made.resolve("task1a_search", demo=True).settings.study
    assert [name.partition("-")[2] for name in demo.arms] == ["int8", "qat", "sparse"] * 3
    assert demo.seeds == (0,)
