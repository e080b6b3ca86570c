"""One set on one data set with one seed, from features to the report, fold by fold."""

from utils.experiment.clips import ClipExperiment
from utils.experiment.job import Job

__all__ = ["ClipExperiment", "Job"]
