"""Downloads from a server on this machine: checked, complete or absent, and silent."""

import gzip
import hashlib
import io
import logging
import tarfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest
from fake_data import CIFAR_FILES, cifar_record, idx_contents

import eigencode.data.catalogue as catalogue
from eigencode.base.errors import DataError, EigencodeWarning
from eigencode.data import fetch, load
from eigencode.data._cifar10 import CIFAR10
from eigencode.data._dataset import DataSet, Remote
from eigencode.data._download import download
from eigencode.data._files import cache_folder
from eigencode.data._mnist import MNIST


@dataclass
class Server:
    """Answers with `files[path]`; with `cut`, the connection ends half-way; requests are counted."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            state.requests.append(self.path)
            content = state.files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write((content or b"")[: len(content or b"") // 2 if self.path in state.cut else None])

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{http.server_port}"
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1")
    yield state
    http.shutdown()
    thread.join(5)
    http.server_close()


def tar_of_cifar(leave_out: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for number, name in enumerate([*CIFAR_FILES, "readme.html"]):
            content = b"".join(cifar_record(i, 100 * number + i) for i in range(4))
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(content)
            if name != leave_out:
                tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def small_cifar(server: Server, content: bytes | None = None) -> DataSet:
    content = tar_of_cifar() if content is None else content
    server.files["/cifar.tar.gz"] = content
    (remote,) = CIFAR10.remotes
    digest = hashlib.sha256(content).hexdigest()
    url = f"{server.address}/cifar.tar.gz"
    return replace(CIFAR10, remotes=(replace(remote, urls=(url,), sha256=digest, size=len(content)),))


def small_mnist(server: Server) -> DataSet:
    remotes = []
    for name, content in idx_contents().items():
        packed = gzip.compress(content, mtime=0)
        server.files[f"/{name}.gz"] = packed
        url = f"{server.address}/{name}.gz"
        remotes.append(Remote(f"{name}.gz", (url,), hashlib.sha256(packed).hexdigest(), len(packed)))
    return replace(MNIST, remotes=tuple(remotes))


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_an_archive_is_unpacked_and_removed(server: Server, tmp_path: Path) -> None:
    data = small_cifar(server)
    download(data, tmp_path)
    assert files_below(tmp_path) == [f"cifar10/cifar-10-batches-bin/{name}" for name in sorted(CIFAR_FILES)]
    with pytest.warns(EigencodeWarning, match="20 training"):
        train, _ = load("cifar10", tmp_path)
    assert bytes(train.pixels[5].flatten().tolist()) == cifar_record(1, 101)[1:]
    download(data, tmp_path)
    assert server.requests == ["/cifar.tar.gz"]


def test_load_downloads_once_into_the_cache_and_says_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("EIGENCODE_DATA", raising=False)
    monkeypatch.setitem(catalogue.TABLE, "mnist", small_mnist(server))
    heard = []
    listener = logging.Handler()
    listener.emit = heard.append  # type: ignore[method-assign]
    pooch.get_logger().addHandler(listener)
    with pytest.warns(EigencodeWarning, match="12 training"):
        train, _ = load("mnist")
    with pytest.warns(EigencodeWarning, match="12 training"):
        assert load("mnist")[0].sha256 == train.sha256
    assert fetch("mnist").location == str(cache_folder() / "mnist")
    assert len(server.requests) == 4
    assert capfd.readouterr() == ("", "")
    pooch.get_logger().removeHandler(listener)
    assert heard == []
    assert not pooch.get_logger().filters


def test_fetch_makes_the_given_folder(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalogue.TABLE, "cifar10", small_cifar(server))
    record = fetch("cifar10", tmp_path / "new" / "folder")
    assert record.present
    assert record.location == str(tmp_path / "new" / "folder" / "cifar10" / "cifar-10-batches-bin")


def test_files_that_are_there_are_left_alone(server: Server, tmp_path: Path) -> None:
    data = small_mnist(server)
    mine = tmp_path / "mnist" / "train-labels-idx1-ubyte.gz"
    mine.parent.mkdir()
    mine.write_bytes(b"packed by somebody else")
    download(data, tmp_path)
    assert mine.read_bytes() == b"packed by somebody else"
    assert len(server.requests) == 3


@pytest.mark.parametrize("make", [small_cifar, small_mnist])
def test_a_wrong_checksum_leaves_nothing_behind(
    server: Server, tmp_path: Path, make: Callable[[Server], DataSet]
) -> None:
    data = make(server)
    remote = data.remotes[0]
    path = remote.urls[0].removeprefix(server.address)
    content = bytearray(server.files[path])
    content[len(content) // 2] ^= 1
    server.files[path] = bytes(content)
    with pytest.raises(
        DataError, match=rf"(?s){data.name}: the download of .* failed.*{path}: wrong checksum"
    ) as caught:
        download(data, tmp_path)
    assert remote.sha256 in str(caught.value)
    assert "mnist5k" in str(caught.value)
    assert files_below(tmp_path) == []


def test_a_cut_connection_leaves_nothing_behind_and_the_next_try_works(server: Server, tmp_path: Path) -> None:
    data = small_cifar(server)
    server.cut.add("/cifar.tar.gz")
    with pytest.raises(
        DataError, match=rf"(?s)download of cifar-10-binary.tar.gz failed.*{server.address}/cifar.tar.gz"
    ):
        download(data, tmp_path)
    assert files_below(tmp_path) == []
    server.cut.clear()
    download(data, tmp_path)
    assert len(files_below(tmp_path)) == 6


def test_the_second_address_is_tried(server: Server, tmp_path: Path) -> None:
    data = small_cifar(server)
    (remote,) = data.remotes
    dead = f"{server.address}/moved"
    download(replace(data, remotes=(replace(remote, urls=(dead, *remote.urls)),)), tmp_path)
    assert server.requests == ["/moved", "/cifar.tar.gz"]


def test_no_server_names_every_address_and_the_way_out(tmp_path: Path, server: Server) -> None:
    data = small_cifar(server)
    (remote,) = data.remotes
    urls = ("http://127.0.0.1:9/one", f"{server.address}/two")
    with pytest.raises(DataError) as caught:
        download(replace(data, remotes=(replace(remote, urls=urls),)), tmp_path)
    message = str(caught.value)
    assert all(part in message for part in (*urls, "ConnectionError", "404", "EIGENCODE_DATA", "mnist5k"))
    assert message.count("/one") == 1  # not once more in what the HTTP library says
    assert caught.value.exit_code == 2


def test_an_archive_without_a_file_is_refused_as_a_whole(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)archive lacks a file.*test_batch\.bin"):
        download(small_cifar(server, tar_of_cifar(leave_out="test_batch.bin")), tmp_path)
    assert not [name for name in files_below(tmp_path) if name.endswith(".bin")]


def test_an_interrupted_unpacking_leaves_no_half_file(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small_cifar(server)
    written = []

    def interrupted(source: io.BufferedReader, target: io.BufferedWriter) -> None:
        written.append(target.write(source.read(100)))
        if len(written) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("eigencode.data._download.shutil.copyfileobj", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download(data, tmp_path)
    assert files_below(tmp_path) == []
    monkeypatch.undo()
    download(data, tmp_path)
    assert len(files_below(tmp_path)) == 6


def test_several_downloads_at_once(server: Server, tmp_path: Path) -> None:
    sets = [small_cifar(server), small_mnist(server)]
    start = threading.Barrier(6)

    def work(data: DataSet) -> None:
        start.wait(5)
        download(data, tmp_path)

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work, data) for data in sets * 3]:
            done.result(20)
    assert len(files_below(tmp_path)) == 6 + 4
    assert not pooch.get_logger().filters


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cifar10: the data folder cannot be written"):
        download(small_cifar(server), tmp_path / "file")


@pytest.mark.parametrize("data", [d for d in catalogue.TABLE.values() if not d.bundled], ids=lambda d: d.name)
def test_every_download_of_the_table_is_complete(data: DataSet) -> None:
    """The files that are downloaded are the files that are looked for, with checksums of the right length."""
    names = [Path(m).name for r in data.remotes for m in (r.members or (r.file,))]
    assert len(names) == len(data.layout.files)
    for name, known in zip(sorted(names), sorted(data.layout.files)):
        assert name in known
    for remote in data.remotes:
        assert len(bytes.fromhex(remote.sha256)) == 32
        assert all(url.endswith("/" + remote.file) for url in remote.urls)
        assert remote.size > 0
