"""What does it save to filter scores once, not the decisions at each threshold; what do boxes cost?

    python -m benchmarks.postprocess

Scores of 1,168 clips of 156 frames and 10 classes, as in `benchmarks.psds`; one thread. Both sides
of a row give the same tables, which is checked.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy import ndimage

from benchmarks.psds import CLASSES, FRAMES, SECONDS, draw_events, draw_scores
from utils.evaluation.sed import THRESHOLDS
from utils.events import Events
from utils.postprocess.boxes import boxes
from utils.postprocess.frames import frame_edges, to_events
from utils.postprocess.median import median_filter
from utils.postprocess.thresholds import events_at

SAME = (7,) * CLASSES  # the baseline of 2021
OWN = (5, 11, 5, 5, 5, 67, 61, 49, 5, 17)  # class by class, as published for FDY-CRNN
REPEATS = 3
EDGES = frame_edges(FRAMES, hop_seconds=0.064, seconds=SECONDS)


def main() -> None:
    """Measure and print."""
    rng = np.random.default_rng(0)
    scores = draw_scores(draw_events(rng), rng).astype(np.float32)
    print("| 50 tables | scores once, s | each decision, s | ratio |")
    print("|---|---|---|---|")
    for name, lengths in (("median of 7 frames", SAME), ("medians of 5 to 67 frames", OWN)):
        quick, once = best(partial(filtered_once, scores, lengths))
        slow, each = best(partial(filtered_each, scores, lengths), repeats=1)
        assert all(same(once[threshold], each[threshold]) for threshold in each)
        print(f"| {name} | {quick:.2f} | {slow:.2f} | **{slow / quick:.0f}** |")
    print("\n| step | ms |\n|---|---|")
    for name, lengths in (("median of 7 frames", SAME), ("medians of 5 to 67 frames", OWN)):
        print(f"| {name} | {1e3 * best(partial(median_filter, scores, lengths))[0]:.0f} |")
    print(f"| 50 tables | {1e3 * best(partial(tables, scores))[0]:.0f} |")
    rule = {"edges": EDGES, "lengths": 8, "absolute": 0.3, "relative": 3.0}
    seconds, found = best(partial(boxes, scores, **rule))
    print(f"| {len(found):,} bounding boxes | {1e3 * seconds:.0f} |")


def filtered_once(scores: np.ndarray, lengths: tuple[int, ...]) -> dict[float, Events]:
    """Filter, then decide at each threshold."""
    return tables(median_filter(scores, lengths))


def tables(scores: np.ndarray) -> dict[float, Events]:
    """Decide at each threshold."""
    return {threshold: events_at(scores, threshold, edges=EDGES) for threshold in THRESHOLDS}


def filtered_each(scores: np.ndarray, lengths: tuple[int, ...]) -> dict[float, Events]:
    """Decide, then filter the decisions: what the baseline does, for all clips at once."""
    found = {}
    for threshold in THRESHOLDS:
        active = scores > threshold
        for number, length in enumerate(lengths):
            filtered = ndimage.median_filter(active[:, :, number], (1, length))
            active[:, :, number] = filtered
        found[threshold] = to_events(active, edges=EDGES)
    return found


def same(one: Events, other: Events) -> bool:
    """Whether two tables hold the same events."""
    return all(
        np.array_equal(left, right)
        for left, right in zip(vars(one).values(), vars(other).values(), strict=True)
    )


def best(run: Callable[[], Any], *, repeats: int = REPEATS) -> tuple[float, Any]:
    """Shortest time of a few runs in seconds, and what the last of them gives."""
    times, found = [], None
    for _ in range(repeats):
        began = time.perf_counter()
        found = run()
        times.append(time.perf_counter() - began)
    return min(times), found


if __name__ == "__main__":
    main()
