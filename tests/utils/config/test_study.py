"""Studies resolved from files: arms as sets, order of merging, mistakes with file and line."""

from pathlib import Path

import pytest

from utils.config import load
from utils.config.study_section import rate_text
from utils.errors import ConfigError

SETS = """\
defaults: {training: {epochs: 50, optimizer: {Adam: {learning_rate: 0.001}}}}
models: {net: [Flatten], other: [Flatten]}
sets:
  - set_id: base
    task: task1a
    description: what is varied
    model: {use: net}
    training:
      epochs: 10
      select: {metric: val_loss, mode: min}
    demo: {training: {epochs: 3, optimizer: {Adam: {learning_rate: 0.02}}}}
  - {set_id: both, based_on: base, model: {use: null}, ensemble: [base]}
  - {set_id: elsewhere, task: task_dacon, model: {use: net}}
"""
STUDY = """\
  - set_id: s
    description: optimisers
    study:
      base: base
      common: {training: {epochs: 5}, paths: {runs: there}}
      arms:
        sgd: {training: {optimizer: {SGD: {learning_rate: 0.1}}}}
        adam: {training: {optimizer: {Adam: {learning_rate: 0.01, global_clipnorm: 1.0}}}}
        as_base: {}
      seeds: [3, 4]
"""  # from line 14 on


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Loads SETS with lines added (from line 14 on), and a parameter file."""
    monkeypatch.chdir(tmp_path)

    def make(lines: str = STUDY, param: str | None = None):
        Path("task.yaml").write_text(SETS + lines, encoding="utf-8")
        if param is None:
            return load(Path("task.yaml"))
        Path("my.yaml").write_text(param, encoding="utf-8")
        return load(Path("task.yaml"), Path("my.yaml"))

    return make


def error_of(call) -> str:
    with pytest.raises(ConfigError) as error:
        call()
    return str(error.value)


def optimizer(catalogue, set_id, **options):
    return catalogue.resolve(set_id, **options).settings.training.optimizer


def test_an_arm_is_the_base_below_what_all_arms_share_below_its_own(catalogue):
    made = catalogue()
    arm = made.resolve("s/sgd")
    assert arm.settings.set_id == "s/sgd"
    assert arm.settings.study is None
    assert (arm.settings.training.epochs, arm.settings.model.use) == (5, "net")
    assert arm.settings.training.optimizer == {"SGD": {"learning_rate": 0.1}}
    assert arm.settings.paths.runs == "there"
    assert arm.settings.description == "arm sgd of s"
    assert arm.task == "task1a"
    assert optimizer(made, "s/adam") == {"Adam": {"learning_rate": 0.01, "global_clipnorm": 1.0}}
    assert optimizer(made, "s/as_base") == {"Adam": {"learning_rate": 0.001}}


def test_on_demo_data_an_arm_is_laid_over_the_base_as_it_runs_there(catalogue):
    """Else the base's differences on demo data would make all arms the same."""
    made = catalogue()
    assert optimizer(made, "s/sgd", demo=True) == {"SGD": {"learning_rate": 0.1}}
    assert optimizer(made, "s/as_base", demo=True) == {"Adam": {"learning_rate": 0.02}}
    assert made.resolve("s/sgd", demo=True).settings.training.epochs == 5
    lines = STUDY.replace("training: {epochs: 5}", "demo: {training: {epochs: 2}}")
    made = catalogue(lines)
    epochs = [made.resolve("s/sgd", demo=demo).settings.training.epochs for demo in (False, True)]
    assert epochs == [10, 2]


def test_a_study_has_what_its_arms_share_and_its_section(catalogue):
    study = catalogue().resolve("s")
    settings = study.settings
    assert (settings.set_id, settings.description) == ("s", "optimisers")
    assert settings.training.optimizer == {"Adam": {"learning_rate": 0.001}}
    assert settings.training.epochs == 5
    assert list(settings.study.arms) == ["sgd", "adam", "as_base"]
    assert settings.study.seeds == (3, 4)
    assert study.task == "task1a"
    plain = study.parameters()["study"]["arms"]
    assert type(plain) is type(plain["sgd"]) is dict
    assert plain["sgd"] == {"training": {"optimizer": {"SGD": {"learning_rate": 0.1}}}}


def test_sets_are_listed_and_arms_are_not(catalogue):
    made = catalogue()
    assert made.set_ids() == ["base", "both", "elsewhere", "s"]
    assert made.set_ids("task1a") == ["base", "both", "s"]  # of the base's script
    assert made.set_ids("task_dacon") == ["elsewhere"]
    assert made.description("s") == "optimisers"
    assert [made.is_study(one) for one in ("s", "base")] == [True, False]


def test_overrides_change_every_arm_and_those_of_study_the_study(catalogue):
    made = catalogue()
    overrides = ["training.batch_size=7", "study.seeds=[9]", "study.common.training.epochs=8"]
    for arm in ("sgd", "adam"):
        training = made.resolve(f"s/{arm}", overrides=overrides).settings.training
        assert (training.batch_size, training.epochs) == (7, 8)
    study = made.resolve("s", overrides=overrides).settings
    assert study.study.seeds == (9,)
    assert study.training.batch_size == 7
    changed = ["study.arms.sgd.training.optimizer={RMSprop: {learning_rate: 0.5}}"]
    assert optimizer(made, "s/sgd", overrides=changed) == {"RMSprop": {"learning_rate": 0.5}}
    assert "the set 'base' is no study" in error_of(
        lambda: made.resolve("base", overrides=["study.seeds=[1]"])
    )


def test_a_parameter_file_changes_an_arms_optimizer_as_a_whole(catalogue):
    arms = "study: {arms: {sgd: {training: {optimizer: {Lion: {learning_rate: 0.2}}}}}}"
    made = catalogue(param=f"sets: [{{set_id: s, {arms}}}]\n")
    assert optimizer(made, "s/sgd") == {"Lion": {"learning_rate": 0.2}}
    assert list(made.resolve("s").settings.study.arms) == ["sgd", "adam", "as_base"]


def test_a_study_has_differences_on_demo_data(catalogue):
    lines = STUDY + "    demo: {study: {seeds: [1], common: {training: {epochs: 1}}}}\n"
    made = catalogue(lines)
    assert made.resolve("s").settings.study.seeds == (3, 4)
    demo = made.resolve("s", demo=True).settings
    assert (demo.study.seeds, demo.training.epochs) == ((1,), 1)
    assert made.resolve("s/sgd", demo=True).settings.training.epochs == 1
    wrong = catalogue(lines.replace("seeds: [1]", "seeds: [x]"))
    assert "task.yaml:24: study.seeds[0]: expected a whole number" in error_of(
        lambda: wrong.resolve("s")
    )


def test_another_learning_rate_is_another_set(catalogue):
    made = catalogue()
    arm = made.resolve("s/adam@0.5").settings
    assert arm.set_id == "s/adam@0.5"
    assert arm.training.optimizer == {"Adam": {"learning_rate": 0.5, "global_clipnorm": 1.0}}
    assert made.resolve("s/adam@1e-5").settings.set_id == "s/adam@1e-05"
    assert made.resolve("s/adam@1e-05").settings.set_id == "s/adam@1e-05"
    for written in ("s/adam@0.01", "s/adam@1e-2"):
        assert made.resolve(written).settings == made.resolve("s/adam").settings
    given = ["training.optimizer.Adam.learning_rate=0.3"]
    assert optimizer(made, "s/adam@0.5", overrides=given)["Adam"]["learning_rate"] == 0.5
    assert made.resolve("s/adam@0.3", overrides=given).settings.set_id == "s/adam"


@pytest.mark.parametrize(
    ("rate", "text"),
    [(1.0, "1"), (0.1, "0.1"), (1e-05, "1e-05"), (0.1 + 0.2, "0.30000000000000004")],
)
def test_a_rate_keeps_all_its_digits_in_an_id(rate, text):
    assert rate_text(rate) == text
    assert float(text) == rate


SEARCH = STUDY + "      search: {learning_rates: [1, 0.5], epochs: 2}\n"


def test_rates_are_those_of_the_search_unless_an_arm_has_its_own(catalogue):
    own = SEARCH.replace("as_base: {}", "as_base: {learning_rates: []}")
    own = own.replace("sgd: {tr", "sgd: {learning_rates: [3], tr")
    study = catalogue(own).resolve("s").settings.study
    assert [study.rates(arm) for arm in ("sgd", "adam", "as_base")] == [(3.0,), (1.0, 0.5), ()]
    assert study.search.epochs == 2
    assert catalogue().resolve("s").settings.study.rates("sgd") == ()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", ("val_loss", "min")),
        ("      metric: val_accuracy\n      mode: max\n", ("val_accuracy", "max")),
        ("      metric: loss\n", ("loss", "min")),
        ("      metric: loss\n      mode: max\n", ("loss", "max")),
    ],
)
def test_the_metric_is_the_bases_unless_another_is_named(catalogue, lines, expected):
    settings = catalogue(STUDY + lines).resolve("s").settings
    select = settings.training.select
    assert settings.study.judged(select.metric, select.mode) == expected
    assert settings.study.judged("epoch", "max") == (
        expected if settings.study.metric else ("val_loss", "min")
    )


def added(line: str) -> str:
    """The study with a line more in its section (line 24)."""
    return STUDY + f"      {line}\n"


def changed(old: str, new: str) -> str:
    assert STUDY.count(old) == 1
    return STUDY.replace(old, new)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (changed("base: base", "base: bose"), "task.yaml:17: study.base: there is no set 'bose'"),
        (changed("base: base", "base: s"), "task.yaml:17: study.base: 's' is a study itself"),
        (changed("base: base", "base: both"), "study.base: 'both' is an ensemble itself"),
        (changed("      base: base\n", ""), "study.base: name the set that is varied"),
        (
            changed("description: optimisers", "training: {epochs: 3}"),
            "task.yaml:15: sets.s.training: a study has no 'training' of its own; put it under "
            "study.common",
        ),
        (changed("description: optimisers", "based_on: base"), "a study has no 'model' of its own"),
        (
            changed("description: optimisers", "task: task_dacon"),
            "task.yaml:15: sets.s.task: its base 'base' is of task1a",
        ),
        (changed("description: optimisers", "demo: {seed: 3}"), "sets.s.demo: expected `study: "),
        (changed("as_base", "as/base"), "task.yaml:19: study.arms: 'as/base' is no name of an arm"),
        (changed("as_base", "a.b"), "'a.b' is no name of an arm"),
        (changed("as_base", "a@b"), "'a@b' is no name of an arm"),
        (changed("as_base", "latest"), "'latest' is no name of an arm"),
        (changed("as_base: {}", "as_base:"), "study.arms.as_base: expected a mapping"),
        (
            changed("as_base: {}", "as_base: {seed: 3}"),
            "task.yaml:22: study.arms.as_base.seed: an arm has no 'seed' of its own; seeds stand",
        ),
        (changed("as_base: {}", "as_base: {ensemble: [base]}"), "an arm has no 'ensemble'"),
        (
            changed("as_base: {}", "as_base: {paths: {runs: x}}"),
            "study.arms.as_base.paths: arms lie side by side",
        ),
        (
            changed("as_base: {}", "as_base: {training: {epoch: 3}}"),
            "task.yaml:22: training.epoch: unknown key 'epoch'. Did you mean 'epochs'?",
        ),
        (changed("as_base: {}", "as_base: {model: {use: nat}}"), "there is no 'nat' in models"),
        (changed("[3, 4]", "[3, 3]"), "task.yaml:23: study.seeds: expected at least one seed"),
        (changed("[3, 4]", "[]"), "study.seeds: expected at least one seed"),
        (changed("[3, 4]", "[-1]"), "study.seeds[0]: must be at least 0"),
        (added("baseline: sgt"), "task.yaml:24: study.baseline: 'sgt' is no arm; arms: sgd, adam"),
        (added("mode: max"), "study.mode: belongs to study.metric"),
        (added("metric: val_acc"), "study.metric: is val_acc better high or low?"),
        (added("job: 3"), "study.job: unknown key 'job'. Did you mean 'jobs'?"),
        (added("jobs: 0"), "study.jobs: must be at least 1"),
        (added("search: {}"), "expected a list, or one for the arm 'sgd'"),
        (added("search: {learning_rates: [0.0]}"), "learning_rates[0]: must be above 0"),
        (added("search: {learning_rates: [1, 1.0]}"), "a rate is given twice"),
        (
            changed("as_base: {}", "as_base: {learning_rates: [1]}"),
            "task.yaml:22: study.arms.as_base.learning_rates: has no effect without study.search",
        ),
        (
            changed("common: {", "common: {learning_rates: [1], "),
            "study.common.learning_rates: the rates of all arms stand in study.search",
        ),
        (
            changed("as_base: {}", "as_base: {learning_rates: fast}")
            + "      search: {learning_rates: [1]}\n",
            "study.arms.as_base.learning_rates: expected a list of numbers above 0",
        ),
        (
            changed("SGD: {learning_rate: 0.1}", "SGD: {}")
            + "      search: {learning_rates: [1]}\n",
            "task.yaml:20: study.arms.sgd: SGD has no learning_rate above 0 that could be changed",
        ),
        (
            "  - {set_id: s, study: {base: base, arms: {}}}\n",
            "task.yaml:14: study.arms: expected at least one arm",
        ),
        ("  - {set_id: s, study: {base: base}}\n", "study.arms: the key 'arms' is missing"),
        ("  - {set_id: s, study: [base]}\n", "study: expected a mapping, received a list of 1"),
    ],
)
def test_a_mistake_is_a_sentence_with_its_line(catalogue, lines, message):
    made = catalogue(lines)
    assert message in error_of(lambda: made.resolve("s"))


@pytest.mark.parametrize(
    ("set_id", "message"),
    [
        ("s/sgt", "task.yaml:19: study.arms: there is no arm 'sgt'. Did you mean 'sgd'?"),
        ("s/sgd@fast", "task.yaml:20: study.arms.sgd: '@fast': expected a learning rate above 0"),
        ("s/sgd@-1", "'@-1': expected a learning rate above 0"),
        ("s/sgd@inf", "'@inf': expected a learning rate above 0"),
        ("base/sgd", "the set 'base' has no arms"),
        ("t/sgd", "there is no set 't/sgd'"),
    ],
)
def test_an_arm_that_is_not_there_is_a_sentence(catalogue, set_id, message):
    made = catalogue()
    assert message in error_of(lambda: made.resolve(set_id))


def test_an_arm_of_a_study_can_be_in_an_ensemble(catalogue):
    lines = STUDY + "  - {set_id: e, based_on: base, model: {use: null}, ensemble: [s/sgd]}\n"
    assert catalogue(lines).resolve("e").settings.ensemble == ("s/sgd",)
