"""A session: one thread owns model, optimizer and data. Commands come in, messages go out."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np

from tinygrad_mlp.errors import TinygradError
from tinygrad_mlp.playground import commands
from tinygrad_mlp.playground.experiment import PlayExperiment
from tinygrad_mlp.playground.frames import encoded
from tinygrad_mlp.support.blas_threads import blas_threads

INTERVAL = 0.05  # seconds between two frames
IDLE = 0.2  # seconds to wait for a command while nothing is to be done
MOST_COMMANDS = 256  # that wait

HELLO, GONE = object(), object()
"""What a view says as it comes and as it goes, which no message can say."""


class View(Protocol):
    """A page, or a widget: what a session sends messages to."""

    def offer(self, message: bytes) -> None:
        """Send a message; drop it if the view is slow."""


class Session:
    """An experiment with the thread that trains it, and the views that show it.

    Other threads call `submit`, `add`, `remove`, `hold` and `close` only. A test may start no
    thread and call `handle` and `turn` itself.

    Attributes:
        running: whether the person lets it train.
        held: whether training waits all the same, until a cell of the notebook has run.
        views: the views, with the frames that are under way to each.
        at_close: functions to call when it is closed.
    """

    def __init__(self, experiment: PlayExperiment) -> None:
        self.experiment = experiment
        self.running = False
        self.held = False
        self.views: dict[View, int] = {}
        self.at_close: list[Callable[[], None]] = []
        self._inbox: queue.Queue[tuple[View | None, Any]] = queue.Queue(MOST_COMMANDS)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="play", daemon=True)
        self._budget = 0.0  # steps that may be taken now
        self._last_steps = self._last_frame = 0.0  # when they were taken, when it was sent
        self._stale = True  # whether the last frame is out of date

    # -- from other threads ----------------------------------------------------------------------

    def start(self) -> Session:
        """Start the session's thread, and return the session."""
        self._thread.start()
        return self

    def begin_with(self, preset: str) -> None:
        """Begin with the settings of a name."""
        self.submit(None, {"do": "preset", "name": preset})

    def submit(self, view: View | None, message: object) -> None:
        """Hand over a message of a view; it is dropped if too many wait."""
        try:
            self._inbox.put_nowait((view, message))
        except queue.Full:
            if view is not None:
                view.offer(_error("too many commands wait. Slow down."))

    def add(self, view: View) -> None:
        """Add a view, which is told everything."""
        self._inbox.put((view, HELLO))

    def remove(self, view: View) -> None:
        """Remove a view. Without any, the training pauses."""
        self._inbox.put((view, GONE))

    def hold(self, on: bool) -> None:
        """Let training wait while a cell of the notebook runs, or go on."""
        self.held = on
        if self.running:
            self._stale = True  # a frame tells it

    def close(self) -> None:
        """End the session, after what it is doing now."""
        self._closed.set()
        while self.at_close:
            self.at_close.pop()()
        if self._thread.is_alive():
            self._thread.join(5)

    # -- the thread ------------------------------------------------------------------------------

    def _loop(self) -> None:
        with blas_threads(1), np.errstate(all="ignore"):
            while not self._closed.is_set():
                self.turn()

    def turn(self) -> None:
        """Do what waits, then take the steps that are due and send the frame that is due."""
        self._take_commands()
        if self.running and not self.held:
            self._guarded(None, self._train)
        self._send_frames()

    def _take_commands(self) -> None:
        """Do what waits; if nothing is to be done, wait for it."""
        wait = self._until_due()
        try:
            while True:
                view, message = self._inbox.get(timeout=wait)
                self._guarded(view, partial(self.handle, view, message))
                wait = 0.001
        except queue.Empty:
            return

    def _until_due(self) -> float:
        """Return how many seconds may be waited for a command before there are other things."""
        training = self.running and not self.held
        if training and self._budget >= 1:
            return 0.001
        if self._stale and self._waiting():
            due = self._last_frame + INTERVAL
        elif training:
            due = self._last_steps + INTERVAL
        else:
            return IDLE
        return max(0.001, due - time.perf_counter())

    def _waiting(self) -> list[View]:
        """Return the views that have drawn their last frame."""
        return [view for view, under_way in self.views.items() if under_way < 1]

    def _guarded(self, view: View | None, work: Callable[[], None]) -> None:
        """Do something; an error is told, and ends nothing but what was tried."""
        try:
            work()
        except Exception as error:
            if view is None:
                self.running = False
            known = isinstance(error, TinygradError)
            told = str(error) if known else f"{type(error).__name__}: {error}"
            for each in [view] if view is not None else list(self.views):
                each.offer(_error(told))

    def _train(self) -> None:
        """Take as many steps as the rate allows until the next frame is due."""
        start = time.perf_counter()
        rate = self.experiment.settings.rate
        earned = self._budget + rate * (start - self._last_steps)
        self._budget = min(earned, max(1.0, 2 * rate * INTERVAL))  # little is made up for later
        self._last_steps = start
        while self._budget >= 1 and not self.held and time.perf_counter() - start < INTERVAL / 2:
            self._budget -= 1
            if not self.step("batch"):
                break

    def step(self, unit: str) -> bool:
        """Take steps; pause where a training has diverged. Return whether they were taken."""
        taken = self.experiment.step(unit)
        self.running = self.running and taken
        self._stale = True
        return taken

    def _send_frames(self) -> None:
        now = time.perf_counter()
        waiting = self._waiting()
        if not waiting or not self._stale or now - self._last_frame < INTERVAL:
            return
        self._last_frame, self._stale = now, self.running and not self.held
        message = self.experiment.frame(self.running, self.running and self.held)
        for view in waiting:
            self.views[view] += 1
            view.offer(message)

    # -- commands --------------------------------------------------------------------------------

    def handle(self, view: View | None, message: Any) -> None:
        """Do what a message of a view asks for."""
        if message is GONE:
            self.views.pop(view, None)  # type: ignore[arg-type]
            self.running = self.running and bool(self.views)
            return
        command = commands.HelloCommand() if message is HELLO else commands.command(message)
        answer: bytes | None = None
        match command:
            case commands.AckCommand() if view in self.views:
                self.views[view] = 0
                return
            case commands.HelloCommand() if view is not None:
                self.views[view] = 0
                answer = self.experiment.hello()
            case commands.RunCommand():
                self.running = command.on
            case commands.StepCommand():
                self.running = False
                self.step(command.unit)
            case _:
                answer = self.experiment.do(command)
        if answer is not None and view is not None:
            view.offer(answer)
        while self.experiment.news:
            news = self.experiment.news.pop(0)
            for each in self.views:
                each.offer(news)
        self._stale = True


def _error(text: str) -> bytes:
    return encoded({"type": "error", "text": text[:2000]})
