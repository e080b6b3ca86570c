"""Downloads from a local server that misbehaves."""

import hashlib
import importlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from utils.datasets import download
from utils.datasets.checksums import RELEASES, Package, Release
from utils.errors import DataError

FOLDER = "TAU-small"


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as bundle:
        for name, content in members.items():
            bundle.writestr(name, content)
    return stream.getvalue()


CONTENT = zipped(
    {f"{FOLDER}/audio/{number}.wav": bytes([number]) * 3000 for number in range(10)}
    | {f"{FOLDER}/empty/": b""}
)


class Server(ThreadingHTTPServer):
    """Serves ``content`` under any name and notes the ranges asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.breaks: list[int] = []
        self.answers: list[int] = []
        self.ranges: list[str | None] = []
        self.knows_ranges = True


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.ranges.append(self.headers["Range"])
        if server.answers and (status := server.answers.pop(0)) != 200:
            self.send_error(status)
            return
        start = 0
        if self.headers["Range"] and server.knows_ranges:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            size = len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        else:
            self.send_response(200)
        body = server.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.breaks.pop(0)] if server.breaks else body)
        self.close_connection = True

    def log_message(self, *_):
        """Keep the tests' output clean."""


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    module = importlib.import_module("utils.datasets.download")  # the package has the function
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(module, "CHUNK_BYTES", 100)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    instance = Server()
    thread = threading.Thread(target=instance.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield instance
    instance.shutdown()
    instance.server_close()
    thread.join()


def release(server, content=None, packages=1, **changes):
    content = server.content if content is None else content
    sums = {"size": len(content), "md5": hashlib.md5(content, usedforsecurity=False).hexdigest()}
    package = Package(**({"file": "part1.zip"} | sums | changes))
    return Release(f"http://127.0.0.1:{server.server_port}/", FOLDER, (package,) * packages)


def unpacked(folder):
    return sorted(path.name for path in folder.rglob("*.wav"))


def leftovers(folder):
    return [path.name for path in folder.rglob("*") if path.suffix in (".part", ".zip")]


def test_fetched_checked_and_unpacked(server, tmp_path):
    seen = []
    target = download(
        "small",
        tmp_path / "data",
        release=release(server),
        progress=lambda *step: seen.append(step),
    )
    assert target == tmp_path / "data" / FOLDER
    assert unpacked(target) == [f"{number}.wav" for number in range(10)]
    assert (target / "audio/7.wav").read_bytes() == b"\x07" * 3000
    assert (target / "empty").is_dir()
    assert seen[-1] == ("part1.zip", len(CONTENT), len(CONTENT))
    assert leftovers(tmp_path) == []


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    for _ in range(2):
        download("small", tmp_path, release=release(server))
    assert server.ranges == [None]


def test_a_broken_transfer_goes_on_where_it_stopped(server, tmp_path):
    server.breaks = [5000, 6000]
    download("small", tmp_path, release=release(server))
    assert server.ranges == [None, "bytes=5000-", "bytes=11000-"]
    assert len(unpacked(tmp_path)) == 10


def test_a_later_call_goes_on_too(server, tmp_path):
    server.breaks = [5000, 100, 100, 100, 100]
    with pytest.raises(DataError, match=f"after 5400 of {len(CONTENT)} bytes, 5 times; start"):
        download("small", tmp_path, release=release(server))
    download("small", tmp_path, release=release(server))
    assert server.ranges[-1] == "bytes=5400-"
    assert len(unpacked(tmp_path)) == 10


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    server.knows_ranges = False
    server.breaks = [5000]
    download("small", tmp_path, release=release(server))
    assert server.ranges == [None, "bytes=5000-"]
    assert len(unpacked(tmp_path)) == 10


def test_a_part_that_is_too_long_starts_anew(server, tmp_path):
    (tmp_path / "part1.zip.part").write_bytes(b"x" * (len(CONTENT) + 1))
    download("small", tmp_path, release=release(server))
    assert server.ranges == [None]


def test_a_busy_server_is_asked_again_and_a_refusal_is_final(server, tmp_path):
    server.answers = [503, 200, 404]
    download("small", tmp_path, release=release(server))
    with pytest.raises(DataError, match="the server answers 404"):
        download("small", tmp_path / "other", release=release(server))
    assert len(server.ranges) == 3


def test_no_server_is_one_sentence(server, tmp_path):
    nowhere = Release("http://127.0.0.1:1/", FOLDER, release(server).packages)
    with pytest.raises(DataError, match=r"part1\.zip: ConnectionError after 0 of"):
        download("small", tmp_path, release=nowhere)


def test_a_wrong_checksum_is_refused_and_removed(server, tmp_path):
    with pytest.raises(DataError, match="checksum of the downloaded file is wrong, it was removed"):
        download("small", tmp_path, release=release(server, md5="0" * 32))
    assert leftovers(tmp_path) == []
    assert unpacked(tmp_path) == []


@pytest.mark.parametrize(
    "name",
    ["../evil.wav", f"{FOLDER}/../../evil.wav", "/etc/evil.wav", "..\\evil.wav", "C:evil.wav"],
)
def test_a_member_outside_the_folder_is_refused(server, tmp_path, name):
    server.content = zipped({f"{FOLDER}/good.wav": b"good", name: b"evil"})
    with pytest.raises(DataError, match="would be written outside the folder") as caught:
        download("small", tmp_path / "data", release=release(server))
    assert "evil.wav" in str(caught.value)
    assert unpacked(tmp_path) == []


def test_a_link_is_refused(server, tmp_path):
    link = zipfile.ZipInfo(f"{FOLDER}/link")
    link.external_attr = 0o120777 << 16
    server.content = zipped({link: b"/etc/passwd"})
    with pytest.raises(DataError, match=f"member '{FOLDER}/link' is a link"):
        download("small", tmp_path, release=release(server))


def test_a_file_that_is_no_zip_is_named(server, tmp_path):
    server.content = b"<html>not a zip</html>"
    with pytest.raises(DataError, match=r"part1\.zip: cannot be unpacked"):
        download("small", tmp_path, release=release(server))


def test_too_little_room_is_said_before_the_transfer(server, tmp_path):
    with pytest.raises(DataError, match="GB are needed but"):
        download("small", tmp_path, release=release(server, size=10**18))
    assert server.ranges == []


def test_a_package_without_the_folder_is_an_error(server, tmp_path):
    server.content = zipped({"elsewhere/1.wav": b"x"})
    with pytest.raises(DataError, match="is not there although 1 packages were unpacked"):
        download("small", tmp_path, release=release(server))


def test_an_unknown_name_gets_a_hint(tmp_path):
    with pytest.raises(
        DataError, match=r"no download for data set 'tau_urban_2020'\. Did you mean"
    ):
        download("tau_urban_2020", tmp_path)


def test_published_releases_are_complete():
    sizes = {name: sum(package.size for package in r.packages) for name, r in RELEASES.items()}
    assert {name: round(size / 1e9, 1) for name, size in sizes.items()} == {
        "tau_urban_2020_mobile": 27.4,
        "tau_urban_2021_mobile_evaluation": 8.8,
        "tau_urban_2022_mobile": 27.5,
        "tau_urban_2022_mobile_evaluation": 13.2,
    }
    for published in RELEASES.values():
        assert len({package.md5 for package in published.packages}) == len(published.packages)
        assert all(len(package.md5) == 32 for package in published.packages)
        assert published.packages[0].file == f"{published.folder}.doc.zip"
