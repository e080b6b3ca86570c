"""Steps that make a fold's trained network smaller: fewer channels, then zeros, each trained on."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils import inference, training
from utils.config.compression_section import CompressionSettings
from utils.config.schema import TrainingSettings
from utils.errors import ConfigError
from utils.experiment.facts import network_facts
from utils.experiment.further import require_optimizer, train_further
from utils.experiment.learning import Learning
from utils.experiment.records import save_arrays
from utils.features import AnyNormaliser
from utils.files import write_json
from utils.run import Place

if TYPE_CHECKING:
    import keras

TRAINED, CHANNELS, ZEROS = "trained", "channels", "zeros"
"""Names of the network as the training leaves it, and of the steps that may follow."""


def networks(folder: Path, asked: CompressionSettings | None) -> dict[str, Path]:
    """Files of the networks that a fold leaves, by step, in order.

    Args:
        folder: of the fold.
        asked: the section ``compression``.

    Returns:
        The last one's is ``model.keras``, whichever step it is; others are named by their step.
    """
    names = [TRAINED]
    if asked is not None:
        names += [name for name in (CHANNELS, ZEROS) if getattr(asked, name) is not None]
    paths = {name: folder / f"{name}.keras" for name in names}
    return paths | {names[-1]: folder / "model.keras"}


def compress(
    learning: Learning, place: Place, *, normaliser: AnyNormaliser | None, key: str
) -> None:
    """Take the steps that are not yet done; each leaves a network and a folder with its training.

    Args:
        learning: what the network has learnt from.
        place: of the fold.
        normaliser: that the network was trained with.
        key: identity of the features.
    """
    asked = learning.job.settings.compression
    if asked is None:
        return
    for (_, before), (name, path) in pairwise(networks(place.folder, asked).items()):
        makes = (path.name, f"{name}/history.csv", f"{name}/training.json")
        with place.stage(name, makes=makes, inputs=key) as stage:
            if stage.needed:
                step = partial(_STEPS[name], learning, place, asked, before, normaliser=normaliser)
                trained: training.Trained = step()
                inference.save_keras(path, trained.model)
                stage.earlier_seconds = trained.earlier_seconds


def _fewer_channels(
    learning: Learning,
    place: Place,
    asked: CompressionSettings,
    before: Path,
    *,
    normaliser: AnyNormaliser | None,
) -> training.Trained:
    from utils.compression.narrowing import without_least

    assert asked.channels is not None  # noqa: S101 - for the type checker
    wide = inference.load_keras(before)
    build = partial(without_least, wide, share=asked.channels.share)
    return train_further(
        learning, place, build, asked.channels,
        path=f"compression.{CHANNELS}", start=before, normaliser=normaliser,
    )  # fmt: skip


def _more_zeros(
    learning: Learning,
    place: Place,
    asked: CompressionSettings,
    before: Path,
    *,
    normaliser: AnyNormaliser | None,
) -> training.Trained:
    from utils.compression.zeros import MoreZeros

    wanted = asked.zeros
    assert wanted is not None  # noqa: S101 - for the type checker
    return train_further(
        learning, place, partial(inference.load_keras, before), wanted,
        path=f"compression.{ZEROS}",
        start=before,
        normaliser=normaliser,
        after_epoch=wanted.rise_epochs,
        callbacks=[MoreZeros(share=wanted.share, epochs=wanted.rise_epochs)],
    )  # fmt: skip


_STEPS: dict[str, Callable[..., Any]] = {CHANNELS: _fewer_channels, ZEROS: _more_zeros}


def measure_steps(
    paths: Mapping[str, Path],
    *,
    clip: np.ndarray,
    predict: Callable[[inference.Predictor], np.ndarray],
) -> None:
    """Count, time and ask the networks; leaves ``steps.json`` and ``steps.npz`` beside them.

    Args:
        paths: of :func:`networks`.
        clip: features of one clip, as a network takes them.
        predict: what a network says of the test clips.
    """
    folder = next(iter(paths.values())).parent
    said = {name: predict(inference.load_predictor(path)) for name, path in paths.items()}
    save_arrays(folder / "steps.npz", said)
    facts = {name: network_facts(path, clip=clip) for name, path in paths.items()}
    write_json(folder / "steps.json", facts)


def require_compressible(
    model: "keras.Model", settings: TrainingSettings, asked: CompressionSettings
) -> None:
    """Refuse steps that cannot be taken; to be asked before hours of training too.

    Args:
        model: the network, trained or not; it is compiled.
        settings: the set's section ``training``.
        asked: the section ``compression``.

    Raises:
        ConfigError: for an optimiser that does not exist, and for zeros where no weight can be one.
        UserError: where no channel can be taken away.
    """
    from utils.compression.narrowing import without_least
    from utils.compression.zeros import kernels_of

    if asked.channels is not None:
        model = without_least(model, share=asked.channels.share)
        require_optimizer(model, settings, asked.channels, path=f"compression.{CHANNELS}")
    if asked.zeros is not None:
        if not kernels_of(model):
            raise ConfigError(
                f"compression.zeros: {model.name} has no convolution and no dense layer whose "
                "weights could become zero; set it to null."
            )
        require_optimizer(model, settings, asked.zeros, path=f"compression.{ZEROS}")
