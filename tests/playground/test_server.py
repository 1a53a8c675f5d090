"""The server of the playground: this computer only, our own pages only, and nothing else."""

import contextlib
import http.client
import json
import socket
import struct
import threading
import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.playground import play
from tinygrad_mlp.playground.commands import LARGEST
from tinygrad_mlp.playground.server import MOST_VIEWS


@pytest.fixture(scope="module")
def playground():
    made = play(hidden=(2,))
    made.serve()
    yield made
    made.close()


def path_of(playground):
    return "/" + playground.url.split("/", 3)[3]


def asked(playground, path, method="GET", **headers):
    server = playground.serve()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer, text


def opened(playground, **more):
    server = playground.serve()
    own = {"origin": f"http://127.0.0.1:{server.port}", "open_timeout": 10, **more}
    return connect(playground.url.replace("http", "ws") + "socket", **own)


def heard(connection):
    message = connection.recv(timeout=10)
    (length,) = struct.unpack("<I", message[:4])
    return json.loads(message[4:4 + length])


@pytest.mark.parametrize(("name", "kind"), [
    ("", "text/html"), ("play.js", "text/javascript"), ("play.css", "text/css")])
def test_the_files_of_the_page_are_served_with_every_safe_header(playground, name, kind):
    answer, text = asked(playground, path_of(playground) + name)
    assert answer.status == 200 and answer.headers["Content-Type"].startswith(kind) and text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http:" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_without_the_token_nothing_is_found(playground):
    own = path_of(playground)
    wrong = ["/", "/play.js", own[:-2] + "/", own[:-1] + "x/", "/" + own[2:], own + "../play.js",
             own + "session.py", own + "..%2f..%2fetc%2fpasswd", own + "play.js/", "/ééé/"]
    for path in wrong:
        path = path.encode("ascii", "replace").decode()
        assert asked(playground, path)[0].status == 404, path


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1",
                                  "127.0.0.1.evil.example"])
def test_another_host_is_refused(playground, host):
    assert asked(playground, path_of(playground), Host=host)[0].status == 403


def test_the_name_localhost_is_ours(playground):
    host = f"localhost:{playground.serve().port}"
    assert asked(playground, path_of(playground), Host=host)[0].status == 200


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "https://127.0.0.1",
                                    "http://127.0.0.1:1"])
def test_a_socket_of_another_origin_is_refused(playground, origin):
    with pytest.raises(InvalidHandshake), opened(playground, origin=origin):
        pass


def test_only_this_computer_is_served(playground):
    port = playground.serve().port
    with socket.socket() as probe:
        probe.settimeout(5)
        assert probe.connect_ex(("127.0.0.2", port)) != 0
    assert playground.serve()._server.socket.getsockname()[0] == "127.0.0.1"


def test_a_page_is_told_everything_and_a_bad_message_closes_nothing(playground):
    with opened(playground) as connection:
        assert heard(connection)["type"] == "hello"
        assert heard(connection)["type"] == "frame"
        for bad in ("{", "[]", '{"do": "fly"}', b"\x00\xff"):
            connection.send(bad)
            assert heard(connection)["type"] == "error"
        connection.send('{"do": "step"}')
        connection.send('{"do": "ack"}')
        while (found := heard(connection))["type"] != "frame" or found["step"] != 1:
            connection.send('{"do": "ack"}')


def test_a_message_that_is_too_large_closes_its_own_connection_only(playground):
    with opened(playground) as other:
        heard(other)
        with opened(playground) as connection:
            connection.send(" " * (LARGEST + 1))
            with pytest.raises(ConnectionClosed):
                while True:
                    connection.recv(timeout=10)
        other.send('{"do": "fly"}')
        while heard(other)["type"] != "error":
            pass


def test_the_number_of_pages_is_bounded(playground):
    with contextlib.ExitStack() as pages:
        for _ in range(MOST_VIEWS):
            heard(pages.enter_context(opened(playground)))
        with opened(playground) as more, pytest.raises(ConnectionClosed):
            more.recv(timeout=10)


def test_a_port_that_is_taken_is_refused_or_the_next_is_used(playground):
    port = playground.serve().port
    second = play(hidden=(2,))
    try:
        with pytest.raises(InvalidArgumentError, match=f"port {port} is not free"):
            second.serve(port)
        assert second.serve().port != port
        with pytest.raises(InvalidArgumentError, match="served on port"):
            second.serve(port)
    finally:
        second.close()


def test_a_browser_that_dies_is_told_of_nowhere_and_is_gone(caplog):
    made = play(hidden=(2,))
    with opened(made) as connection:
        assert heard(connection)["type"] == "hello"
        assert len(made.session.views) == 1
        connection.socket.shutdown(socket.SHUT_RDWR)  # without a word
        with contextlib.suppress(ConnectionClosed):
            while True:
                connection.recv(timeout=10)
    end = time.monotonic() + 10
    while made.session.views:
        assert time.monotonic() < end
        time.sleep(0.01)
    made.close()
    assert caplog.text == ""


def test_two_playgrounds_have_two_tokens():
    made = [play(hidden=(2,)) for _ in range(2)]
    tokens = [each.url.split("/")[3] for each in made]
    for each in made:
        each.close()
    assert len(set(tokens)) == 2 and all(len(token) == 32 for token in tokens)


def test_closing_ends_the_threads():
    made = play(hidden=(2,))
    made.serve()
    before = {t for t in threading.enumerate() if t.name in ("play", "play server")}
    assert before
    made.close()
    end = time.monotonic() + 10
    while any(t.is_alive() for t in before if t is made.session._thread):
        assert time.monotonic() < end
        time.sleep(0.01)
