"""The same session as a widget of a notebook."""

from __future__ import annotations

from typing import Any

from tinygrad_mlp.errors import MissingToolError
from tinygrad_mlp.playground.server import module, sheet
from tinygrad_mlp.playground.session import Session
from tinygrad_mlp.support.notebook import tell_of_cells


def widget(session: Session) -> Any:
    """Return a widget that shows a session, which waits while a cell of the notebook runs.

    Raises:
        MissingToolError: anywidget is not installed; the message says how to get it.
    """
    try:
        import anywidget
    except ImportError as error:
        raise MissingToolError(
            "play() needs anywidget in a notebook: pip install 'tinygrad_mlp[notebook]'") from error

    class PlaygroundWidget(anywidget.AnyWidget):
        """A view of the session; messages go both ways as they do through a socket."""

        _esm = module()
        _css = sheet()

        def offer(self, message: bytes) -> None:
            self.send({"type": "message"}, [message])

    made = PlaygroundWidget()
    made.on_msg(lambda _, content, buffers: session.submit(made, content))
    session.add(made)
    session.at_close.append(tell_of_cells(session.hold))
    return made
