"""Arrays of a data set that is gone do not stay in memory, and those of one in use do."""

import gc
import weakref

import numpy as np
import pytest

from utils import pipeline


class Clips(np.ndarray):
    """An array that can be watched."""


@pytest.fixture
def made():
    """Batches of an array: their data set, and what tells whether the array is still there."""

    def make(**options):
        array = np.arange(24, dtype=np.float32).reshape(12, 2).view(Clips)
        source = pipeline.Source(array, np.arange(12), np.zeros((12, 1), np.float32))
        options = {"memory_gb": 0.0} | options
        dataset = pipeline.training_batches(
            source, batch_size=4, seed=0, first_epoch=0, epochs=2, **options
        )
        return dataset, weakref.ref(array)

    return make


def louder(clips, targets, seed):
    return clips + 1, targets


@pytest.mark.parametrize("augment", [None, louder])
def test_an_array_goes_with_its_data_set(made, augment):
    dataset, there = made(augment=augment)
    assert sum(len(clips) for clips, _ in dataset) == 24
    gc.collect()
    assert there() is not None
    del dataset
    gc.collect()
    assert there() is None


def test_an_array_goes_after_fit(made):
    import keras

    dataset, there = made()
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(dataset, epochs=2, steps_per_epoch=3, shuffle=False, verbose=0)
    del dataset
    gc.collect()
    assert there() is None


def test_an_iterator_and_a_derived_data_set_keep_the_array(made):
    numbers = []
    for clips, _ in made()[0].map(lambda clips, targets: (2 * clips, targets)):
        gc.collect()
        numbers += clips.numpy().ravel().tolist()
    assert sorted(numbers) == sorted([2.0 * number for number in range(24)] * 2)


def test_drawn_batches_go_too():
    class Numbers:
        per_epoch, shapes, clip_bytes = 6, ((2,), (1,)), 8

        def __init__(self):
            self.array = np.ones(2, np.float32).view(Clips)

        def held(self, limit_bytes):
            return self

        def batch(self, count, *, seed, epoch, step):
            return np.tile(self.array, (count, 1)), np.zeros((count, 1), np.float32)

    source = Numbers()
    there = weakref.ref(source.array)
    dataset = pipeline.training_batches(
        source, batch_size=4, seed=0, first_epoch=0, epochs=1, memory_gb=1.0
    )
    assert [len(clips) for clips, _ in dataset] == [4, 2]
    del source
    gc.collect()
    assert there() is not None
    del dataset
    gc.collect()
    assert there() is None
