import numpy as np
import pytest

from utils.postprocess.masking import mask_weak


def test_each_class_of_each_clip_is_scaled_by_its_own_score():
    strong = np.arange(24.0).reshape(2, 4, 3)
    weak = np.array([[0.0, 1.0, 0.5], [1.0, 0.25, 0.0]])
    masked = mask_weak(strong, weak)
    for clip in range(2):
        for number in range(3):
            expected = strong[clip, :, number] * weak[clip, number]
            np.testing.assert_array_equal(masked[clip, :, number], expected)


def test_no_clips():
    assert mask_weak(np.zeros((0, 4, 3)), np.zeros((0, 3))).shape == (0, 4, 3)


@pytest.mark.parametrize("shape", [(3, 2), (2,), (1, 3)])
def test_shapes_must_fit(shape):
    with pytest.raises(ValueError, match="of clips"):
        mask_weak(np.zeros((2, 4, 3)), np.zeros(shape))
