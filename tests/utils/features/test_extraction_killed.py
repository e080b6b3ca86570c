"""Extraction that is cut off, or done by two processes at once."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from utils.features import unfinished
from utils.features.store import FileState, open_store

PROJECT = Path(__file__).resolve().parents[3]
FILES = [FileState(size, 10**18) for size in range(4)]


def started(folder, rows):
    """A part folder of 4 rows, some of them done."""
    part = unfinished.Unfinished(folder, files=FILES, shape=(2, 3))
    for row in rows:
        content = np.full((2, 3), row, np.float32)
        part.record([unfinished.Outcome(row, checksum=part.file.write(row, content))])
    return part


def test_resume_trusts_only_whole_lines_and_equal_check_sums(tmp_path):
    part = started(tmp_path, [0, 1, 2])
    part.record([unfinished.Outcome(3, bad="was missing")])
    with (tmp_path / "features.npy").open("rb+") as stream:
        stream.seek(-4 * 6 * 3, os.SEEK_END)  # in row 1
        stream.write(b"\xff")
    journal = tmp_path / "journal.jsonl"
    broken = (
        '[{"row": 77, "checksum": 0}, [1, 2]]\n[1]\n[{"row": 2, "checksum": 0}, [1]]\n[{"row": 3'
    )
    journal.write_text(journal.read_text() + broken)
    again = unfinished.Unfinished(tmp_path, files=FILES, shape=(2, 3))
    assert sorted(again.done) == [0, 2]
    assert [json.loads(line)[0]["row"] for line in journal.read_text().splitlines()] == [0, 2]


@pytest.mark.parametrize("changed", [FileState(7, 10**18), FileState(1, 10**18 + 1), None])
def test_resume_leaves_out_rows_of_changed_files(tmp_path, changed):
    started(tmp_path, [0, 1, 2])
    files = [FILES[0], changed, *FILES[2:]]
    assert sorted(unfinished.Unfinished(tmp_path, files=files, shape=(2, 3)).done) == [0, 2]


def test_file_of_another_size_or_header_starts_anew(tmp_path):
    started(tmp_path, [0, 1])
    with (tmp_path / "features.npy").open("ab") as stream:
        stream.write(b"x")
    assert unfinished.Unfinished(tmp_path, files=FILES, shape=(2, 3)).done == {}
    started(tmp_path, [0, 1])
    assert unfinished.Unfinished(tmp_path, files=FILES, shape=(3, 2)).done == {}


CHILD = textwrap.dedent(
    """
    import sys, time
    from dataclasses import dataclass
    from pathlib import Path
    import numpy as np
    from utils.config.schema import AudioSettings
    from utils.features import extract, extraction

    extraction._WORTH_SECONDS = 0.0

    @dataclass(frozen=True)
    class Named:
        name: str
        path: Path

    @dataclass(frozen=True)
    class Slow:
        n_samples: int = 2000
        shape: tuple = (2000,)
        def __call__(self, samples):
            time.sleep(DELAY)
            return np.cumsum(samples, dtype=np.float32)

    DELAY = float(sys.argv[4])
    paths = sorted(Path(sys.argv[1]).glob("*.wav"))
    store = extract(
        [Named(path.name, path) for path in paths],
        Slow(),
        audio=AudioSettings(sample_rate=8000, seconds=0.25),
        folder=Path(sys.argv[2]),
        jobs=int(sys.argv[3]),
        progress=lambda done, total: print(done, flush=True),
    )
    print("finished", store.folder.name, flush=True)
    """
)


def child(audio: Path, folder: Path, jobs: int, delay: float) -> subprocess.Popen:
    command = [sys.executable, "-c", CHILD, str(audio), str(folder), str(jobs), str(delay)]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def progress_of(process: subprocess.Popen) -> list[str]:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return output.split()


@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_extraction_goes_on_to_the_same_bytes(tmp_path, clips, jobs):
    audio = clips[0].path.parent
    chance = random.Random(jobs)
    for _ in range(2):
        process = child(audio, tmp_path / "killed", jobs, 0.02)
        assert process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for finished in (tmp_path / "killed").glob("[!.]*"):
            open_store(finished)
    resumed = progress_of(child(audio, tmp_path / "killed", jobs, 0.0))
    undisturbed = progress_of(child(audio, tmp_path / "whole", 1, 0.0))
    assert resumed[0] == "finished" or int(resumed[0]) > int(undisturbed[0])
    assert resumed[-1] == undisturbed[-1]
    for name in ("features.npy", "clips.json"):
        killed = tmp_path / "killed" / resumed[-1] / name
        assert killed.read_bytes() == (tmp_path / "whole" / resumed[-1] / name).read_bytes()


def test_two_processes_at_once_share_the_work(tmp_path, clips):
    audio = clips[0].path.parent
    both = [child(audio, tmp_path / "shared", 1, 0.01) for _ in range(2)]
    outputs = [progress_of(process) for process in both]
    assert outputs[0][-1] == outputs[1][-1]
    assert sorted(len(output) > 2 for output in outputs) == [False, True]
    assert open_store(tmp_path / "shared" / outputs[0][-1]).array.shape == (70, 2000)
