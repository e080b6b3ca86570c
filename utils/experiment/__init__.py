"""One set on one data set with one seed, from features to the report, fold by fold."""

from utils.experiment.checks import check_clips, check_events
from utils.experiment.clips import ClipExperiment
from utils.experiment.ensemble import Ensemble, Member, keep, read_member
from utils.experiment.event_labels import detect_files
from utils.experiment.events import Detections, EventExperiment
from utils.experiment.job import Job
from utils.experiment.labelled import finish as finish_labels
from utils.experiment.labels import label_files
from utils.experiment.publish import publish
from utils.experiment.separate_files import separate_files
from utils.experiment.separation import SeparationExperiment
from utils.experiment.separation_checks import check_separation
from utils.experiment.separation_score import score_folder
from utils.experiment.submission import load_clips_to_submit, submit

__all__ = [
    "ClipExperiment",
    "Detections",
    "Ensemble",
    "EventExperiment",
    "Job",
    "Member",
    "SeparationExperiment",
    "check_clips",
    "check_events",
    "check_separation",
    "detect_files",
    "finish_labels",
    "keep",
    "label_files",
    "load_clips_to_submit",
    "publish",
    "read_member",
    "score_folder",
    "separate_files",
    "submit",
]
