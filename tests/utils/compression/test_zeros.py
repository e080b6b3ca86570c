"""Kernels lose their smallest weights by a schedule; those stay zero, in int8 files too."""

import numpy as np
import pytest

from tests.utils.compression.files import exported, some_clips
from utils.compression.graph import Graph
from utils.compression.simulation import Simulation, kernel_places
from utils.compression.writing import written
from utils.compression.zeros import MoreZeros, kernels_of, largest, share_at
from utils.export import measure

SHAPE = (12, 8, 1)


def network(**arguments):
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(8, 3, **arguments),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.DepthwiseConv2D(3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def clips():
    """Inputs and targets that can be learnt."""
    labels = np.random.default_rng(0).integers(0, 3, 64)
    inputs = some_clips(64, SHAPE)
    for clip, label in zip(inputs, labels, strict=True):
        clip[4 * label : 4 * label + 4] += 1.0
    return inputs, np.eye(3, dtype=np.float32)[labels]


def fitted(model, *, epochs, callbacks, optimizer="adam"):
    """Train for epochs of 8 steps."""
    model.compile(optimizer, "categorical_crossentropy")
    given = {"batch_size": 8, "verbose": 0}
    model.fit(*clips(), epochs=epochs, callbacks=callbacks, **given)
    return [np.array(kernel) for kernel in kernels_of(model)]


def zeros(kernels):
    return [float(np.mean(kernel == 0)) for kernel in kernels]


def test_the_rise_is_that_of_the_paper():
    shares = [share_at(step, last=0.8, steps=100) for step in range(121)]
    assert shares[0] == 0.0
    assert shares[50] == pytest.approx(0.8 * (1 - 0.5**3))
    assert shares[100] == shares[120] == 0.8
    assert np.all(np.diff(shares) >= 0)
    assert share_at(0, last=0.8, steps=0) == 0.8


def test_the_smallest_go_first():
    weights = np.array([[3.0, -0.1], [0.2, -5.0], [0.0, 0.1]])
    assert largest(weights, 0.5).tolist() == [[1, 0], [1, 1], [0, 0]]
    assert largest(weights, 0.0).all()
    assert not largest(weights, 1.0).any()


def test_the_share_rises_then_zeros_stay_while_the_rest_learns():
    import keras

    found = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: found.append([np.array(k) for k in kernels_of(model)])
    )
    model = network()
    assert [len(kernel.shape) for kernel in kernels_of(model)] == [4, 2]
    fitted(model, epochs=4, callbacks=[MoreZeros(share=0.75, epochs=2), watch])
    # of 16 steps each, of more than 200 every tenth may raise the share
    shares = [round(72 * share_at(step, last=0.75, steps=16)) / 72 for step in (7, 15)]
    assert [zeros(kernels)[0] for kernels in found] == pytest.approx([*shares, 0.75, 0.75])
    assert zeros(found[3]) == [0.75, 0.75]
    for old, new in zip(found[2], found[3], strict=True):
        assert np.array_equal(new == 0, old == 0)
        assert np.all(new[new != 0] != old[new != 0])
    assert np.all(np.asarray(model.layers[3].kernel) != 0)  # the depthwise one


def test_another_constraint_of_a_kernel_is_kept():
    import keras

    model = network(kernel_constraint=keras.constraints.NonNeg())
    pruning = MoreZeros(share=0.5, epochs=0)
    kernels = fitted(model, epochs=1, callbacks=[pruning], optimizer="sgd")
    assert zeros(kernels)[0] >= 0.5
    assert kernels[0].min() == 0.0
    first, last = (kernel.constraint for kernel in kernels_of(model))
    assert isinstance(first, keras.constraints.NonNeg)
    assert last is None


def test_int8_files_keep_the_zeros(tmp_path):
    """Trained further in int8, with the zeros and without: the file's count tells them apart."""
    model = network()
    kernels = fitted(model, epochs=2, callbacks=[MoreZeros(share=0.75, epochs=1)])
    files = exported(model, tmp_path)
    weights, dead = sum(kernel.size for kernel in kernels), sum((k == 0).sum() for k in kernels)
    plain = measure(tmp_path / "model_int8.tflite")
    assert plain.non_zero <= plain.parameters - dead
    counted = {}
    for keep in (True, False):
        simulation = Simulation(Graph.of(*files), keep_zeros=keep)
        places = kernel_places(simulation.graph)
        before = {place: np.array(simulation.constants[place]) for place in places}
        simulation.compile("adam", "categorical_crossentropy", run_eagerly=True)
        for _ in range(4):
            simulation.train_on_batch(*clips())
        changed = {place: np.array(simulation.constants[place]) for place in places}
        still = [np.all(changed[place][before[place] == 0] == 0) for place in places]
        assert all(still) is keep
        assert all(np.any(changed[place] != before[place]) for place in places)
        path = tmp_path / f"{keep}.tflite"
        path.write_bytes(written(simulation, files[0]))
        counted[keep] = measure(path).non_zero
    assert counted[True] <= plain.parameters - dead
    assert counted[False] > counted[True] + dead // 2 > weights // 4
