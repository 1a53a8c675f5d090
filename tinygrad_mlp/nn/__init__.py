"""Layers, networks of layers, initialisers and losses."""

from tinygrad_mlp.autograd.ops import (
    binary_cross_entropy,
    categorical_cross_entropy,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    squared_error,
)
from tinygrad_mlp.nn import init
from tinygrad_mlp.nn.activations import (
    GELU,
    Identity,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)
from tinygrad_mlp.nn.image_layers import AvgPool2d, Conv2d, Flatten, MaxPool2d
from tinygrad_mlp.nn.layers import BatchNorm1d, Dropout, LayerNorm, Linear, Sequential
from tinygrad_mlp.nn.module import Module
from tinygrad_mlp.nn.parameter import Buffer, Parameter

__all__ = ["AvgPool2d", "BatchNorm1d", "Buffer", "Conv2d", "Dropout", "Flatten", "GELU", "Identity",
           "LayerNorm", "LeakyReLU", "Linear", "LogSoftmax", "MaxPool2d", "Module", "Parameter",
           "ReLU", "Sequential", "Sigmoid", "Softmax", "Softplus", "Tanh", "binary_cross_entropy",
           "categorical_cross_entropy", "init", "sigmoid_cross_entropy", "softmax_cross_entropy",
           "squared_error"]
