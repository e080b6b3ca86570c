"""What follows from the devices: XLA, and batches that they can share."""

import pytest
from pydantic import ValidationError

from utils.config.schema import TrainingSettings
from utils.errors import ConfigError
from utils.training.devices import check_devices, use_xla


@pytest.mark.parametrize(
    ("choice", "deterministic", "gpus", "expected"),
    [
        ("auto", True, ["GPU:0"], False),
        ("auto", False, ["GPU:0"], True),
        ("auto", False, [], False),
        ("on", False, [], True),
        ("off", False, ["GPU:0"], False),
    ],
)
def test_xla_is_chosen_by_device(monkeypatch, choice, deterministic, gpus, expected):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    assert use_xla(TrainingSettings(jit_compile=choice, deterministic=deterministic)) is expected


def test_xla_under_deterministic_kernels_is_refused():
    with pytest.raises(ValidationError, match=r"set training\.deterministic to false"):
        TrainingSettings(jit_compile="on")


def test_a_batch_that_devices_cannot_share_is_refused():
    settings = TrainingSettings(batch_size=16)
    check_devices(settings, 2)
    with pytest.raises(ConfigError, match=r"batch_size: 16 clips .* 3 devices; take 15"):
        check_devices(settings, 3)


@pytest.mark.parametrize(
    ("clips", "devices", "fits"),
    [(32, 4, True), (33, 1, True), (33, 2, False), (34, 2, True), (38, 4, False), (39, 4, True)],
)
def test_a_last_batch_that_leaves_a_device_without_clips_is_refused(clips, devices, fits):
    settings = TrainingSettings(batch_size=16)
    if fits:
        check_devices(settings, devices, clips=clips)
        return
    with pytest.raises(ConfigError, match=rf"of {clips} clips .* leaves one of {devices} devices"):
        check_devices(settings, devices, clips=clips)


def test_float16_on_several_devices_is_refused():
    check_devices(TrainingSettings(mixed_precision="mixed_float16"), 1)
    check_devices(TrainingSettings(mixed_precision="mixed_bfloat16"), 2)
    with pytest.raises(ConfigError, match=r"mixed_float16 does not train on 2 devices"):
        check_devices(TrainingSettings(mixed_precision="mixed_float16"), 2)
