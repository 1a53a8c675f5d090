"""Programs run by several processes."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.child import run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def mpiexec():
    """The command that starts several processes; tests are skipped where there is none."""
    pytest.importorskip("mpi4py", reason="mpi4py is not installed (extra mpi)")
    found = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip("there is no mpiexec (extra mpi)")
    return found


def by_mpi(mpiexec, n, module, *words, **environment):
    """Run a module by so many processes."""
    return run([mpiexec, "-n", n, sys.executable, "-m", module, *words], cwd=ROOT,
               env={**os.environ, "PYTHONPATH": str(ROOT), **environment})


@pytest.fixture
def by_ranks(mpiexec, tmp_path):
    """Run a program of `programs` by so many ranks; return what each has found."""
    def started(n, name, fails=False, **environment):
        done = by_mpi(mpiexec, n, "tests.parallel.programs", name, tmp_path, **environment)
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        if fails:
            return done.stdout + done.stderr
        return [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(n)]

    return started
