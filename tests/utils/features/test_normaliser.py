import json
import tracemalloc

import numpy as np
import pytest

from utils.features import Normaliser, normaliser


def test_is_numpys_mean_and_std_of_the_rows(rng, monkeypatch):
    array = rng.normal(-8, 3, (11, 4, 6)).astype(np.float32)
    rows = np.array([7, 0, 3, 10, 2])
    monkeypatch.setattr(normaliser, "_BLOCK_BYTES", 2 * 8 * 4 * 6)
    fitted = Normaliser.fit(array, rows)
    chosen = array[rows].astype(np.float64)
    assert fitted.mean.dtype == fitted.std.dtype == np.float32
    np.testing.assert_allclose(fitted.mean, chosen.mean(axis=(0, 2)), rtol=1e-6)
    np.testing.assert_allclose(fitted.std, chosen.std(axis=(0, 2), ddof=1), rtol=1e-6)


def test_does_not_depend_on_the_order_of_rows(rng):
    array = rng.normal(size=(9, 3, 5)).astype(np.float32)
    rows = rng.permutation(9)
    assert Normaliser.fit(array, rows).as_dict() == Normaliser.fit(array, np.sort(rows)).as_dict()


def test_large_offset_does_not_cancel(rng, monkeypatch):
    monkeypatch.setattr(normaliser, "_BLOCK_BYTES", 1)
    array = (1e6 + rng.normal(size=(40, 1, 50))).astype(np.float32)
    expected = array.astype(np.float64).std(ddof=1)
    np.testing.assert_allclose(Normaliser.fit(array, range(40)).std, [expected], rtol=1e-6)


def test_constant_band_becomes_zero():
    array = np.full((3, 2, 7), -36.04365, np.float32)
    array[:, 1, ::2] += 1
    fitted = Normaliser.fit(array, [0, 1, 2])
    assert fitted.std[0] == 1
    np.testing.assert_allclose(fitted(array)[:, 0], 0, atol=1e-5)
    one_frame = Normaliser.fit(array[:1, :, :1], [0])
    assert one_frame.std.tolist() == [1, 1]


def test_normalised_features_have_mean_0_and_std_1(rng):
    array = rng.normal(5, 2, (6, 3, 50)).astype(np.float32)
    normalised = Normaliser.fit(array, range(6))(array)
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised.mean(axis=(0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(normalised.std(axis=(0, 2), ddof=1), 1, atol=1e-5)


def test_a_tensor_stays_a_tensor(rng):
    import tensorflow as tf

    array = rng.normal(5, 2, (2, 3, 8)).astype(np.float32)
    fitted = Normaliser.fit(array, [0, 1])
    normalised = fitted(tf.constant(array))
    assert isinstance(normalised, tf.Tensor)
    np.testing.assert_allclose(normalised, fitted(array), rtol=1e-6)


def test_memory_stays_bounded(tmp_path, monkeypatch):
    array = np.lib.format.open_memmap(
        tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=(400, 4, 1000)
    )
    array[:] = 1
    monkeypatch.setattr(normaliser, "_BLOCK_BYTES", 2**18)
    tracemalloc.start()
    Normaliser.fit(array, range(400))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 2**18


def test_round_trip_through_json_is_exact(rng):
    fitted = Normaliser.fit(rng.normal(size=(4, 5, 6)).astype(np.float32), range(4))
    again = Normaliser.from_dict(json.loads(json.dumps(fitted.as_dict())))
    np.testing.assert_array_equal(again.mean, fitted.mean)
    np.testing.assert_array_equal(again.std, fitted.std)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"mean": [1]},
        {"mean": [1], "std": [0]},
        {"mean": [1], "std": [1, 2]},
        {"mean": ["a"], "std": [1]},
    ],
)
def test_what_is_no_normaliser_is_refused(content):
    with pytest.raises(ValueError, match=r"normaliser|could not convert"):
        Normaliser.from_dict(content)


def test_refuses_what_has_no_bands():
    with pytest.raises(ValueError, match="0 rows"):
        Normaliser.fit(np.zeros((2, 3, 4), np.float32), [])
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        Normaliser.fit(np.zeros((2, 3), np.float32), [0])
