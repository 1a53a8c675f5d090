"""All that is to be reached, in one place.

A target compares two contenders of a case, or bounds a single quantity:

- `at_least`: we are so many times as fast as the other,
- `at_most`: we cost at most so many times as much as the other; or, where `other` is empty,
  the quantity `ours` is at most that.
"""

from __future__ import annotations

from dataclasses import dataclass

OURS = "tinygrad_mlp"
CLASSIC = "classic algorithm by hand"
CLASSIC_IN_FLOAT32 = "classic algorithm by hand, in float32"
BATCH_1024 = "NumPy by hand, batches of 1024"
PRODUCTS = "the two large products alone"
BATCH_OF_ONE = {name: f"batch of one, {name}" for name in ("float64", "float32")}
SMALL_STEP, SMALL_PROGRAM = "small graph, eager", "small graph, compiled"
INFERENCE = "inference, 10,000 images"
MEMORY = "memory of training MNIST"
STORE_LOOP, STORE_RATIOS = "recurrent network, 1,000 stores", "stores"
DECORATOR, LIST = "tinygrad_mlp, decorator", "tinygrad_mlp, list and stack"


def mini_batch(size: int) -> str:
    """The name of the case of mini-batches of that size."""
    return f"batch of {size}, float32"


@dataclass(frozen=True)
class Target:
    """What to reach in one case; see above."""

    case: str
    other: str
    at_least: float | None = None
    at_most: float | None = None
    ours: str = OURS

    def met(self, value: float) -> bool:
        """Whether a value reaches it."""
        if self.at_least is not None:
            return value >= self.at_least
        return self.at_most is not None and value <= self.at_most

    def __str__(self) -> str:
        return f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"


EXPERIMENT = (
    Target(BATCH_OF_ONE["float64"], CLASSIC, at_least=30),
    Target(BATCH_OF_ONE["float32"], CLASSIC, at_least=60),
    Target(BATCH_OF_ONE["float32"], "PyTorch eager", at_least=25),
    Target(BATCH_OF_ONE["float32"], "JAX jit + scan", at_least=2),
    Target(BATCH_OF_ONE["float32"], PRODUCTS, at_most=1.6),
)

MINI_BATCHES = (
    Target(mini_batch(8), "PyTorch eager", at_least=3.3),
    Target(mini_batch(32), "PyTorch eager", at_least=1.6),
    Target(mini_batch(128), "PyTorch eager", at_least=1.2),
    Target(mini_batch(128), "JAX jit", at_least=1.0),
    Target(mini_batch(128), "scikit-learn", at_least=1.2),
    Target(mini_batch(512), "PyTorch eager", at_least=1.05),
    Target(mini_batch(512), "JAX jit", at_least=1.0),
    Target(mini_batch(512), "scikit-learn", at_least=1.2),
)

ADAM_CASES = {size: f"Adam, batch of {size}, float32" for size in (32, 128, 512)}

ADAM = tuple(
    Target(ADAM_CASES[size], "PyTorch eager", at_least=least)
    for size, least in ((32, 1.25), (128, 1.1), (512, 1.0))
)

LENET = "LeNet on 28×28, batch of 64"
POOLING = {"max": "max pooling 2×2", "avg": "average pooling 2×2"}

IMAGE_WORK = tuple(
    Target(case, "PyTorch eager", at_least=1.0) for case in (LENET, *POOLING.values())
)

CHAIN, CHAIN_MEMORY = "gradient of 40 steps of a diffusion", "memory of that gradient"
MATRICES = {kind: f"{kind} of 200-200-200 units" for kind in ("Jacobian", "Hessian")}

TRANSFORMS = (
    Target(CHAIN, "HIPS autograd", at_most=1.0),
    Target(CHAIN_MEMORY, "", at_most=10, ours="arrays at most"),
    *(Target(case, "JAX jit", at_most=4) for case in MATRICES.values()),
)

ONE_ROW = {work: f"one row: {work}" for work in ("predict", "partial_fit")}

ESTIMATORS = tuple(Target(case, "scikit-learn", at_most=1.0) for case in ONE_ROW.values())

SMALL_GRAPHS = (
    Target(SMALL_STEP, "NumPy by hand", at_most=5),
    Target(SMALL_STEP, "PyTorch eager, operators", at_most=0.5),
    Target(SMALL_STEP, "HIPS autograd", at_most=0.25),
    Target(SMALL_PROGRAM, "NumPy by hand, buffers", at_most=1.1),
)

INFERENCES = (Target(INFERENCE, "PyTorch eager", at_least=1.0),)

GROWTH = (
    Target("growth", "", at_most=13, ours="chain of 100,000 / of 10,000, time"),
    Target("growth", "", at_most=16, ours="kB left by 10,000 steps, collector off"),
)

MEMORIES = tuple(
    target
    for batch in (1, 128)
    for target in (
        Target(MEMORY, "", at_most=64, ours=f"batch of {batch}: MB beyond data, 4 epochs"),
        Target(MEMORY, "", at_most=1, ours=f"batch of {batch}: MB gained in epochs 2 to 4"),
    )
)

INPUT_MEMORY = "memory of training beyond the data"
INPUTS = tuple(
    Target(INPUT_MEMORY, "", at_most=64, ours=f"{trainer}: {source}")
    for source in ("array of uint8", "mapped file", "h5py", "zarr", "pandas", "polars",
                   "sparse matrix", "own object")
    for trainer in ("fit", "MLPClassifier", "L-BFGS"))

READ = "reads of a file larger than the memory, in an epoch"
READS = (Target(READ, "", at_most=2, ours="shuffle='chunks'"),)

STORES = (
    *(target for tracked in ("weights", "inputs, too") for target in (
        Target(STORE_RATIOS, "", at_most=2.3, ours=f"twice the steps, time ({tracked})"),
        Target(STORE_RATIOS, "", at_most=1.5, ours=f"array / list, time ({tracked})"),
        Target(STORE_RATIOS, "", at_most=1.1, ours=f"array / list, memory ({tracked})"))),
    Target(STORE_RATIOS, "", at_most=1.02, ours="training with / without the import"))

IMPORT = (Target("import", "", at_most=1.7, ours="import tinygrad_mlp / import numpy"),)

TWO_RANKS = "two ranks"

RANKS = (  # an efficiency of 0.85
    Target(TWO_RANKS, "", at_most=1.18, ours="time / half of one thread's, batch of 512"),)

WRONG_LINE = "search for the wrong line"
CALL = "one call of loss and derivation, median"
SEARCH, LONG_SEARCH = "search, median", "search, nine of ten"

WRONG_LINES = (
    Target(WRONG_LINE, "", at_most=1, ours=SEARCH),
    Target(WRONG_LINE, "", at_most=5, ours=LONG_SEARCH),
)

DERIVATION, DERIVATION_GROWTH = "derivation", "growth of a derivation"
TWENTY_LAYERS, TWICE = "20 layers", "20 layers / 10 layers, time"

DERIVATIONS = (
    Target(DERIVATION, "", at_most=1, ours=TWENTY_LAYERS),
    Target(DERIVATION_GROWTH, "", at_most=2.5, ours=TWICE),
)

ALL = (*EXPERIMENT, *MINI_BATCHES, *ADAM, *IMAGE_WORK, *TRANSFORMS, *SMALL_GRAPHS, *INFERENCES,
       *ESTIMATORS, *GROWTH, *MEMORIES, *INPUTS, *READS, *STORES, *RANKS, *IMPORT, *WRONG_LINES,
       *DERIVATIONS)

BACKWARD = "forward + backward"

COSTS = (SMALL_STEP, SMALL_PROGRAM, STORE_LOOP)
"""Cases whose ratios are costs (ours / other); of the others they are speeds (other / ours)."""
