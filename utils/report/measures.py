"""Names, units and direction of the scores, so that tables and plots of all tasks agree."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

MISSING = "–"
_TOP_K = re.compile("top([1-9][0-9]{0,2})_recall")


@dataclass(frozen=True)
class Measure:
    """How a score is shown.

    Attributes:
        key: its name in results.json.
        name: its name for people.
        short: a shorter one for narrow columns.
        unit: "%" or "dB"; "" without unit.
        factor: what the stored value is multiplied by.
        decimals: digits after the point.
        higher_is_better: direction.
        headline: whether it stands in summaries and comparisons.
    """

    key: str
    name: str
    short: str
    unit: str = ""
    factor: float = 1.0
    decimals: int = 3
    higher_is_better: bool = True
    headline: bool = True

    def number(self, value: float | None) -> str:
        """The value without its unit, a dash where it is undefined."""
        return MISSING if value is None else f"{value * self.factor:z.{self.decimals}f}"

    def spread(self, bounds: tuple[float, float] | None) -> str:
        """An interval as ``low to high`` without its unit."""
        if bounds is None:
            return MISSING
        return f"{self.number(bounds[0])} to {self.number(bounds[1])}"

    def plus_minus(self, value: float | None, bounds: tuple[float, float] | None) -> str:
        """The value and half the width of its interval, ``47.7 ± 1.0``."""
        if value is None or bounds is None:
            return self.number(value)
        return f"{self.number(value)} ± {self.number((bounds[1] - bounds[0]) / 2)}"

    @property
    def in_text(self) -> str:
        """Its name within a sentence: without a capital, unless it opens with an abbreviation."""
        return self.name if self.name[:2].isupper() else f"{self.name[0].lower()}{self.name[1:]}"

    @property
    def heading(self) -> str:
        """Name and unit for a column."""
        return f"{self.name} {self.unit}".rstrip()

    @property
    def short_heading(self) -> str:
        """Short name and unit for a narrow column."""
        return f"{self.short} {self.unit}".rstrip()


class Use(NamedTuple):
    """What a network takes and gives at a time, in words.

    Attributes:
        takes: one of its inputs.
        gives: one number of its output.
        note: a sentence on what it takes, where the word alone does not tell; else "".
    """

    takes: str = "clip"
    gives: str = "a probability"
    note: str = ""


_SEPARATES = Use("window", "a value of a stem", "A window is what the network separates at a time.")

MEASURES: dict[str, Measure] = {
    measure.key: measure
    for measure in (
        Measure("accuracy", "Accuracy", "Acc.", "%", 100.0, 1),
        Measure("log_loss", "Log loss", "Loss", higher_is_better=False),
        Measure("accuracy_micro", "Accuracy (micro)", "Micro", "%", 100.0, 1, headline=False),
        Measure(
            "log_loss_micro", "Log loss (micro)", "Loss", higher_is_better=False, headline=False
        ),
        Measure("psds_scenario1", "PSDS 1", "PSDS 1"),
        Measure("psds_scenario2", "PSDS 2", "PSDS 2"),
        Measure("event_f1_macro", "Event F1", "Event", "%", 100.0, 1),
        Measure("intersection_f1_macro", "Intersection F1", "Inters.", "%", 100.0, 1),
        Measure("segment_f1_macro", "Segment F1", "Segm.", "%", 100.0, 1, headline=False),
        Measure("psds_scenario1_50", "PSDS 1, 50 thresholds", "PSDS 1 (50)", headline=False),
        Measure("psds_scenario2_50", "PSDS 2, 50 thresholds", "PSDS 2 (50)", headline=False),
        Measure("psds_scenario2_2021", "PSDS 2 as of 2021", "PSDS 2 (2021)", headline=False),
        Measure("si_sdr_improvement", "SI-SDR improvement", "SI-SDRi", "dB", decimals=2),
        Measure("sdr_improvement", "SDR improvement", "SDRi", "dB", decimals=2),
        Measure("si_sdr", "SI-SDR", "SI-SDR", "dB", decimals=2, headline=False),
        Measure("sdr", "SDR (whole files)", "uSDR", "dB", decimals=2, headline=False),
        Measure("bss_sdr", "SDR (BSS Eval v4)", "SDR v4", "dB", decimals=2, headline=False),
        Measure("bss_isr", "ISR (BSS Eval v4)", "ISR v4", "dB", decimals=2, headline=False),
        Measure("bss_sir", "SIR (BSS Eval v4)", "SIR v4", "dB", decimals=2, headline=False),
        Measure("bss_sar", "SAR (BSS Eval v4)", "SAR v4", "dB", decimals=2, headline=False),
        Measure("kl", "KL divergence", "KL", higher_is_better=False),
        Measure(
            "kl_uniform", "KL of the uniform", "Uniform", higher_is_better=False, headline=False
        ),
        Measure(
            "ece", "Calibration error", "ECE", decimals=4, higher_is_better=False, headline=False
        ),
    )
}


def top_k_recall(words: int) -> Measure:
    """How the recall among the ``words`` most likely classes is shown (``top4_recall``)."""
    return Measure(f"top{words}_recall", f"Top-{words} recall", f"Top {words}", "%", 100.0, 1)


def use_of(keys: Iterable[str]) -> Use:
    """What the network behind the given scores takes and gives: decibels are of separated sound."""
    units = {MEASURES[key].unit for key in keys if key in MEASURES}
    return _SEPARATES if "dB" in units else Use()


def headline_measures(keys: Iterable[str]) -> tuple[Measure, ...]:
    """Of the given score names those that stand in summaries.

    Returns:
        Those of ``MEASURES`` in its order, then recalls by their number of classes.
    """
    given = set(keys)
    counts = sorted(int(found[1]) for key in given if (found := _TOP_K.fullmatch(key)))
    known = (m for m in MEASURES.values() if m.headline and m.key in given)
    return (*known, *(top_k_recall(count) for count in counts))
