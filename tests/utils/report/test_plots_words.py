import html
import re
from collections.abc import Callable
from typing import Any

from utils.report.plots import Picture
from utils.report.plots_words import reliability, word_bars

MakeScores = Callable[..., dict[str, Any]]


def _texts(picture: Picture) -> list[str]:
    return [html.unescape(text) for text in re.findall(r">([^<>]+)</text>", picture.svg)]


def test_words_stand_by_their_recall_with_chance() -> None:
    recalls = {"bed": 0.25, "bird": 0.75, "cat": None, "dog": 0.5}
    texts = _texts(word_bars(recalls, words=2, chance=0.5))
    assert [text for text in texts if text in recalls] == ["bird", "dog", "bed"]
    assert {"75", "50", "25", "chance", "Top-2 recall", "recall (%)"} <= set(texts)


def test_words_that_are_nowhere_still_give_a_plot() -> None:
    assert "chance" in _texts(word_bars({"bed": None}, words=1, chance=0.5))


def test_one_curve_or_two(make_word_scores: MakeScores) -> None:
    curve = make_word_scores()["calibration"]
    texts = _texts(reliability({"probabilities": curve}))
    assert {"Reliability", "How often", "probabilities (error 0.0012)"} <= set(texts)
    texts = _texts(reliability({"before": {**curve, "ece": 0.01}, "after": curve}))
    assert {"before (error 0.0100)", "after (error 0.0012)", "before", "after"} <= set(texts)


def test_a_single_bin_is_drawn(make_word_scores: MakeScores) -> None:
    curve = make_word_scores()["calibration"]
    assert reliability({"probabilities": {**curve, "bins": curve["bins"][:1]}}).svg


def test_drawing_twice_gives_the_same_bytes(make_word_scores: MakeScores) -> None:
    scores = make_word_scores()
    recalls = {word: cell["recall"] for word, cell in scores["per_class"].items()}
    for draw in (
        lambda: reliability({"probabilities": scores["calibration"]}),
        lambda: word_bars(recalls, words=4, chance=4 / 30),
    ):
        assert draw() == draw()
