"""YAML reading: plain data as PyYAML gives it, lines kept, silent traps refused."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from utils.config import nodes
from utils.config.nodes import parse_yaml, read_yaml
from utils.config.places import MarkedDict
from utils.errors import ConfigError

PROJECT = Path(__file__).resolve().parents[3]
ODD = " abe1-:.,[]{}#&*!|>'\"\n\t\\%@<?~é\x00\ud7ff\ufeff"  # characters that YAML minds
NUMBER = re.compile(r"[-+]?[\d._]+[eE][-+]?\d+")  # text that is refused where it stands unquoted


def words(size):
    """Text that no one takes for a number."""
    return st.text(max_size=size).filter(lambda text: not NUMBER.fullmatch(text))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words(12)
)
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words(6), inner, max_size=4),
    max_leaves=20,
)


@given(DATA, st.booleans())
def test_plain_data_reads_as_pyyaml_reads_it(data, flow):
    text = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True)
    assert parse_yaml(text, "x.yaml") == yaml.safe_load(text)


@given(st.text(alphabet=ODD, max_size=40))
def test_any_text_is_read_or_refused_with_a_sentence(text):
    try:
        parse_yaml(text, "x.yaml")
    except ConfigError as error:
        assert str(error).startswith("x.yaml")
        assert str(error).endswith(".")


def by_pyyaml(text):
    """What is read where libyaml must not be used; None where it is refused."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nodes, "_MOST_LEVELS", -1)
        try:
            return parse_yaml(text, "x.yaml")
        except ConfigError:
            return None


@given(st.text(alphabet=ODD, max_size=40))
def test_libyaml_reads_alike_what_pyyaml_reads(text):
    try:
        found = parse_yaml(text, "x.yaml")
    except ConfigError:
        found = None
    assert repr(found) == repr(by_pyyaml(text))


@pytest.mark.parametrize("text", ["a: |#", "a: >-#\n  b", "\n\ufeffa: 1"])
def test_what_the_two_readers_take_otherwise_is_left_to_pyyaml(text):
    expected = by_pyyaml(text)
    if expected is None:
        with pytest.raises(ConfigError):
            parse_yaml(text, "x.yaml")
    else:
        assert repr(parse_yaml(text, "x.yaml")) == repr(expected)


def lines(data):
    """Lines of all keys and items of nested data."""
    if isinstance(data, MarkedDict):
        return {key: (data.marks[key].line, lines(data[key])) for key in data}
    if isinstance(data, list):
        return [(mark.line, lines(item)) for mark, item in zip(data.marks, data, strict=True)]
    return None


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without libyaml")
def test_task_yaml_is_read_by_libyaml_with_the_same_lines(monkeypatch):
    text = (PROJECT / "task.yaml").read_text(encoding="utf-8")
    expected = by_pyyaml(text)
    monkeypatch.setattr(yaml, "SafeLoader", lambda text: yaml.CSafeLoader(text[:0]))
    data = parse_yaml(text, "x.yaml")
    assert data == expected
    assert lines(data) == lines(expected)


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=6))
def test_duplicate_keys_are_refused_and_only_they(keys):
    text = "".join(f"{key}: 1\n" for key in keys)
    if len(set(keys)) == len(keys):
        assert parse_yaml(text, "x.yaml") == dict.fromkeys(keys, 1)
    else:
        with pytest.raises(ConfigError, match="is given twice"):
            parse_yaml(text, "x.yaml")


def test_keys_and_items_remember_their_lines():
    data = parse_yaml("a: 1\nb:\n  - x\n  - c: 2\n", "x.yaml")
    assert {key: mark.line for key, mark in data.marks.items()} == {"a": 1, "b": 2}
    assert [mark.line for mark in data["b"].marks] == [3, 4]
    assert str(data["b"][1].marks["c"]) == "x.yaml:4"


def test_an_alias_keeps_the_line_of_its_anchor():
    data = parse_yaml("a: &x\n  p: 1\nb: *x\n", "x.yaml")
    assert data["b"] is data["a"]
    assert data["b"].marks["p"].line == 2
    assert data.marks["b"].line == 3


def test_merge_keys_lie_under_the_keys_of_the_mapping():
    text = "a: &x {p: 1, q: 2}\nb: &y {p: 5, r: 3}\nc: {<<: [*x, *y], q: 9}\n"
    data = parse_yaml(text, "x.yaml")
    assert data["c"] == yaml.safe_load(text)["c"] == {"p": 1, "q": 9, "r": 3}
    assert data["c"].marks["r"].line == 2


REFUSED = {
    "a: 1\nb: {x: 1, x: 2}": "x.yaml:2: b: the key 'x' is given twice (first on line 2)",
    "a:\n\tb: 1": "x.yaml:2: a tab cannot be used here; indent with spaces.",
    "t:\n  lr: 1e-3": "x.yaml:2: t.lr: YAML reads 1e-3 as text; write 1.0e-3.",
    "t: -.5E4": "x.yaml:1: t: YAML reads -.5E4 as text; write -0.5e+4.",
    "on: 1": "x.yaml:1: YAML reads the key 'on' as bool; write it in quotes.",
    "a: {1: 2}": "x.yaml:1: a: YAML reads the key '1' as int; write it in quotes.",
    "? [1]\n: 2": "x.yaml:1: a key must be text",
    "a: 2020-01-01": "x.yaml:1: a: YAML reads 2020-01-01 as a date; put it in quotes.",
    "a: !!python/object/apply:os.system [ls]": "the tag !!python/object/apply:os.system is not",
    "a:\n  - !mine {x: 1}": "x.yaml:2: a[0]: the tag !mine is not allowed",
    "a: [1, 2\nb: 3": "x.yaml:2: is not valid YAML: while parsing a flow sequence that began on",
    "a: b: c": "x.yaml:1: is not valid YAML: mapping values are not allowed here.",
    "a: 1\n---\nb: 2": "x.yaml:2: a second document begins here",
    "a: *x": "x.yaml:1: is not valid YAML: found undefined alias 'x'.",
    "a: &x\n  - *x": "x.yaml:1: a[0]: an anchor holds itself",
    "b: {<<: 3}": "x.yaml:1: b: '<<' takes a mapping",
    "a: 1\nb: \x01": "x.yaml:2: the character U+0001 is not allowed in YAML; remove it.",
    "a: " + "[" * 2000: "is nested too deeply.",
    "a: " + "[" * 200_000: "is nested too deeply.",
    "- " * 200_000: "is nested too deeply.",
    "a: " + "9" * 5000: "cannot be read as a value.",
}


@pytest.mark.parametrize(("text", "sentence"), REFUSED.items(), ids=range(len(REFUSED)))
def test_refusals_name_line_and_path(text, sentence):
    with pytest.raises(ConfigError) as error:
        parse_yaml(text, "x.yaml")
    assert sentence in str(error.value)
    assert len(str(error.value)) < 250


def test_a_quoted_exponent_is_text():
    assert parse_yaml("a: '1e-3'", "x.yaml") == {"a": "1e-3"}


def test_files_with_bom_and_crlf_are_read(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: \xc3\xa9\r\n")
    data = read_yaml(path)
    assert data == {"a": 1, "b": "é"}
    assert isinstance(data, MarkedDict)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a: 1\nb: \xe9\n", "a.yaml:2: the byte 0xe9 is not UTF-8"),
        (b"", "a.yaml: holds nothing; expected a mapping"),
        (b"# only a comment\n", "a.yaml: holds nothing"),
        (b"- 1\n", "a.yaml: holds a list"),
    ],
)
def test_files_that_hold_no_mapping_are_refused(tmp_path: Path, content, sentence, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as error:
        read_yaml(tmp_path / "a.yaml")
    assert str(error.value).startswith(sentence)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"nope.yaml: cannot be read \(No such file"):
        read_yaml(tmp_path / "nope.yaml")
