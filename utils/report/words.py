"""Tables and sections of overlapped words: divergence, words found, calibration."""

from collections.abc import Mapping
from typing import Any

from utils.report.folds import fold_table
from utils.report.measures import MEASURES, MISSING, top_k_recall
from utils.report.plots_words import reliability, word_bars
from utils.report.section import Section
from utils.report.size import count
from utils.report.tables import Column, Row, Table

Scores = Mapping[str, Any]

_KL, _ECE = MEASURES["kl"], MEASURES["ece"]


def overall_table(scores: Scores) -> Table:
    """KL divergence and top-k recall with 95 % intervals, beside what knowing nothing gives.

    Clips of several words are mixtures, which know no groups: their intervals come from clips drawn
    one by one, although few speakers may have said them all. The note then tells so.

    Args:
        scores: ``WordScores.as_dict()``; the KL divergence of folds (``out_of_fold``) and of
            probabilities before calibration (``uncalibrated``) are shown where they are.
    """
    overall, intervals = scores["overall"], scores.get("intervals", {})
    recall = top_k_recall(scores["words"])
    chance = scores["words"] / len(scores["per_class"])
    columns = (
        Column("Score", words=True),
        Column("Value"),
        Column("95 %"),
        Column("Uniform"),
        Column("Gain"),
    )
    divergence, uniform, found = overall["kl"], overall["kl_uniform"], overall[recall.key]
    rows = [
        Row(
            (
                "KL divergence",
                _KL.number(divergence),
                _KL.spread(intervals.get("kl")),
                _KL.number(uniform),
                _KL.number(uniform - divergence),
            )
        )
    ]
    rows += [
        Row((f"KL divergence, {name}", _KL.number(value), "", "", ""))
        for name, value in (
            ("before calibration", scores.get("uncalibrated", {}).get("overall", {}).get("kl")),
            ("out of fold", scores.get("out_of_fold", {}).get("kl")),
        )
        if value is not None
    ]
    rows += [
        Row(
            (
                recall.heading,
                recall.number(found),
                recall.spread(intervals.get(recall.key)),
                recall.number(chance),
                recall.number(found - chance),
            )
        ),
        Row(("Calibration error", _ECE.number(overall["ece"]), "", "", "")),
    ]
    note = (
        f"{count(scores['clips'])} clips. KL divergence: in nats, mean over clips, less is better. "
        f"{recall.name}: of the words of a clip, how many are among the {scores['words']} most "
        "likely, equals drawn by lot. Uniform: equal probabilities; words drawn by lot."
    )
    if intervals and scores["words"] > 1:
        note += " 95 %: clips drawn again one by one, so too narrow for new speakers."
    return Table("Scores", columns, tuple(rows), note)


def word_table(scores: Scores) -> Table:
    """Recall, average precision and mean probabilities of each word, in the order of the classes.

    Args:
        scores: ``WordScores.as_dict()``.
    """
    columns = (
        Column("Word", words=True),
        Column("Recall %"),
        Column("AP %"),
        Column("Present", group="Mean probability"),
        Column("Absent", group="Mean probability"),
        Column("Clips"),
    )
    rows = [
        Row(
            (
                word,
                _per_cent(cell["recall"]),
                _per_cent(cell["average_precision"]),
                _probability(cell["mean_present"]),
                _probability(cell["mean_absent"]),
                count(cell["clips"]),
            )
        )
        for word, cell in scores["per_class"].items()
    ]
    note = (
        f"Recall: of the clips that hold the word, how many have it among the {scores['words']} "
        "most likely, equals drawn by lot. AP: average precision. Present, absent: mean "
        "probability in clips with and without the word."
    )
    return Table("Words", columns, tuple(rows), note)


def _per_cent(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.1f}"


def _probability(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3f}"


def word_tables(scores: Scores) -> tuple[Table, ...]:
    """What the console shows: each word, folds where there are several, the scores last.

    Args:
        scores: ``WordScores.as_dict()``, with ``per_fold`` where there are folds.
    """
    folds = fold_table(scores)
    return (word_table(scores), *((folds,) if folds is not None else ()), overall_table(scores))


def word_sections(scores: Scores) -> tuple[Section, ...]:
    """The blocks of a report on overlapped words; folds have a block of their own.

    Args:
        scores: ``WordScores.as_dict()``; where ``uncalibrated`` holds the same of the probabilities
            before calibration, both are drawn.

    Returns:
        Results, words, calibration.
    """
    chance = scores["words"] / len(scores["per_class"])
    recalls = {word: cell["recall"] for word, cell in scores["per_class"].items()}
    curves = {"probabilities": scores["calibration"]}
    if "uncalibrated" in scores:
        curves = {"before": scores["uncalibrated"]["calibration"], "after": scores["calibration"]}
    return (
        Section("Results", tables=(overall_table(scores), word_table(scores))),
        Section("Words", figures=(word_bars(recalls, words=scores["words"], chance=chance),)),
        Section(
            "Calibration",
            "On the line, words get the share that they have. Each point stands for the pairs of "
            "clip and word of like probability.",
            figures=(reliability(curves),),
        ),
    )
