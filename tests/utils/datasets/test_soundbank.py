"""Which sounds each part may use: divided by source recordings, every class in every part."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.datasets.soundbank import UNDIVIDED, Pool, Sound, divide
from utils.errors import DataError

HALF = {"held_out": 0.5, "strong": 1.0, "seed": 0}


def sounds(**groups):
    """A sound of each of these recordings, by class."""
    return tuple(
        Sound(f"{label}/{group}-{number}", Path(f"{label}/{group}-{number}"), label, group)
        for label, recordings in groups.items()
        for number, group in enumerate(recordings)
    )


def groups(pool, label=None):
    return {sound.group for sound in pool.sounds if label in (None, sound.label)}


def test_recordings_of_a_bank_without_parts_are_divided():
    whole = Pool(sounds(cat=["a", "a", "b", "c", "d"], dog=["e", "f", "f", "a"]))
    bank = divide({UNDIVIDED: whole}, **HALF)
    assert bank.classes == ("cat", "dog")
    train, held = (bank.pools[name] for name in ("train", "validation"))
    assert bank.pools["test"] == held
    assert not groups(train) & groups(held)
    assert sorted(train.sounds + held.sounds, key=str) == sorted(whole.sounds, key=str)
    assert bank.sounds == tuple(sorted(whole.sounds, key=lambda sound: sound.name))
    for pool in (train, held):
        assert {sound.label for sound in pool.sounds} == {"cat", "dog"}
    assert bank.notes == ("Validation and test clips are mixed of the same sounds, drawn apart.",)


@given(
    labels=st.lists(st.lists(st.integers(0, 30), min_size=5, max_size=12), min_size=1, max_size=4),
    held_out=st.floats(0.01, 0.99),
    seed=st.integers(-5, 5),
)
def test_a_share_of_the_recordings_of_each_class_is_held_out(labels, held_out, seed):
    own = {
        f"class{number}": [f"{number}-{group}" for group in recordings]
        for number, recordings in enumerate(labels)
        if len(set(recordings)) > 1
    }
    whole = {UNDIVIDED: Pool(sounds(**own))}
    options = {"held_out": held_out, "strong": 0.5, "seed": seed}
    bank = divide(whole, **options)
    assert bank == divide(whole, **options)
    for label, recordings in own.items():
        train, held, strong = (
            groups(bank.pools[name], label) for name in ("train", "validation", "strong")
        )
        count = len(set(recordings))
        assert train | held == set(recordings)
        assert not train & held
        assert len(held) == min(count - 1, max(1, round(held_out * count)))
        assert strong <= train
        assert len(strong) == min(len(train), max(1, round(0.5 * len(train))))


def test_another_seed_holds_out_others():
    whole = {UNDIVIDED: Pool(sounds(cat=[f"c{number}" for number in range(20)]))}
    first, second = (
        groups(divide(whole, held_out=0.5, strong=1.0, seed=seed).pools["validation"])
        for seed in (0, 1)
    )
    assert first != second


def test_parts_that_are_given_are_kept_and_shared_recordings_are_told():
    found = {
        "train": Pool(sounds(cat=["a", "b"])),
        "validation": Pool(sounds(cat=["b"])),
        "test": Pool(sounds(cat=["c", "d"])),
    }
    bank = divide(found, **HALF)
    assert {name: groups(pool) for name, pool in bank.pools.items()} == {
        "train": {"a", "b"},
        "strong": {"a", "b"},
        "validation": {"b"},
        "test": {"c", "d"},
    }
    assert bank.notes == (
        "1 source recordings are in the train and the validation part (b): scores will be too"
        " good.",
    )


def test_classes_may_be_chosen_and_ordered():
    whole = {UNDIVIDED: Pool(sounds(cat=["a", "b"], dog=["c", "d"], fan=["e"]))}
    bank = divide(whole, **HALF, classes=("dog", "cat", "dog"))
    assert bank.classes == ("dog", "cat")
    assert Counter(sound.label for sound in bank.sounds) == {"cat": 2, "dog": 2}
    with pytest.raises(DataError, match=r"--classes: unknown class 'catt'. Did you mean 'cat'"):
        divide(whole, **HALF, classes=("catt",))


def test_backgrounds_are_divided_like_sounds():
    behind = tuple(Sound(f"{n}.wav", Path(f"{n}.wav"), f"kind{n % 2}", str(n)) for n in range(6))
    whole = Pool(sounds(cat=["a", "b"]), behind)
    bank = divide({UNDIVIDED: whole}, **HALF)
    train, held = (set(bank.pools[name].backgrounds) for name in ("train", "validation"))
    assert (len(train), len(held), len(train | held)) == (3, 3, 6)
    assert bank.backgrounds == behind
    assert divide({UNDIVIDED: whole}, **HALF, backgrounds=()).backgrounds == ()
    given = {"train": Pool(sounds(cat=["a"]), behind[:1]), "validation": Pool(sounds(cat=["b"]))}
    assert divide(given, **HALF).pools["train"].backgrounds == behind[:1]
    others = divide(given, **HALF, backgrounds=behind).pools
    assert len(others["train"].backgrounds) == len(others["test"].backgrounds) == 3
    assert others["validation"].backgrounds == others["test"].backgrounds
    with pytest.raises(DataError, match=r"0\.wav: is the only background"):
        divide({UNDIVIDED: whole}, **HALF, backgrounds=behind[:1])


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({UNDIVIDED: Pool(sounds(cat=["a", "b"], dog=["c"]))}, "class 'dog' has no sound in the t"),
        (
            {"train": Pool(sounds(cat=["a"], dog=["b"])), "validation": Pool(sounds(cat=["c"]))},
            "class 'dog' has no sound in the validation part",
        ),
        (
            {"train": Pool(sounds(cat=["a"])), "validation": Pool(sounds(cat=["b"], dog=["c"]))},
            "class 'dog' has no sound in the train part",
        ),
        ({UNDIVIDED: Pool(sounds(**{"a,b": ["a", "b"]}))}, "class 'a,b' has a comma"),
    ],
)
def test_a_class_without_sounds_in_a_part_is_told(found, problem):
    with pytest.raises(DataError, match=problem):
        divide(found, **HALF)
