"""Pictures of a study: lines, bands, axes."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.utils.report.studies import NAN, A, B, arm, logged, run, study
from utils.report import plots_study
from utils.report.plots_study import curves_picture, search_picture, steps_picture


def panel_of(draw, monkeypatch):
    """The panels of a picture, before they are made to SVG."""
    figures = []
    monkeypatch.setattr(plots_study, "as_svg", lambda figure: figures.append(figure) or "<svg/>")
    draw()
    return figures[0].axes


def test_curves_are_means_as_far_as_all_seeds_go(monkeypatch):
    one = arm("a", [(1.0, 2.0, 3.0), (3.0, 4.0), None])
    (panel,) = panel_of(lambda: curves_picture(study(one, B)), monkeypatch)
    first, second = panel.get_lines()
    np.testing.assert_allclose(first.get_ydata(), [2.0, 3.0])
    assert [first.get_label(), second.get_label()] == ["a", "b"]
    assert first.get_color() != second.get_color()


def band_of(collection):
    """Lower and upper edge of a band by place."""
    points = collection.get_paths()[0].vertices
    return [
        [edge(points[points[:, 0] == place, 1]) for edge in (np.min, np.max)]
        for place in np.unique(points[:, 0])
    ]


def test_the_band_is_that_of_the_mean_over_seeds_that_are_done(monkeypatch):
    """t of 0.975 is 4.302653 with two degrees of freedom; deviations are 1 and 2."""
    three = arm("a", [(1.0, 2.0), (2.0, 4.0), (3.0, 6.0), None, (NAN, NAN)])
    alone = arm("b", [(1.0, 2.0)])
    (panel,) = panel_of(lambda: curves_picture(study(three, alone)), monkeypatch)
    (band,) = panel.collections
    half = 4.302653 / math.sqrt(3)
    np.testing.assert_allclose(
        band_of(band), [[2 - half, 2 + half], [4 - 2 * half, 4 + 2 * half]], rtol=1e-6
    )
    caption = curves_picture(study(three, alone)).caption
    assert "95 % band of the mean (Student's t)" in caption
    assert "whose runs are done" in caption
    assert caption.endswith("not done, so not in it: a (2 of 5)")
    assert "not in it" not in curves_picture(study(B)).caption


def test_a_wide_band_leaves_the_axes_to_the_runs(monkeypatch):
    two = arm("a", [(1.0, 2.0), (2.0, 4.0)])  # the band goes from -5 to 8
    (panel,) = panel_of(lambda: curves_picture(study(two)), monkeypatch)
    low, high = panel.get_ylim()
    assert 0.5 < low < 1.0
    assert 4.0 < high < 4.5


def test_an_infinite_value_has_no_band(monkeypatch):
    two = arm("a", [(1.0, math.inf, 2.0), (2.0, 4.0, 3.0)])
    (panel,) = panel_of(lambda: curves_picture(study(two)), monkeypatch)
    assert np.isfinite(panel.get_ylim()).all()


def test_first_steps_have_a_band_where_there_are_several_seeds(monkeypatch):
    several = logged("a", [[1.0, 3.0], [2.0, 4.0], [3.0, 5.0, 9.0]], norms=(1.0, 1.0))
    alone = logged("b", [[1.0, 3.0]])
    panels = panel_of(lambda: steps_picture(study(several, alone)), monkeypatch)
    (band,) = panels[0].collections
    half = 4.302653 / math.sqrt(3)
    np.testing.assert_allclose(
        band_of(band), [[2 - half, 2 + half], [4 - half, 4 + half]], rtol=1e-6
    )
    np.testing.assert_allclose(band_of(panels[1].collections[0]), [[1.0, 1.0]] * 2)
    assert "95 % band" in steps_picture(study(several)).caption


def test_the_search_picture_shows_the_last_epoch(monkeypatch):
    searched = [run("a", 0, (0.2, 0.4)), run("a", 0, (NAN,), rate=1.0)]
    one = arm("a", [(1.0,)], searched=searched)
    (panel,) = panel_of(lambda: search_picture(study(one)), monkeypatch)
    line, _, cross = panel.get_lines()
    assert (list(line.get_ydata()), list(cross.get_xdata())) == ([0.4], [1.0])


def test_steps_show_losses_norms_and_where_they_are_clipped(monkeypatch):
    one = arm("a", [(1.0,), (2.0,)], steps=((4.0, 2.0), (1.0, 3.0)), clip=2.5)
    losses, norms = panel_of(lambda: steps_picture(study(one, B)), monkeypatch)
    np.testing.assert_allclose(losses.get_lines()[0].get_ydata(), [4.0, 2.0])
    assert [list(line.get_ydata()) for line in norms.get_lines()] == [[1.0, 3.0], [2.5, 2.5]]
    assert losses.get_xscale() == "log"


def test_the_search_shows_what_was_taken_and_what_diverged(monkeypatch):
    searched = [run("a", 0, (value,), rate=rate) for rate, value in ((1.0, 0.4), (0.1, 0.5))]
    searched.append(run("a", 0, (), rate=10.0, state="diverged"))
    one = arm("a", [(1.0,)], searched=searched, rate=1.0)
    (panel,) = panel_of(lambda: search_picture(study(one)), monkeypatch)
    line, ring, cross = panel.get_lines()
    assert [list(line.get_xdata()), list(line.get_ydata())] == [[0.1, 1.0], [0.5, 0.4]]
    assert [list(ring.get_xdata()), list(ring.get_ydata())] == [[1.0], [0.4]]
    assert (list(cross.get_xdata()), cross.get_marker()) == ([10.0], "x")


@pytest.mark.parametrize(
    ("values", "scale", "top"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], "linear", None),
        ([[1.0, 2.0], [3.0, 40.0]], "log", None),
        ([[-5.0, 2.0], [3.0, 40.0]], "linear", None),
        ([[1.0, 2.0], [3.0, 1e9]], "log", 1000.0),
        ([[math.nan], [math.inf]], "linear", None),
        ([], "linear", None),
    ],
)
def test_an_axis_is_logarithmic_where_values_need_it(values, scale, top):
    panel = Figure().subplots()
    for line in values:
        panel.plot(line)
    plots_study._stretch(panel, [np.array(line) for line in values])
    assert panel.get_yscale() == scale
    if top is not None:
        assert panel.get_ylim()[1] == top


def test_pictures_are_the_same_every_time():
    assert curves_picture(study(A, B)).svg == curves_picture(study(A, B)).svg
    assert curves_picture(study(A, B), png=True).png.startswith(b"\x89PNG")
