"""Windows over signals of any length, and results put together again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.inference.separator_windows import GRID, Windows, several

SIZES = [(12, 12), (12, 8), (12, 6), (12, 3), (12, 1), (1, 1), (512, 256), (512, 64)]


def blocks(signal, size):
    return (signal[first : first + size] for first in range(0, len(signal), size))


def joined(windows, signal, size=5, say=lambda window: window):
    cut = windows.cut(blocks(signal, size))
    return np.concatenate([*windows.join(say(window)[np.newaxis] for window in cut)], axis=1)[0]


@pytest.mark.parametrize(
    ("length", "overlap", "grid", "hop"),
    [
        (512, 0.5, GRID, 256),
        (512, 0.75, GRID, 128),
        (512, 0.8125, GRID, 64),  # 96 frames are not a multiple
        (512, 0.6, GRID, 192),
        (512, 0.99, GRID, 64),  # no less than the grid
        (512, 0.0, GRID, 512),
        (128, 0.5, GRID, 64),
        (64, 0.5, GRID, 32),  # the grid alone would leave no overlap
        (64, 0.0, GRID, 64),
        (100, 0.5, GRID, 48),  # multiples of 4
        (32_000, 0.5, 1, 16_000),
        (999, 0.25, 1, 749),
        (1, 0.9, 1, 1),
    ],
)
def test_hops_by_share_and_grid(length, overlap, grid, hop):
    assert Windows.of(length, overlap=overlap, grid=grid) == Windows(length, hop)


@pytest.mark.parametrize(("length", "hop"), SIZES)
def test_margins_and_ramp_are_the_overlap(length, hop):
    windows = Windows(length, hop)
    assert 2 * windows.margin + windows.ramp == windows.overlap == length - hop
    assert 0 <= windows.ramp <= hop
    assert windows.margin >= 3 * windows.overlap // 8


def test_margins_of_half_an_overlap():
    windows = Windows(512, 256)
    assert (windows.margin, windows.ramp) == (96, 64)


@pytest.mark.parametrize(("length", "hop"), SIZES)
@pytest.mark.parametrize("steps", [1, 11, 12, 13, 100])
def test_windows_begin_a_hop_apart_and_cover_the_signal(rng, length, hop, steps):
    windows, signal = Windows(length, hop), rng.standard_normal((steps, 2))
    found = list(windows.cut(blocks(signal, 7)))
    count = 1 + max(0, -(-(steps - length) // hop))
    assert len(found) == count
    padded = np.pad(signal, ((0, count * hop + length), (0, 0)))
    for number, window in enumerate(found):
        np.testing.assert_array_equal(window, padded[number * hop : number * hop + length])


def test_nothing_has_no_windows():
    assert list(Windows(4, 2).cut([])) == []
    assert list(Windows(4, 2).cut([np.zeros((0, 2))])) == []
    assert list(Windows(4, 2).join([])) == []


@given(
    length=st.integers(1, 40), share=st.floats(0, 0.99), steps=st.integers(1, 200),
    size=st.integers(1, 50),
)  # fmt: skip
@settings(deadline=None)
def test_what_is_cut_is_joined_again(length, share, steps, size):
    windows = Windows.of(length, overlap=share)
    signal = np.random.default_rng(steps).standard_normal((steps, 2)).astype(np.float32)
    found = joined(windows, signal, size)
    assert len(found) >= steps
    np.testing.assert_allclose(found[:steps], signal, atol=1e-6)
    assert not found[steps:].any()


@pytest.mark.parametrize(("length", "hop"), [(16, 8), (16, 4), (16, 2), (16, 12)])
def test_the_ends_of_windows_have_no_say_but_at_the_ends_of_the_signal(length, hop):
    """Each window says 0 in its middle, and 1 in its margins."""
    windows = Windows(length, hop)
    said = np.zeros((length, 1))
    said[: windows.margin] = said[length - windows.margin :] = 1
    steps = length + 5 * hop
    found = joined(windows, np.zeros((steps, 1)), say=lambda window: said)
    expected = np.zeros((steps, 1))
    expected[: windows.margin] = expected[steps - windows.margin :] = 1
    np.testing.assert_array_equal(found, expected)


def test_one_window_gives_way_to_the_next_steadily():
    windows, numbers = Windows(32, 16), iter(range(3))
    assert (windows.margin, windows.ramp) == (6, 4)
    found = joined(windows, np.zeros((64, 1)), say=lambda w: np.full((32, 1), float(next(numbers))))
    rising = [0.2, 0.4, 0.6, 0.8]
    expected = [0] * 22 + rising + [1] * 12 + [1 + share for share in rising] + [2] * 22
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize("steps", [3, 40, 41])
def test_blocks_of_the_result_do_not_depend_on_those_of_the_signal(rng, steps):
    windows, signal = Windows(12, 6), rng.standard_normal((steps, 2))
    results = [
        [block.shape[1] for block in windows.join(w[np.newaxis] for w in windows.cut(parts))]
        for parts in (blocks(signal, 1), blocks(signal, 7), [signal])
    ]
    assert results[0] == results[1] == results[2]


def test_batches_have_a_number_of_windows():
    windows = [np.full(3, number) for number in range(7)]
    found = list(several(windows, 3))
    assert [batch.shape for batch in found] == [(3, 3), (3, 3), (1, 3)]
    np.testing.assert_array_equal(np.concatenate(found), windows)


def test_windows_are_asked_for_as_they_are_needed():
    drawn = []

    def signal():
        for number in range(100):
            drawn.append(number)
            yield np.zeros((4, 1))

    results = Windows(8, 4).join(batch for batch in several(Windows(8, 4).cut(signal()), 2))
    next(results)
    assert len(drawn) == 3  # two windows: steps 0 to 8 and 4 to 12
