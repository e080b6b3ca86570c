"""Constants of layer lists: values, arithmetic, scopes, and refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.config.constants import Scope, placed
from utils.config.places import Place
from utils.errors import ConfigError

HERE = Place("x")


def scope(**constants):
    run = Scope.of_run({"FRAMES": 500, "CLASS_COUNT": 10})
    return run.inner(defaults=placed(constants, HERE), given={})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$FRAMES", 500),
        ("$FRAMES // 5", 100),
        ("$CLASS_COUNT * 2 + 1", 21),
        ("$CLASS_COUNT / 4", 2.5),
        ("$CLASS_COUNT / 5", 2),
        ("-$CLASS_COUNT % 3", 2),
        ("max(1, $CLASS_COUNT // 20)", 1),
        ("min($FRAMES, 3) * (2 + 1)", 9),
        ("$KIND", "relu"),
        ("$DOUBLE", 14),
        ("relu", "relu"),
        ("FRAMES", "FRAMES"),
    ],
)
def test_values(text, value):
    result = scope(KIND="relu", A=7, DOUBLE="A * 2").fill(text, HERE)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("CLASS_COUNT", 10), ("FRAMES * 2", 1000), ("relu", "relu"), ("L2", "L2"), ("same", "same")],
)
def test_bare_constants_of_dcase_files(text, value):
    assert scope().fill(text, HERE, bare=True) == value


def test_fill_goes_into_lists_and_mappings():
    filled = scope().fill({"pool": [4, "$FRAMES // 5"], "layer": {"units": "$CLASS_COUNT"}}, HERE)
    assert filled == {"pool": [4, 100], "layer": {"units": 10}}


REFUSED = {
    "$FRAME": "unknown constant '$FRAME' (known: $CLASS_COUNT, $FRAMES). Did you mean '$FRAMES'?",
    "$FRAMES ** 2": "cannot be computed; write $NAME",
    "__import__('os').system('ls') + $FRAMES": "cannot be computed",
    "$FRAMES.__class__": "cannot be computed",
    "[$FRAMES for x in y]": "cannot be computed",
    "$FRAMES / 0": "cannot be computed (division by zero)",
    "$FRAMES * B": "'B' in '$FRAMES * B': a constant is written $B",
    "conv_$FRAMES": "cannot be computed",
    "$": "cannot be computed",
    "max($FRAMES": "a comma inside {} or [] ends a value",
    "max($FRAMES)": "cannot be computed",
}


@pytest.mark.parametrize(("text", "sentence"), REFUSED.items())
def test_refusals(text, sentence):
    with pytest.raises(ConfigError) as error:
        scope().fill(text, HERE)
    assert str(error.value).startswith("x: ")
    assert sentence in str(error.value)


def test_text_is_no_number():
    with pytest.raises(ConfigError, match="text is no number"):
        scope(KIND="relu").fill("$KIND * 2", HERE)


def test_a_misspelt_bare_constant_is_refused():
    with pytest.raises(ConfigError, match="Did you mean 'CLASS_COUNT'"):
        scope().fill("CLASS_COUNTS", HERE, bare=True)


def test_a_circle_is_refused():
    with pytest.raises(ConfigError, match="is computed from itself"):
        scope(A="$B", B="$A + 1").fill("$A", HERE)


def test_given_beats_outer_beats_default():
    outer = scope(A=1, B=1)
    inner = outer.inner(
        defaults=placed({"B": 2, "C": 2, "D": 2}, HERE), given=placed({"C": "$A * 3"}, HERE)
    )
    assert [inner.fill(f"${name}", HERE) for name in "ABCD"] == [1, 1, 3, 2]


def test_unused_constants_are_refused_with_the_nearest_used_name():
    written = scope(TIME_POLL=3, TIME_POOL=4)
    written.fill("$TIME_POOL", HERE)
    with pytest.raises(ConfigError, match=r"'TIME_POLL'\. Did you mean 'TIME_POOL'"):
        written.check_all_used()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("FRAMES", 3, "is set by the run"),
        ("max", 3, "cannot be a constant"),
        ("a-b", 3, "cannot be a constant"),
        ("A", [1], "expected a number or text, received a list of 1"),
        ("A", True, "expected a number or text, received true"),
    ],
)
def test_bad_constants_are_refused(name, value, sentence):
    with pytest.raises(ConfigError, match=sentence):
        scope(**{name: value})


@given(st.text(alphabet="$ABC 123+-*/%().,max'\"[]_", max_size=30))
def test_any_text_is_filled_or_refused(text):
    for bare in (False, True):
        try:
            scope(A=1, B=2.5, C="x").fill(text, HERE, bare=bare)
        except ConfigError as error:
            assert str(error).startswith("x: ")
