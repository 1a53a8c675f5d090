"""Measures this package side by side with others: ``python -m tests.benchmarks --help``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from tests import child
from tests.benchmarks import machine, picture, report, setting, threads, timing

MEASUREMENTS = {
    "experiment": "the classic network, one sample a step",
    "mini_batches": "training in batches of 8 to 512",
    "adam": "Adam in batches of 32 to 512",
    "images": "convolution and pooling",
    "transforms": "a long chain, Jacobians and Hessians",
    "small_graphs": "overhead, eager and compiled",
    "inference": "predictions for 10,000 images",
    "estimators": "training next to scikit-learn's own networks",
    "growth": "time and memory against size",
    "memory": "of training over epochs",
    "inputs": "memory of training beyond the data, by kind of input",
    "mapped_file": "what an epoch reads from the disk, by the order of the samples",
    "stores": "a recurrent network that stores its states into an array",
    "ranks": "training by two processes",
    "import_time": "next to that of NumPy",
    "gradient_checks": "check_grad and check_derivation",
    "wrong_lines": "the search for the wrong line of a derivation",
    "derivations": "closed form and steps of deep and of recurrent networks",
}
"""What is measured, each by the module of that name."""

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
"""What has the tables of a run; its picture has the same name."""

ON_ONE_THREAD = (
    "growth", "inputs", "mapped_file", "stores", "ranks", "import_time", "wrong_lines",
    "derivations")
"""What more threads cannot change."""


def in_child(name: str, number: int, quick: bool, cpu: bool) -> dict[str, Any]:
    """The results of one measurement in a process of its own, with so many threads."""
    done = child.python(
        "-m", "tests.benchmarks", "--child", name, *["--quick"] * quick,
        env={**threads.environment(number), timing.CLOCK: "cpu" if cpu else ""},
        stdout=child.PIPE, check=True, timeout=3600,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"threads": number, **found}


def measured(name: str, quick: bool) -> dict[str, Any]:
    """The results of one measurement, in this process."""
    cases = import_module(f"tests.benchmarks.{name}").measure(quick)
    return {"cases": [asdict(case) for case in cases], "libraries": machine.libraries()}


def names(text: str) -> list[str]:
    """The names in a list with commas."""
    chosen = text.split(",")
    unknown = [name for name in chosen if name not in MEASUREMENTS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(unknown)}; choose from {', '.join(MEASUREMENTS)}"
        )
    return chosen


def numbers(text: str) -> list[int]:
    """The numbers of threads in a list with commas."""
    chosen = [int(n) for n in text.split(",")]
    if min(chosen) < 1:
        raise argparse.ArgumentTypeError("numbers of threads must be at least 1")
    return chosen


def arguments() -> argparse.ArgumentParser:
    """What the command line takes."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:<16} {what}" for name, what in MEASUREMENTS.items()),
    )
    parser.add_argument("--quick", action="store_true",
                        help="a short look: few rounds, one thread; the figures are rough")
    parser.add_argument("--only", type=names, default=list(MEASUREMENTS), metavar="A,B",
                        help="what to measure, from the list below")
    parser.add_argument("--threads", type=numbers, metavar="N,M",
                        help="numbers of threads; 1,2 if not given")
    parser.add_argument("--cpu", action="store_true",
                        help="measure the processor's time: for one thread on a busy machine")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all that was measured")
    parser.add_argument("--markdown", type=Path, metavar="PATH", help="write the tables")
    parser.add_argument("--picture", type=Path, metavar="PATH", help="draw the ratios")
    parser.add_argument("--docs", action="store_true",
                        help="write tables and picture of docs/performance.md")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser


def main() -> None:
    """Measure, print, and write what is asked for."""
    parser = arguments()
    chosen = parser.parse_args()
    if chosen.docs and (chosen.quick or chosen.only != list(MEASUREMENTS)):
        parser.error("--docs writes all tables: leave out --quick and --only")
    if chosen.child:
        print(json.dumps(measured(chosen.child, chosen.quick)))
        return
    counts = chosen.threads or ([1] if chosen.quick else [1, 2])
    runs: list[dict[str, Any]] = []
    for name in chosen.only:
        for number in counts[:1] if name in ON_ONE_THREAD else counts:
            print(f"{name}, {number} thread(s) ...", file=sys.stderr, flush=True)
            runs.append(in_child(name, number, chosen.quick, chosen.cpu))
    results = {
        "machine": machine.description(), "quick": chosen.quick, "cpu": chosen.cpu,
        "images": setting.source_of_images(), "runs": runs,
    }
    about = results["machine"]
    print(f"{about['cpu']}, {about['cores']} cores, BLAS {about['blas']}\n")
    print(report.table(results))
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if chosen.markdown:
        chosen.markdown.write_text(report.markdown(results), encoding="utf-8")
    if chosen.picture:
        picture.draw(results, chosen.picture)
    if chosen.docs:
        PAGE.write_text(report.page(PAGE.read_text("utf-8"), results), encoding="utf-8")
        picture.draw(results, PAGE.with_suffix(".png"))


if __name__ == "__main__":
    main()
