"""Validation splits: the DCASE split's properties and its agreement with dcase_util."""

import math
import random
from collections import defaultdict
from pathlib import Path

import pytest

from utils.config.schema import ValidationSettings
from utils.datasets.base import Clip
from utils.datasets.split import legacy_shuffle, split_validation
from utils.errors import DataError


def recordings(scenes=4, cities=5, seed=1):
    """Clips with the statistics of a TAU set: 1 to 9 places a city, 1 to 30 clips a place."""
    draws = random.Random(seed)
    clips = []
    for scene in range(scenes):
        for city in range(cities):
            for place in range(draws.randint(1, 9)):
                group = f"scene{scene}-city{city}-{place * 100 + scene}"
                for segment in range(draws.randint(1, 30)):
                    name = f"audio/{group}-{segment}-a.wav"
                    clips.append(
                        Clip(name, Path(name), (f"scene{scene}",), group, "a", f"city{city}")
                    )
    draws.shuffle(clips)
    return clips


def places(clips):
    tree = defaultdict(set)
    for clip in clips:
        tree[clip.labels[0], clip.city].add(clip.group)
    return tree


def test_legacy_shuffle_is_that_of_old_python():
    """Expected: random.seed(0); random.shuffle(items, random.random) under Python 3.10.13."""
    items = list(range(10))
    legacy_shuffle(items, random.Random(0).random)
    assert items == [9, 4, 0, 5, 2, 7, 1, 3, 6, 8]


def test_whole_locations_a_share_of_each_city():
    clips = recordings()
    train, validation = split_validation(clips, ValidationSettings())
    assert {c.name for c in train} | {c.name for c in validation} == {c.name for c in clips}
    assert len(train) + len(validation) == len(clips)
    assert not {c.group for c in train} & {c.group for c in validation}
    taken = places(validation)
    for key, groups in places(clips).items():
        assert len(taken[key]) == math.ceil(0.3 * len(groups))
    assert [c.name for c in train] == [c.name for c in clips if c in set(train)]


def test_the_nearest_candidate_is_kept():
    clips = recordings()

    def distance(candidates):
        _, validation = split_validation(clips, ValidationSettings(candidates=candidates))
        return sum(
            abs(
                sum(c.labels == (scene,) for c in validation)
                / sum(c.labels == (scene,) for c in clips)
                - 0.3
            )
            for scene in {c.labels[0] for c in clips}
        )

    assert distance(100) < distance(1)
    assert distance(100) < 0.1


@pytest.mark.parametrize("method", ["location_city", "group", "random"])
def test_the_seed_alone_decides(method):
    clips = recordings()
    again = list(reversed(clips))
    settings = ValidationSettings(method=method, candidates=10)
    first = {c.name for c in split_validation(clips, settings)[1]}
    second = {c.name for c in split_validation(again, settings)[1]}
    other = {c.name for c in split_validation(clips, settings.model_copy(update={"seed": 1}))[1]}
    assert first == second
    assert first != other


def test_groups_stay_whole_and_classes_near_their_share():
    clips = recordings()
    train, validation = split_validation(clips, ValidationSettings(method="group", amount=0.2))
    assert not {c.group for c in train} & {c.group for c in validation}
    for scene in {c.labels for c in clips}:
        share = sum(c.labels == scene for c in validation) / sum(c.labels == scene for c in clips)
        assert share == pytest.approx(0.2, abs=0.05)


def test_groups_of_several_classes_stay_whole():
    clips = [
        Clip(f"{group}-{label}.wav", Path("x"), (label,), f"group{group}")
        for group in range(10)
        for label in "abc"
    ]
    train, validation = split_validation(clips, ValidationSettings(method="group"))
    assert not {c.group for c in train} & {c.group for c in validation}
    assert len(validation) == 9


def test_single_clips_balanced_by_class():
    clips = [Clip(f"{n}.wav", Path("x"), ("many" if n < 100 else "few",)) for n in range(110)]
    clips.append(Clip("lonely.wav", Path("x"), ("lonely",)))
    train, validation = split_validation(clips, ValidationSettings(method="random"))
    counts = [sum(c.labels == (label,) for c in validation) for label in ("many", "few", "lonely")]
    assert counts == [30, 3, 0]
    assert len(train) == 78


def test_mixtures_are_divided_without_regard_to_labels():
    """Each combination of labels occurs once: no class of combinations could give its share."""
    clips = [Clip(f"{n:03d}.wav", Path("x"), (f"a{n}", f"b{n}")) for n in range(100)]
    clips.append(Clip("one_word.wav", Path("x"), ("a1",)))
    settings = ValidationSettings(method="random", amount=0.2)
    train, validation = split_validation(clips, settings)
    assert (len(train), len(validation)) == (81, 20)
    assert validation != tuple(clips[:20])
    other = split_validation(clips, settings.model_copy(update={"seed": 1}))[1]
    assert other != validation


def test_what_a_method_needs_is_said():
    clips = [Clip(f"{n}.wav", Path("x"), ("dog",)) for n in range(10)]
    with pytest.raises(DataError, match=r"has no city or no location.*choose method"):
        split_validation(clips, ValidationSettings())
    with pytest.raises(DataError, match="leaves no validation clips of 1"):
        split_validation(clips[:1], ValidationSettings(method="random"))


@pytest.mark.reference
@pytest.mark.parametrize(("amount", "seed"), [(0.3, 0), (0.15, 7)])
def test_split_vs_dcase_util(monkeypatch, amount, seed):
    """dcase_util's own split, run with the shuffle that Python 3.11 removed."""
    pytest.importorskip("dcase_util")
    from dcase_util.containers import MetaDataContainer
    from dcase_util.datasets import AcousticSceneDataset

    clips = recordings(scenes=3, cities=4)
    monkeypatch.setattr(random, "shuffle", lambda items, uniform: legacy_shuffle(items, uniform))
    meta = MetaDataContainer(
        [
            {
                "filename": clip.name,
                "scene_label": clip.labels[0],
                "identifier": clip.group.split("-", 1)[1],
            }
            for clip in clips
        ]
    )
    monkeypatch.setattr(
        AcousticSceneDataset, "scene_labels", lambda self, **_: meta.unique_scene_labels
    )
    data = AcousticSceneDataset.__new__(AcousticSceneDataset)
    data.disable_progress_bar = data.use_ascii_progress_bar = True
    expected = data.validation_files_balanced(
        training_meta=meta,
        validation_amount=amount,
        seed=seed,
        iterations=20,
        balancing_mode="identifier_two_level_hierarchy",
    )
    settings = ValidationSettings(amount=amount, seed=seed, candidates=20)
    _, validation = split_validation(clips, settings)
    assert {clip.name for clip in validation} == set(expected)
