"""Layers, networks of layers, initialisers and losses."""

from typing import TYPE_CHECKING

from tinygrad_mlp.autograd.ops import (
    binary_cross_entropy,
    categorical_cross_entropy,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    squared_error,
)
from tinygrad_mlp.nn import init
from tinygrad_mlp.nn.activations import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from tinygrad_mlp.nn.attention import MultiheadAttention
from tinygrad_mlp.nn.image_layers import AvgPool2d, Conv2d, Flatten, MaxPool2d
from tinygrad_mlp.nn.layers import Dropout, Linear, Sequential
from tinygrad_mlp.nn.losses import absolute_error, hinge, huber, kl_divergence
from tinygrad_mlp.nn.module import Module
from tinygrad_mlp.nn.normalisation import BatchNorm1d, BatchNorm2d, LayerNorm
from tinygrad_mlp.nn.parameter import Buffer, Parameter
from tinygrad_mlp.nn.recurrent import GRUCell, LSTMCell, RNNCell
from tinygrad_mlp.nn.sequences import Conv1d, Embedding

__all__ = ["AvgPool2d", "BatchNorm1d", "BatchNorm2d", "Buffer", "Conv1d", "Conv2d", "Dropout",
           "ELU", "Embedding", "Flatten", "GELU", "GRUCell", "Identity", "LSTMCell", "LayerNorm",
           "LeakyReLU", "Linear", "LogSoftmax", "MaxPool2d", "Module", "MultiheadAttention",
           "Parameter", "RNNCell", "ReLU", "Sequential", "SiLU", "Sigmoid", "Softmax", "Softplus",
           "Tanh", "absolute_error", "binary_cross_entropy", "categorical_cross_entropy", "hinge",
           "huber", "init", "kl_divergence", "sigmoid_cross_entropy", "softmax_cross_entropy",
           "squared_error"]

if not TYPE_CHECKING:  # to a type checker an unknown name is an error

    def __getattr__(name: str) -> object:
        from tinygrad_mlp.support.familiar_names import unknown_name

        raise unknown_name("tg.nn", name, __all__)
