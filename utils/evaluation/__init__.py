"""From predictions to scores, to the challenge's files, and to what is wrong with such files."""

from utils.evaluation.predictions import Predictions, pool
from utils.evaluation.scenes import SceneScores, device_order, score_scenes, summarise_folds
from utils.evaluation.system_output import (
    SystemOutput,
    read_system_output,
    write_system_output,
)

__all__ = [
    "Predictions",
    "SceneScores",
    "SystemOutput",
    "device_order",
    "pool",
    "read_system_output",
    "score_scenes",
    "summarise_folds",
    "write_system_output",
]
