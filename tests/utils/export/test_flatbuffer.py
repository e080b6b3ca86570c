"""Facts counted from files: the published sizes of the baseline, and what is no parameter."""

import numpy as np
import pytest

from utils.errors import UserError
from utils.export import export_formats, measure
from utils.inference import Metadata

METADATA = Metadata("test", ("a", "b"), {}, {}, None, "demo")


def baseline():
    """The network of the DCASE 2021 baseline, 46,246 parameters, none of them zero."""
    from keras import Input, Model, layers

    x = inputs = Input((40, 500, 1))
    for filters, pool in ((16, None), (16, (5, 5)), (32, (4, 100))):
        x = layers.Conv2D(filters, 7, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
        if pool:
            x = layers.MaxPooling2D(pool)(x)
            x = layers.Dropout(0.3)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(100, activation="relu")(x)
    x = layers.Dropout(0.3)(x)
    return without_zeros(Model(inputs, layers.Dense(10, activation="softmax")(x)))


def without_zeros(model):
    """Random weights of at least 0.05 in magnitude, positive where they are variances."""
    rng = np.random.default_rng(20212)
    values = []
    for variable in model.weights:
        value = rng.uniform(0.05, 0.1, variable.shape)
        sign = 1 if "variance" in variable.path else rng.choice([-1, 1], variable.shape)
        values.append(value * sign)
    model.set_weights(values)
    return model


def export_one(model, folder, name="float32"):
    clips = np.random.default_rng(1).standard_normal((4, *model.input_shape[1:]))
    paths = export_formats(
        model,
        calibration=clips.astype(np.float32),
        folder=folder,
        formats=(name,),
        metadata=METADATA,
    )
    return paths[name]


@pytest.mark.parametrize(
    ("name", "parameter_bytes", "by_type"),
    [
        ("float32", 183_960, {"float32": 45_990}),
        ("float16", 91_980, {"float16": 45_990}),
        ("dynamic", 51_864, {"int8": 44_032, "float32": 1_958}),
        ("int8", 46_512, {"int8": 45_816, "int32": 174}),
    ],
)
def test_the_baseline_has_the_published_bytes(tmp_path, name, parameter_bytes, by_type):
    path = export_one(baseline(), tmp_path, name)
    facts = measure(path)
    assert facts.parameters == 45_990
    assert facts.parameter_bytes == parameter_bytes
    assert facts.by_type == by_type
    assert facts.file_bytes == path.stat().st_size > parameter_bytes


def dense_network(kernel, bias):
    from keras import Input, Model, layers

    inputs = Input((len(kernel),))
    model = Model(inputs, layers.Dense(len(bias))(inputs))
    model.set_weights([kernel, bias])
    return model


def test_zeros_are_counted_apart(tmp_path):
    kernel = np.ones((40, 30), np.float32)
    kernel[:, :10] = 0
    facts = measure(export_one(dense_network(kernel, np.ones(30, np.float32)), tmp_path, "float16"))
    assert (facts.parameters, facts.non_zero) == (1230, 830)
    assert (facts.parameter_bytes, facts.non_zero_bytes) == (2460, 1660)


def test_a_bias_of_one_number_is_a_parameter(tmp_path):
    facts = measure(export_one(dense_network(np.ones((4, 1), np.float32), np.ones(1)), tmp_path))
    assert facts.parameters == 5


def test_an_epsilon_is_none_and_scale_and_offset_of_a_normalisation_are(tmp_path):
    from keras import Input, Model, layers

    inputs = Input((6, 8))
    model = without_zeros(Model(inputs, layers.LayerNormalization()(inputs)))
    assert measure(export_one(model, tmp_path)).by_type == {"float32": 16}


@pytest.mark.parametrize("name", ["float32", "float16"])
@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_states_of_a_loop_are_none(tmp_path, cell, name):
    from keras import Input, Model, layers

    inputs = Input((12, 5))
    layer = getattr(layers, cell)(6, return_sequences=True)
    model = without_zeros(Model(inputs, layer(inputs)))
    found = measure(export_one(model, tmp_path, name))
    assert found.parameters == model.count_params()
    assert {"WHILE", "FULLY_CONNECTED", "TANH"} < set(found.operators)
    assert found.custom_operators == ()


def test_operators_that_are_not_built_in_are_named(tmp_path):
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, 4))])
    def function(values):
        return 2.0 * tf.math.igamma(values, values)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    converter.allow_custom_ops = True
    path = tmp_path / "model.tflite"
    path.write_bytes(converter.convert())
    found = measure(path)
    assert found.operators == ("Igamma", "MUL")
    assert found.custom_operators == ("Igamma",)


def test_the_output_shape_of_a_transposed_convolution_is_none(tmp_path):
    from keras import Input, Model, layers

    inputs = Input((6, 6, 2))
    layer = layers.Conv2DTranspose(3, 3, strides=2, padding="same")
    model = without_zeros(Model(inputs, layer(inputs)))
    assert measure(export_one(model, tmp_path)).parameters == model.count_params() == 57


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a TensorFlow Lite file"),
        (b"something else, but long enough", "is not a TensorFlow Lite file"),
        (b"\xff\xff\xff\x7fTFL3 and then nothing", "is damaged"),
    ],
)
def test_what_is_no_model_is_a_sentence(tmp_path, content, message):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        measure(path)


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        measure(tmp_path / "model.tflite")


def test_a_file_cut_anywhere_is_a_sentence_or_counts_the_same(tmp_path):
    path = export_one(dense_network(np.ones((40, 30), np.float32), np.ones(30)), tmp_path)
    content, facts = path.read_bytes(), measure(path)
    for length in range(8, len(content), 97):
        path.write_bytes(content[:length])
        try:
            assert measure(path).parameters == facts.parameters
        except UserError as error:
            assert "is damaged" in str(error)
