"""Merging: mappings merge, lists and scalars replace, two mappings replace by name."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.config.merge import merge
from utils.config.nodes import parse_yaml


def merged(base: str, over: str):
    return merge(parse_yaml(base, "base.yaml"), parse_yaml(over, "over.yaml"))


def test_mappings_merge_and_the_rest_replaces():
    assert merged("a: {b: 1, c: [1, 2], d: {e: 1}}", "a: {c: [3], d: {f: 2}}") == {
        "a": {"b": 1, "c": [3], "d": {"e": 1, "f": 2}}
    }


def test_null_replaces():
    assert merged("a: {b: 1}", "a: null") == {"a": None}


def test_marks_follow_their_values():
    data = merged("a: {b: 1,\n c: 2}", "a: {b: 3}")
    assert str(data["a"].marks["b"]) == "over.yaml:1"
    assert str(data["a"].marks["c"]) == "base.yaml:2"


def test_an_optimizer_of_another_name_replaces():
    base = "training: {epochs: 1, optimizer: {Adam: {learning_rate: 0.1, beta_1: 0.8}}}"
    other = merged(base, "training: {optimizer: {SGD: {momentum: 0.9}}}")
    assert other["training"] == {"epochs": 1, "optimizer": {"SGD": {"momentum": 0.9}}}
    same = merged(base, "training: {optimizer: {Adam: {learning_rate: 0.2}}}")
    assert same["training"]["optimizer"] == {"Adam": {"learning_rate": 0.2, "beta_1": 0.8}}
    in_demo = merged("demo: {" + base + "}", "demo: {training: {optimizer: {SGD: {}}}}")
    assert in_demo["demo"]["training"]["optimizer"] == {"SGD": {}}


def test_another_network_drops_the_constants_of_the_first():
    base = "model: {use: a, constants: {X: 1}}"
    assert merged(base, "model: {use: b}")["model"] == {"use": "b"}
    assert merged(base, "model: {layers: [Flatten]}")["model"] == {"layers": ["Flatten"]}
    kept = merged(base, "model: {use: a, constants: {Y: 2}}")
    assert kept["model"] == {"use": "a", "constants": {"X": 1, "Y": 2}}


@pytest.mark.parametrize("path", ["common", "arms: {a", "common: {demo", "arms: {a: {demo"])
def test_in_a_study_they_are_replaced_as_in_a_set(path):
    end = "}" * path.count("{")

    def within(section):
        return f"study: {{{path}: {{{section}}}{end}}}"

    def inside(value):
        for key in ("study", *path.replace("{", "").split(": ")):
            value = value[key]
        return value

    adam, sgd = "{Adam: {learning_rate: 1.0}}", "{SGD: {momentum: 0.9}}"
    both = within(f"training: {{optimizer: {adam}}}"), within(f"training: {{optimizer: {sgd}}}")
    assert inside(merged(*both))["training"]["optimizer"] == {"SGD": {"momentum": 0.9}}
    both = within("model: {use: a, constants: {X: 1}}"), within("model: {use: b}")
    assert inside(merged(*both))["model"] == {"use": "b"}


MAPPINGS = st.recursive(
    st.integers(0, 3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict))


def plain(base, over):
    both = isinstance(base, dict) and isinstance(over, dict)
    return {**base, **{k: plain(base.get(k), v) for k, v in over.items()}} if both else over


@given(MAPPINGS, MAPPINGS)
def test_merge_vs_plain_recursion_and_leaves_its_inputs_alone(base, over):
    one, two = parse_yaml(str(base), "x"), parse_yaml(str(over), "x")
    before = copy.deepcopy((dict(one), dict(two)))
    assert merge(one, two) == plain(base, over)
    assert (one, two) == before
