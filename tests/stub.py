"""Writes tinygrad_mlp/__init__.pyi, what a type checker reads, from the package's own table.

``python -m tests.stub`` regenerates it; a test checks that it is up to date.
"""

from pathlib import Path

import tinygrad_mlp as tg

STUB = Path(tg.__file__).with_suffix(".pyi")


def stub() -> str:
    lines = ["from tinygrad_mlp import errors as errors"]
    lines += ["from tinygrad_mlp.autograd import *"]
    lines += ["from tinygrad_mlp.autograd.ops import *"]
    lines += ["from tinygrad_mlp.support.version import __version__ as __version__"]
    for name, place in tg.LOADED_WHEN_USED.items():
        module, _, attribute = place.partition(":")
        parent, _, leaf = f"tinygrad_mlp.{module}".rpartition(".")
        source, found = (f"tinygrad_mlp.{module}", attribute) if attribute else (parent, leaf)
        lines.append(f"from {source} import {found} as {name}")
    return "\n".join(sorted(lines)) + "\n\nLOADED_WHEN_USED: dict[str, str]\n"


if __name__ == "__main__":
    STUB.write_text(stub())
    print(f"Wrote {STUB}")
