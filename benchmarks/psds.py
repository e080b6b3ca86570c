"""How long do PSDS and F1 take on a set as large as the DESED validation set?

    python -m benchmarks.psds

Draws 1,168 clips of 10 s with 10 classes and frame scores of a middling system, then scores 50
detection tables and all thresholds. `psds_eval` is timed beside them where it can be imported (it
needs numpy below 2.4 and pandas below 3, an environment of its own); else its columns stay empty.
"""

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d, median_filter

from utils.events import Events
from utils.metrics.candidates import Candidates
from utils.metrics.intersection import GroundTruth, intersection_counts
from utils.metrics.psds import psds_of_tables
from utils.metrics.psds_exact import psds_exact
from utils.metrics.psds_roc import SCENARIOS, Psds, Scenario

CLIPS, SECONDS, FRAMES, CLASSES = 1168, 10.0, 156, 10
EVENTS = (420, 94, 341, 559, 570, 65, 94, 237, 1752, 92)  # of each class in DESED validation
MEDIANS = (1.03, 4.7, 0.85, 0.39, 0.77, 9.9, 10.0, 4.85, 1.15, 10.0)  # seconds
THRESHOLDS = np.arange(1 / 100, 1, 1 / 50)
REPEATS = 5


def main() -> None:
    """Measure and print."""
    rng = np.random.default_rng(0)
    durations = np.full(CLIPS, SECONDS)
    events = draw_events(rng)
    scores, edges = draw_scores(events, rng), np.arange(FRAMES + 1) * 0.064
    candidates = Candidates.of_frames(scores, edges=edges, durations=durations)
    tables = [candidates.at(threshold) for threshold in THRESHOLDS]
    truth = GroundTruth.of(events, durations=durations, class_count=CLASSES)
    middle = tables[len(tables) // 2]
    print(
        f"{len(truth.events):,} events, {sum(map(len, tables)):,} detections in {len(tables)} "
        f"tables, {len(candidates):,} candidates\n"
    )
    print("| score | ms | value | psds_eval, ms | times faster | difference |")
    print("|---|---|---|---|---|---|")
    for name, scenario in SCENARIOS.items():
        asked = {name: scenario}
        milliseconds, scored = best(partial(psds_of_tables, tables, truth, asked))
        official = with_psds_eval(tables, truth, scenario)
        row(f"{name}, 50 tables", milliseconds, scored[name].value, official)
    milliseconds, _ = best(partial(psds_of_tables, tables, truth, SCENARIOS))
    row("both, 50 tables", milliseconds)
    milliseconds, _ = best(partial(checked, tables))
    row("checking and sorting 50 tables", milliseconds)
    milliseconds, _ = best(partial(intersection_counts, middle, truth))
    row("intersection F1, one table", milliseconds)
    find = partial(Candidates.of_frames, scores, edges=edges, durations=durations)
    row("candidates of frame scores", best(find)[0])
    for name, scenario in SCENARIOS.items():
        milliseconds, scored = best(partial(psds_exact, candidates, truth, {name: scenario}))
        row(f"{name}, all thresholds", milliseconds, scored[name].value)


def draw_events(rng: np.random.Generator) -> Events:
    """As many events of each class as DESED has, of like lengths, merged where they overlap."""
    classes = np.repeat(np.arange(CLASSES), EVENTS)
    files = rng.integers(CLIPS, size=len(classes))
    lengths = np.array(MEDIANS)[classes] * rng.lognormal(0.0, 0.6, len(classes))
    lengths = np.clip(lengths, 0.25, SECONDS)
    onsets = rng.uniform(0.0, SECONDS - lengths)
    drawn = Events.of(
        files,
        classes,
        onsets.round(3),
        (onsets + lengths).round(3),
        file_count=CLIPS,
        class_count=CLASSES,
    )
    return drawn.merged()[0]


def draw_scores(events: Events, rng: np.random.Generator) -> np.ndarray:
    """Frame scores (clips, frames, classes) that know the events, blurred and filtered."""
    active = np.zeros((CLIPS, FRAMES, CLASSES))
    for file, number, onset, offset in zip(
        events.files, events.classes, events.onsets, events.offsets, strict=True
    ):
        active[file, int(onset / 0.064) : int(np.ceil(offset / 0.064)), number] = 1.0
    noise = rng.standard_normal((CLIPS, FRAMES, CLASSES))
    logits = median_filter(
        -6.0 + gaussian_filter1d(9.0 * active + 9.0 * noise, 3.0, axis=1), (1, 7, 1)
    )
    return 1.0 / (1.0 + np.exp(-logits))


def checked(tables: list[Events]) -> list[Events]:
    """What reading does with each table, from plain arrays."""
    return [
        Events.of(
            table.files[::-1],
            table.classes[::-1],
            table.onsets[::-1],
            table.offsets[::-1],
            file_count=CLIPS,
            class_count=CLASSES,
        ).merged()[0]
        for table in tables
    ]


def with_psds_eval(
    tables: list[Events], truth: GroundTruth, scenario: Scenario
) -> tuple[float, float] | None:
    """Milliseconds and score of the published package; None where it cannot be had."""
    try:
        import pandas as pd
        from psds_eval import PSDSEval
    except ImportError:
        return None

    def frame(events: Events) -> Any:
        return pd.DataFrame(
            {
                "filename": [f"{number}.wav" for number in events.files],
                "onset": events.onsets,
                "offset": events.offsets,
                "event_label": [f"c{number}" for number in events.classes],
            }
        )

    lengths = {
        "filename": [f"{number}.wav" for number in range(CLIPS)],
        "duration": truth.durations,
    }
    frames, reference, metadata = map(frame, tables), frame(truth.events), pd.DataFrame(lengths)
    frames = list(frames)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.perf_counter()
        official = PSDSEval(
            scenario.dtc,
            scenario.gtc,
            0.3 if scenario.cttc is None else scenario.cttc,
            ground_truth=reference,
            metadata=metadata,
        )
        for each in frames:
            official.add_operating_point(each)
        score = official.psds(scenario.alpha_ct, scenario.alpha_st, scenario.max_efpr)
        return 1e3 * (time.perf_counter() - began), float(score.value)


def row(
    name: str,
    milliseconds: float,
    value: float | None = None,
    official: tuple[float, float] | None = None,
) -> None:
    """Print one Markdown row."""
    cells = [name, f"{milliseconds:.1f}", "" if value is None else f"{value:.4f}"]
    if official is None or value is None:
        cells += [""] * 3
    else:
        slow, score = official
        cells += [f"{slow:.0f}", f"**{slow / milliseconds:.0f}**", f"{abs(score - value):.1e}"]
    print("| " + " | ".join(cells) + " |")


def best(run: Callable[[], Any]) -> tuple[float, Any]:
    """Shortest time of a few runs after the first, in milliseconds, and what the run gives."""
    found: dict[str, Psds] | Any = run()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        found = run()
        times.append(time.perf_counter() - began)
    return 1e3 * min(times), found


if __name__ == "__main__":
    main()
