"""Tables of separation: what is left out is told, and durations are in a fitting unit."""

from dataclasses import replace

import pytest

from utils.evaluation.separation import SeparationScores
from utils.report.separation import overall_table, score_tables


@pytest.fixture
def scores():
    """Of eight songs, with BSS Eval."""
    cell = {"si_sdr_improvement": 4.5, "si_sdr": 5.5, "sdr_improvement": 4.0, "sdr": 5.0}
    return SeparationScores(
        files=8,
        seconds=1924.0,
        silent=0,
        silent_files=0,
        single_files=0,
        without_bss=0,
        overall={**cell, "bss_sdr": 5.25},
        intervals={"sdr": (4.0, 6.0)},
        per_class={"vocals": {**cell, "bss_sdr": 6.0}, "bass": {**cell, "bss_sdr": 4.5}},
        per_file={"song": cell},
    )


def note(scores, **changes):
    return overall_table(replace(scores, **changes).as_dict()).note


def test_nothing_is_told_of_silence_where_there_is_none(scores):
    assert "silent" not in note(scores).lower() and "no score" not in note(scores)
    assert "medians over files" in note(scores)


def test_silent_stems_and_what_they_mean_for_bss_eval_are_told(scores):
    told = note(scores, silent=3, silent_files=2)
    assert "Silent stems are left out (3, in 2 of the files). Of such files BSS Eval" in told
    plain = note(scores, silent=3, silent_files=2, overall={"sdr": 5.0})
    assert "Silent stems are left out (3, in 2 of the files)." in plain and "BSS" not in plain


def test_files_in_which_one_stem_sounds_alone_are_told(scores):
    told = note(scores, silent=3, silent_files=2, single_files=1)
    assert "No improvement is told of 1 of them, in which one stem sounds alone." in told


def test_files_without_bss_eval_are_told(scores):
    told = note(scores, without_bss=4)
    assert "BSS Eval has no score of 4 of the files: they have no frame in which all" in told
    assert "no score" not in note(scores, overall={"sdr": 5.0}, without_bss=4)


def test_files_that_all_lack_bss_eval_leave_dashes_and_a_sentence(scores):
    nothing = float("nan")
    changed = replace(
        scores, without_bss=8, overall={**scores.overall, "bss_sdr": nothing}
    ).as_dict()
    stems, overall = score_tables(changed)
    assert stems.rows[0].cells[-1] == "6.00"
    assert overall.rows[-1].cells == ("SDR (BSS Eval v4) dB", "–", "–")
    assert "BSS Eval has no score of 8 of the files" in overall.note


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.4, "8 files, 0.4 seconds."),
        (8.0, "8 files, 8.0 seconds."),
        (59.0, "8 files, 59.0 seconds."),
        (90.0, "8 files, 1.5 minutes."),
        (1924.0, "8 files, 32.1 minutes."),
        (3600.0, "8 files, 1.0 hours."),
        (12_456.0, "8 files, 3.5 hours."),
    ],
)
def test_seconds_are_told_in_a_unit_that_fits(scores, seconds, expected):
    assert note(scores, seconds=seconds).startswith(expected)
