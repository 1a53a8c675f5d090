"""The architecture of a model in words, and the differences between two of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.nn import Module


def architecture(model: Module) -> dict[str, str]:
    """Return the modules of a model by name (itself is ""), each with its class and settings.

    Settings are the attributes that are numbers, text, truth values or None. How large the arrays
    are is told by the arrays.

    >>> import tinygrad_mlp as tg
    >>> architecture(tg.nn.Sequential(tg.nn.Linear(3, 2, bias=False), tg.nn.Tanh()))
    {'': 'Sequential()', '0': 'Linear(in_features=3, out_features=2, bias=None)', '1': 'Tanh()'}
    """
    return {path: _described(module) for path, module in model.named_modules()}


def _described(module: Module) -> str:
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    settings = [f"{name}={_plain(v)!r}" for name, v in public.items() if _is_setting(v)]
    return f"{type(module).__name__}({', '.join(settings)})"


def _is_setting(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) > 0 and all(map(_is_setting, value))
    return value is None or isinstance(value, (bool, int, float, str, np.generic))


def _plain(value: object) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)([_plain(item) for item in value])
    return value.item() if isinstance(value, np.generic) else value


def differences(stored: object, model: Module) -> list[str]:
    """Return the differences between a stored `architecture` and a model, one line a module.

    Where nothing was stored, nothing is known to differ.
    """
    if not isinstance(stored, dict):
        return []
    own = architecture(model)
    paths = [path for path in dict.fromkeys([*stored, *own]) if stored.get(path) != own.get(path)]
    return [
        f"'{path}': the file has {stored.get(path, 'nothing')}, this model "
        f"{own.get(path, 'nothing')}" for path in paths]
