"""What does museval make of the signals that tests/utils/metrics/test_bss_eval.py draws?

    PYTHONPATH=. OTHER/bin/python -m benchmarks.golden_bss_eval

writes tests/utils/metrics/golden_bss_eval.json. OTHER is an environment of its own with
``pip install museval==0.4.1``; the project does without. The signals are made of a bit stream that
NumPy keeps the same for good (PCG64), so only the scores are stored.
"""

import json
import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

GOLDEN = Path("tests/utils/metrics/golden_bss_eval.json")


@dataclass(frozen=True)
class Case:
    """Signals and how they are judged; levels are amplitudes, the sources have about 0.6."""

    seed: int
    sources: int = 2
    channels: int = 1
    samples: int = 10_000
    window: int = 4000
    hop: int = 4000
    taps: int = 512
    leak: float = 0.2  # of the other sources in an estimate
    noise: float = 0.1
    echo: float = 0.3  # of the source itself, 7 samples late
    scale: float = 1.0
    edit: str = ""  # one of EDITS


CASES = {
    "mono": Case(1),
    "stereo": Case(2, channels=2),
    "four mono": Case(3, sources=4, taps=128),
    "four stereo": Case(4, sources=4, channels=2, taps=64, samples=9000),
    "one source": Case(5, sources=1, channels=2, taps=64),
    "overlapping frames": Case(6, channels=2, taps=100, hop=1500),
    "shorter than a frame": Case(7, samples=1500),
    "as long as a frame": Case(8, samples=4000, taps=100),
    "near perfect": Case(9, channels=2, leak=1e-5, noise=3e-6, echo=0.0, taps=256),
    "hardly there": Case(10, leak=3.0, noise=30.0, taps=256),
    "quiet": Case(11, scale=1e-7, taps=256),
    "as integers": Case(12, scale=2e4, edit="integers", taps=256),
    "silent stretches": Case(13, channels=2, samples=21_000, taps=64, edit="silences"),
    "one channel is silent": Case(14, channels=2, taps=64, edit="right silent"),
    "both channels are equal": Case(15, channels=2, taps=64, edit="equal channels"),
    "coloured": Case(16, channels=2, taps=128, edit="coloured"),
}


def draw(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """References and estimates (sources, samples, channels) of a case."""
    shape = (2, case.sources, case.samples, case.channels)
    bits = np.random.PCG64(case.seed).random_raw(int(np.prod(shape)))
    uniform = (bits >> np.uint64(11)).astype(np.float64) / 2**52 - 1.0
    references, noise = uniform.reshape(shape)
    if case.edit == "coloured":
        for _ in range(4):  # falls to nothing at half the sample rate
            references[:, 1:] = references[:, 1:] + references[:, :-1]
        references = np.round(references * 2**11) / 2**15  # as a file of 16 bits
    elif case.edit == "right silent":
        references[0, :, 1] = 0.0
    elif case.edit == "equal channels":
        references[:, :, 1] = references[:, :, 0]
    late = np.zeros_like(references)
    late[:, 7:] = references[:, :-7]
    others = references.sum(axis=0) - references
    estimates = references + case.echo * late + case.leak * others + case.noise * noise
    references, estimates = case.scale * references, case.scale * estimates
    if case.edit == "integers":
        references, estimates = np.round(references), np.round(estimates)
    elif case.edit == "silences":  # of five frames the first and the last stay
        references[1, 4000:8000] = 0.0
        estimates[0, 8000:12_100] = 0.0
        references[0, 12_000:16_000, 1] = -references[0, 12_000:16_000, 0]  # antiphase
    return references, estimates


def official() -> Any:
    """The metrics of museval, without the data set packages that it wants."""
    sys.modules.setdefault("musdb", ModuleType("musdb"))  # needs ffmpeg to be imported
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from museval import metrics
    return metrics


def main() -> None:
    """Score and write."""
    metrics, cases = official(), {}
    for name, case in CASES.items():
        references, estimates = draw(case)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of frames without a score
            sdr, isr, sir, sar, _ = metrics.bss_eval(
                references, estimates, window=case.window, hop=case.hop, filters_len=case.taps
            )
        ratios = {"sdr": sdr, "isr": isr, "sir": sir, "sar": sar}
        scores = {key: np.round(rows, 9).tolist() for key, rows in ratios.items()}
        cases[name] = {"case": asdict(case), "scores": scores}
    about = "Scores by museval 0.4.1 of the cases in benchmarks/golden_bss_eval.py."
    with GOLDEN.open("w", encoding="utf-8") as file:
        json.dump({"about": about, "cases": cases}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
