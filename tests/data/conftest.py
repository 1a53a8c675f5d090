"""No test here may see the user's cache, environment or network; what they use instead."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import platformdirs
import pytest

from tinygrad_mlp.data import mnist

REAL_DATA = os.environ.get(mnist.ENVIRONMENT)

IDX_CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


@pytest.fixture(autouse=True)
def isolated(monkeypatch, tmp_path):
    """An empty cache, no variables from outside, and no connection but to this machine."""
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *a, **k: str(tmp_path / "cache"))
    monkeypatch.delenv(mnist.ENVIRONMENT, raising=False)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    connect = socket.create_connection

    def local_only(address, *args, **kwargs):
        if address[0] != "127.0.0.1":
            raise OSError(f"a test tried to reach {address}")
        return connect(address, *args, **kwargs)

    monkeypatch.setattr(socket, "create_connection", local_only)


@pytest.fixture
def cache(tmp_path):
    """The folder that downloads go to in a test."""
    return tmp_path / "cache" / "mnist"


@pytest.fixture(scope="session")
def idx_bytes():
    """The naive writer: an array as the bytes of an IDX file."""

    def write(array):
        array = np.asarray(array)
        magic = bytes([0, 0, IDX_CODES[array.dtype.name], array.ndim])
        sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
        return magic + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()

    return write


@pytest.fixture
def tiny(monkeypatch, idx_bytes):
    """A MNIST of 20 training and 6 test images, which the loader takes for the real one."""
    rng = np.random.default_rng(0)
    arrays, contents, table = {}, {}, {}
    for part, count in (("train", 20), ("test", 6)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        arrays[part] = (images, labels)
        records = []
        for real, array in zip(mnist.FILES[part], (images, labels), strict=True):
            content = contents[real.name] = idx_bytes(array)
            digest = hashlib.sha256(content).hexdigest()
            records.append(mnist.RemoteFile(real.name, len(content), digest))
        table[part] = tuple(records)
    monkeypatch.setattr(mnist, "FILES", table)

    def put(folder, parts=("train", "test"), compress=True, rename=lambda name: name):
        folder.mkdir(parents=True, exist_ok=True)
        for file in (file for part in parts for file in table[part]):
            content = contents[file.name]
            if compress:
                (folder / f"{rename(file.name)}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / rename(file.name)).write_bytes(content)
        return folder

    return SimpleNamespace(arrays=arrays, contents=contents, put=put)


@pytest.fixture
def server(tiny):  # noqa: C901 (a class with a method for each character of a mirror)
    """Mirrors of the tiny MNIST on this machine, each with its own character.

    ``server.url("good")`` is the address of a mirror, ``server.requests`` what was asked for.
    """
    requests, release = [], threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            _, character, name = self.path.split("/")
            good = gzip.compress(tiny.contents[name.removesuffix(".gz")])
            # A client that hangs up on us is what several of the tests are about.
            with contextlib.suppress(ConnectionError):
                getattr(self, character)(good)

        def answer(self, body, announced=None):
            self.send_response(200)
            self.send_header("Content-Length", str(announced or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def good(self, body):
            self.answer(body)

        def unannounced(self, body):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def missing(self, body):
            self.send_error(404)

        def truncated(self, body):
            self.answer(body[: len(body) // 2], announced=len(body))

        def shortened(self, body):
            self.answer(body[: len(body) // 2])

        def corrupt(self, body):
            middle = len(body) // 2
            self.answer(body[:middle] + bytes([body[middle] ^ 0xFF]) + body[middle + 1 :])

        def other(self, body):
            self.answer(gzip.compress(b"another file"))

        def altered(self, body):
            content = gzip.decompress(body)
            self.answer(gzip.compress(content[:-1] + bytes([content[-1] ^ 1])))

        def html(self, body):
            self.answer(b"<!DOCTYPE html><p>Please log in</p>")

        def bomb(self, body):
            self.answer(gzip.compress(bytes(10_000_000)))

        def endless(self, body):
            self.unannounced(bytes(1_000_000))

        def stalling(self, body):
            self.answer(body[:10], announced=len(body))
            release.wait(10)

        def silent(self, body):
            release.wait(10)

        def trickling(self, body):
            self.send_response(200)
            self.end_headers()
            while not release.wait(0.02):
                self.wfile.write(b"\x1f")

        def trickling_headers(self, body):
            self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Padding: ")
            while not release.wait(0.02):
                self.wfile.write(b"x")

        def redirect(self, address):
            self.send_response(302)
            self.send_header("Location", address)
            self.end_headers()

        def moved(self, body):
            self.redirect(self.path.replace("moved", "good"))

        def moved_to_file(self, body):
            self.redirect("file:///etc/passwd")

        def moved_to_ftp(self, body):
            self.redirect("ftp://127.0.0.1:1/x.gz")

        def moved_in_a_circle(self, body):
            self.redirect(self.path)

        def html_in_gzip(self, body):
            self.answer(gzip.compress(b"<!DOCTYPE html><p>Please log in</p>"))

        def long_number(self, body):
            self.send_response(200)
            self.send_header("Content-Length", "9" * 5000)
            self.end_headers()

        def log_message(self, *args):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{httpd.server_port}"
    yield SimpleNamespace(url=lambda character: f"{address}/{character}/", requests=requests)
    release.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def real_mnist():
    """The folder of the real files, for those who have them."""
    if not REAL_DATA:
        pytest.skip(f"set {mnist.ENVIRONMENT} to the folder of the MNIST files to run this")
    return REAL_DATA
