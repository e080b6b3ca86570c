"""Learning rates step by step, against the formula; what cannot be scheduled is refused."""

import numpy as np
import pytest

from utils.config.schema import ScheduleSettings, TrainingSettings
from utils.errors import ConfigError
from utils.training.compiling import scheduled_optimizer
from utils.training.schedule import make_schedule, plateau_rate

HIGHEST, EPOCHS, STEPS = 0.2, 4, 10


def rates(**schedule) -> np.ndarray:
    """Rate of each step of a training and of one step after its end."""
    settings = TrainingSettings(epochs=EPOCHS, schedule=ScheduleSettings(**schedule))
    made = make_schedule(HIGHEST, settings, steps=STEPS)
    return np.array([float(made(step)) for step in range(EPOCHS * STEPS + 2)])


@pytest.mark.parametrize("final", [0.0, 0.1])
def test_a_cosine_falls_from_the_rate_to_its_final_share(final):
    found = rates(kind="cosine", final=final)
    share = np.minimum(np.arange(len(found)) / (EPOCHS * STEPS), 1)
    half = (1 + np.cos(np.pi * share)) / 2
    np.testing.assert_allclose(found, HIGHEST * (final + (1 - final) * half), atol=1e-7)
    assert found[0] == pytest.approx(HIGHEST)
    assert found[-1] == found[-2] == pytest.approx(final * HIGHEST, abs=1e-7)


def test_a_warm_up_rises_from_nothing_to_the_rate_and_the_cosine_has_the_rest():
    found = rates(kind="cosine", warmup_epochs=1.5)
    np.testing.assert_allclose(found[:16], HIGHEST * np.arange(16) / 15, atol=1e-7)
    middle = 15 + (EPOCHS * STEPS - 15) // 2
    assert found[middle] > HIGHEST / 2 > found[middle + 1]
    assert found[EPOCHS * STEPS] == pytest.approx(0, abs=1e-7)


def test_a_constant_rate_stays_after_its_warm_up():
    found = rates(kind="constant", warmup_epochs=0.5)
    np.testing.assert_allclose(found[:5], HIGHEST * np.arange(5) / 5, atol=1e-7)
    np.testing.assert_allclose(found[5:], HIGHEST, rtol=1e-6)


def test_a_rate_falls_step_by_step():
    found = rates(kind="step", step_epochs=2, factor=0.98)
    expected = HIGHEST * 0.98 ** (np.arange(len(found)) // (2 * STEPS))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "falls"),
    [
        ([1.0] * 6, 0),
        ([1.0] * 7, 1),  # the sixth epoch that is no better
        ([1.0] * 12, 1),
        ([1.0] * 13, 2),  # counted anew
        ([1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.9998], 0),
        ([1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.99995], 1),  # lower by too little
        ([float("nan")] * 6, 1),
        ([-10.0, -9.9995, -9.999, -9.9985, -9.998, -9.9975, -9.997], 0),
        ([-10.0, -9.9985, -9.998, -9.9975, -9.997, -9.9965, -9.996], 1),
    ],
)
def test_rates_fall_on_a_plateau_as_those_of_pytorch(values, falls):
    """A best value below 0 is a little worse after each epoch that is nearly as good."""
    wanted = ScheduleSettings(kind="plateau", factor=0.25, patience=5)
    assert plateau_rate(HIGHEST, values, wanted) == pytest.approx(HIGHEST * 0.25**falls)


def test_a_plateau_of_what_should_rise_is_refused():
    with pytest.raises(ValueError, match="val_accuracy does not end in 'loss'"):
        ScheduleSettings(kind="plateau", metric="val_accuracy")
    assert ScheduleSettings(kind="cosine", metric="val_accuracy")  # which has no effect


@pytest.mark.parametrize("kind", ["step", "plateau"])
def test_steps_and_plateaus_have_no_warm_up(kind):
    with pytest.raises(ConfigError, match=f"kind {kind} has no warm-up"):
        rates(kind=kind, warmup_epochs=1)


def test_a_constant_rate_needs_no_schedule():
    assert make_schedule(HIGHEST, TrainingSettings(), steps=STEPS) is None


@pytest.mark.parametrize("kind", ["constant", "cosine"])
@pytest.mark.parametrize("warmup", [4, 4.5])
def test_a_warm_up_that_leaves_no_epoch_is_refused(kind, warmup):
    with pytest.raises(ConfigError, match=rf"warmup_epochs: {warmup:g} of 4 epochs"):
        rates(kind=kind, warmup_epochs=warmup)


def test_the_smallest_training_can_be_scheduled():
    settings = TrainingSettings(epochs=1, schedule=ScheduleSettings(kind="cosine"))
    assert float(make_schedule(HIGHEST, settings, steps=1)(0)) == pytest.approx(HIGHEST)


@pytest.mark.parametrize("given", [{"learning_rate": 0.05}, {}])
def test_the_schedule_starts_from_the_optimizers_own_rate(given):
    settings = TrainingSettings(
        epochs=EPOCHS, optimizer={"SGD": given}, schedule=ScheduleSettings(kind="cosine")
    )
    made = scheduled_optimizer(settings, steps=STEPS)
    highest = given.get("learning_rate", 0.01)  # 0.01 is that of keras.optimizers.SGD
    assert float(made.learning_rate) == pytest.approx(highest)
    made.iterations.assign(EPOCHS * STEPS // 2)
    assert float(made.learning_rate) == pytest.approx(highest / 2, rel=1e-5)
