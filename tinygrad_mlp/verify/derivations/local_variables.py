"""Names of a function's local variables, for messages that call z2 what its author calls it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, FrameType
from typing import Any


def call_with_local_variables(function: Callable[..., Any],
                              arguments: Mapping[str, Any],
                              args: Sequence[Any] = ()) -> tuple[Any, dict[str, Any]]:
    """Return ``function(*args, **arguments)`` and the function's local variables when it returned.

    Python 3.11 shows the local variables of a finished call to a profiling function only, so one
    is installed for the duration of the call. Nothing else in the package does this. The names
    only serve messages: where there are none to see (a built-in, a callable object), or somebody
    else is profiling, the variables are left out.
    """
    code: CodeType | None = getattr(function, "__code__", None)
    variables: dict[str, Any] = {}
    if code is None or sys.getprofile() is not None:
        return function(*args, **arguments), variables

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        if event == "return" and frame.f_code is code:
            variables.update(frame.f_locals)

    sys.setprofile(watch)
    try:
        return function(*args, **arguments), variables
    finally:
        sys.setprofile(None)
