import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from utils.errors import DataError
from utils.postprocess.median import median_filter, odd_frames

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 3))
LEVELS = st.integers(0, 8).map(lambda level: level / 8)


def in_turn(scores, lengths):
    """Clip by clip and class by class with SciPy, as the baseline filters (7, 1)."""
    expected = np.empty_like(scores)
    for clip, of_clip in enumerate(scores):
        for number, length in enumerate(lengths):
            column = of_clip[:, number : number + 1]
            expected[clip, :, number] = ndimage.median_filter(column, (length, 1))[:, 0]
    return expected


def mirrored(values, length):
    """Medians by definition: the clip and its mirror image in turn, without end."""
    both = np.concatenate([values, values[::-1]])
    around = np.arange(-(length // 2), length // 2 + 1)
    return [np.sort(both[(at + around) % len(both)])[length // 2] for at in range(len(values))]


@given(
    arrays(np.float32, SHAPES, elements=st.floats(0, 1, width=32)),
    st.lists(st.sampled_from([1, 3, 5, 7, 31]), min_size=3, max_size=3),
)
def test_equal_to_scipy_on_each_clip_and_class(scores, lengths):
    """Of filters up to 8 clips long; SciPy 1.17 miscounts the mirror images in longer ones."""
    lengths = [min(length, 8 * scores.shape[1] - 1) for length in lengths[: scores.shape[2]]]
    before = scores.copy()
    found = median_filter(scores, lengths)
    np.testing.assert_array_equal(found, in_turn(scores, lengths))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(scores, before)


@given(arrays(np.float64, SHAPES, elements=LEVELS), st.sampled_from([1, 3, 17, 101]))
def test_equal_to_the_definition_however_long_the_filter(scores, length):
    found = median_filter(scores, length)
    for clip in range(len(scores)):
        for number in range(scores.shape[2]):
            expected = mirrored(scores[clip, :, number], length)
            assert found[clip, :, number].tolist() == expected


@given(arrays(np.float64, SHAPES, elements=LEVELS), st.sampled_from([1, 3, 7]), LEVELS)
def test_filtering_scores_and_deciding_is_deciding_and_filtering(scores, length, threshold):
    decided_first = in_turn((scores > threshold).astype(float), [length] * scores.shape[2])
    np.testing.assert_array_equal(median_filter(scores, length) > threshold, decided_first == 1)


def test_a_length_for_each_class():
    scores = np.zeros((1, 9, 2))
    scores[0, 4] = 1.0
    found = median_filter(scores, [1, 3])
    assert found[0, :, 0].tolist() == scores[0, :, 0].tolist()
    assert not found[0, :, 1].any()


@pytest.mark.parametrize("shape", [(0, 5, 2), (2, 0, 2), (2, 5, 0)])
def test_nothing_stays_nothing(shape):
    assert median_filter(np.zeros(shape), 3).shape == shape


@pytest.mark.parametrize("lengths", [2, [3, 4], 3.0, 0, -1, [3, 3, 3]])
def test_lengths_that_are_not_odd_are_refused(lengths):
    with pytest.raises(ValueError, match="median filters"):
        median_filter(np.zeros((1, 5, 2)), lengths)


def test_nan_is_refused():
    with pytest.raises(DataError, match="finite"):
        median_filter(np.full((1, 5, 2), np.nan), 3)


def test_odd_lengths_from_seconds():
    """0.448 s is the baseline's 7 frames of 64 ms, whatever the division's last digit."""
    seconds = [0.0, 0.05, 0.448, 0.5, 0.512, 4.288]
    assert odd_frames(seconds, hop_seconds=0.064).tolist() == [1, 1, 7, 7, 9, 67]
    assert odd_frames(0.3, hop_seconds=0.1) == 3
    assert odd_frames(0.448, hop_seconds=0.064).dtype == np.int64
    with pytest.raises(ValueError, match="positive hop"):
        odd_frames(1.0, hop_seconds=-1.0)
    with pytest.raises(ValueError, match="0 s or more"):
        odd_frames([1.0, -1.0], hop_seconds=0.1)
