"""Derivatives of functions under autograd's names, in the terms of `tg`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp import autograd
from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.one_node import rematerialize as checkpoint
from tinygrad_mlp.autograd.tape import function_of
from tinygrad_mlp.autograd.tensor import Tensor

__all__ = [
    "checkpoint", "deriv", "elementwise_grad", "grad", "grad_and_aux", "grad_named", "hessian",
    "hessian_tensor_product", "hessian_vector_product", "jacobian", "make_ggnvp", "make_hvp",
    "make_jvp", "make_vjp", "multigrad_dict", "tensor_jacobian_product", "value_and_grad",
    "vector_jacobian_product"]

Function = Callable[..., Any]
Argnum = int | Sequence[int]


def grad(fun: Function, argnum: Argnum = 0) -> Function:
    """Return the gradient of a function that returns one number: `tg.grad`."""
    return autograd.grad(fun, argnum)


def value_and_grad(fun: Function, argnum: Argnum = 0) -> Function:
    """Return the function that gives value and gradient: `tg.value_and_grad`."""
    return autograd.value_and_grad(fun, argnum)


def elementwise_grad(fun: Function, argnum: int = 0) -> Function:
    """Return the derivative of each element: `tg.elementwise_grad`."""
    return autograd.elementwise_grad(fun, argnum)


deriv = elementwise_grad


def jacobian(fun: Function, argnum: int = 0) -> Function:
    """Return the Jacobian: `tg.jacobian`."""
    return autograd.jacobian(fun, argnum)


def hessian(fun: Function, argnum: int = 0) -> Function:
    """Return the matrix of second derivatives: `tg.hessian`."""
    return autograd.hessian(fun, argnum)


def _chosen(name: str, fun: Function, argnum: Argnum, args: Any, kwargs: Any) -> Any:
    """Return `fun` as a function of the chosen arguments, these, and whether it is one."""
    several = not isinstance(argnum, int)
    places = tuple(argnum) if isinstance(argnum, Sequence) else (argnum,)
    return (*function_of(name, places, fun, args, kwargs), not several)


def make_vjp(fun: Function, argnum: Argnum = 0) -> Function:
    """Return the function ``(*args) -> (vjp, value)`` with ``vjp(v) = vᵀ J``: `tg.vjp`."""

    def of(*args: object, **kwargs: object) -> tuple[Function, Any]:
        f, picked, one = _chosen("make_vjp", fun, argnum, args, kwargs)
        value, pullback = autograd.vjp(f, *picked)
        return (lambda v: pullback(v)[0] if one else tuple(pullback(v))), value

    return of


def make_jvp(fun: Function, argnum: Argnum = 0) -> Function:
    """Return the function ``(*args) -> jvp`` with ``jvp(v) = (value, J v)``: `tg.jvp`."""

    def of(*args: object, **kwargs: object) -> Function:
        f, picked, one = _chosen("make_jvp", fun, argnum, args, kwargs)
        return lambda v: autograd.jvp(f, picked, [v] if one else list(v))

    return of


def make_hvp(fun: Function, argnum: int = 0) -> Function:
    """Return the function ``(*args) -> (hvp, gradient)`` with ``hvp(v) = H v``."""
    return make_vjp(grad(fun, argnum), argnum)


def hessian_tensor_product(fun: Function, argnum: int = 0) -> Function:
    """Return the function ``(*args, v) -> H v``; v has the shape of the argument: `tg.hvp`."""

    def product(*args: object, **kwargs: object) -> Any:
        f, picked, _ = _chosen("hessian_tensor_product", fun, argnum, args[:-1], kwargs)
        return autograd.hvp(f, picked[0], args[-1])

    return product


hessian_vector_product = hessian_tensor_product


def tensor_jacobian_product(fun: Function, argnum: int = 0) -> Function:
    """Return the function ``(*args, v) -> vᵀ J``, summed over the axes of v, the first of J."""

    def product(*args: Any, **kwargs: Any) -> Any:
        def along(*args: Any) -> Any:
            return ops.tensordot(v, fun(*args, **kwargs), np.ndim(v))

        *given, v = args
        return autograd.jacobian(along, argnum)(*given)

    return product


vector_jacobian_product = tensor_jacobian_product


def _half_square(y: Tensor) -> Tensor:
    return ops.sum(y * y) / 2


def make_ggnvp(f: Function, g: Function = _half_square, f_argnum: int = 0) -> Function:
    """Return ``(*args) -> (v -> Jᵀ H J v)``: the Gauss-Newton matrix of ``g(f(x))`` times v.

    J is the Jacobian of f, and H the Hessian of g at ``f(x)``; for half of a sum of squares, g as
    it is, the identity.
    """

    def of(*args: object, **kwargs: object) -> Function:
        pull, value = make_vjp(f, f_argnum)(*args, **kwargs)
        push = make_jvp(f, f_argnum)(*args, **kwargs)
        return lambda v: pull(autograd.hvp(g, value, push(v)[1]))

    return of


def grad_and_aux(fun: Function, argnum: Argnum = 0) -> Function:
    """Return ``(*args) -> (gradient, aux)`` for a function that returns ``(value, aux)``."""

    def of(*args: object, **kwargs: object) -> tuple[Any, Any]:
        kept: list[Any] = []

        def value(*args: object, **kwargs: object) -> Any:
            out, aux = fun(*args, **kwargs)
            kept[:] = [aux]
            return out

        gradient = grad(value, argnum)(*args, **kwargs)
        aux = kept[0]
        return gradient, aux.data if isinstance(aux, Value) else aux

    return of


def grad_named(fun: Function, argname: str) -> Function:
    """Return the gradient with respect to the argument of that name."""
    return grad(fun, list(inspect.signature(fun).parameters).index(argname))


def multigrad_dict(fun: Function) -> Function:
    """Return the function whose result holds the gradient of every argument, by its name.

    Arguments that are given as ``**kwargs`` and ``*args`` are under the names of these.
    """
    signature = inspect.signature(fun)

    def of(*args: object, **kwargs: object) -> dict[str, Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()

        def named(arguments: dict[str, object]) -> Any:
            call = inspect.BoundArguments(signature, arguments)
            return fun(*call.args, **call.kwargs)

        found: dict[str, Any] = grad(named)(dict(bound.arguments))
        return found

    return of
