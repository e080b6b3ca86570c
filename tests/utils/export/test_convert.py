"""Conversion: parity with Keras, refusals, and nothing on the console."""

import os

import numpy as np
import pytest

from utils.errors import UserError
from utils.export import export_formats, measure, require_possible
from utils.inference import Metadata, compare, load_predictor, read_metadata

FORMATS = ("float32", "float16", "dynamic", "int8")
METADATA = Metadata(
    set_id="test",
    classes=("airport", "bus", "tram"),
    audio={"sample_rate": 16000},
    features={"n_mels": 20},
    normaliser={"mean": [0.5], "std": [2.0]},
    data="demo",
)


def with_random_weights(model, rng):
    """Give every weight a value that is not zero; zero biases would vanish from the files."""
    values = []
    for variable in model.weights:
        value = rng.standard_normal(variable.shape) * 0.15
        values.append(np.abs(value) + 0.1 if "variance" in variable.path else value)
    model.set_weights(values)
    return model


def convolutional():
    from keras import Input, Model, layers

    x = inputs = Input((20, 16, 1))
    x = layers.Conv2D(8, 3, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Dropout(0.3)(x)
    x = layers.DepthwiseConv2D(3)(x)
    x = layers.Flatten()(x)
    return Model(inputs, layers.Dense(3, activation="softmax")(x))


def two_heads(cell):
    from keras import Input, Model, layers

    x = inputs = Input((20, 16, 1))
    x = layers.Conv2D(8, 3, padding="same")(x)
    x = layers.MaxPooling2D((1, 16))(x)
    x = layers.Reshape((-1, 8))(x)
    x = layers.Bidirectional(getattr(layers, cell)(6, return_sequences=True))(x)
    strong = layers.Dense(3, activation="sigmoid", name="strong")(x)
    weak = layers.GlobalAveragePooling1D(name="weak")(strong)
    return Model(inputs, {"weak": weak, "strong": strong})


def export(model, folder, *, clips, formats=FORMATS):
    return export_formats(
        model, calibration=clips, folder=folder, formats=formats, metadata=METADATA
    )


@pytest.fixture
def clips(rng):
    """Features of eight clips."""
    return rng.standard_normal((8, 20, 16, 1)).astype(np.float32)


def test_every_format_agrees_with_keras(tmp_path, rng, clips):
    model = with_random_weights(convolutional(), rng)
    expected = np.asarray(model(clips, training=False))
    paths = export(model, tmp_path, clips=clips)
    assert list(paths) == list(FORMATS)
    differences = {
        name: np.abs(load_predictor(path)(clips) - expected).max() for name, path in paths.items()
    }
    assert differences["float32"] < 1e-6
    assert 0 < differences["float16"] < 2e-3
    assert differences["dynamic"] < 2e-2
    assert 0 < differences["int8"] < 4e-2


def test_int8_is_int8_throughout_and_all_files_take_one_clip(tmp_path, rng, clips):
    from ai_edge_litert.interpreter import Interpreter

    paths = export(with_random_weights(convolutional(), rng), tmp_path, clips=clips)
    kinds = {}
    for name, path in paths.items():
        interpreter = Interpreter(str(path))
        kinds[name] = {np.dtype(t["dtype"]).name for t in interpreter.get_tensor_details()}
        assert interpreter.get_input_details()[0]["shape"].tolist() == [1, 20, 16, 1]
    assert kinds["int8"] <= {"int8", "int32"}
    assert "float16" in kinds["float16"] and "int8" not in kinds["float16"]


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_recurrent_networks_with_two_outputs(tmp_path, rng, clips, cell):
    model = with_random_weights(two_heads(cell), rng)
    named = model(clips, training=False)
    expected = [np.asarray(named[name]) for name in ("strong", "weak")]
    model.save(tmp_path / "model.keras")
    paths = export(model, tmp_path, clips=clips, formats=FORMATS[:3])
    for path in (tmp_path / "model.keras", *paths.values()):
        predictor = load_predictor(path)
        outputs = predictor.outputs(clips)
        assert [output.shape for output in outputs] == [(8, 20, 3), (8, 3)]
        for output, wanted in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(output, wanted, atol=2e-3)
        with pytest.raises(ValueError, match="2 outputs"):
            predictor(clips)


def test_int8_of_a_recurrent_network_is_refused_before_anything_is_written(tmp_path, clips):
    with pytest.raises(UserError, match=r"int8 is not possible with a recurrent layer"):
        export(two_heads("GRU"), tmp_path, clips=clips)
    assert list(tmp_path.iterdir()) == []


def test_formats_can_be_asked_for_before_training():
    require_possible(two_heads("GRU"), FORMATS[:3])
    require_possible(convolutional(), FORMATS)
    with pytest.raises(UserError, match=r"export\.formats: int8 is not possible"):
        require_possible(two_heads("GRU"), FORMATS)


def test_mixed_precision_is_exported_in_float32_and_put_back(tmp_path, rng, clips):
    import keras

    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = convolutional()
    finally:
        keras.config.set_dtype_policy("float32")
    plain = convolutional()
    plain.set_weights(with_random_weights(mixed, rng).get_weights())
    paths = export(mixed, tmp_path, clips=clips, formats=("float32", "int8"))
    assert {layer.compute_dtype for layer in mixed.layers[1:]} == {"float16"}
    assert measure(paths["float32"]).by_type.keys() == {"float32"}
    got = load_predictor(paths["float32"])(clips)
    np.testing.assert_allclose(got, np.asarray(plain(clips, training=False)), atol=1e-6)


def test_a_network_that_tflite_cannot_express_is_a_sentence(tmp_path, capfd):
    import tensorflow as tf
    from keras import Input, Model, layers

    class Odd(layers.Layer):
        def call(self, inputs):
            return tf.math.bessel_i0(inputs)

    inputs = Input((4,))
    model = Model(inputs, Odd()(inputs))
    with pytest.raises(UserError, match=r"model_float32\.tflite: .* \('tf\.BesselI0' op is"):
        export(model, tmp_path, clips=np.ones((2, 4), np.float32), formats=("float32",))
    assert "BesselI0" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nothing_reaches_the_console(tmp_path, rng, clips, capfd):
    paths = export(with_random_weights(convolutional(), rng), tmp_path, clips=clips)
    load_predictor(paths["int8"])(clips)
    os.write(2, b"open again")
    assert capfd.readouterr() == ("", "open again")


def test_metadata_is_inside_every_file(tmp_path, rng, clips):
    paths = export(with_random_weights(convolutional(), rng), tmp_path, clips=clips)
    assert {name: read_metadata(path) for name, path in paths.items()} == dict.fromkeys(
        FORMATS, METADATA
    )


@pytest.mark.parametrize(
    ("formats", "calibration", "message"),
    [
        (("int4",), np.zeros((2, 20, 16, 1)), "unknown formats"),
        (("int8",), np.zeros((2, 20, 17, 1)), "calibration clips"),
        (("int8",), np.zeros((0, 20, 16, 1)), "calibration clips"),
        (("int8",), np.full((2, 20, 16, 1), np.nan), "not finite"),
    ],
)
def test_wrong_arguments(tmp_path, formats, calibration, message):
    with pytest.raises(ValueError, match=message):
        export(convolutional(), tmp_path, clips=calibration, formats=formats)


def test_open_axes_and_several_inputs_are_refused(tmp_path, clips):
    from keras import Input, Model, layers

    inputs = Input((None, 4))
    with pytest.raises(ValueError, match="open axis"):
        export(Model(inputs, layers.Conv1D(2, 3)(inputs)), tmp_path, clips=clips)
    pair = [Input((4,)), Input((4,))]
    with pytest.raises(ValueError, match="2 inputs"):
        export(Model(pair, layers.Add()(pair)), tmp_path, clips=clips)


def test_selu_of_large_values_is_quantised(tmp_path, rng):
    """Taken apart as TensorFlow Lite does it, exp of 200 is infinite and the process crashes."""
    import keras

    network = keras.Sequential(
        [
            keras.Input((4, 8, 1)),
            keras.layers.Conv2D(4, 3, activation="selu", kernel_initializer="lecun_normal"),
            keras.layers.Activation("selu"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    clips = (100 * rng.standard_normal((30, 4, 8, 1))).astype(np.float32)
    network.layers[-1].set_weights([0.01 * network.layers[-1].get_weights()[0], np.zeros(3)])
    expected = network.predict(clips, verbose=0)
    paths = export(network, tmp_path, clips=clips, formats=("float32", "int8"))
    assert compare(load_predictor(paths["float32"]), expected, clips) < 1e-5
    assert compare(load_predictor(paths["int8"]), expected, clips) < 0.05
    assert network.layers[1].activation is keras.activations.selu
