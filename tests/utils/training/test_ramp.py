"""The exponential rise of a learning rate: by formula, by the settings, saved and loaded."""

import keras
import numpy as np
import pytest

from utils.config.schema import ScheduleSettings, TrainingSettings
from utils.training.ramp import ExponentialWarmup
from utils.training.schedule import make_schedule

HIGHEST, WARMUP = 0.2, 8


def rates(schedule, steps: int) -> np.ndarray:
    return np.array([float(schedule(step)) for step in range(steps)])


def rise(steps: int, warmup: int = WARMUP) -> np.ndarray:
    return HIGHEST * np.exp(-5 * (1 - np.arange(steps) / warmup) ** 2)


def test_the_rate_rises_by_the_formula_and_stays():
    found = rates(ExponentialWarmup(HIGHEST, WARMUP, HIGHEST), 12)
    np.testing.assert_allclose(found[:WARMUP], rise(WARMUP), rtol=1e-5)
    np.testing.assert_allclose(found[WARMUP:], HIGHEST, rtol=1e-6)
    assert found[0] == pytest.approx(HIGHEST * np.exp(-5), rel=1e-5)
    assert (np.diff(found[: WARMUP + 1]) > 0).all()


def test_what_comes_after_starts_from_its_own_beginning():
    after = keras.optimizers.schedules.CosineDecay(HIGHEST, 6, alpha=0.1)
    found = rates(ExponentialWarmup(HIGHEST, 1, after), 10)
    assert found[0] == pytest.approx(HIGHEST * np.exp(-5), rel=1e-5)
    np.testing.assert_allclose(found[1:], rates(after, 9), rtol=1e-6)


def test_a_step_may_be_any_integer_tensor():
    schedule = ExponentialWarmup(HIGHEST, WARMUP, HIGHEST)
    for dtype in ("int32", "int64"):
        step = keras.ops.convert_to_tensor(5, dtype=dtype)
        assert float(schedule(step)) == pytest.approx(rise(6)[5], rel=1e-5)


@pytest.mark.parametrize("kind", ["constant", "cosine"])
def test_the_settings_ask_for_it(kind):
    epochs, steps, final = 4, 10, 0.1
    wanted = ScheduleSettings(kind=kind, warmup_epochs=1.5, warmup="exponential", final=final)
    made = make_schedule(HIGHEST, TrainingSettings(epochs=epochs, schedule=wanted), steps=steps)
    assert isinstance(made, ExponentialWarmup)
    found = rates(made, epochs * steps + 1)
    np.testing.assert_allclose(found[:15], rise(15, warmup=15), rtol=1e-5)
    share = (np.arange(15, epochs * steps + 1) - 15) / 25
    cosine = HIGHEST * (final + (1 - final) * (1 + np.cos(np.pi * share)) / 2)
    expected = cosine if kind == "cosine" else np.full(len(share), HIGHEST)
    np.testing.assert_allclose(found[15:], expected, rtol=1e-5)


def test_without_a_warm_up_there_is_nothing_to_rise():
    wanted = ScheduleSettings(kind="cosine", warmup="exponential")
    made = make_schedule(HIGHEST, TrainingSettings(epochs=2, schedule=wanted), steps=3)
    assert not isinstance(made, ExponentialWarmup)
    assert float(made(0)) == pytest.approx(HIGHEST)


@pytest.mark.parametrize(
    "after", [HIGHEST, keras.optimizers.schedules.CosineDecay(HIGHEST, 6, alpha=0.1)]
)
def test_it_is_saved_and_loaded_with_an_optimiser(after):
    optimizer = keras.optimizers.Adam(ExponentialWarmup(HIGHEST, WARMUP, after))
    config = keras.optimizers.serialize(optimizer)
    loaded = keras.optimizers.deserialize(config)
    assert loaded.get_config() == optimizer.get_config()
    for step in (0, 3, WARMUP, WARMUP + 4):
        optimizer.iterations.assign(step)
        loaded.iterations.assign(step)
        assert float(loaded.learning_rate) == float(optimizer.learning_rate)
