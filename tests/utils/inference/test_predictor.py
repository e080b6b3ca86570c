"""Keras and TFLite files behind one call; files that are no models, or dangerous ones."""

import json
import zipfile

import numpy as np
import pytest

from utils.errors import UserError
from utils.export import export_formats
from utils.inference import Metadata, load_predictor, read_metadata, write_metadata
from utils.inference.predictor import compare, latency_ms

METADATA = Metadata("test", ("a", "b", "c"), {}, {}, None, "demo")


@pytest.fixture(scope="module")
def model():
    """A small network with weights that are drawn once."""
    from keras import Input, Model, layers, utils

    utils.set_random_seed(1)
    x = inputs = Input((10, 12, 1))
    x = layers.Conv2D(4, 3, activation="relu")(x)
    x = layers.Flatten()(x)
    return Model(inputs, layers.Dense(3, activation="softmax")(x))


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """The network as model.keras and in two TFLite formats."""
    folder = tmp_path_factory.mktemp("models")
    model.save(folder / "model.keras")
    write_metadata(folder / "model.keras", METADATA)
    export_formats(
        model,
        calibration=features(50, seed=9),
        folder=folder,
        formats=("float32", "int8"),
        metadata=METADATA,
    )
    return folder


def features(clips, seed=2):
    return np.random.default_rng(seed).standard_normal((clips, 10, 12, 1)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("model.keras", 1e-6), ("model_float32.tflite", 1e-6), ("model_int8.tflite", 0.03)],
)
@pytest.mark.parametrize("clips", [1, 3, 70])
def test_every_format_predicts_what_the_network_does(model, folder, name, tolerance, clips):
    predictor = load_predictor(folder / name)
    x = features(clips)
    expected = np.asarray(model(x, training=False))
    result = predictor(x)
    assert result.dtype == np.float32
    assert predictor.metadata == METADATA
    np.testing.assert_allclose(result, expected, atol=tolerance)
    assert compare(predictor, expected, x) == np.abs(result - expected).max()


@pytest.mark.parametrize("name", ["model.keras", "model_int8.tflite"])
def test_the_channel_axis_may_be_left_out_and_other_shapes_are_refused(folder, name):
    predictor = load_predictor(folder / name)
    x = features(2)
    np.testing.assert_array_equal(predictor(x[..., 0]), predictor(x))
    with pytest.raises(UserError, match=r"takes clips of shape \(10, 12, 1\), received \(10, 13\)"):
        predictor(np.zeros((2, 10, 13), np.float32))


def test_int8_outputs_are_multiples_of_the_output_scale(folder):
    result = load_predictor(folder / "model_int8.tflite")(features(5))
    np.testing.assert_array_equal(result * 256, np.rint(result * 256))


def test_int8_input_is_rounded_and_kept_in_range():
    from utils.inference.predictor import _quantised, _real

    details = {"dtype": np.int8, "quantization": (0.5, -3)}
    values = np.array([0.0, 0.24, 0.26, -0.26, 1e9, -1e9])
    quantised = _quantised(values, details)
    assert quantised.dtype == np.int8
    assert quantised.tolist() == [-3, -3, -2, -4, 127, -128]
    assert _real(quantised, details)[:4].tolist() == [0.0, 0.0, 0.5, -0.5]


def test_threads_change_nothing(folder):
    path = folder / "model_float32.tflite"
    one, two = (load_predictor(path, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one(features(4)), two(features(4)))


def test_latency_is_the_median_of_the_calls_after_the_warm_up(folder, monkeypatch):
    import utils.inference.predictor as module

    ticks = iter([0, 100] * module.WARM_UP + [0, 0.001, 0, 0.003, 0, 0.002])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(ticks))
    predictor = load_predictor(folder / "model_float32.tflite", threads=1)
    assert latency_ms(predictor, features(1)[0], repeats=3) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.keras", b"no archive", "is not a Keras model or is damaged"),
        ("model.tflite", b"no flatbuffer at all", "is not a TensorFlow Lite file"),
        ("model.tflite", b"", "is not a TensorFlow Lite file"),
        ("model.tflite", b"\x10\0\0\0TFL3" + bytes(8), "damaged|cannot run|can run"),
        ("model.h5", b"", "ends in .keras or .tflite"),
    ],
)
def test_what_is_no_model_is_a_sentence(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_predictor(path)


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match=r"no such model file.*--model"):
        load_predictor(tmp_path / "model.keras")


def test_a_keras_archive_without_its_parts_is_a_sentence(tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "nothing else")
    with pytest.raises(UserError, match="cannot be loaded as a Keras model"):
        load_predictor(path)


@pytest.mark.parametrize("name", ["model.keras", "model_int8.tflite"])
def test_a_model_file_cut_anywhere_is_a_sentence(folder, tmp_path, name):
    content = (folder / name).read_bytes()
    path = tmp_path / name
    for share in (0.1, 0.5, 0.9, 0.99):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(UserError, match=path.name):
            load_predictor(path)


def test_a_keras_file_with_code_inside_is_refused_and_the_code_does_not_run(tmp_path):
    from keras import Input, Model, layers

    trace = tmp_path / "it_ran"
    inputs = Input((3,))
    touch = layers.Lambda(lambda x, path=str(trace): open(path, "w").close() or x)  # noqa: PTH123
    model = Model(inputs, touch(inputs))
    trace.unlink()
    model.save(tmp_path / "model.keras")
    with pytest.raises(UserError, match=r"holds Python code .* refused"):
        load_predictor(tmp_path / "model.keras")
    assert not trace.exists()


@pytest.mark.parametrize(
    "layer",
    [
        {"module": "os", "class_name": "system", "config": {"command": "touch it_ran"}},
        {"module": "subprocess", "class_name": "Popen", "config": {"args": ["touch", "it_ran"]}},
        {"module": "builtins", "class_name": "eval", "config": {"source": "open('it_ran', 'w')"}},
    ],
)
def test_a_keras_file_cannot_call_what_it_names(folder, tmp_path, monkeypatch, layer):
    monkeypatch.chdir(tmp_path)
    with (
        zipfile.ZipFile(folder / "model.keras") as good,
        zipfile.ZipFile("model.keras", "w") as bad,
    ):
        config = json.loads(good.read("config.json"))
        config["config"]["layers"][1].update({**layer, "registered_name": None})
        bad.writestr("config.json", json.dumps(config))
        for name in ("metadata.json", "model.weights.h5"):
            bad.writestr(name, good.read(name))
    with pytest.raises(UserError, match="cannot be loaded as a Keras model"):
        load_predictor(tmp_path / "model.keras")
    assert not (tmp_path / "it_ran").exists()


def test_a_file_without_metadata_predicts_but_names_no_classes(model, tmp_path):
    model.save(tmp_path / "model.keras")
    predictor = load_predictor(tmp_path / "model.keras")
    assert predictor.metadata is None
    assert predictor(features(1)).shape == (1, 3)


def test_a_tflite_file_for_several_clips_is_refused(tmp_path):
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((4, 3), tf.float32)])
    def double(x):
        return 2 * x

    trace = double.get_concrete_function()
    content = tf.lite.TFLiteConverter.from_concrete_functions([trace]).convert()
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    assert read_metadata(path) is None
    with pytest.raises(UserError, match="one is expected"):
        load_predictor(path)
