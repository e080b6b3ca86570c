"""Layer lists made flat: parts, nested lists, constants, places."""

import pytest

from utils.config.network import flatten, reached
from utils.config.nodes import parse_yaml
from utils.config.schema import ModelSettings
from utils.errors import ConfigError

MODELS = """\
conv:
  - Conv2D: {filters: $FILTERS, kernel_size: 3}
  - ReLU
pooled:
  constants: {POOL: 2}
  layers:
    - use: conv
    - MaxPooling2D: {pool_size: $POOL}
net:
  constants: {FILTERS: 8}
  layers:
    - &stem
      - use: conv
      - [Flatten, [Flatten]]
    - {use: pooled, constants: {FILTERS: $FILTERS * 2}}
    - *stem
  outputs: [a]
"""


def flat(model: str, models: str = MODELS):
    settings = ModelSettings.model_validate(parse_yaml(model, "my.yaml"))
    return flatten(settings, named=parse_yaml(models, "task.yaml"), known={"CLASS_COUNT": 10})


def test_parts_and_nested_lists_become_one_list():
    network = flat("use: net")
    names = [item.class_name for item in network.layers]
    stem = ["Conv2D", "ReLU", "Flatten", "Flatten"]
    assert names == [*stem, "Conv2D", "ReLU", "MaxPooling2D", *stem]
    assert [i.arguments["filters"] for i in network.layers if i.class_name == "Conv2D"] == [
        8,
        16,
        8,
    ]
    assert network.layers[6].arguments == {"pool_size": 2}
    assert network.outputs == ("a",)


def test_the_line_is_where_it_is_written_and_the_path_where_it_is_used():
    place = flat("use: net").layers[4].place
    assert str(place.mark) == "task.yaml:2"
    assert place.path == "models.net.layers[1].pooled[0].conv[0]"


def test_the_set_beats_the_network_and_parts_see_it():
    network = flat("{use: net, constants: {FILTERS: 3, POOL: 5}, outputs: [b]}")
    assert network.layers[0].arguments["filters"] == 3
    assert network.layers[6].arguments == {"pool_size": 5}
    assert network.outputs == ("b",)


def test_dcase_form_takes_bare_constants():
    network = flat("layers: [{class_name: Dense, config: {units: CLASS_COUNT * 2}}]")
    assert network.layers[0].arguments == {"units": 20}


def test_from_takes_one_name_or_several():
    network = flat("layers: [Flatten, {Dense: {units: 1}, from: a}, {Add: , from: [a, b]}]")
    assert [(item.sources, item.several) for item in network.layers] == [
        (None, False),
        (("a",), False),
        (("a", "b"), True),
    ]


def test_a_part_is_repeated_as_often_as_a_constant_says():
    model = "layers: [{use: conv, repeat: $DEPTH - 1, constants: {FILTERS: 4}}, Flatten]"
    for depth in (1, 2, 4):
        layers = flat(f"{model}\nconstants: {{DEPTH: {depth}}}").layers
        assert [item.class_name for item in layers] == ["Conv2D", "ReLU"] * (depth - 1) + [
            "Flatten"
        ]
        assert all(item.arguments.get("filters", 4) == 4 for item in layers)


def test_constants_of_a_part_that_is_left_out_are_checked_as_ever():
    """A search over depths must not end where the depth is 0."""
    parts = "part:\n  - {Dense: {units: $WIDTH}}\n  - {Identity: {name: end}}\n"
    model = "layers: [{use: part, repeat: $DEPTH, constants: {WIDTH: $SIZE}}, {use: part, constants"
    model += ": {WIDTH: 3}}]\nconstants: {DEPTH: 0, SIZE: 8}"
    layers = flat(model, parts).layers
    assert [item.class_name for item in layers] == ["Dense", "Identity"]
    assert layers[-1].arguments["name"] == "part_1_end"
    with pytest.raises(ConfigError, match="no layer uses the constant 'WIDHT'"):
        flat(model.replace("{WIDTH: $SIZE}", "{WIDTH: $SIZE, WIDHT: 3}"), parts)


def test_each_repetition_has_names_of_its_own():
    layers = flat("layers: [Identity: {name: first}, {use: block, repeat: 2}]", """\
block:
  - Identity: {name: skip}
  - {Add: , from: [skip, first]}
""").layers  # fmt: skip
    assert [item.sources for item in layers if item.sources] == [
        ("block_1_skip", "first"), ("block_2_skip", "first"),
    ]  # fmt: skip


RESIDUAL = """\
block:
  - Identity: {name: skip}
  - [Dense: {units: $UNITS}]
  - class_name: Identity
    config: {name: body}
  - {Add: , from: [skip, body]}
  - Identity: {name: $NAME}
outer:
  - Identity: {name: skip}
  - {use: block, constants: {NAME: inner}}
  - {Concatenate: , from: [skip, first]}
"""


def test_a_name_that_a_part_writes_is_its_own_in_every_use():
    layers = flat(
        "layers: [Identity: {name: first}, {use: block, constants: {NAME: a}}, {use: outer},"
        " {Add: , from: [a, inner]}]\nconstants: {UNITS: 2}",
        RESIDUAL,
    ).layers
    assert [item.arguments["name"] for item in layers if "name" in item.arguments] == [
        *("first", "block_1_skip", "block_1_body", "a"),
        *("outer_1_skip", "block_2_skip", "block_2_body", "inner"),
    ]
    assert [item.sources for item in layers if item.sources] == [
        ("block_1_skip", "block_1_body"),
        ("block_2_skip", "block_2_body"),
        ("outer_1_skip", "first"),
        ("a", "inner"),
    ]


def test_reached_lists_what_is_used_once():
    model = ModelSettings.model_validate(
        parse_yaml("layers: [[use: pooled], use: conv]", "my.yaml")
    )
    named = parse_yaml(MODELS, "task.yaml")
    assert list(reached(model, named=named)) == ["pooled", "conv"]


WRONG = {
    "layers: []": "my.yaml:1: model.layers: the layer list is empty",
    "layers: [[]]": "my.yaml:1: model.layers: the layer list is empty",
    "layers: [3]": "my.yaml:1: model.layers[0]: expected a layer: Name or Name: {argument: value}",
    "layers: [null]": "model.layers[0]: expected a layer",
    "layers: [{Dense: {}, Flatten: {}}]": "received a mapping with the keys Dense, Flatten.",
    "layers: [Dense: [3]]": "model.layers[0].Dense: expected named arguments such as {name: value}",
    "layers: [{class_name: Dense, confg: {}}]": "unknown key 'confg' beside class_name. Did you",
    "layers: [{class_name: 3}]": "expected the name of a layer, received the number 3.",
    "layers: [use: con]": "model.layers[0].use: there is no 'con' in models. Did you mean 'conv'?",
    "layers: [use: [a]]": "model.layers[0].use: there is no",
    "layers: [{use: conv, constant: {}}]": "unknown key 'constant' beside use. Did you mean 'con",
    "layers: [{use: conv, repeat: -1}]": "repeat: expected a whole number, at least 0, received th",
    "layers: [{use: conv, repeat: true}]": "repeat: expected a whole number, at least 0, received",
    "layers: [{use: conv, repeat: $CLASS_COUNT / 4}]": "received the number 2.5.",
    "layers: [{use: conv, repeat: often}]": "received the text 'often'.",
    "layers: [{use: conv, constants: 3}]": "constants: expected a mapping of names to values",
    "layers: [use: net]": "'net' has outputs of its own; a part has none.",
    "layers: [{Flatten: {}, from: 3}]": "from: expected a layer's name, received the number 3.",
    "layers: [{Flatten: {}, from: []}]": "expected at least one layer's name",
    "layers: [{use: conv, constants: {FILTERS: 1, FILTER: 2}}]": "'FILTER'. Did you mean 'FILTER",
    "{layers: [Flatten], constants: {CLASS_COUNT: 3}}": "'CLASS_COUNT' is set by the run",
}


@pytest.mark.parametrize(("model", "sentence"), WRONG.items(), ids=WRONG)
def test_refusals(model, sentence):
    with pytest.raises(ConfigError) as error:
        flat(model)
    assert sentence in str(error.value)
    assert str(error.value).startswith("my.yaml:1: ")


def test_parts_in_a_circle_are_refused():
    with pytest.raises(ConfigError, match="'a' uses itself: a -> b -> a"):
        flat("use: a", "{a: [use: b], b: [use: a]}")


def test_plain_data_without_lines_works_too():
    network = flatten(ModelSettings(layers=["Flatten"]), named={}, known={})
    assert network.layers[0].class_name == "Flatten"
