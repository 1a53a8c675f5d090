from tinygrad_mlp import compat as compat
from tinygrad_mlp import data as data
from tinygrad_mlp import drawing as drawing
from tinygrad_mlp import errors as errors
from tinygrad_mlp import estimators as estimators
from tinygrad_mlp import explanation as explanation
from tinygrad_mlp import nn as nn
from tinygrad_mlp import optim as optim
from tinygrad_mlp import parallel as parallel
from tinygrad_mlp import plotting as plotting
from tinygrad_mlp import stats as stats
from tinygrad_mlp import verify as verify
from tinygrad_mlp.autograd import *
from tinygrad_mlp.autograd.ops import *
from tinygrad_mlp.drawing.picture import draw as draw
from tinygrad_mlp.explanation.derivation import explain as explain
from tinygrad_mlp.neural_network import NeuralNetwork as NeuralNetwork
from tinygrad_mlp.playground.playground import play as play
from tinygrad_mlp.program.compiled import compile as compile
from tinygrad_mlp.reporting.page import report as report
from tinygrad_mlp.saving import model as checkpoint
from tinygrad_mlp.saving.model import load as load
from tinygrad_mlp.saving.model import save as save
from tinygrad_mlp.saving.onnx.export import export_onnx as export_onnx
from tinygrad_mlp.saving.pytorch import from_torch_state as from_torch_state
from tinygrad_mlp.stepping.steps import steps as steps
from tinygrad_mlp.support.version import __version__ as __version__
from tinygrad_mlp.training import callbacks as callbacks
from tinygrad_mlp.training.checkpoint import Checkpoint as Checkpoint
from tinygrad_mlp.training.evaluation import evaluate as evaluate
from tinygrad_mlp.training.evaluation import predict as predict
from tinygrad_mlp.training.fit import fit as fit
from tinygrad_mlp.training.history import History as History

LOADED_WHEN_USED: dict[str, str]
