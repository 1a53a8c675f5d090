"""``tinygrad-mlp explain``: the derivation of a network, on the terminal or as LaTeX."""

import pytest


def words(done):
    """The printed lines without blanks, which make room for the shapes."""
    return ["".join(line.split()) for line in done.out.splitlines()]


def test_the_documents_gradients_of_the_squared_error_are_printed(run):
    done = run("explain", "--layers", "784,256,10", "--loss", "mean_square")
    assert done.code == 0
    assert "∂L/∂W2=−D3(y−g(z3))a2ᵀ" in words(done)
    assert "∂L/∂W1=−D2W2ᵀD3(y−g(z3))xᵀ" in words(done)
    assert "256×784256×256256×1010×1010×11×784" in words(done)


def test_the_cross_entropy_comes_with_its_simplification(run):
    done = run("explain", "--layers", "5,4,3")
    assert "=(g(z3)−y)a2ᵀ" in words(done)


def test_every_layer_and_bias_has_its_gradient(run):
    done = run("explain", "--layers", "5,4,3,2", "--bias")
    for name in ("W1", "b1", "W2", "b2", "W3", "b3"):
        assert any(line.startswith(f"∂L/∂{name}=") for line in words(done))


def test_relu_and_softmax_are_derived_as_well(run):
    done = run(
        "explain", "--layers", "5,4,3", "--hidden-activation", "relu",
        "--output-activation", "softmax",
    )
    assert "D2=diag([z2>0])" in words(done)


def test_latex_is_printed_on_demand(run):
    done = run("explain", "--layers", "5,4,3", "--latex")
    assert done.out.startswith(r"\begin{aligned}") and r"W^{(2)}" in done.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--layers", "5"], "at least two sizes"),
        (["--layers", "5,x"], "'x' is not a whole number above 0"),
        (["--output-activation", "tanh"], "outputs that are probabilities"),
        (["--loss", "hinge"], "'hinge' is not one of"),
    ],
)
def test_what_is_no_network_is_the_users_mistake(run, options, said):
    done = run("explain", *options)
    assert done.code == 2
    assert said in " ".join(done.err.split())
