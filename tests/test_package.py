"""The package as a whole: its names, and what importing it costs."""

import types

import pytest

import tinygrad_mlp as tg
from tests import child
from tests.stub import STUBS
from tinygrad_mlp.autograd.ops import BUILDING_BLOCKS


def test_every_operation_is_a_name_of_the_package():
    missing = [name for name in tg.OPS if not callable(getattr(tg, name, None))]
    assert missing == []


def test_every_name_loaded_when_used_exists():
    for name in tg.LOADED_WHEN_USED:
        assert getattr(tg, name) is not None
    assert set(tg.LOADED_WHEN_USED) <= set(dir(tg))


def test_the_stubs_for_type_checkers_are_written_from_the_tables_of_names():
    for path, text in STUBS.items():
        assert path.read_text() == text(), "python -m tests.stub writes it anew"


def test_tg_shows_its_public_names_and_nothing_else():
    shown = [name for name in dir(tg) if not name.startswith("__")]
    modules = [name for name in shown if isinstance(getattr(tg, name), types.ModuleType)]
    assert modules == [
        "callbacks", "checkpoint", "compat", "data", "drawing", "errors", "estimators",
        "explanation", "linalg", "nn", "optim", "parallel", "plotting", "stats", "verify",
    ]
    foreign = [
        name
        for name in set(shown) - set(modules) - {"OPS"}
        if not getattr(tg, name).__module__.startswith("tinygrad_mlp.")
    ]
    assert foreign == []
    assert not {"Any", "TYPE_CHECKING", "arranging", "einstein", "ops", "autograd"} & set(shown)
    assert not set(BUILDING_BLOCKS) & set(shown) and set(BUILDING_BLOCKS) <= set(tg.OPS)


def test_an_unknown_name_is_refused_with_advice():
    with pytest.raises(AttributeError, match=r"no 'derivation_of'.*tg\.OPS"):
        tg.derivation_of  # noqa: B018


def test_importing_the_package_loads_nothing_heavy():
    heavy = [
        "scipy", "sklearn", "matplotlib", "rich", "typer", "safetensors", "onnx", "numpy.random",
    ]
    code = f"import sys, tinygrad_mlp; print([m for m in {heavy} if m in sys.modules])"
    shown = child.python("-c", code, check=True)
    assert shown.stdout.strip() == "[]"


def test_training_loads_scipy_only_where_it_computes_with_it():
    code = "import sys, tinygrad_mlp as tg; tg.fit, tg.NeuralNetwork; print('scipy' in sys.modules)"
    shown = child.python("-c", code, check=True)
    assert shown.stdout == "False\n"


SIGNATURES = {
    "Tensor": "(data, *, requires_grad=False, dtype=None, name=None)",
    "nn.Linear": "(in_features, out_features, bias=True, *, init=None, rng=None, dtype=None)",
    "fit": "(model, loss, optimizer, X, Y=None, *, epochs, batch_size=None, accumulate=1, "
    "validation=None, shuffle=None, rng=None, callbacks=(), monitor=False, compiled='auto', "
    "block=None, threads=None, record_every=None, record_epochs=None, "
    "evaluate_training=False, checkpoint=None, sample_weight=None, class_weight=None, ranks=None)",
    "Checkpoint": "(path, every=1, unit='epoch')",
    "grad": "(f, argnums=0, *, stores=False)",
    "value_and_grad": "(f, argnums=0, *, stores=False)",
    "vjp": "(f, *primals)",
    "jvp": "(f, primals, tangents)",
    "hvp": "(f, x, v)",
    "save": "(path, model, *, metadata=None, history=None)",
    "load": "(path, model)",
    "export_onnx": "(model, path, *, input_shape=None, input_dtype=None, dtype=None, "
    "batch_size=None, input_name='input', output_name='output', label_name=None, opset=18, "
    "metadata=None)",
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
