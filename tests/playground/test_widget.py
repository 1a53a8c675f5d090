"""The playground in a notebook: the same session, the same module, two displays of one widget."""

import builtins
import json
import struct
import time

import pytest

from tinygrad_mlp.errors import MissingToolError
from tinygrad_mlp.playground import play, server, widget

anywidget = pytest.importorskip("anywidget", reason="anywidget is not installed")


def test_a_widget_hears_and_is_told_what_a_page_is(monkeypatch):
    sent = []
    monkeypatch.setattr(anywidget.AnyWidget, "send", lambda self, content, buffers=None:
                        sent.append(bytes(buffers[0])))
    playground = play(hidden=(2,))
    made = widget.widget(playground.session)

    def heard(kind):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for message in list(sent):
                (length,) = struct.unpack("<I", message[:4])
                header = json.loads(message[4:4 + length])
                if header["type"] == kind:
                    return header
            time.sleep(0.01)
        raise AssertionError(kind)

    assert heard("hello")["settings"]["hidden"] == [2] and heard("frame")["step"] == 0
    made._handle_custom_msg({"do": "step"}, [])
    made._handle_custom_msg({"do": "fly"}, [])
    assert "do" in heard("error")["text"]
    assert playground.session.experiment.trainers[0].run.iteration == 0
    playground.close()


def test_it_waits_while_a_cell_of_the_notebook_runs(monkeypatch):
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell()
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
    playground = play(hidden=(2,))
    playground._repr_mimebundle_()
    session = playground.session
    session.running = True
    seen = []
    shell.user_ns.update(session=session, seen=seen)
    for cell in ("seen.append(session.held)", "1 / 0", "syntax error"):
        shell.run_cell(cell)
        assert not session.held
    assert seen == [True] and session.running
    playground.close()  # and it is told of no more cells
    shell.run_cell("seen.append(session.held)")
    assert seen == [True, False]


def test_a_saved_notebook_has_a_picture_of_the_network():
    playground = play(hidden=(2,))
    shown = playground._repr_mimebundle_()
    data = shown[0] if isinstance(shown, tuple) else shown
    playground.close()
    assert data["text/html"].startswith('<img src="data:image/svg+xml;base64,')
    assert data["text/plain"].startswith("<Playground") and len(data) > 2


def test_the_module_is_that_of_the_page_and_loads_nothing():
    module = server.module()
    assert module == server.module() and "export default" in module and "stepThrough" in module
    assert "import " not in module and "eval(" not in module and "https:" not in module


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "anywidget", None)
    playground = play(hidden=(2,))
    try:
        with pytest.raises(MissingToolError, match=r"tinygrad_mlp\[notebook\]"):
            playground._repr_mimebundle_()
    finally:
        playground.close()
