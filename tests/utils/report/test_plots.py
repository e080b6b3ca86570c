import html
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from utils.report.plots import (
    Picture,
    WrongClip,
    confusion_matrix,
    device_bars,
    learning_curves,
    wrong_clips,
)


def _texts(picture: Picture) -> list[str]:
    return [html.unescape(text) for text in re.findall(r">([^<>]+)</text>", picture.svg)]


def _history(epochs: int) -> list[dict[str, float]]:
    return [
        {
            "epoch": epoch, "loss": 2.0 / epoch, "categorical_accuracy": 0.1 * epoch,
            "val_loss": 2.5 / epoch, "val_categorical_accuracy": 0.08 * epoch, "seconds": 3.0,
        }
        for epoch in range(1, epochs + 1)
    ]  # fmt: skip


def test_learning_curves_name_axes_units_and_the_kept_epoch() -> None:
    texts = _texts(learning_curves(_history(5), best_epoch=3))
    assert {"Loss", "Accuracy", "epoch", "loss", "accuracy (%)", "kept: 3"} <= set(texts)
    assert "training" in texts and "validation" in texts
    assert "Seconds" not in texts


def test_learning_curves_without_validation_or_with_gaps() -> None:
    history: list[dict[str, Any]] = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": None}]
    texts = _texts(learning_curves(history, best_epoch=None))
    assert "training" in texts and "validation" not in texts


def test_scores_of_validation_clips_alone_have_curves_and_a_teacher_has_its_own() -> None:
    row = {"epoch": 1, "loss": 2.0, "val_objective": 0.5, "val_psds": 0.1}
    alone = _texts(learning_curves([row], best_epoch=None))
    assert {"Loss", "Objective", "Psds", "validation"} <= set(alone)
    assert "teacher, validation" not in alone
    taught = _texts(learning_curves([{**row, "val_teacher_psds": 0.2}], best_epoch=None))
    assert taught.count("Psds") == 1
    assert "teacher, validation" in taught


def test_learning_curves_need_an_epoch() -> None:
    with pytest.raises(ValueError, match="at least one epoch"):
        learning_curves([], best_epoch=None)


def test_the_confusion_matrix_shows_counts_and_names() -> None:
    counts = np.array([[11, 2, 0], [0, 0, 0], [3, 4, 13]])
    texts = _texts(confusion_matrix(counts, classes=("bus", "metro", "tram")))
    assert texts.count("bus") == 2
    assert {"11", "13", "true", "predicted"} <= set(texts)


def test_many_classes_are_drawn_without_numbers() -> None:
    counts = np.eye(40, dtype=int) * 777
    assert "777" not in _texts(confusion_matrix(counts, classes=[f"c{i}" for i in range(40)]))


def test_device_bars_tell_unseen_devices_and_chance(
    make_scores: Callable[..., dict[str, Any]],
) -> None:
    per_device = make_scores()["per_device"]
    texts = _texts(device_bars(per_device, classes=10, unseen=("s4", "s5", "s6")))
    assert texts.count("chance") == 2
    assert {"A", "S6", "unseen", "63", "1.08", "accuracy (%)"} <= set(texts)
    texts = _texts(device_bars({"a": {"accuracy": None, "log_loss": None}}, classes=10))
    assert "unseen" not in texts


@pytest.mark.parametrize(("number", "channels"), [(1, ()), (2, ()), (5, ()), (2, (3,))])
def test_wrong_clips_are_a_png(rng: np.random.Generator, number: int, channels: tuple) -> None:
    features = rng.normal(size=(40, 20, *channels)).astype(np.float32)
    features[0, 0] = -np.inf
    clips = [WrongClip(f"audio/{i}.wav", features, "bus", "tram", 0.8) for i in range(number)]
    picture = wrong_clips(clips, hop_seconds=0.02 if number > 1 else None)
    assert picture.png.startswith(b"\x89PNG")


@pytest.mark.parametrize("samples", [1, 700, 20_000])
@pytest.mark.parametrize("hop_seconds", [None, 1 / 16_000])
def test_wrong_clips_without_mel_bands_are_drawn_as_waveforms(
    rng: np.random.Generator, samples: int, hop_seconds: float | None
) -> None:
    loud, quiet = rng.normal(size=samples), np.zeros(samples)
    clips = [WrongClip(f"{i}.wav", x, "bus", "tram", 0.8) for i, x in enumerate((loud, quiet))]
    picture = wrong_clips(clips, hop_seconds=hop_seconds)
    assert picture.png.startswith(b"\x89PNG")
    assert picture.caption == "Waveforms of wrongly classified clips"
    assert wrong_clips(clips[1:], hop_seconds=hop_seconds).png


def test_the_waveform_shows_every_peak_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.axes import Axes

    drawn = []
    monkeypatch.setattr(Axes, "fill_between", lambda _, *values, **__: drawn.append(values))
    samples = np.zeros(16_000, np.float32)
    samples[[5_000, 12_000]] = 0.9, -0.7
    wrong_clips([WrongClip("a.wav", samples, "bus", "tram", 0.8)], hop_seconds=1 / 16_000)
    [(seconds, low, high)] = drawn
    assert (high.max(), low.min()) == (np.float32(0.9), np.float32(-0.7))
    assert seconds[high.argmax()] == pytest.approx(5_000 / 16_000, abs=1 / 500)
    assert seconds[low.argmin()] == pytest.approx(12_000 / 16_000, abs=1 / 500)


def test_drawing_twice_gives_the_same_bytes(rng: np.random.Generator) -> None:
    counts = rng.integers(0, 30, (4, 4))
    clips = [WrongClip("a.wav", rng.normal(size=(40, 20)), "bus", "tram", 0.8)]
    for draw in (
        lambda: learning_curves(_history(4), best_epoch=2),
        lambda: confusion_matrix(counts, classes="abcd"),
        lambda: wrong_clips(clips, hop_seconds=0.02),
    ):
        assert draw() == draw()


def test_svg_stands_inside_html() -> None:
    counts = np.array([[1, 0], [0, 1]])
    svg = confusion_matrix(counts, classes=("<script>alert(1)</script>", "a&b")).svg
    assert svg.startswith("<svg") and svg.endswith("</svg>")
    assert "<script>" not in svg and "<!DOCTYPE" not in svg and "<dc:date>" not in svg
    for name in re.findall(r' id="([^"]+)"', svg):
        assert f"#{name}" in svg


def test_no_global_state_of_pyplot_is_touched() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    learning_curves(_history(3), best_epoch=1)
    assert dict(matplotlib.rcParams) == before


def test_a_picture_is_svg_or_png() -> None:
    with pytest.raises(ValueError, match="either SVG or PNG"):
        Picture("nothing")
