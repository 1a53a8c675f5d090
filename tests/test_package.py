"""The package as a whole: its floors, its names, and what importing it costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_mlp as tg

PACKAGE = Path(tg.__file__).parent

FLOORS = [
    {"errors"},
    {"checks", "display", "files", "blas"},
    {"autograd.graph", "autograd.signature", "autograd.callsite"},
    {"autograd.calls", "autograd.declaration"},
    {"autograd.op"},
    {"autograd.samples"},
    {"autograd.ops", "autograd.first_use"},
    {"autograd.backward"},
    {"autograd.describe"},
    {"autograd.numpy_protocols"},
    {"autograd.numpy_calls"},
    {"autograd.array_behaviour"},
    {"autograd.tree", "autograd.tensor", "autograd.debug"},
    {"autograd.functional"},
    {"autograd"},
    {"nn", "optim", "data"},
    {"program"},
    {"explanation", "exporting"},
    {"drawing"},
    {"plotting"},
    {"history", "distributions", "verify", "storage", "architecture"},
    {"callbacks", "progress", "evaluation"},
    {"stepping", "arguments"},
    {"resuming"},
    {"training"},
    {"neural_network"},
    {"estimators"},
    {"checkpoint", "reporting"},
    {"pytorch"},
    {"cli"},
    {"__main__"},
]
"""From the ground up. A module may import from lower floors and from its own entry here only."""

WITHIN_OPS = [
    "comparison", "arithmetic", "exponential", "rounding", "trigonometry", "special", "activations",
    "shape", "indexing", "joining", "arranging", "diagonals", "creation", "reduction", "products",
    "tensordots", "einstein", "scans", "sorting", "statistics", "padding", "normalisation",
    "logic", "inverses", "triangular", "spectral", "norms", "linalg", "convolution", "losses",
]  # fmt: skip
"""In the same way, the modules of operations; each stands in this list."""


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name:
            yield name, path


def imports(path):
    """The modules of the package that a file imports when it is itself imported, or later.

    Imports for type checkers only are left out: they do not run.
    """
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tinygrad_mlp"):
            base = node.module.removeprefix("tinygrad_mlp").lstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".lstrip(".")
                yield inner if (PACKAGE / inner.replace(".", "/")).exists() or (
                    PACKAGE / (inner.replace(".", "/") + ".py")
                ).exists() else base
        elif isinstance(node, ast.Import):
            for alias in node.names:
                assert not alias.name.startswith("tinygrad_mlp"), f"{path}: use from … import"


def entry_of(module):
    """The floor's number and the entry (a module or a package) that a module belongs to."""
    for number, floor in enumerate(FLOORS):
        for entry in floor:
            inside = entry != "autograd" and module.startswith(f"{entry}.")
            if module == entry or inside:
                return number, entry
    raise AssertionError(f"'{module}' stands on no floor: add it to FLOORS")


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=[m for m, _ in modules()])
def test_imports_only_go_down_the_floors(module, path):
    number, entry = entry_of(module)
    for target in imports(path):
        if target == "":
            continue  # the package itself, for its version
        target_number, target_entry = entry_of(target)
        assert target_entry == entry or target_number < number, (
            f"{module} (floor {number}) imports {target} (floor {target_number})"
        )


@pytest.mark.parametrize("name", WITHIN_OPS)
def test_operations_are_layered_among_themselves(name):
    path = PACKAGE / "autograd" / "ops" / f"{name}.py"
    for target in imports(path):
        if target.startswith("autograd.ops."):
            assert WITHIN_OPS.index(target.rpartition(".")[2]) < WITHIN_OPS.index(name)


def test_every_module_of_operations_has_its_place_in_the_layers():
    found = {path.stem for path in (PACKAGE / "autograd" / "ops").glob("*.py")}
    assert found - {"__init__"} == set(WITHIN_OPS)


def test_every_operation_is_a_name_of_the_package():
    missing = [name for name in tg.OPS if not callable(getattr(tg, name, None))]
    assert missing == []


def test_every_name_loaded_when_used_exists():
    for name in tg.LOADED_WHEN_USED:
        assert getattr(tg, name) is not None
    assert set(tg.LOADED_WHEN_USED) <= set(dir(tg))


def test_an_unknown_name_is_refused_with_advice():
    with pytest.raises(AttributeError, match=r"no 'tahn'.*tg\.OPS"):
        tg.tahn  # noqa: B018


def test_importing_the_package_loads_nothing_heavy():
    heavy = [
        "scipy", "sklearn", "matplotlib", "rich", "typer", "safetensors", "onnx", "numpy.random",
    ]  # fmt: skip
    code = f"import sys, tinygrad_mlp; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_training_loads_scipy_only_where_it_computes_with_it():
    code = "import sys, tinygrad_mlp as tg; tg.fit, tg.NeuralNetwork; print('scipy' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"


SIGNATURES = {
    "Tensor": "(data, *, requires_grad=False, dtype=None, name=None)",
    "nn.Linear": "(in_features, out_features, bias=True, *, init=None, rng=None, dtype=None)",
    "fit": "(model, loss, optimizer, X, Y, *, epochs, batch_size=32, validation=None, "
    "shuffle=True, rng=None, callbacks=(), monitor=False, compiled='auto', block=None, "
    "threads=None, record_every=None, checkpoint=None)",
    "Checkpoint": "(path, every=1, unit='epoch')",
    "grad": "(f, argnums=0)",
    "value_and_grad": "(f, argnums=0)",
    "vjp": "(f, *primals)",
    "jvp": "(f, primals, tangents)",
    "hvp": "(f, x, v)",
    "save": "(path, model, *, metadata=None, history=None)",
    "load": "(path, model)",
    "export_onnx": "(model, path, *, input_shape=None, input_dtype=None, dtype=None, "
    "batch_size=None, input_name='input', output_name='output', metadata=None)",
    "from_torch_state": "(model_or_layers, path_or_dict, *, rename=None)",
    "report": "(path, model, X, Y, *, loss=None, optimizer=None, history=None, batch_size=None, "
    "images=None, settings=None, title=None)",
    "nn.squared_error": "(prediction, target, *, reduction='mean')",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_public_signatures_are_those_of_the_design(name):
    import inspect

    found = tg
    for part in name.split("."):
        found = getattr(found, part)
    signature = inspect.signature(found)
    plain = signature.replace(
        parameters=[p.replace(annotation=p.empty) for p in signature.parameters.values()],
        return_annotation=signature.empty,
    )
    assert str(plain) == SIGNATURES[name]
