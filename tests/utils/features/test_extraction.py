import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils.config.schema import AudioSettings, FeatureSettings, NormaliseSettings
from utils.datasets import Clip
from utils.errors import AudioError, DataError, UserError
from utils.features import extract, extraction, from_settings
from utils.features.store import open_store

PROJECT = Path(__file__).resolve().parents[3]
RATE = 8_000
AUDIO = AudioSettings(sample_rate=RATE, seconds=0.25)
SKIP = AUDIO.model_copy(update={"on_bad_audio": "skip"})
FEATURES = FeatureSettings(n_fft=512, n_mels=12, frames=None)


def run(clips, representation, folder, **changes):
    arguments = {"audio": AUDIO, "jobs": 1, **changes}
    return extract(clips, representation, folder=folder, **arguments)


def test_rows_hold_the_features_of_their_clips(tmp_path, clips, representation):
    few = clips[:5]
    store = run(few[::-1], representation, tmp_path / "features")
    assert store.array.shape == (5, *representation.shape)
    assert store.array.dtype == np.float32
    assert store.names == tuple(clip.name for clip in few)
    rows = store.rows([few[3], few[0]])
    assert rows.dtype == np.int64
    for row, clip in zip(rows, (few[3], few[0]), strict=True):
        expected = extraction.read_features(clip.path, representation, audio=AUDIO)
        np.testing.assert_array_equal(store.array[row], expected)
    with pytest.raises(ValueError, match="read-only"):
        store.array[0] = 0
    with pytest.raises(DataError, match=r"audio/009.wav: has no features"):
        store.rows([few[0], clips[9]])
    assert store.contains(few[0])
    assert not store.contains(clips[9])


def test_processes_give_the_same_bytes_as_one(tmp_path, clips, representation, monkeypatch):
    seen = []
    started = []
    workers = extraction._results_of_workers
    monkeypatch.setattr(
        extraction, "_results_of_workers", lambda *args: started.append(1) or workers(*args)
    )
    monkeypatch.setattr(extraction, "_WORTH_SECONDS", 0.0)
    two = run(
        clips,
        representation,
        tmp_path / "two",
        jobs=2,
        progress=lambda done, total: seen.append((done, total)),
    )
    one = run(clips, representation, tmp_path / "one")
    assert started == [1]
    np.testing.assert_array_equal(two.array, one.array)
    assert two.folder.name == one.folder.name
    assert seen[-1] == (70, 70)
    assert sorted(seen) == seen


def test_quick_work_starts_no_workers(tmp_path, clips, representation, monkeypatch):
    monkeypatch.setattr(extraction, "_results_of_workers", lambda *_: pytest.fail("started"))
    assert len(run(clips, representation, tmp_path, jobs=2).names) == 70


def test_finished_features_are_not_computed_again(tmp_path, clips, representation, monkeypatch):
    first = run(clips[:3], representation, tmp_path)
    monkeypatch.setattr(extraction, "read_features", lambda *_, **__: pytest.fail("computed again"))
    again = run(clips[:3], representation, tmp_path, audio=SKIP)
    assert again.folder == first.folder
    assert sorted(file.name for file in again.folder.iterdir()) == ["clips.json", "features.npy"]
    assert not list(tmp_path.glob(".*.part"))


def test_whatever_changes_the_features_changes_the_folder(tmp_path, clips, representation):
    few = clips[:2]
    loop = AUDIO.model_copy(update={"short_clips": "loop"})
    mels = from_settings(AUDIO, FEATURES.model_copy(update={"n_mels": 11}))
    folders = {
        run(few, representation, tmp_path).folder,
        run(few[:1], representation, tmp_path).folder,
        run(few, mels, tmp_path).folder,
        run(few, representation, tmp_path, audio=loop).folder,
    }
    soundfile.write(few[0].path, np.zeros(RATE // 4), RATE)
    folders.add(run(few, representation, tmp_path).folder)
    assert len(folders) == 5


def test_rows_of_a_stack_are_kept_with_their_channels(tmp_path, clips, monkeypatch):
    few, parts = clips[:4], [{}, {"n_fft": 1024}, {"pad": "reflect"}]
    stack = from_settings(AUDIO, FEATURES.model_copy(update={"kind": "stack", "parts": parts}))
    first = run(few, stack, tmp_path)
    assert first.array.shape == (4, *stack.shape)
    for row, clip in enumerate(few):
        expected = extraction.read_features(clip.path, stack, audio=AUDIO)
        np.testing.assert_array_equal(first.array[row], expected)
    os.utime(few[1].path, ns=(0, 10**18))
    second = run(few, stack, tmp_path)
    np.testing.assert_array_equal(second.array, first.array)
    monkeypatch.setattr(extraction, "read_features", lambda *_, **__: pytest.fail("computed again"))
    assert run(few, stack, tmp_path).folder == second.folder


def test_every_kind_and_parameter_has_a_key_of_its_own(tmp_path, clips):
    changes = [
        {},
        {"pad": "reflect"},
        {"scale": 2.0},
        {"mel_scale": "linear"},
        {"kind": "mfcc", "n_mfcc": 12},
        {"kind": "mfcc", "n_mfcc": 11},
        {"kind": "mfcc", "n_mfcc": 12, "pad": "reflect"},
        {"kind": "log_spectrogram"},
        {"kind": "log_spectrogram", "scale": 2.0},
        {"kind": "stack", "parts": [{}]},
        {"kind": "stack", "parts": [{}, {}]},
        {"kind": "stack", "parts": [{}, {"scale": 2.0}]},
        {"kind": "stack", "parts": [{"scale": 2.0}, {}]},
        {"kind": "stack", "parts": [{"kind": "mfcc", "n_mfcc": 12}]},
        {"kind": "waveform", "normalise": NormaliseSettings(method="none")},
    ]
    kinds = [from_settings(AUDIO, FEATURES.model_copy(update=change)) for change in changes]
    folders = {run(clips[:1], kind, tmp_path).folder for kind in kinds}
    assert len(folders) == len(changes)


def test_bad_files_stop_the_run_or_are_listed(tmp_path, clips, representation):
    few = clips[:6]
    few[1].path.write_bytes(few[1].path.read_bytes()[:-100])
    few[4].path.unlink()
    with pytest.raises(AudioError, match=f"^{few[1].path}: is cut off .*skip leaves such files"):
        run(few, representation, tmp_path)
    store = run(few, representation, tmp_path, audio=SKIP)
    assert [bad.name for bad in store.bad] == [few[1].name, few[4].name]
    assert "missing" in store.bad[1].reason
    assert len(store.names) == 4
    assert not store.contains(few[4])
    kept = [clip for clip in few if store.contains(clip)]
    assert store.rows(kept).tolist() == [0, 2, 3, 5]
    with pytest.raises(AudioError, match="1 more of 6 files"):
        run(few, representation, tmp_path)


@pytest.fixture
def read(monkeypatch):
    """Names of the files that are read, in order."""
    names, original = [], extraction.read_features

    def noting(path, *arguments, **settings):
        names.append(path.name)
        return original(path, *arguments, **settings)

    monkeypatch.setattr(extraction, "read_features", noting)
    return names


def repair(clip, content):
    clip.path.write_bytes(content)
    os.utime(clip.path, ns=(0, 10**18))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bad_file_stops_soon_and_its_repair_costs_one_clip(
    tmp_path, clips, representation, monkeypatch, read, jobs
):
    bad = 20  # workers start at row 16
    monkeypatch.setattr(extraction, "_WORTH_SECONDS", 0.0)
    whole = clips[bad].path.read_bytes()
    clips[bad].path.write_bytes(whole[:-100])
    with pytest.raises(AudioError, match=f"^{clips[bad].path}: is cut off"):
        run(clips, representation, tmp_path, jobs=jobs)
    (journal,) = tmp_path.glob(".*.part/journal.jsonl")
    outcomes = [json.loads(line)[0] for line in journal.read_text().splitlines()]
    done = {outcome["row"] for outcome in outcomes if not outcome["bad"]}
    assert not list(tmp_path.glob("[!.]*-*"))
    assert len(done) >= 16
    if jobs == 1:
        assert len(done) < 40
    repair(clips[bad], whole)
    read.clear()
    store = run(clips, representation, tmp_path)
    assert read == [clip.path.name for row, clip in enumerate(clips) if row not in done]
    fresh = run(clips, representation, tmp_path / "fresh")
    np.testing.assert_array_equal(store.array, fresh.array)
    assert store.key == fresh.key


def test_only_changed_files_are_read_again_and_old_features_go(
    tmp_path, clips, representation, read
):
    few, folder = clips[:6], tmp_path / "features"
    whole = few[3].path.read_bytes()
    few[3].path.write_bytes(whole[:-100])
    first = run(few, representation, folder, audio=SKIP)
    other = run(clips[:2], representation, folder)
    before = np.array(first.array)
    repair(few[3], whole)
    soundfile.write(few[0].path, np.zeros(RATE // 4), RATE)
    os.utime(few[0].path, ns=(0, 2 * 10**18))
    read.clear()
    second = run(few, representation, folder)
    assert sorted(read) == [few[0].path.name, few[3].path.name]
    assert second.key != first.key
    np.testing.assert_array_equal(second.array, run(few, representation, tmp_path / "x").array)
    np.testing.assert_array_equal(first.array, before)  # still mapped by whoever uses it
    assert {path.name for path in folder.glob("*-*") if path.is_dir()} == {second.key, other.key}


def test_another_copy_of_the_data_replaces_nothing(tmp_path, clips, representation):
    first = run(clips[:3], representation, tmp_path)
    copies = []
    for clip in clips[:3]:
        path = tmp_path / clip.path.name
        path.write_bytes(clip.path.read_bytes())
        os.utime(path, ns=(0, 10**18))
        copies.append(Clip(clip.name, path))
    second = run(copies, representation, tmp_path)
    assert second.key != first.key
    assert open_store(first.folder) is not None


def test_a_kill_between_finish_and_removal_leaves_whole_features(
    tmp_path, clips, representation, monkeypatch
):
    few = clips[:3]
    first = run(few, representation, tmp_path)
    with monkeypatch.context() as context:
        context.setattr(shutil, "rmtree", lambda _: pytest.fail("killed"))
        os.utime(few[0].path, ns=(0, 10**18))
        with pytest.raises(pytest.fail.Exception):
            run(few, representation, tmp_path)
    assert open_store(first.folder) is None
    os.utime(few[0].path, ns=(0, 2 * 10**18))
    last = run(few, representation, tmp_path)
    left = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert left == {"audio", last.key}


def test_key_is_stable_and_follows_each_file(tmp_path, clips, representation):
    few = clips[:2]
    key = run(few, representation, tmp_path / "a").key
    assert run(few, representation, tmp_path / "b").key == key
    os.utime(few[1].path, ns=(0, 10**18))
    assert run(few, representation, tmp_path / "b").key != key


def refuse_opening(monkeypatch, refused, number, after=0):
    """Let the system refuse to open a file, after some times."""
    original, times = Path.open, []

    def opening(path, *arguments, **settings):
        if path == refused:
            times.append(path)
            if len(times) > after:
                raise OSError(number, os.strerror(number))
        return original(path, *arguments, **settings)

    monkeypatch.setattr(Path, "open", opening)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_what_the_system_refuses_stops_and_is_not_kept(
    tmp_path, clips, representation, monkeypatch, number
):
    few = clips[:3]
    with monkeypatch.context() as context:
        refuse_opening(context, few[1].path, number)
        sentence = rf"^{few[1].path}: cannot be read \({os.strerror(number)}\)"
        with pytest.raises(AudioError, match=sentence):
            run(few, representation, tmp_path, audio=SKIP)
    assert run(few, representation, tmp_path, audio=SKIP).bad == ()


def test_a_disk_error_is_not_taken_for_a_broken_file(tmp_path, clips, representation, monkeypatch):
    few = clips[:3]
    few[1].path.write_bytes(few[1].path.read_bytes()[:-100])
    refuse_opening(monkeypatch, few[1].path, errno.EIO, after=1)
    with pytest.raises(AudioError, match="Input/output error"):
        run(few, representation, tmp_path, audio=SKIP)


def test_a_folder_that_may_not_be_read_is_one_sentence(
    tmp_path, clips, representation, monkeypatch
):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(AudioError, match=r"000.wav: cannot be read \(Permission denied\)"):
        run(clips[:3], representation, tmp_path)


def test_a_file_that_changes_meanwhile_is_read_again(tmp_path, clips, representation):
    few = clips[:3]

    def replace(*_):
        soundfile.write(few[1].path, np.zeros(RATE), RATE)

    with pytest.raises(AudioError, match=f"^{few[1].path}: changed while"):
        run(few, representation, tmp_path, progress=replace)
    assert not list(tmp_path.glob("[!.]*-*"))
    store = run(few, representation, tmp_path)
    expected = extraction.read_features(few[1].path, representation, audio=AUDIO)
    np.testing.assert_array_equal(store.array[1], expected)


def test_no_usable_file_and_no_clip_are_errors(tmp_path, clips, representation):
    clips[0].path.write_bytes(b"")
    with pytest.raises(AudioError, match="None of the 1 files can be used"):
        run(clips[:1], representation, tmp_path, audio=SKIP)
    with pytest.raises(DataError, match="no clips"):
        run([], representation, tmp_path)
    with pytest.raises(DataError, match="names two files"):
        run([clips[1], Clip(clips[1].name, clips[2].path)], representation, tmp_path)


def test_features_beyond_float32_are_a_bad_file(tmp_path, representation):
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.full(RATE, 3e38, "f4"), RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="too large"):
        run([Clip("loud.wav", path)], representation, tmp_path / "features")


def test_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, clips, representation, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(UserError, match=r"features.npy: cannot be written \(No space left"):
        run(clips[:2], representation, tmp_path / "features")
    assert not list((tmp_path / "features").rglob("*.npy"))


def test_disk_full_while_writing_rows(tmp_path, clips, representation, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(UserError, match="No space left on device"):
        run(clips[:2], representation, tmp_path / "features")


def test_folder_that_cannot_be_made_is_one_sentence(tmp_path, clips, representation):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        run(clips[:2], representation, tmp_path / "file" / "features")


def test_damaged_features_are_named_not_used(tmp_path, clips, representation):
    store = run(clips[:3], representation, tmp_path)
    features = store.folder / "features.npy"
    content = features.read_bytes()
    features.write_bytes(content[:-4])
    with pytest.raises(UserError, match=r"damaged .*delete this folder"):
        run(clips[:3], representation, tmp_path)
    np.save(features, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="damaged"):
        open_store(store.folder)
    features.write_bytes(content)
    (store.folder / "clips.json").write_text("{}")
    with pytest.raises(UserError, match="damaged"):
        open_store(store.folder)
