import numpy as np
import pytest

from utils.metrics.candidates import Candidates
from utils.postprocess.scored import ScoredEvents


@pytest.fixture
def scored() -> ScoredEvents:
    return ScoredEvents(
        files=np.array([0, 0, 1]),
        classes=np.array([0, 1, 0]),
        onsets=np.array([0.0, 1.0, 2.0]),
        offsets=np.array([1.0, 2.0, 3.0]),
        scores=np.array([0.5, 0.5, 0.75]),
    )


def test_thresholds_are_of_classes_and_not_reached_by_their_own_value(scored):
    assert scored.above(0.5, class_count=2).files.tolist() == [1]
    kept = scored.above([0.5, 0.25], class_count=2)
    assert (kept.files.tolist(), kept.classes.tolist()) == ([0, 1], [1, 0])
    assert (kept.onsets.tolist(), kept.offsets.tolist()) == ([1.0, 2.0], [2.0, 3.0])
    with pytest.raises(ValueError, match="each of 2 classes"):
        scored.above([0.5], class_count=2)


def test_metrics_take_them(scored):
    columns = (scored.files, scored.classes, scored.onsets, scored.offsets, scored.scores)
    candidates = Candidates.of_events(*columns, file_count=2, class_count=2)
    assert len(candidates.at(0.6)) == 1
    assert len(scored) == len(candidates) == 3
