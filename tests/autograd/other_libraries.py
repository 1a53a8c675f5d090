"""PyTorch's and JAX's functions under the names that random programs call them by.

Each of `in_torch`, `in_jax` and `in_ours` runs a program and returns its value, the gradients with
respect to its leaves and, if asked for, its Hessian times a direction.
"""

from __future__ import annotations

import functools
import warnings
from types import SimpleNamespace

import numpy as np

import tinygrad_mlp as tg


def half_logit(logit):
    return lambda x: logit(0.5 + 0.4 * x)


@functools.cache
def ours(dtype):
    def convolution(x, y):
        return tg.conv2d(x[None, None], y[None, None, :2, :2], padding=1)[0, 0][:3, :3]

    linalg = SimpleNamespace(**{name: getattr(tg.linalg, name) for name in tg.linalg.__all__})
    return SimpleNamespace(
        **{name: getattr(tg, name) for name in dir(tg) if name not in ("linalg", "flip", "diff",
                                                                      "trapezoid", "var", "std",
                                                                      "take_along_axis")},
        linalg=linalg, constant=lambda a: a.astype(dtype), logit_of_half=half_logit(tg.logit),
        convolution=convolution, padded=lambda x: tg.pad(x, 1),
        flip=tg.flip, diff=lambda x, axis: tg.diff(x, axis=axis),
        trapezoid=lambda x, axis: tg.trapezoid(x, axis=axis),
        var=lambda x, axis, keepdims: tg.var(x, axis=axis, keepdims=keepdims),
        std=lambda x, axis, keepdims: tg.std(x, axis=axis, keepdims=keepdims),
        take_along_axis=lambda x, i: tg.take_along_axis(x, i, 1),
        norm_of_rows=lambda x: tg.norm(x, axis=1), norm_of_order_3=lambda x: tg.norm(x, 3, axis=0),
        nuclear_norm=lambda x: tg.norm(x, "nuc"))


def in_ours(run, program, leaves, direction, second, dtype):
    f = lambda xs: run(ours(dtype), program, xs)  # noqa: E731
    value, gradients = tg.value_and_grad(f)(leaves)
    return [value, *gradients, *(tg.hvp(f, leaves, direction) if second else [])]


@functools.cache
def torch_functions(dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch

    f, special, linalg = torch.nn.functional, torch.special, torch.linalg

    def reduction(g):
        return lambda x, axis, keepdims: g(x, dim=axis, keepdim=keepdims)

    def along(g):
        return lambda x, axis: g(x, dim=axis)

    def spread(x, axis, keepdims):
        return torch.var(x, dim=axis, keepdim=keepdims, correction=0)

    def deviation(x, axis, keepdims):
        return torch.std(x, dim=axis, keepdim=keepdims, correction=0)

    def sigmoid_cross_entropy(z, t):
        return f.binary_cross_entropy_with_logits(z, t, reduction="sum") / 3

    return SimpleNamespace(**{
        **vars(torch),
        **{name: reduction(getattr(torch, name)) for name in ("sum", "mean", "logsumexp")},
        "max": reduction(torch.amax), "min": reduction(torch.amin), "var": spread,
        "std": deviation,
        **{name: along(getattr(torch, name)) for name in (
            "softmax", "log_softmax", "cumsum", "cumprod", "prod", "diff", "trapezoid")},
        "flip": lambda x, axis: torch.flip(x, (axis,)),
        "kron": lambda x, y: torch.kron(x.contiguous(), y.contiguous()),
        "softplus": lambda x: f.softplus(x, threshold=1e9), "gelu": f.gelu,
        "leaky_relu": f.leaky_relu, "degrees": torch.rad2deg, "gammaln": torch.lgamma,
        "xlogy": special.xlogy, "cbrt": lambda x: x ** (1 / 3),
        "sort": lambda x: torch.sort(x).values, "padded": lambda x: f.pad(x, (1, 1, 1, 1)),
        "constant": lambda a: torch.tensor(a.astype(dtype)),
        "logit_of_half": half_logit(torch.logit), "svdvals": linalg.svdvals,
        "take_along_axis": lambda x, i: torch.take_along_dim(x, torch.tensor(i), 1),
        "convolution": lambda x, y: f.conv2d(
            x[None, None], y[None, None, :2, :2], padding=1)[0, 0][:3, :3],
        "sigmoid_cross_entropy": sigmoid_cross_entropy,
        "softmax_cross_entropy": lambda z, t: f.cross_entropy(z, t),
        "norm_of_rows": lambda x: linalg.vector_norm(x, dim=1),
        "norm_of_order_3": lambda x: linalg.vector_norm(x, 3, dim=0),
        "nuclear_norm": lambda x: linalg.matrix_norm(x, "nuc")})


def in_torch(run, program, leaves, direction, second, dtype):
    import torch

    xs = [torch.tensor(a, requires_grad=True) for a in leaves]
    value = run(torch_functions(dtype), program, xs)
    gradients = torch.autograd.grad(value, xs, create_graph=second)
    found = [value.detach(), *(g.detach() for g in gradients)]
    if second:
        along = sum((g * torch.tensor(v)).sum() for g, v in zip(gradients, direction, strict=True))
        found += torch.autograd.grad(along, xs, materialize_grads=True)
    return [a.numpy() for a in found]


@functools.cache
def jax_functions(dtype):
    import jax
    import jax.numpy as jnp
    from jax.scipy import special

    def convolution(x, y):
        made = jax.lax.conv(x[None, None], y[None, None, :2, :2], (1, 1), [(1, 1), (1, 1)])
        return made[0, 0][:3, :3]

    def sigmoid_cross_entropy(z, t):
        return jnp.sum(jax.nn.softplus(z) - t * z) / 3

    def softmax_cross_entropy(z, t):
        return -jnp.sum(t * jax.nn.log_softmax(z)) / 3

    names = "erf erfc gammaln digamma erfinv xlogy".split()
    return SimpleNamespace(**{
        **vars(jnp),
        **{name: getattr(special, name) for name in names},
        **{name: getattr(jax.nn, name) for name in (
            "sigmoid", "relu", "softplus", "softmax", "log_softmax", "leaky_relu")},
        **{name: lambda x, axis, keepdims, g=g: g(x, axis=axis, keepdims=keepdims)
           for name, g in (("sum", jnp.sum), ("mean", jnp.mean), ("max", jnp.max),
                           ("min", jnp.min), ("var", jnp.var), ("std", jnp.std),
                           ("logsumexp", special.logsumexp))},
        "gelu": lambda x: jax.nn.gelu(x, approximate=False),
        "constant": lambda a: jnp.asarray(a.astype(dtype)),
        "diff": lambda x, axis: jnp.diff(x, axis=axis),
        "trapezoid": lambda x, axis: jnp.trapezoid(x, axis=axis),
        "take_along_axis": lambda x, i: jnp.take_along_axis(x, jnp.asarray(i), 1),
        "padded": lambda x: jnp.pad(x, 1), "logit_of_half": half_logit(special.logit),
        "svdvals": lambda x: jnp.linalg.svd(x, compute_uv=False), "convolution": convolution,
        "sigmoid_cross_entropy": sigmoid_cross_entropy,
        "softmax_cross_entropy": softmax_cross_entropy,
        "norm_of_rows": lambda x: jnp.linalg.norm(x, axis=1),
        "norm_of_order_3": lambda x: jnp.linalg.norm(x, 3, axis=0),
        "nuclear_norm": lambda x: jnp.linalg.norm(x, "nuc")})


def in_jax(run, program, leaves, direction, second, dtype):
    import jax

    with jax.enable_x64(True):
        xs, v = ([jax.numpy.asarray(a) for a in arrays] for arrays in (leaves, direction))
        f = lambda xs: run(jax_functions(dtype), program, xs)  # noqa: E731
        value, gradients = jax.value_and_grad(f)(xs)
        found = [value, *gradients]
        if second:
            found += jax.jvp(jax.grad(f), (xs,), (v,))[1]
        return list(map(np.asarray, found))
