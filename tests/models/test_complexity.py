"""The counts against the published figures and against sums done by hand."""

import numpy as np
import pytest

from models.complexity import count


def published(filters, pools, *, frames=500):
    """A network of the DCASE 2021 family: 7x7 convolutions, pooling where ``pools`` names it."""
    from keras import Input, Model, layers

    x = inputs = Input((40, frames, 1))
    for index, width in enumerate(filters, start=1):
        x = layers.Conv2D(width, 7, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
        if index in pools:
            x = layers.MaxPooling2D(pools[index])(x)
            x = layers.Dropout(0.3)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(100, activation="relu")(x)
    x = layers.Dropout(0.3)(x)
    return Model(inputs, layers.Dense(10, activation="softmax")(x))


def single(layer, shape):
    """A network of one layer, by the functional interface."""
    from keras import Input, Model

    inputs = Input(shape)
    return Model(inputs, layer(inputs))


BASELINE = ((16, 16, 32), {2: (5, 5), 3: (4, 100)})


def test_the_baseline_has_the_published_size():
    result = count(published(*BASELINE))
    assert result.parameters == 46_246
    assert result.trainable == 46_118
    assert result.keras_float16_bytes == 93_004
    assert result.unknown == ()


@pytest.mark.parametrize(
    ("filters", "pools", "frames", "macs", "millions"),
    [
        (*BASELINE, 500, 15_680_000 + 250_880_000 + 20_070_400 + 6_400 + 1_000, 286.64),
        ((16, 16, 32), {2: (5, 5), 3: (4, 10)}, 51, None, 29.20),
        ((16, 16, 16, 16), {2: (5, 5), 3: (4, 4), 4: (2, 5)}, 500, None, 277.23),
        ((16, 32, 32, 32, 32), {2: (5, 5), 3: (2, 5), 4: (2, 5), 5: (1, 2)}, 500, None, 562.01),
    ],
)
def test_published_operations(filters, pools, frames, macs, millions):
    result = count(published(filters, pools, frames=frames))
    assert round(result.macs / 1e6, 2) == millions
    assert macs is None or result.macs == macs


def test_largest_activation_is_what_the_second_convolution_holds():
    assert count(published(*BASELINE)).peak_activation_bytes == 2 * 40 * 500 * 16 * 4


def test_rows_name_every_layer_and_sum_up():
    result = count(published(*BASELINE))
    rows = {row.kind: row for row in result.layers}
    assert len(result.layers) == 17
    assert rows["Flatten"].output_shape == (64,)
    assert rows["BatchNormalization"].macs == 0
    assert rows["Dropout"].parameters == 0
    assert sum(row.parameters for row in result.layers) == result.parameters
    assert sum(row.macs for row in result.layers) == result.macs


def test_zeros_are_left_out_of_what_is_not_zero():
    from keras import layers

    model = single(layers.Dense(3), (4,))
    kernel = np.ones((4, 3), np.float32)
    kernel[0, 0] = 0
    model.set_weights([kernel, np.array([0.0, 1.0, 2.0], np.float32)])
    result = count(model)
    assert (result.parameters, result.non_zero) == (15, 13)
    assert result.keras_float16_bytes == 30


def hand_counts():
    """Name, layer, input shape of one clip, operations counted by hand."""
    from keras import layers

    return [
        ("conv1d", layers.Conv1D(6, 5, strides=2), (21, 4), 9 * 6 * 5 * 4),
        ("conv2d groups", layers.Conv2D(8, 3, groups=4), (10, 9, 4), 8 * 7 * 8 * 9 * 1),
        ("strides", layers.Conv2D(8, 3, strides=(2, 3)), (11, 12, 2), 5 * 4 * 8 * 9 * 2),
        ("dilation", layers.Conv2D(5, 3, dilation_rate=2), (11, 12, 2), 7 * 8 * 5 * 9 * 2),
        ("depthwise", layers.DepthwiseConv2D(3, depth_multiplier=2), (8, 8, 3), 36 * 9 * 3 * 2),
        (
            "separable",
            layers.SeparableConv2D(5, 3, strides=2, padding="same"),
            (8, 8, 3),
            16 * (9 * 3 + 3 * 5),
        ),
        (
            "transposed",
            layers.Conv2DTranspose(4, 5, strides=2, padding="same"),
            (6, 7, 3),
            6 * 7 * 25 * 3 * 4,
        ),
        ("dense on frames", layers.Dense(7), (20, 5), 20 * 5 * 7),
        ("lstm", layers.LSTM(6, return_sequences=True), (20, 5), 20 * 4 * 6 * (5 + 6)),
        ("gru", layers.GRU(6), (20, 5), 20 * 3 * 6 * (5 + 6)),
        ("two ways", layers.Bidirectional(layers.GRU(6)), (20, 5), 2 * 20 * 3 * 6 * (5 + 6)),
        ("each frame", layers.TimeDistributed(layers.Dense(7)), (20, 5), 20 * 5 * 7),
        (
            "each picture",
            layers.TimeDistributed(layers.Conv2D(2, 3)),
            (4, 6, 6, 1),
            4 * 16 * 2 * 9,
        ),
        ("normalisation", layers.LayerNormalization(), (20, 5), 0),
        ("pooling", layers.MaxPooling2D(2), (8, 8, 3), 0),
    ]


def test_operations_of_each_kind_of_layer():
    wrong = {}
    for name, layer, shape, macs in hand_counts():
        result = count(single(layer, shape))
        if result.macs != macs or result.unknown:
            wrong[name] = (result.macs, macs)
    assert not wrong


def test_a_layer_that_is_used_twice_counts_twice_and_holds_its_weights_once():
    from keras import Input, Model, layers

    shared = layers.Dense(4)
    inputs = Input((4,))
    result = count(Model(inputs, shared(shared(inputs))))
    assert (result.parameters, result.macs, len(result.layers)) == (20, 32, 1)


def test_a_network_inside_a_network_is_taken_apart():
    from keras import Input, Model, layers

    inner = single(layers.Dense(4, name="inside"), (6,))
    inner.name = "inner"
    inputs = Input((6,))
    result = count(Model(inputs, layers.Dense(2, name="head")(inner(inputs))))
    assert [row.name for row in result.layers] == ["inner/inside", "head"]
    assert result.macs == 24 + 8


def gate_class():
    """A layer made of a layer and a weight of its own, for the three cases below."""
    import keras

    class Gate(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.part = keras.layers.Dense(5, name="part")

        def build(self, input_shape):
            self.part.build(input_shape)
            self.scale = self.add_weight(shape=(5,), name="scale")

        def call(self, inputs):
            return self.part(inputs) * self.scale

    return Gate


def test_own_weights_of_a_composite_layer_are_listed_as_unknown_beside_its_parts():
    result = count(single(gate_class()(name="gate"), (3,)))
    assert result.unknown == ("gate",)
    assert {row.name: row.parameters for row in result.layers} == {"gate/part": 20, "gate": 5}
    assert result.macs == 15


def test_a_layer_may_count_itself():
    class Counted(gate_class()):
        def count_macs(self, input_shape, output_shape):
            return 1000 * input_shape[0] + output_shape[0]

    result = count(single(Counted(name="gate"), (3,)))
    assert (result.macs, result.unknown) == (3005, ())
    assert [row.parameters for row in result.layers] == [25]


def test_unknown_operations_are_never_a_silent_zero():
    from keras import Input, Model, layers

    x = inputs = Input((6, 8))
    x = layers.MultiHeadAttention(2, 4, name="with_weights")(x, x)
    x = layers.Attention(name="without_weights")([x, x])
    assert count(Model(inputs, x)).unknown == ("with_weights", "without_weights")


def test_the_network_works_as_before():
    model = published((2,), {1: (5, 5)}, frames=50)
    clip = np.ones((2, 40, 50, 1), np.float32)
    before = np.asarray(model(clip, training=False))
    count(model)
    assert not any("call" in vars(layer) for layer in model.layers)
    np.testing.assert_array_equal(np.asarray(model(clip, training=False)), before)


def test_an_open_axis_is_refused():
    from keras import layers

    with pytest.raises(ValueError, match="open axis"):
        count(single(layers.Conv1D(2, 3), (None, 4)))
