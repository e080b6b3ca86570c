"""The network of a set, of whatever task, to look at it without training it."""

from typing import TYPE_CHECKING

from utils.experiment.fold import build_network
from utils.experiment.job import Job
from utils.experiment.separation_checks import build_separator
from utils.features import from_settings
from utils.features.heard import heard_by

if TYPE_CHECKING:
    import keras


def network_of(job: Job) -> "keras.Model":
    """Build the set's network as it is trained.

    Args:
        job: the set and the data.

    Raises:
        ConfigError: for a network that cannot be built.
    """
    signal = job.settings.audio, job.settings.features
    if job.target == "stems":
        return build_separator(job, heard_by(*signal))
    return build_network(job, from_settings(*signal))
