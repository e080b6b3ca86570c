import json
import tracemalloc

import numpy as np
import pytest
from scipy.stats import zscore

from utils.features import ClipDecibel, ClipNormaliser, Normaliser, normaliser, normaliser_of
from utils.features.normaliser import ClipImage


def test_is_numpys_mean_and_std_of_the_rows(rng, monkeypatch):
    array = rng.normal(-8, 3, (11, 4, 6)).astype(np.float32)
    rows = np.array([7, 0, 3, 10, 2])
    monkeypatch.setattr(normaliser, "_BLOCK_BYTES", 2 * 8 * 4 * 6)
    fitted = Normaliser.fit(array, rows)
    chosen = array[rows].astype(np.float64)
    assert fitted.mean.dtype == fitted.std.dtype == np.float32
    np.testing.assert_allclose(fitted.mean, chosen.mean(axis=(0, 2)), rtol=1e-6)
    np.testing.assert_allclose(fitted.std, chosen.std(axis=(0, 2), ddof=1), rtol=1e-6)


def test_channels_have_statistics_of_their_own(rng, monkeypatch):
    array = rng.normal(-8, 3, (11, 4, 6, 3)).astype(np.float32)
    array[:, 1, :, 2] = 5
    monkeypatch.setattr(normaliser, "_BLOCK_BYTES", 2 * 8 * 4 * 6 * 3)
    fitted = Normaliser.fit(array, range(11))
    assert fitted.mean.shape == fitted.std.shape == (4, 3)
    for channel in range(3):
        alone = Normaliser.fit(array[..., channel], range(11))
        np.testing.assert_allclose(fitted.mean[:, channel], alone.mean, rtol=1e-6)
        np.testing.assert_allclose(fitted.std[:, channel], alone.std, rtol=1e-6)
        np.testing.assert_allclose(
            fitted(array)[..., channel], alone(array[..., channel]), atol=1e-5
        )
    np.testing.assert_array_equal(fitted(array)[3], fitted(array[3]))
    assert not fitted(array)[:, 1, :, 2].any()


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


@pytest.mark.parametrize("shape", [(2, 3, 8), (2, 3, 8, 4)])
def test_a_tensor_stays_a_tensor(rng, shape):
    import tensorflow as tf

    array = rng.normal(5, 2, shape).astype(np.float32)
    fitted = Normaliser.fit(array, [0, 1])
    normalised = fitted(tf.constant(array))
    assert isinstance(normalised, tf.Tensor)
    np.testing.assert_allclose(normalised, fitted(array), rtol=1e-6)


@pytest.mark.parametrize("shape", [(400, 4, 1000), (400, 2, 1000, 2)])
def test_memory_stays_bounded(tmp_path, monkeypatch, shape):
    array = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=shape)
    array[:] = 1
    monkeypatch.setattr(normaliser, "_BLOCK_BYTES", 2**18)
    tracemalloc.start()
    Normaliser.fit(array, range(400))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 2**18


@pytest.mark.parametrize("shape", [(4, 5, 6), (4, 5, 6, 2)])
def test_round_trip_through_json_is_exact(rng, shape):
    fitted = Normaliser.fit(rng.normal(size=shape).astype(np.float32), range(4))
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
        {"mean": [[1, 2]], "std": [1, 2]},
        {"mean": [[[1]]], "std": [[[1]]]},
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


@pytest.mark.parametrize("shape", [(3, 4, 50), (3, 4, 50, 2)])
def test_each_clip_by_itself_is_scipys_zscore(rng, shape):
    import tensorflow as tf

    array = rng.normal(-8, 3, shape).astype(np.float32)
    array[1] = 20 * array[1] + 1000
    before = array.copy()
    normalised = ClipNormaliser()(array)
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised, zscore(array.astype(np.float64), axis=2), atol=1e-4)
    np.testing.assert_array_equal(array, before)
    tensor = ClipNormaliser()(tf.constant(array))
    assert isinstance(tensor, tf.Tensor)
    np.testing.assert_allclose(tensor, normalised, atol=1e-5)


def test_rows_that_stand_still_become_0(rng):
    import tensorflow as tf

    array = rng.normal(0, 1, (2, 5, 98)).astype(np.float32)
    array[0, 0] = -23.02585
    array[0, 1] = 0
    array[1, 2] = np.float32(-23.02585) + np.float32(2e-6) * rng.integers(-2, 3, 98)
    array[1, 3] = -23.02585 + 1e-3 * array[1, 3]
    normalised = ClipNormaliser()(array)
    still = np.abs(normalised).max(axis=2) == 0
    assert still.tolist() == [[True, True, False, False, False], [False, False, True, False, False]]
    np.testing.assert_allclose(normalised.std(axis=2)[~still], 1, rtol=1e-5)
    np.testing.assert_allclose(ClipNormaliser()(tf.constant(array)), normalised, atol=1e-5)


@pytest.mark.parametrize("by_clips", [ClipNormaliser(), ClipImage(), ClipDecibel()])
def test_a_clip_without_its_axis_is_refused(by_clips):
    with pytest.raises(ValueError, match="2 axes"):
        by_clips(np.zeros((4, 5), np.float32))


@pytest.mark.parametrize("shape", [(3, 4, 50), (3, 4, 50, 2)])
def test_an_image_is_the_clip_standardised_then_stretched_to_0_to_255(rng, shape):
    import tensorflow as tf

    array = rng.normal(-8, 3, shape).astype(np.float32)
    array[1] = 20 * array[1] + 1000
    before = array.copy()
    images = ClipImage()(array)
    assert images.dtype == np.float32
    for image, clip in zip(images, array.astype(np.float64), strict=True):
        standardised = (clip - clip.mean()) / clip.std()
        standardised -= standardised.min()
        np.testing.assert_allclose(image, standardised / standardised.max() * 255, atol=1e-3)
    each = tuple(range(1, array.ndim))
    assert images.min(axis=each).tolist() == [0, 0, 0]
    assert images.max(axis=each).tolist() == [255, 255, 255]
    np.testing.assert_array_equal(array, before)
    np.testing.assert_array_equal(ClipImage()(array[2:])[0], images[2])
    tensor = ClipImage()(tf.constant(array))
    assert isinstance(tensor, tf.Tensor)
    np.testing.assert_allclose(tensor, images, atol=1e-4)


@pytest.mark.filterwarnings("error")
def test_a_clip_that_stands_still_becomes_a_black_image(rng):
    import tensorflow as tf

    array = rng.normal(0, 1, (5, 3, 40)).astype(np.float32)
    array[0] = -23.02585
    array[1] = 0
    array[2] = np.float32(-23.02585) + np.float32(2e-6) * rng.integers(-2, 3, (3, 40))
    array[3] = -23.02585 + 1e-2 * array[3]
    images = ClipImage()(array)
    assert images.max(axis=(1, 2)).tolist() == [0, 0, 0, 255, 255]
    np.testing.assert_allclose(ClipImage()(tf.constant(array)), images, atol=1e-4)


def test_an_image_in_a_graph_of_any_batch_is_that_of_the_array(rng):
    import tensorflow as tf

    array = rng.normal(-8, 3, (5, 4, 7)).astype(np.float32)
    batches = tf.data.Dataset.from_tensor_slices(array).batch(3).map(ClipImage())
    found = np.concatenate(list(batches.as_numpy_iterator()))
    np.testing.assert_allclose(found, ClipImage()(array), atol=1e-4)


def test_what_is_not_finite_does_not_become_an_image(rng):
    array = rng.normal(size=(2, 3, 4)).astype(np.float32)
    array[0, 1, 1] = np.nan
    images = ClipImage()(array)
    assert np.isnan(images[0]).all()
    assert np.isfinite(images[1]).all()


def test_decibels_of_a_clip_by_hand():
    """Levels 0, 20, 40 and, for silence, the limit -50 dB; then 130 dB between the limits."""
    array = np.array([[[1, 10], [100, 0]], [[1e9, 1e-9], [1e4, 10**-2.5]]], np.float32)
    expected = [[[10 / 90, 50 / 90], [1, -1]], [[1, -1], [1, -1]]]
    np.testing.assert_allclose(ClipDecibel()(array), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 4, 50), (3, 4, 50, 2)])
def test_decibels_are_spread_over_the_whole_clip(rng, shape):
    import tensorflow as tf

    array = np.exp(rng.normal(-3, 2, shape)).astype(np.float32)
    array[1] = 0.05 * array[1]  # in part below the lowest level
    before = array.copy()
    found = ClipDecibel()(array)
    assert found.dtype == np.float32
    for clip, levels in zip(array.astype(np.float64), found, strict=True):
        decibels = np.clip(20 * np.log10(np.maximum(clip, 1e-5)), -50, 80)
        span = decibels.max() - decibels.min()
        expected = (decibels - decibels.min()) / (span + 1e-8) * 2 - 1
        np.testing.assert_allclose(levels, expected, atol=1e-5)
        assert (levels.min(), levels.max()) == (-1, 1)
    np.testing.assert_array_equal(array, before)
    np.testing.assert_array_equal(ClipDecibel()(array[2:])[0], found[2])
    tensor = ClipDecibel()(tf.constant(array))
    assert isinstance(tensor, tf.Tensor)
    np.testing.assert_allclose(tensor, found, atol=1e-5)
    batches = tf.data.Dataset.from_tensor_slices(array).batch(2).map(ClipDecibel())
    assert batches.element_spec.shape.as_list() == [None, *shape[1:]]
    mapped = np.concatenate(list(batches.as_numpy_iterator()))
    np.testing.assert_allclose(mapped, found, atol=1e-5)


@pytest.mark.filterwarnings("error")
def test_decibels_of_a_clip_that_stands_still_are_finite(rng):
    import tensorflow as tf

    array = np.empty((3, 4, 30), np.float32)
    array[0] = 0
    array[1] = 1e-6 * rng.random((4, 30))  # near-silence, all below the limit
    array[2] = 0.25
    assert np.all(ClipDecibel()(array) == -1)
    assert np.all(ClipDecibel()(tf.constant(array)) == -1)


def test_decibels_of_what_is_not_a_number_stay_in_their_clip(rng):
    array = rng.random((2, 3, 4)).astype(np.float32)
    array[0, 1, 1] = np.nan
    levels = ClipDecibel()(array)
    assert np.isnan(levels[0]).all()
    assert np.isfinite(levels[1]).all()


def test_the_normaliser_of_a_set():
    content = {"mean": [[1.0, 2.0]], "std": [[1.0, 4.0]]}
    rebuilt = normaliser_of("mean_std", content)
    assert isinstance(rebuilt, Normaliser)
    assert rebuilt.as_dict() == content
    assert normaliser_of("clip_mean_std", None) == ClipNormaliser()
    assert normaliser_of("clip_image", None) == ClipImage()
    assert normaliser_of("clip_decibel", None) == ClipDecibel()
    assert normaliser_of("none", None) is None
    with pytest.raises(ValueError, match="mean_std comes without its statistics"):
        normaliser_of("mean_std", None)
    for method in ("clip_mean_std", "clip_image", "clip_decibel", "none"):
        with pytest.raises(ValueError, match="no use for"):
            normaliser_of(method, content)
