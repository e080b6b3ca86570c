import json
from dataclasses import dataclass

import numpy as np
import pytest

from utils.evaluation import summarise_folds


@dataclass(frozen=True)
class OfAnyTask:
    overall: dict[str, float]


def test_folds_are_summarised_by_the_scores_that_they_have():
    first, second = OfAnyTask({"kl": 1.5, "ece": 0.25}), OfAnyTask({"kl": 1.0, "ece": 0.75})
    summary = summarise_folds({"fold1": first, "fold2": second})
    assert summary["folds"] == {"fold1": first.overall, "fold2": second.overall}
    assert summary["mean"] == {"kl": 1.25, "ece": 0.5}
    assert summary["deviation"]["kl"] == pytest.approx(np.sqrt(0.125))
    json.dumps(summary, allow_nan=False)


def test_a_score_that_a_fold_lacks_has_no_mean():
    first, second = OfAnyTask({"kl": 1.5, "top4_recall": 0.5}), OfAnyTask({"kl": 1.0})
    summary = summarise_folds({"fold1": first, "fold2": second})
    assert summary["mean"] == {"kl": 1.25}
    assert summary["folds"]["fold1"]["top4_recall"] == 0.5


def test_one_fold_has_no_deviation_and_none_no_summary():
    summary = summarise_folds({"fold1": OfAnyTask({"kl": 1.5})})
    assert summary["mean"] == {"kl": 1.5}
    assert summary["deviation"] == {"kl": None}
    with pytest.raises(ValueError, match="at least one fold"):
        summarise_folds({})
