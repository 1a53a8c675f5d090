"""`play`: open a playground for a model and data, in a browser or in a notebook."""

from __future__ import annotations

import threading
import webbrowser
from typing import Any

from tinygrad_mlp.drawing.neurons import neurons
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.nn import Module
from tinygrad_mlp.playground.experiment import PlayExperiment
from tinygrad_mlp.playground.server import Server
from tinygrad_mlp.playground.session import Session
from tinygrad_mlp.playground.settings import PlaySettings
from tinygrad_mlp.playground.widget import widget
from tinygrad_mlp.support.html import inlined
from tinygrad_mlp.training.evaluation import LossFunction


class Playground:
    """A playground; what `play` returns. A notebook displays it.

    Attributes:
        session: the training, which pages and widgets show.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._server: Server | None = None
        self._widget: Any = None

    @property
    def url(self) -> str:
        """The address of the page, on this computer only; a server begins when it is asked for."""
        return self.serve().url

    def serve(self, port: int | None = None) -> Server:
        """Serve the page on a port; None for the first that is free.

        Raises:
            InvalidArgumentError: the port is not free, or another one is served already.
        """
        if self._server is None:
            self._server = Server(self.session, port)
            threading.Thread(target=self._server.run, name="play server", daemon=True).start()
        if port not in (None, self._server.port):
            raise InvalidArgumentError(
                f"play: this playground is served on port {self._server.port} already. Close it "
                f"first.")
        return self._server

    def open(self) -> None:
        """Open the page in the browser."""
        webbrowser.open(self.url)

    def close(self) -> None:
        """End training and server."""
        self.session.close()
        if self._server is not None:
            self._server.close()

    def _repr_mimebundle_(self, **options: object) -> Any:
        if self._widget is None:
            self._widget = widget(self.session)
        shown = self._widget._repr_mimebundle_(**options)
        layers = self.session.experiment.trainers[0].layers()
        data = shown[0] if isinstance(shown, tuple) else shown
        data["text/plain"] = repr(self)
        if layers:  # a picture of the network, for a saved notebook
            captions = [("x", ""), *((f"layer {n}", "") for n in range(2, len(layers) + 2))]
            picture = neurons([layer.weight.data for layer in layers], captions)
            data["text/html"] = inlined(picture, "the network")
        return shown

    def __repr__(self) -> str:
        return "<Playground: display it in a notebook, or call open() for a page in the browser>"


def play(model: Module | None = None, data: object = "spirals", *, loss: LossFunction | None = None,
         **settings: Any) -> Playground:
    """Open a playground: a training to watch, to pause, to step through, and to change.

    The page shows the network with what each neuron sees, the decision boundary, the gradients on
    the edges and their norms by layer, the losses, and the steps of one pass.

    Args:
        model: a module whose outputs the loss takes; it is copied. None for a network of the
            playground, whose layers can be changed.
        data: "spirals", "circles", "digits" or "mnist"; a CSV file with a header, whose last column
            is the target; or a pair (X, Y) of arrays.
        loss: a function ``(prediction, target)`` that returns the mean over samples. None for the
            cross entropy of classes, the squared error of numbers.
        settings: what to begin with: hidden, activation, optimizer, init, lr, batch, rate, noise,
            seed.

    Returns:
        the playground. `open` shows it in a browser, a notebook displays it.

    Raises:
        InvalidArgumentError: a setting or the data are of another kind.
        DataNotFoundError: there is no such file.
        DataError: the file is no table of numbers.

    >>> import tinygrad_mlp as tg
    >>> playground = play(data="circles", hidden=(3,), lr=0.03)
    >>> playground.session.experiment.trainers[0].step("epoch")
    24
    >>> playground.close()
    """
    if model is not None and not isinstance(model, Module):
        raise InvalidArgumentError(
            f"play: model must be a Module (see tg.nn), or None. Got {type(model).__name__}.")
    if loss is not None and not callable(loss):
        raise InvalidArgumentError(
            f"play: loss must be a function (prediction, target). Got {loss!r}.")
    unknown = set(settings) - set(PlaySettings.__dataclass_fields__)
    if unknown:
        raise InvalidArgumentError(
            f"play: there is no setting {', '.join(sorted(unknown))}. The settings are "
            f"{', '.join(PlaySettings.__dataclass_fields__)}.")
    if isinstance(settings.get("hidden"), (list, int)):
        hidden = settings["hidden"]
        settings["hidden"] = tuple(hidden) if isinstance(hidden, list) else (hidden,)
    experiment = PlayExperiment(model, data, loss, PlaySettings(**settings))
    return Playground(Session(experiment).start())
