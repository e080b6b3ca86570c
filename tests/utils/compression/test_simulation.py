"""The simulation of an int8 file says what the file says, before and after it is trained."""

import numpy as np
import pytest

from tests.utils.compression.files import differences, exported, said, some_clips
from utils.compression.graph import Graph
from utils.compression.simulation import Simulation, range_owners, trained
from utils.compression.writing import written
from utils.errors import UserError

SHAPE, CLASSES = (16, 12, 1), 4
KERNELS = 0.75  # TensorFlow Lite's own kernels, with and without XNNPACK, give 0.89 alike numbers


def network():
    """Every kind of layer whose weights are int8, with branches and gates."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    clip = x = keras.Input(SHAPE)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU(max_value=6.0)(layers.BatchNormalization()(x))
    y = layers.DepthwiseConv2D(3, padding="same", dilation_rate=2)(x)
    y = layers.Activation("hard_silu")(layers.BatchNormalization()(y))
    x = layers.Add()([x, layers.Conv2D(8, 1)(y)])
    gate = layers.Dense(8, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Multiply()([x, gate])
    x = layers.Concatenate()([layers.MaxPooling2D(2)(x), layers.AveragePooling2D(2)(x)])
    x = layers.Dense(12, activation="leaky_relu")(layers.Flatten()(x))
    return keras.Model(clip, layers.Dense(CLASSES, activation="softmax")(x))


def clips(count, seed=0):
    return some_clips(count, SHAPE, seed)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    model = network()
    model(clips(200, seed=5), training=True)  # batch normalisation has something to fold
    return exported(model, tmp_path_factory.mktemp("exported"))


@pytest.fixture
def simulation(files):
    return Simulation(Graph.of(*files))


def test_it_says_what_the_file_says(simulation, files):
    found = differences(simulation, files[0], clips(60, seed=1))
    assert found.max() <= 2
    assert np.mean(found == 0) > KERNELS


def test_untrained_it_is_written_as_it_was(simulation, files):
    again = written(simulation, files[0])
    inputs = clips(60, seed=1)
    assert np.abs(said(again, inputs)[0] - said(files[0], inputs)[0]).max() <= 1


def test_it_learns_and_the_file_with_it(simulation, files):
    """Clips of a class have a tone of their own; after the training the file knows them too."""
    import keras

    rng = np.random.default_rng(2)
    labels = rng.integers(0, CLASSES, 160)
    inputs = 0.3 * clips(160, seed=2)
    for place, label in enumerate(labels):
        inputs[place, 4 * label : 4 * label + 4] += 1.0
    targets = np.eye(CLASSES, dtype=np.float32)[labels]
    ranges = {place: np.array(each) for place, each in simulation.ranges.items()}
    simulation.compile(
        keras.optimizers.Adam(0.003), "categorical_crossentropy", metrics=["accuracy"]
    )
    assert simulation.evaluate(inputs, targets, verbose=0)[1] < 0.6
    simulation.fit(inputs, targets, epochs=8, batch_size=16, verbose=0)
    assert simulation.evaluate(inputs, targets, verbose=0)[1] > 0.9
    content = written(simulation, files[0])
    assert np.mean(said(content, inputs)[0].argmax(axis=1) == labels) > 0.9
    found = differences(simulation, content, clips(60, seed=1))
    assert found.max() <= 2
    assert np.mean(found == 0) > KERNELS
    changed = {place for place, each in simulation.ranges.items() if np.any(ranges[place] != each)}
    assert changed
    assert simulation.owners[simulation.graph.input] not in changed
    assert simulation.owners[simulation.graph.output] not in changed


def test_weights_are_those_before_they_were_rounded(files):
    graph = Graph.of(*files)
    constants = [graph.tensors[place] for place in trained(graph)]
    kernels = [tensor for tensor in constants if tensor.constant.dtype == np.int8]
    assert len(kernels) >= 6
    for tensor in kernels:
        steps = np.unique(tensor.exact / tensor.scales.max())
        assert np.any(np.abs(steps - np.round(steps)) > 0.05), tensor.name


def test_operators_that_move_numbers_keep_their_range(files):
    graph = Graph.of(*files)
    owners = range_owners(graph)
    for op in graph.operators:
        same = owners[op.output] in {owners[place] for place in op.inputs if place in owners}
        assert same == (op.kind in ("MAX_POOL_2D", "AVERAGE_POOL_2D", "CONCATENATION", "RESHAPE"))


def test_an_operator_that_is_not_known_is_named(tmp_path):
    import keras

    model = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Conv2D(2, 3), keras.layers.Lambda(keras.ops.cos)]
    )
    int8, float32 = exported(model, tmp_path)
    with pytest.raises(UserError, match="made COS, "):
        Simulation(Graph.of(int8, float32))


def test_layers_of_networks_for_scenes(tmp_path):
    """Sums of squares over bands and channels, which TensorFlow Lite makes matrix products of."""
    import keras
    from keras import layers

    from models import normalisation_layers, scene_layers

    keras.utils.set_random_seed(4)
    clip = x = keras.Input(SHAPE)
    x = normalisation_layers.ResidualNormalization()(x)
    x = layers.Conv2D(6, 3, padding="same")(x)
    x = normalisation_layers.SubSpectralNormalization(bands=4)(x)
    x = normalisation_layers.GlobalResponseNormalization()(x)
    x = scene_layers.StridedDepthwiseConv2D(3, strides=(1, 2), padding="same")(x)
    x = layers.Activation("silu")(x)
    x = layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(clip, layers.Softmax()(x))
    model(clips(200, seed=5), training=True)
    int8, float32 = exported(model, tmp_path)
    simulation = Simulation(Graph.of(int8, float32))
    assert "BATCH_MATMUL" in {op.kind for op in simulation.graph.operators}
    for content in (int8, written(simulation, int8)):
        found = differences(simulation, content, clips(60, seed=1))
        assert found.max() <= 2
        assert np.mean(found == 0) > KERNELS
    before = [np.array(weight) for weight in simulation.trainable_weights]
    simulation.compile(keras.optimizers.Adam(0.002), "categorical_crossentropy")
    labels = np.eye(CLASSES, dtype=np.float32)[np.arange(64) % CLASSES]
    inputs = clips(64, seed=2)
    inputs[:8] = 0.0  # the roots of powers that are 0
    simulation.fit(inputs, labels, epochs=3, batch_size=16, verbose=0)
    for old, weight in zip(before, simulation.trainable_weights, strict=True):
        assert np.isfinite(weight).all(), weight.name
        assert "range" in weight.name or np.any(old != np.array(weight)), weight.name
    found = differences(simulation, written(simulation, int8), clips(60, seed=1))
    assert found.max() <= 3
    assert np.mean(found == 0) > KERNELS


def test_biases_that_were_equal_are_trained_apart(tmp_path, rng):
    """Those of zeros are one buffer in the file: behind such layers no normalisation is folded."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(6)
    clip = x = keras.Input(SHAPE)
    for _ in range(3):
        x = layers.Conv2D(6, 3, padding="same", activation="relu", use_bias=False)(x)
    x = layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x))
    int8, float32 = exported(keras.Model(clip, layers.Softmax()(x)), tmp_path)
    simulation = Simulation(Graph.of(int8, float32))
    biases = [op.inputs[2] for op in simulation.graph.operators if op.kind == "CONV_2D"]
    assert len(set(biases)) == 3
    assert len({buffers_of(int8)[place] for place in biases}) == 1
    for place in biases:
        simulation.constants[place].assign(0.5 * rng.standard_normal(6))
    content = written(simulation, int8)
    assert len({buffers_of(content)[place] for place in biases}) == 3
    found = differences(simulation, content, clips(60, seed=1))
    assert found.max() <= 2
    assert np.mean(found == 0) > KERNELS


def test_a_bias_of_one_number_follows_the_scales_it_is_added_at(tmp_path, rng):
    """A gate of one channel, and a dense layer that takes a map of one place as a row."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(7)
    clip = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, strides=4, padding="same", activation="relu")(clip)
    gate = layers.Conv2D(1, 1, activation="sigmoid", name="gate", bias_initializer="ones")(x)
    x = layers.AveragePooling2D((4, 3))(layers.Multiply()([x, gate]))
    x = layers.Dense(1, bias_initializer="ones")(layers.Flatten()(x))
    model = keras.Model(clip, layers.Dense(CLASSES, activation="softmax")(x))
    int8, float32 = exported(model, tmp_path)
    simulation = Simulation(Graph.of(int8, float32))
    assert simulation(clips(3)).shape == (3, CLASSES)
    for op in simulation.graph.operators:
        if op.kind in ("CONV_2D", "FULLY_CONNECTED"):
            kernel = simulation.constants[op.inputs[1]]
            kernel.assign(2.0 * kernel)
    content = written(simulation, int8)
    found = differences(simulation, content, clips(60, seed=1))
    assert found.max() <= 2
    assert np.mean(found == 0) > KERNELS


def test_bounds_have_the_range_of_what_they_bound(tmp_path):
    """Operators that compare int8 numbers take both sides at one scale, which training changes."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(8)
    clip = keras.Input(SHAPE)
    x = layers.ReLU(max_value=0.2)(layers.Conv2D(6, 3)(clip))
    x = layers.Conv2D(6, 3)(x)
    x = layers.Maximum()([x, layers.Conv2D(6, 1)(x)])
    x = layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x))
    int8, float32 = exported(keras.Model(clip, layers.Softmax()(x)), tmp_path)
    simulation = Simulation(Graph.of(int8, float32))
    kinds = {op.kind for op in simulation.graph.operators}
    assert {"MINIMUM", "MAXIMUM"} <= kinds
    for limits in simulation.ranges.values():
        limits.assign(1.3 * limits if limits.trainable else limits)
    found = differences(simulation, written(simulation, int8), clips(60, seed=1))
    assert found.max() <= 2
    assert np.mean(found == 0) > KERNELS


def buffers_of(content):
    """Number of the buffer of each tensor of a file."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    return [tensor.buffer for tensor in model.subgraphs[0].tensors]


def test_a_filter_of_zeros_keeps_its_bias_in_the_file(tmp_path):
    """As pruning leaves them: nothing is left of its weights to take a scale from."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(5)
    clip = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, activation="relu", name="pruned")(clip)
    x = layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(clip, layers.Softmax()(x))
    kernel, bias = model.get_layer("pruned").get_weights()
    kernel[..., 2], bias[2] = 0.0, 2.0
    model.get_layer("pruned").set_weights([kernel, bias])
    int8, float32 = exported(model, tmp_path)
    simulation = Simulation(Graph.of(int8, float32), keep_zeros=True)
    found = differences(simulation, written(simulation, int8), clips(30, seed=1))
    assert found.max() <= 2
