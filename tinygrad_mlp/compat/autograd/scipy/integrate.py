"""`odeint`, as in `scipy.integrate`."""

from tinygrad_mlp.autograd.ode import odeint

__all__ = ["odeint"]
