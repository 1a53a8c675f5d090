"""``python -m tinygrad_mlp`` is the command ``tinygrad-mlp``."""

from __future__ import annotations

import sys

from tinygrad_mlp.cli import main

if __name__ == "__main__":
    sys.exit(main())
