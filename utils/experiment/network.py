"""The set's network, built for its data."""

from typing import TYPE_CHECKING

from utils.experiment.job import Job
from utils.experiment.separation_checks import build_separator
from utils.features import Representation, Waveform, from_settings
from utils.features.heard import heard_by

if TYPE_CHECKING:
    import keras


def build_network(
    job: Job, representation: Representation, *, seed: int | None = None
) -> "keras.Model":
    """Build the set's network for the shape of one clip and the data set's classes.

    Args:
        job: the set and the data.
        representation: what the network sees.
        seed: of weights and dropout; None: the run's.
    """
    from models import builder

    embeddings = job.settings.dataset.embeddings
    more = {"embeddings": (embeddings.steps, embeddings.size)} if embeddings else None
    names = ("SAMPLES",) if isinstance(representation, Waveform) else ("MELS", "FRAMES")
    constants = dict(zip(names, representation.shape, strict=False))
    return builder.build(
        job.settings.model,
        named=job.networks,
        input_shape=representation.input_shape,
        constants={"CLASS_COUNT": len(job.data.classes), **constants},
        name=job.settings.set_id,
        seed=job.settings.seed if seed is None else seed,
        more_inputs=more,
    )


def network_of(job: Job) -> "keras.Model":
    """Build the network of a set of whatever task, to look at it without training it.

    Args:
        job: the set and the data.

    Raises:
        ConfigError: for a network that cannot be built.
    """
    signal = job.settings.audio, job.settings.features
    if job.target == "stems":
        return build_separator(job, heard_by(*signal))
    return build_network(job, from_settings(*signal))
