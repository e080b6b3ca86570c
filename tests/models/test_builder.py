"""YAML layer lists to Keras models: grammar, shapes, seeds, errors as a user sees them."""

import logging
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from models.arguments import check_arguments, layer_class
from models.builder import build
from utils.config.nodes import parse_yaml
from utils.config.places import Place
from utils.config.schema import ModelSettings
from utils.errors import ConfigError

PROJECT = Path(__file__).resolve().parents[2]
KNOWN = {"CLASS_COUNT": 3, "MELS": 8, "FRAMES": 12}
HEAD = "  - Flatten\n  - Dense: {units: $CLASS_COUNT}\n"


def built(text: str, *, models="{}", seed=0, known=KNOWN, shape=(8, 12, 1), **more):
    settings = ModelSettings.model_validate(parse_yaml(text, "task.yaml"))
    named = parse_yaml(models, "task.yaml")
    given = {"input_shape": shape, "constants": known, "seed": seed}
    return build(settings, named=named, name="net", **given, **more)


def network(lines: str, **options):
    """A network whose first layer stands on line 2."""
    return built("layers:\n" + lines, **options)


def classes(model) -> list[str]:
    return [type(layer).__name__ for layer in model.layers[1:]]


def test_a_name_that_keras_refuses_is_changed():
    settings = ModelSettings.model_validate({"layers": ["Flatten", {"Dense": {"units": 2}}]})
    constants = {"CLASS_COUNT": 2}
    model = build(
        settings, named={}, input_shape=(4,), constants=constants, name="study/sgd@0.01", seed=0
    )
    assert model.name == "study_sgd_0.01"


def test_names_arguments_and_constants():
    model = network(
        "  - Conv2D: {filters: $CLASS_COUNT * 2, kernel_size: 3, padding: same}\n"
        "  - BatchNormalization\n"
        "  - MaxPooling2D: {pool_size: [2, $FRAMES // 4]}\n" + HEAD
    )
    assert classes(model) == ["Conv2D", "BatchNormalization", "MaxPooling2D", "Flatten", "Dense"]
    assert model.input_shape == (None, 8, 12, 1)
    assert model.get_layer("max_pooling2d").output.shape == (None, 4, 4, 6)
    assert model.output_shape == (None, 3)
    assert model.name == "net"


def test_layer_names_do_not_depend_on_what_was_built_before():
    two = [network("  - ReLU\n  - ReLU\n" + HEAD) for _ in range(2)]
    names = [[layer.name for layer in model.layers] for model in two]
    assert names[0] == names[1] == ["input", "re_lu", "re_lu_1", "flatten", "dense"]


def test_automatic_names_make_way_for_given_ones():
    model = network("  - ReLU\n  - ReLU: {name: re_lu}\n" + HEAD)
    assert [layer.name for layer in model.layers[1:3]] == ["re_lu_1", "re_lu"]


DCASE_BASELINE = """\
constants:
  CONVOLUTION_INIT: glorot_uniform
  CONVOLUTION_KERNEL: 7
  CHANNELS: 16
  WIDE: CHANNELS * 2
layers:
  - class_name: Conv2D
    config:
      input_shape: [FEATURE_VECTOR_LENGTH, INPUT_SEQUENCE_LENGTH, 1]
      filters: CHANNELS
      kernel_size: CONVOLUTION_KERNEL
      kernel_initializer: CONVOLUTION_INIT
      padding: same
      data_format: channels_last
  - {class_name: BatchNormalization, config: {axis: -1}}
  - {class_name: Activation, config: {activation: relu}}
  - class_name: Conv2D
    config: {filters: CHANNELS, kernel_size: CONVOLUTION_KERNEL, padding: same}
  - {class_name: BatchNormalization, config: {axis: -1}}
  - {class_name: Activation, config: {activation: relu}}
  - {class_name: MaxPooling2D, config: {pool_size: [5, 5]}}
  - {class_name: Dropout, config: {rate: 0.3}}
  - class_name: Conv2D
    config: {filters: WIDE, kernel_size: CONVOLUTION_KERNEL, padding: same}
  - {class_name: BatchNormalization, config: {axis: -1}}
  - {class_name: Activation, config: {activation: relu}}
  - {class_name: MaxPooling2D, config: {pool_size: [4, INPUT_SEQUENCE_LENGTH / 5]}}
  - {class_name: Dropout, config: {rate: 0.3}}
  - class_name: Flatten
  - {class_name: Dense, config: {units: 100, activation: relu, kernel_initializer: uniform}}
  - {class_name: Dropout, config: {rate: 0.3}}
  - class_name: Dense
    config: {units: CLASS_COUNT, activation: softmax, kernel_initializer: uniform}
"""


def test_a_baseline_in_dcase_form_pastes_in():
    known = {"CLASS_COUNT": 10, "MELS": 40, "FRAMES": 500}
    model = built(DCASE_BASELINE, known=known, shape=(40, 500, 1))
    assert len(model.layers) == 1 + 17
    assert model.count_params() == 46_246
    assert model.layers[-1].kernel_initializer.minval == -0.05


def test_branches_and_several_outputs():
    model = built(
        "layers:\n"
        "  - Reshape: {target_shape: [12, 8]}\n"
        "  - Dense: {units: $CLASS_COUNT, activation: sigmoid, name: strong}\n"
        "  - {Dense: {units: $CLASS_COUNT, activation: softmax, name: attention}, from: strong}\n"
        "  - {Multiply: {}, from: [strong, attention]}\n"
        "  - GlobalAveragePooling1D: {name: weak}\n"
        "outputs: [strong, weak]\n"
    )
    assert {name: tensor.shape for name, tensor in model.output.items()} == {
        "strong": (None, 12, 3),
        "weak": (None, 3),
    }


def test_the_input_can_be_taken_up_again():
    model = network(
        "  - Conv2D: {filters: 1, kernel_size: 3, padding: same, name: conv}\n"
        "  - {Add: {}, from: [input, conv]}\n" + HEAD
    )
    assert classes(model) == ["Conv2D", "Add", "Flatten", "Dense"]


def test_attention_takes_query_and_value_from_a_list():
    model = network(
        "  - Reshape: {target_shape: [12, 8], name: a}\n"
        "  - {MultiHeadAttention: {num_heads: 2, key_dim: 4}, from: [a, a]}\n" + HEAD
    )
    assert model.get_layer("multi_head_attention").output.shape == (None, 12, 8)


def test_wrappers_take_layers():
    model = network(
        "  - Reshape: {target_shape: [12, 8]}\n"
        "  - Bidirectional: {layer: {GRU: {units: $CLASS_COUNT, return_sequences: true}}}\n"
        "  - RNN: {cell: {class_name: GRUCell, config: {units: CLASS_COUNT}}}\n"
    )
    assert model.get_layer("bidirectional").output.shape == (None, 12, 6)
    assert model.output_shape == (None, 3)


def test_initializers_and_regularizers_with_arguments():
    model = network(
        "  - Flatten\n"
        "  - Dense:\n"
        "      units: 3\n"
        "      kernel_initializer: {RandomNormal: {stddev: 0.5}}\n"
        "      kernel_regularizer: {L2: {l2: 0.25}}\n"
    )
    dense = model.layers[-1]
    assert dense.kernel_initializer.stddev == 0.5
    assert float(dense.kernel_regularizer.l2) == 0.25


def test_a_seed_gives_the_same_weights_and_every_layer_its_own():
    lines = "  - Dense: {units: 4}\n  - Dense: {units: 4}\n  - Dense: {units: 4}\n" + HEAD
    one, same, other = (network(lines, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])
    assert not np.array_equal(one[2], one[4])


def test_dropout_is_seeded_and_differs_between_layers():
    lines = "  - Dropout: {rate: 0.5, name: a}\n  - {Dropout: {rate: 0.5, name: b}, from: input}\n"
    lines += "  - {Concatenate: {}, from: [a, b]}\n"
    clip = np.ones((1, 8, 12, 1), "float32")
    one, same = (
        keras.ops.convert_to_numpy(network(lines, known={}, seed=4)(clip, training=True))
        for _ in range(2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one[..., 0], one[..., 1])


def test_a_saved_model_reloads_without_the_yaml(tmp_path: Path, rng):
    model = network(
        "  - Conv2D: {filters: 2, kernel_size: [3, 3], kernel_regularizer: {L2: {l2: 0.1}}}\n"
        "  - Reshape: {target_shape: [-1, 2]}\n"
        "  - Bidirectional: {layer: {GRU: {units: 2}}}\n" + HEAD
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    clips = rng.standard_normal((4, 8, 12, 1)).astype("float32")
    expected, received = (m.predict(clips, verbose=0) for m in (model, loaded))
    np.testing.assert_allclose(received, expected, atol=1e-6)


LAYERS = {
    "Flaten": "task.yaml:2: model.layers[0]: unknown layer 'Flaten'. Did you mean 'Flatten'?",
    "Conv2D: {filters: 3, kernel_sise: 3}": "task.yaml:2: model.layers[0].Conv2D.kernel_sise: "
    "Conv2D has no argument 'kernel_sise'. Did you mean 'kernel_size'?",
    "Dense: {units: $CLASS_COUNTS}": "task.yaml:2: model.layers[0].Dense.units: unknown constant "
    "'$CLASS_COUNTS' (known: $CLASS_COUNT,",
    "MaxPooling2D: {pool_size: [2, 100]}": "task.yaml:2: model.layers[0].MaxPooling2D: on an input "
    "of shape (None, 8, 12, 1): Computed output size would be zero or negative.",
    "Cropping2D: {cropping: [[4, 4], [0, 0]]}": "on an input of shape (None, 8, 12, 1)",
    "Bidirectional: {layer: {GRU: {unit: 3}}}": "task.yaml:2: model.layers[0].Bidirectional.layer."
    "GRU.unit: GRU has no argument 'unit'. Did you mean 'units'?",
    "Bidirectional: {layer: 3}": "Bidirectional.layer: expected a layer",
    "Lambda: {function: x}": "Lambda runs code of its own and is not allowed",
    "TFSMLayer: {filepath: x}": "TFSMLayer runs code of its own and is not allowed",
    "Input: {shape: [3]}": "the run makes the input itself; leave Input out.",
    "Layer": "unknown layer 'Layer'.",
    "add": "unknown layer 'add'. Did you mean 'Add'?",
    "Dense": "model.layers[0].Dense: Dense needs the argument 'units'.",
    "Dense: {units: {a: 3}}": "Dense.units: expected a single value or a list",
    "Dense: {units: 0}": "with units: 0: Received an invalid value for `units`",
    "Conv2D: {filters: a, kernel_size: 3}": "Conv2D: with filters: a, kernel_size: 3: '<=' not",
    "Dense: {units: 3, activation: rellu}": "Dense.activation: unknown activation 'rellu'. Did you "
    "mean 'relu'?",
    "Dense: {units: 3, kernel_initializer: glorot}": "unknown kernel_initializer 'glorot'.",
    "Dense: {units: 3, kernel_initializer: {RandomNorma: {}}}": "unknown initializer 'RandomNorma'."
    " Did you mean 'RandomNormal'?",
    "Dense: {units: 3, kernel_initializer: {RandomNormal: {std: 1}}}": "RandomNormal has no "
    "argument 'std'. Did you mean 'stddev'?",
    "Dense: {units: 3, activation: {module: os, class_name: system}}": "unknown key 'module'",
    "Flatten: {name: a/b}": "cannot contain character `/`",
    "Flatten: {name: 3}": "Flatten.name: expected a layer's name, received the number 3.",
    "Flatten: {name: input}": "the name 'input' is taken by the network's input",
    "Flatten: {dtype: flot32}": "Cannot convert 'flot32'",
    "Reshape: {target_shape: [7, 7]}": "on an input of shape (None, 8, 12, 1): The total size of",
    "{class_name: Flatten, config: {input_shape: [8, 500, 1]}}": "Flatten.input_shape: this layer's"
    " input is of shape [8, 12, 1], received a list of 3: [8, 500, 1]",
}


@pytest.mark.parametrize(("layer", "sentence"), LAYERS.items(), ids=LAYERS)
def test_what_is_wrong_in_a_layer_is_named(layer, sentence):
    with pytest.raises(ConfigError) as error:
        network(f"  - {layer}\n" + HEAD)
    message = str(error.value)
    assert message.startswith("task.yaml:2: model.layers[0]")
    assert sentence in message
    assert "\n" not in message
    assert "\x1b" not in message


NETWORKS = {
    "  - Flatten: {name: enc1}\n  - {Dense: {units: 3}, from: enc2}\n": "task.yaml:3: model."
    "layers[1].from: no layer named 'enc2' before this one. Did you mean 'enc1'?",
    "  - {Flatten: {}, from: b}\n  - Dense: {units: 3, name: b}\n": "task.yaml:2: model.layers[0]."
    "from: no layer named 'b' before this one. Known: input.",
    "  - Flatten: {name: a}\n  - Dense: {units: 3, name: a}\n": "task.yaml:3: model.layers[1].Dense"
    ".name: the name 'a' is taken by model.layers[0]; choose another.",
    "  - Flatten: {name: a}\n  - Dense: {units: 9}\n  - {Dense: {units: 3}, from: a}\n": "task.yaml"
    ":3: model.layers[1]: nothing takes the output of 'dense'",
    "  - Flatten\n  - Dense: {units: 7}\n": "task.yaml:3: model.layers[1].Dense: the output is of "
    "shape (None, 7), expected (None, 3); the last layer needs units: $CLASS_COUNT.",
    "  - Dense: {units: $CLASS_COUNT}\n": "task.yaml:2: model.layers[0].Dense: the output is of "
    "shape (None, 8, 12, 3), expected (None, 3); put Flatten",
    "  - Flatten: {name: a}\n  - {Concatenate: {}, from: [a, input]}\n": "task.yaml:3: model.layers"
    "[1].Concatenate: on an input of shape (None, 96) and (None, 8, 12, 1): A `Concatenate` layer",
    "  - Reshape: {target_shape: [12, 8]}\n  - GRU: {units: 3, return_state: true}\n": "task.yaml:3"
    ": model.layers[1].GRU: gives 2 outputs",
    HEAD + "outputs: [strong, weak]\n": "task.yaml:4: model.outputs: no layer named 'strong'.",
}


@pytest.mark.parametrize(("lines", "sentence"), NETWORKS.items())
def test_what_is_wrong_between_layers_is_named(lines, sentence):
    with pytest.raises(ConfigError) as error:
        network(lines)
    assert str(error.value).startswith(sentence)


def test_a_collapse_inside_a_part_names_the_use_and_the_part_s_line():
    part = "part:\n  - MaxPooling2D: {pool_size: 3}\n"
    with pytest.raises(ConfigError) as error:
        network("  - use: part\n  - use: part\n" + HEAD, models=part)
    assert str(error.value).startswith(
        "task.yaml:2: model.layers[1].part[0].MaxPooling2D: on an input of shape (None, 2, 4, 1): "
    )


def test_without_a_class_count_any_output_is_right():
    assert network("  - ReLU\n", known={}).output_shape == (None, 8, 12, 1)


def test_every_keras_layer_takes_the_name_that_the_builder_gives():
    names = [name for name in dir(keras.layers) if name[0].isupper()]
    checked = 0
    for name in names:
        try:
            made = layer_class(name, Place("x"))
        except ConfigError:
            continue
        with pytest.raises(ConfigError) as error:
            check_arguments(made, {"name": "x", "no_such_argument": 1}, Place("x"))
        assert "no_such_argument" in str(error.value)
        checked += 1
    assert checked > 150


def test_the_networks_in_the_documentation_build():
    page = (PROJECT / "docs" / "adding_a_layer.md").read_text(encoding="utf-8")
    shipped = parse_yaml((PROJECT / "task.yaml").read_text(encoding="utf-8"), "task.yaml")["models"]
    shapes = {}
    for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL):
        written = parse_yaml(block, "page.md")["models"]
        for name in (name for name in written if f"use: {name}\n" not in block):  # not the parts
            model = build(
                ModelSettings(use=name),
                named={**shipped, **written},
                input_shape=(8, 12, 1),
                constants=KNOWN,
                name=name,
                seed=0,
            )
            shapes[name] = len(model.outputs)
    assert shapes == {"my_net": 1, "residual_net": 1, "two_heads": 2}


def warnings_of(lines: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    with caplog.at_level(logging.WARNING, logger="builder"):
        network(lines)
    return [record.getMessage() for record in caplog.records if record.name == "builder"]


def test_selu_mixes_are_warned_of(caplog):
    messages = warnings_of(
        "  - Conv2D: {filters: 2, kernel_size: 3}\n"
        "  - BatchNormalization\n"
        "  - Activation: {activation: selu}\n"
        "  - Dropout: {rate: 0.1}\n" + HEAD,
        caplog,
    )
    assert messages == [
        "task.yaml:2: model.layers[0]: SELU needs kernel_initializer: lecun_normal to normalise "
        "itself, received GlorotUniform.",
        "task.yaml:3: model.layers[1]: SELU normalises itself; leave BatchNormalization out.",
        "task.yaml:5: model.layers[3]: with SELU use AlphaDropout instead of Dropout.",
    ]


def test_selu_as_it_should_be_is_silent(caplog):
    lines = (
        "  - Conv2D: {filters: 2, kernel_size: 3, activation: selu, kernel_initializer: "
        "lecun_normal}\n  - AlphaDropout: {rate: 0.1}\n"
    )
    assert warnings_of(lines + HEAD, caplog) == []


def test_other_activations_may_be_mixed(caplog):
    lines = "  - Dense: {units: 2, activation: relu}\n  - BatchNormalization\n"
    assert warnings_of(lines + "  - Dropout: {rate: 0.1}\n" + HEAD, caplog) == []


def test_a_second_input_is_taken_by_its_name():
    layers = (
        "  - Flatten: {name: heard}\n"
        "  - {Concatenate: {}, from: [heard, more]}\n"
        "  - Dense: {units: $CLASS_COUNT}\n"
    )
    model = network(layers, more_inputs={"more": (5,)})
    shapes = {name: tuple(x.shape) for name, x in model.input.items()}
    assert shapes == {"input": (None, 8, 12, 1), "more": (None, 5)}
    assert model.count_params() == (8 * 12 + 5 + 1) * 3
    with pytest.raises(ConfigError, match="no layer named 'mor' before this one"):
        network(layers.replace("heard, more", "heard, mor"), more_inputs={"more": (5,)})
    with pytest.raises(ConfigError, match="the name 'more' is taken by the network's input"):
        network("  - ReLU: {name: more}\n" + layers, more_inputs={"more": (5,)})
