"""The command line that all task scripts share."""

from utils.cli.main import main
from utils.cli.scoring import score_labels, score_stems, score_tables
from utils.cli.script import Answers, Script

__all__ = ["Answers", "Script", "main", "score_labels", "score_stems", "score_tables"]
