"""Convolution with responses of devices against scipy, levels, choice of clips."""

import numpy as np
import pytest
import scipy.signal
import soundfile
import tensorflow as tf

from utils.augment import asked_devices, chain, device_response
from utils.augment.responses import draw_responses
from utils.config.schema import AugmentStep, DeviceResponseSettings
from utils.targets import DEVICE, LABELS

RATE, SEED = 8000, tf.constant([41, 42])


def level(clips: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(np.square(clips, dtype=float), axis=-1))


@pytest.mark.parametrize(("samples", "taps"), [(5000, 37), (300, 1), (50, 200), (4096, 1024)])
def test_convolution_vs_scipy(rng, samples, taps):
    clip, response = (rng.standard_normal(size).astype(np.float32) for size in (samples, taps))
    found = device_response.convolve(tf.constant(clip), tf.constant(response))
    expected = scipy.signal.convolve(clip.astype(float), response)[:samples]
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_a_clip_keeps_its_level_and_a_silent_one_stays_silent(rng):
    batch = (rng.uniform(0.01, 1, (20, 1)) * rng.standard_normal((20, 3000))).astype(np.float32)
    batch[3] = 0
    parameters = device_response.draw(
        SEED, 20, responses=lambda seed, n: draw_responses(seed, n, sample_rate=RATE),
        probability=0.6,
    )  # fmt: skip
    found, chosen = device_response.apply(batch, parameters).numpy(), parameters.chosen.numpy()
    np.testing.assert_allclose(level(found), level(batch), rtol=1e-5)
    same = (found == batch).all(axis=1)
    silent = np.arange(20) == 3
    np.testing.assert_array_equal(same, ~chosen | silent)
    for clip, result, response in zip(
        batch[chosen], found[chosen], parameters.response.numpy()[chosen], strict=True
    ):
        expected = scipy.signal.convolve(clip.astype(float), response)[:3000]
        scale = level(clip) / max(level(expected), 1e-9)
        np.testing.assert_allclose(result, scale * expected, atol=1e-5)


def test_responses_of_a_folder_are_taken_alike(tmp_path, rng):
    known = np.eye(4, dtype=np.float32)[:, ::-1] + 0.5 * np.eye(4, dtype=np.float32)
    for number, response in enumerate(known):
        soundfile.write(tmp_path / f"{number}.wav", response, RATE, subtype="FLOAT")
    settings = DeviceResponseSettings(folder=str(tmp_path), probability=1.0)
    draw, apply = device_response.from_settings(settings, sample_rate=RATE)
    drawn = draw(SEED, 2000)
    counts = np.unique(drawn.response.numpy(), axis=0, return_counts=True)[1]
    assert len(counts) == 4
    assert counts.min() > 400
    batch = rng.standard_normal((2000, 30)).astype(np.float32)
    found = apply(batch[:10], device_response.ResponseParameters(*(x[:10] for x in drawn)))
    expected = [
        np.convolve(clip, response)[:30]
        for clip, response in zip(batch, drawn.response.numpy()[:10], strict=False)
    ]
    scale = level(batch[:10]) / level(np.array(expected))
    np.testing.assert_allclose(found, scale[:, None] * expected, atol=1e-5)


def test_only_clips_of_the_devices_are_taken_and_labels_come_back_bare(rng):
    names = ("a", "b")
    steps = [
        AugmentStep(DeviceResponse=DeviceResponseSettings(devices=(name,), probability=chance))
        for name, chance in zip(names, (1.0, 0.5), strict=True)
    ]
    assert asked_devices(steps) == names
    assert asked_devices([AugmentStep(DeviceResponse=DeviceResponseSettings())]) == ()
    batch = rng.standard_normal((60, 400)).astype(np.float32)
    device = np.tile(np.array([0, 1, -1], np.int32), 20)  # a, b, another one
    labels = tf.constant(np.eye(60, dtype=np.float32))
    augment = chain(steps, sample_rate=RATE)
    found, targets = augment(batch, {LABELS: labels, DEVICE: tf.constant(device)}, SEED)
    same = (found.numpy() == batch).all(axis=1)
    assert not same[device == 0].any()
    assert same[device == -1].all()
    assert 3 < same[device == 1].sum() < 17
    np.testing.assert_array_equal(targets, labels)
