"""One file from one server: fetched into memory, proved right, then written in one step."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator

from tinygrad_mlp.errors import DataError

OnBytes = Callable[[int, int | None], None]

CHUNK = 1 << 16
# A gzip file is smaller than its content, save for a small file with its headers.
GZIP_OVERHEAD = 1 << 16


def fetch(
    url: str,
    *,
    size: int,
    sha256: str,
    timeout: float,
    on_bytes: OnBytes = lambda done, total: None,
) -> bytes:
    """Download a gzip file and return its bytes, once their content is known to be right.

    Nothing is written. At most `size` bytes and a little are accepted, compressed as well as
    expanded, whatever the server sends.

    Args:
        url: where the compressed file lies.
        size: number of bytes of the uncompressed content.
        sha256: its SHA-256 digest in hexadecimal.
        timeout: seconds the server may stay silent.
        on_bytes: told the number of bytes received so far, and their total if the server
            announced it.

    Raises:
        DataError: the server cannot be reached, refuses, falls silent, stops early, or sends
            something else. The message says which.
    """
    import http.client
    import urllib.error
    import urllib.request

    body = bytearray()
    cap = size + GZIP_OVERHEAD
    # Some servers turn away the name that urllib gives itself.
    headers = {"User-Agent": "tinygrad_mlp"}
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=timeout) as response:
            announced = response.headers.get("Content-Length", "")
            total = int(announced) if announced.isdecimal() else None
            # read1 returns what has arrived, so that the progress moves with it; read would
            # wait for a full chunk.
            while len(body) <= cap and (chunk := response.read1(CHUNK)):
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
    if len(body) > cap:
        raise DataError(f"{url} sent more than the {cap} bytes expected at most")
    if total is not None and len(body) < total:
        raise DataError(f"{url} sent {len(body)} of {total} bytes, then stopped")
    _check_content(body, url, size, sha256)
    return bytes(body)


def _check_content(body: bytearray, url: str, size: int, sha256: str) -> None:
    import gzip
    import hashlib
    import zlib

    digest, length = hashlib.sha256(), 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as stream:
            # The bound on the length keeps a small file from expanding without end.
            while length <= size and (chunk := stream.read(CHUNK)):
                digest.update(chunk)
                length += len(chunk)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{url} sent {len(body)} bytes that are no whole gzip file ({error}); they begin "
            f"with {bytes(body[:16])!r}"
        ) from error
    if length != size or digest.hexdigest() != sha256:
        found = f"{length}" if length <= size else f"more than {size}"
        raise DataError(
            f"{url} sent other data: expected {size} bytes with SHA-256 {sha256}, found {found} "
            f"with {digest.hexdigest()}"
        )


@contextlib.contextmanager
def progress_display(name: str, show: bool) -> Iterator[OnBytes]:
    """A progress bar for one file on the terminal; without `show`, nothing at all."""
    if not show:
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    # Standard error, so that the results on standard output can be piped elsewhere.
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
