"""From predictions to scores, to the challenge's files, and to what is wrong with such files."""

from utils.evaluation.folds import OverallScores, summarise_folds
from utils.evaluation.predictions import Predictions, average, pool
from utils.evaluation.scenes import SceneScores, device_order, score_scenes
from utils.evaluation.system_output import (
    SystemOutput,
    read_system_output,
    write_labels,
    write_system_output,
)
from utils.evaluation.words import WordScores, score_words

__all__ = [
    "OverallScores",
    "Predictions",
    "SceneScores",
    "SystemOutput",
    "WordScores",
    "average",
    "device_order",
    "pool",
    "read_system_output",
    "score_scenes",
    "score_words",
    "summarise_folds",
    "write_labels",
    "write_system_output",
]
