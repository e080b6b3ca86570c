"""Files of two precisions: which layers stay in float16, what that costs, what it gives."""

import numpy as np
import pytest

from utils.errors import UserError
from utils.export import converted, measure
from utils.export.labels import finished
from utils.export.mixed import mixed
from utils.inference import MemoryPredictor, load_predictor
from utils.inference.metadata import Metadata

SHAPE = (12, 10, 1)
METADATA = Metadata(
    set_id="toy", classes=tuple("abc"), audio={}, features={}, normaliser=None, data="toy"
)


@pytest.fixture
def model(rng):
    """Five layers with weights; the third has channels of very unlike sizes, which int8 blurs."""
    from keras import Input, Model, layers

    x = clip = Input(SHAPE)
    x = layers.Conv2D(6, 3, activation="relu")(x)
    x = layers.DepthwiseConv2D(3, activation="relu")(x)
    x = layers.Conv2D(6, 1, activation="relu", name="coarse")(x)
    x = layers.Dense(8, activation="relu")(layers.Flatten()(x))
    model = Model(clip, layers.Dense(3, activation="softmax")(x))
    model.set_weights([0.3 * rng.standard_normal(w.shape) for w in model.weights])
    kernel, bias = model.get_layer("coarse").get_weights()
    kernel[:, :, 0] *= 30.0  # one input far above the others, for all outputs
    model.get_layer("coarse").set_weights([kernel / 30.0, bias / 30.0])
    return model


@pytest.fixture
def clips(rng):
    return rng.standard_normal((40, *SHAPE)).astype(np.float32)


def test_the_layers_that_lose_most_stay_in_float16(model, clips, tmp_path):
    found = mixed(model, calibration=clips, layers=2, folder=tmp_path)
    assert len(set(found.kept)) == 2
    assert all(name.endswith(" of 5") for name in found.kept)
    assert found.errors[0] > found.errors[1]
    path = tmp_path / "model_mixed.tflite"
    path.write_bytes(finished(found.content, METADATA))
    (expected,) = MemoryPredictor(model).outputs(clips)
    said = load_predictor(path)(clips)
    difference = np.sqrt(np.mean((said[:32] - expected[:32]) ** 2))
    assert difference == pytest.approx(found.errors[2], rel=0.05)
    whole = tmp_path / "model_int8.tflite"
    content = converted(model, calibration=clips, formats=["int8"], folder=tmp_path)["int8"]
    whole.write_bytes(content)
    by_int8 = load_predictor(whole)(clips)
    assert difference < 0.8 * np.sqrt(np.mean((by_int8[:32] - expected[:32]) ** 2))


def test_what_is_inside(model, clips, tmp_path):
    from ai_edge_litert import schema_py_generated as schema

    path = tmp_path / "model_mixed.tflite"
    found = mixed(model, calibration=clips, layers=4, folder=tmp_path)
    path.write_bytes(finished(found.content, METADATA))
    facts = measure(path)
    weights = {  # kernel and bias of each, in order
        number: tuple(int(np.prod(w.shape)) for w in layer.weights)
        for number, layer in enumerate((x for x in model.layers if x.weights), start=1)
    }
    ((kernel, bias),) = (
        weights[number] for number in set(weights) - {int(name.split()[1]) for name in found.kept}
    )
    halves = sum(map(sum, weights.values())) - kernel - bias
    assert facts.by_type == {"float16": halves, "int8": kernel, "int32": bias}
    assert facts.parameter_bytes == 2 * halves + kernel + 4 * bias
    buffers = schema.ModelT.InitFromPackedBuf(found.content, 0).buffers
    held = sum(len(buffer.data) for buffer in buffers if buffer.data is not None)
    assert facts.parameter_bytes <= held < facts.parameter_bytes + 200  # no weight is there twice
    assert facts.custom_operators == ()


def test_too_many_layers_are_refused(model, clips, tmp_path):
    with pytest.raises(UserError, match="has 5 convolutions and dense layers; with 5 in float16"):
        mixed(model, calibration=clips, layers=5, folder=tmp_path)


def test_a_weight_beyond_float16_is_refused(model, clips, tmp_path):
    kernel, bias = model.layers[-1].get_weights()
    kernel[0, 0] = 1e5
    model.layers[-1].set_weights([kernel, bias])
    with pytest.raises(UserError, match="a weight is 100000, beyond what float16 holds"):
        mixed(model, calibration=clips, layers=4, folder=tmp_path)


def test_a_last_layer_with_weights_counts_like_the_others(clips, tmp_path, rng):
    from keras import Input, Model, layers

    x = clip = Input(SHAPE)
    x = layers.Conv2D(4, 3)(x)
    model = Model(clip, layers.Dense(3)(layers.Flatten()(x)))
    model.set_weights([0.3 * rng.standard_normal(w.shape) for w in model.weights])
    found = mixed(model, calibration=clips, layers=1, folder=tmp_path)
    path = tmp_path / "model_mixed.tflite"
    path.write_bytes(finished(found.content, METADATA))
    kept = model.layers[1] if found.kept[0].startswith("CONV_2D") else model.layers[-1]
    assert measure(path).by_type["float16"] == sum(int(np.prod(w.shape)) for w in kept.weights)


def test_more_layers_are_never_worse_by_the_first_of_them(model, clips, tmp_path):
    """The second layer is the best beside the first, whatever it is alone."""
    one, two = (mixed(model, calibration=clips, layers=n, folder=tmp_path) for n in (1, 2))
    assert two.kept[0] == one.kept[0]
    assert two.errors[:2] == one.errors


def test_constants_that_are_one_stay_one(clips, tmp_path, rng):
    """Biases of zeros are one buffer in a file, and are counted once."""
    from keras import Input, Model, layers

    x = clip = Input(SHAPE)
    for _ in range(3):
        x = layers.Conv2D(4, 3, use_bias=False)(x)
    model = Model(clip, layers.Dense(3)(layers.Flatten()(x)))
    model.set_weights([0.3 * rng.standard_normal(w.shape) for w in model.weights])
    found = mixed(model, calibration=clips, layers=3, folder=tmp_path)
    files = converted(model, calibration=clips, formats=["float16"], folder=tmp_path)
    counts = {}
    for name, content in {"mixed": found.content, **files}.items():
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(content)
        counts[name] = measure(path).by_type["float16"]
    (left,) = {1, 2, 3, 4} - {int(name.split()[1]) for name in found.kept}
    assert counts["mixed"] == counts["float16"] - sum(
        int(np.prod(w.shape)) for w in [x for x in model.layers if x.weights][left - 1].weights
    )
