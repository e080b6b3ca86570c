"""Augmentations of features one after the other, and two views of the same clips.

Each augmentation is a file with ``draw(seed, batch_size, ...)``, ``apply(features, targets,
drawn)`` and ``from_settings(settings, grid)``, which gives both as they are configured. What they
know of features and targets stands in ``utils.augment.grid``.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from utils.augment import filter_augment, frame_shift, group_mixup, time_mask
from utils.augment.grid import Grid, Targets
from utils.config.event_sections import FeatureAugmentStep
from utils.errors import ConfigError

if TYPE_CHECKING:
    import tensorflow as tf

MODULES = {  # by name in the configuration
    "GroupMixup": group_mixup,
    "FilterAugment": filter_augment,
    "TimeMask": time_mask,
    "FrameShift": frame_shift,
}
LEAVE_TARGETS = ("FilterAugment",)  # those that may differ between two views of a clip

FeatureAugment = Callable[["tf.Tensor", Targets, "tf.Tensor"], tuple["tf.Tensor", Targets]]
Views = Callable[["tf.Tensor", Any, "tf.Tensor"], tuple[dict[str, "tf.Tensor"], Any]]


def feature_chain(
    steps: Sequence[FeatureAugmentStep], *, mels: int, hop_seconds: float, frames_per_step: int
) -> FeatureAugment | None:
    """Make one function of the augmentations of features of a configuration.

    Args:
        steps: Augmentations in the order in which they are applied.
        mels: Rows of the features.
        hop_seconds: From one frame to the next.
        frames_per_step: Frames for which a step of the strong targets stands.

    Returns:
        Function of float32 (batch, mels, frames), targets and a seed int32 (2,) to the augmented
        features and their targets, in which each step draws from a seed of its own; None if there
        are no steps. Targets are a dictionary of ``strong`` float32 (batch, steps, classes) with
        ``frames // frames_per_step`` steps, ``weak`` float32 (batch, classes) and ``kind`` float32
        (batch,): 2 with strong labels, 1 with weak ones, 0 without any. The function raises
        ValueError for another number of steps.

    Raises:
        ConfigError: If FilterAugment has more bands than fit into the mels.
    """
    if not steps:
        return None
    grid = Grid(mels=mels, hop_seconds=hop_seconds, frames_per_step=frames_per_step)
    run = _in_turn(steps, grid)

    def augment(
        features: "tf.Tensor", targets: Targets, seed: "tf.Tensor"
    ) -> tuple["tf.Tensor", Targets]:
        _check_steps(features, targets, frames_per_step)
        return run(features, targets, seed)

    return augment


def views(
    steps: Sequence[FeatureAugmentStep], *, mels: int, hop_seconds: float, frames_per_step: int
) -> Views | None:
    """Make a function that draws the same augmentations twice, for student and teacher.

    Both learn from the same targets, so only what leaves targets alone may differ between them.

    Args:
        steps: Augmentations, of FilterAugment alone; others belong before, into ``feature_chain``.
        mels: As in ``feature_chain``, here as below.
        hop_seconds: See there.
        frames_per_step: See there.

    Returns:
        Function of float32 (batch, mels, frames), targets and a seed int32 (2,) to
        ``{"student": features, "teacher": features}`` and the targets as they are (any, also
        None); None if there are no steps.

    Raises:
        ConfigError: For an augmentation that changes targets, or bands that do not fit.
    """
    for number, step in enumerate(steps):
        for name in MODULES:
            if name not in LEAVE_TARGETS and getattr(step, name) is not None:
                raise ConfigError(
                    f"view_augment[{number}].{name}: changes the targets that student and teacher "
                    f"share; take it out: only {', '.join(LEAVE_TARGETS)} may differ between them."
                )
    if not steps:
        return None
    grid = Grid(mels=mels, hop_seconds=hop_seconds, frames_per_step=frames_per_step)
    run = _in_turn(steps, grid)

    def augment(
        features: "tf.Tensor", targets: Any, seed: "tf.Tensor"
    ) -> tuple[dict[str, "tf.Tensor"], Any]:
        import tensorflow as tf

        for_student, for_teacher = tf.unstack(tf.random.split(seed, 2))
        student, _ = run(features, targets, for_student)
        teacher, _ = run(features, targets, for_teacher)
        return {"student": student, "teacher": teacher}, targets

    return augment


def _in_turn(steps: Sequence[FeatureAugmentStep], grid: Grid) -> FeatureAugment:
    """All steps as one function; each has a seed of its own."""
    stages = [
        module.from_settings(settings, grid)
        for step in steps
        for name, module in MODULES.items()
        if (settings := getattr(step, name)) is not None
    ]

    def run(
        features: "tf.Tensor", targets: Targets, seed: "tf.Tensor"
    ) -> tuple["tf.Tensor", Targets]:
        import tensorflow as tf

        for number, (draw, apply) in enumerate(stages):
            drawn = draw(tf.random.fold_in(seed, number), tf.shape(features)[0])
            features, targets = apply(features, targets, drawn)
        return features, targets

    return run


def _check_steps(features: "tf.Tensor", targets: Targets, frames_per_step: int) -> None:
    """Refuse targets of another grid, as far as the sizes are known."""
    frames, steps = features.shape[2], targets["strong"].shape[1]
    if frames is not None and steps is not None and steps != frames // frames_per_step:
        raise ValueError(
            f"{frames} frames are {frames // frames_per_step} steps of {frames_per_step}, "
            f"but the strong targets have {steps}"
        )
