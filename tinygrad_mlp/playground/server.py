"""One loopback port for the page, its module and its WebSocket; and every check of a request."""

from __future__ import annotations

import contextlib
import hmac
import http
import queue
import secrets
import threading
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.playground.commands import LARGEST
from tinygrad_mlp.playground.session import Session
from tinygrad_mlp.stepping.page import style

if TYPE_CHECKING:
    from websockets.http11 import Request
    from websockets.sync.server import ServerConnection

FIRST_PORT, PORTS = 8765, 20
"""The port that is tried first, and how many after it."""

MOST_VIEWS = 8  # pages at a time
MOST_MESSAGES = 32  # to a page that wait

TEXT = "text/plain; charset=utf-8"


def module() -> str:
    """Return the one module of page and notebook: the steps, then the playground."""
    return _file("stepping", "steps.js") + "\n" + _file("playground", "play.js")


def sheet() -> str:
    """Return the style of page and notebook."""
    return style() + _file("playground", "play.css")


def _file(package: str, name: str) -> str:
    return files(f"tinygrad_mlp.{package}").joinpath(name).read_text(encoding="utf-8")


class Page:
    """A page that is open: messages to it wait in a queue, which a thread of its own empties."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._queue: queue.Queue[bytes | None] = queue.Queue(MOST_MESSAGES)
        threading.Thread(target=self._send, name="play page", daemon=True).start()

    def offer(self, message: bytes | None) -> None:
        """Send a message; drop it if too many wait."""
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            pass

    def _send(self) -> None:
        from websockets.exceptions import ConnectionClosed

        while (message := self._queue.get()) is not None:
            try:
                self._connection.send(message)
            except ConnectionClosed:
                return


class Server:
    """Serves a session on a port of this computer only.

    Attributes:
        url: the address of the page. It holds a token that no other page knows.

    Args:
        session: the session; it must have been started.
        port: the port; None for the first that is free.

    Raises:
        InvalidArgumentError: the port that was asked for is taken, or no port is free.
    """

    def __init__(self, session: Session, port: int | None = None) -> None:
        self.session = session
        self._token = secrets.token_urlsafe(24)
        self._places = threading.BoundedSemaphore(MOST_VIEWS)
        self._files = {"": (_file("playground", "play.html"), "text/html; charset=utf-8"),
                       "play.js": (module(), "text/javascript; charset=utf-8"),
                       "play.css": (sheet(), "text/css; charset=utf-8")}
        self._server, self.port = self._bound(port)
        self._hosts = {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost")}
        self.url = f"http://127.0.0.1:{self.port}/{self._token}/"

    def _bound(self, port: int | None) -> tuple[Any, int]:
        from websockets.sync.server import serve

        for tried in [port] if port is not None else range(FIRST_PORT, FIRST_PORT + PORTS):
            try:
                return serve(
                    self._connected, "127.0.0.1", tried, process_request=self._answered,
                    max_size=LARGEST, compression=None, open_timeout=5), tried
            except OSError as error:
                reason = error
        wanted = f"port {port} is" if port is not None else (
            f"ports {FIRST_PORT} to {FIRST_PORT + PORTS - 1} are")
        raise InvalidArgumentError(
            f"play: {wanted} not free ({reason.strerror}). Choose another port.") from reason

    def run(self) -> None:
        """Serve until `close` is called, from another thread."""
        self._server.serve_forever()

    def close(self) -> None:
        """End the server and the session."""
        self._server.shutdown()
        self.session.close()

    # -- requests --------------------------------------------------------------------------------

    def _answered(self, connection: object, request: Any) -> Any:
        """Return the answer to a request; None lets a WebSocket of our own page open."""
        host = request.headers.get_all("Host")
        if len(host) != 1 or host[0] not in self._hosts:
            return self._response(http.HTTPStatus.FORBIDDEN, "another host\n", TEXT)
        _, _, rest = request.path.partition("/")
        token, slash, name = rest.partition("/")
        if not slash or not hmac.compare_digest(token.encode(), self._token.encode()):
            return self._response(http.HTTPStatus.NOT_FOUND, "not found\n", TEXT)
        if name == "socket":
            return self._refused(request)
        if name not in self._files:
            return self._response(http.HTTPStatus.NOT_FOUND, "not found\n", TEXT)
        return self._response(http.HTTPStatus.OK, *self._files[name])

    def _refused(self, request: Request) -> Any:
        """Return why a WebSocket may not open; None if it may."""
        origins = request.headers.get_all("Origin")
        ours = {f"http://{host}" for host in self._hosts}
        if len(origins) != 1 or origins[0] not in ours:
            return self._response(http.HTTPStatus.FORBIDDEN, "another origin\n", TEXT)
        return None

    def _response(self, status: http.HTTPStatus, text: str, kind: str) -> Any:
        from websockets.datastructures import Headers
        from websockets.http11 import Response

        body = text.encode()
        sources = " ".join(f"ws://{host}" for host in sorted(self._hosts))
        headers = Headers({
            "Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close",
            "Content-Security-Policy": f"default-src 'none'; script-src 'self'; style-src 'self'; "
                                       f"img-src data:; connect-src {sources}; base-uri 'none'; "
                                       f"form-action 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"})
        return Response(status.value, status.phrase, headers, body)

    def _connected(self, connection: ServerConnection) -> None:
        """Hand the messages of a page to the session, until it is closed."""
        from websockets.exceptions import ConnectionClosedError

        if not self._places.acquire(blocking=False):
            connection.close(1013, f"at most {MOST_VIEWS} pages")
            return
        page = Page(connection)
        self.session.add(page)
        try:
            with contextlib.suppress(ConnectionClosedError):  # the browser has died
                for message in connection:
                    self.session.submit(page, message)
        finally:
            self.session.remove(page)
            page.offer(None)
            self._places.release()
