"""The download of one file from one server, with its content checked."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from tinygrad_mlp.errors import DataError

if TYPE_CHECKING:
    from threading import Event
    from urllib.request import OpenerDirector

OnBytes = Callable[[int, int | None], None]
Received = tuple[bytearray, int | None]

CHUNK = 1 << 16
# A gzip file is smaller than its content, save for a small file with its headers.
GZIP_OVERHEAD = 1 << 16


def fetch(url: str, *, size: int, sha256: str, timeout: float, deadline: float,
          on_bytes: OnBytes) -> bytes:
    """Download a gzip file, check its content, and return its bytes.

    Nothing is written. `size` and `sha256` are those of the uncompressed content; little more than
    `size` bytes are accepted, compressed or expanded, whatever the server sends. `timeout` is the
    time in seconds that the server may stay silent, `deadline` the time for the whole download.
    `on_bytes` is called with the number of bytes received so far, and their total if the server
    announced it. A DataError says what went wrong.
    """
    cap = size + GZIP_OVERHEAD
    body, total = _in_time(url, deadline, partial(_received, url, cap, timeout, on_bytes))
    if len(body) > cap:
        raise DataError(f"{url} sent more than the {cap} bytes expected at most")
    if total is not None and len(body) < total:
        raise DataError(f"{url} sent {len(body)} of {total} bytes, then stopped")
    _check_content(body, url, size, sha256)
    return bytes(body)


def _in_time(url: str, seconds: float, work: Callable[[Event], Received]) -> Received:
    """Return what the work returns, unless it takes longer.

    It is done in a thread that may be left behind: neither the look-up of a name nor a server that
    sends a byte now and then could be interrupted otherwise. The thread ends with the program, or
    when it sees that the event is set.
    """
    import queue
    import threading
    results: queue.SimpleQueue[tuple[Received | None, BaseException | None]] = queue.SimpleQueue()
    given_up = threading.Event()

    def run() -> None:
        try:
            results.put((work(given_up), None))
        except BaseException as error:
            results.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = results.get(timeout=seconds)
    except queue.Empty:
        raise DataError(f"{url} took more than {seconds:g} s") from None
    finally:
        given_up.set()
    if result is None:
        assert error is not None
        raise error
    return result


def _received(url: str, cap: int, timeout: float, on_bytes: OnBytes, given_up: Event) -> Received:
    """Return what the server sends, little more than `cap` bytes, and how much it announced."""
    import http.client
    import urllib.error
    import urllib.request
    body = bytearray()
    headers = {"User-Agent": "tinygrad_mlp"}  # some servers refuse the name that urllib uses
    try:
        request = urllib.request.Request(url, headers=headers)
        with _opener().open(request, timeout=timeout) as response:
            announced = response.headers.get("Content-Length", "")
            total = int(announced) if announced.isdecimal() else None
            # read1 returns the bytes that have arrived, which the progress shows; read would wait
            # for a full chunk.
            while len(body) <= cap and not given_up.is_set() and (chunk := response.read1(CHUNK)):
                body += chunk
                on_bytes(len(body), total)
    except urllib.error.HTTPError as error:
        error.close()
        raise DataError(f"{url} answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        silent = isinstance(reason, TimeoutError)
        what = f"sent nothing for {timeout:g} s" if silent else f"cannot be read: {reason}"
        raise DataError(f"{url} {what}") from error
    return body, total


def _opener() -> OpenerDirector:
    """Return an opener that follows redirections to web addresses only, never to less security."""
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, build_opener

    class Redirections(HTTPRedirectHandler):
        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any,
                             newurl: str) -> Any:
            scheme = newurl.partition(":")[0]
            if scheme not in ("http", "https") or (req.type, scheme) == ("https", "http"):
                reason = f"{msg} - Redirection to {newurl!r} is not allowed"  # as urllib words it
                raise HTTPError(req.full_url, code, reason, headers, fp)
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    return build_opener(Redirections)


def _check_content(body: bytearray, url: str, size: int, sha256: str) -> None:
    import gzip
    import hashlib
    import zlib
    digest, length = hashlib.sha256(), 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as stream:
            # The bound on the length stops a small file from expanding without end.
            while length <= size and (chunk := stream.read(CHUNK)):
                digest.update(chunk)
                length += len(chunk)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{url} sent {len(body)} bytes that are not a complete gzip file ({error}) and begin "
            f"with {bytes(body[:16])!r}") from error
    if length != size or digest.hexdigest() != sha256:
        found = f"{length}" if length <= size else f"more than {size}"
        raise DataError(
            f"{url} sent other data. Expected {size} bytes with SHA-256 {sha256}. Found {found} "
            f"with {digest.hexdigest()}")


@contextlib.contextmanager
def progress_display(name: str, show: bool) -> Iterator[OnBytes]:
    """Show a progress bar for one file on the terminal if `show` is set."""
    if not show:
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
    name_column = TextColumn("{task.description}")
    columns = name_column, BarColumn(), DownloadColumn(), TransferSpeedColumn()
    # Standard error, so that the results on standard output can be piped elsewhere.
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
