"""What names from other frameworks are called here: advice in the errors of unknown names."""

from __future__ import annotations

from collections.abc import Iterable

NO_DEVICES = "Arrays lie in the memory of the processor: leave it out."
CREATION = "Arrays are NumPy's: write np.{0}(...), and tg.Tensor(...) of it where needed."

FAMILIAR: dict[str, dict[str, str]] = {
    "tg": {
        **{name: CREATION.format(name) for name in ("zeros", "ones", "arange", "eye", "empty")},
        "randn": "Write rng.normal(size=...), with rng = np.random.default_rng(seed).",
        "rand": "Write rng.random(...), with rng = np.random.default_rng(seed).",
        "manual_seed": "Pass rng=np.random.default_rng(seed) to what draws numbers.",
        "tensor": "Write tg.Tensor(data), or tg.array(lists) for lists with tensors in them.",
        "from_numpy": "Write tg.Tensor(array).",
        "Variable": "Write tg.Tensor(data, requires_grad=True).",
        "GradientTape": "Write tg.grad(f), or loss.backward() on tensors with requires_grad=True.",
        "jit": "Write tg.compile(f).",
        "function": "Write tg.compile(f).",
        "cat": "Write tg.concatenate(arrays, axis=...).",
        "mm": "Write a @ b.",
        "bmm": "Write a @ b.",
        "functional": "Operations are functions of tg, losses of tg.nn.",
        "Module": "Write tg.nn.Module.",
        "Parameter": "Write tg.nn.Parameter(data).",
        "cuda": NO_DEVICES,
        "device": NO_DEVICES},
    "tg.nn": {
        "Dense": "Write tg.nn.Linear(in_features, out_features).",
        "Conv2D": "Write tg.nn.Conv2d(in_channels, out_channels, kernel_size).",
        "MaxPooling2D": "Write tg.nn.MaxPool2d(kernel_size).",
        "BatchNormalization": "Write tg.nn.BatchNorm1d(features) or tg.nn.BatchNorm2d(channels).",
        "LayerNormalization": "Write tg.nn.LayerNorm(features).",
        "ModuleList": "Assign a list of modules to an attribute.",
        "ModuleDict": "Assign a dict of modules to an attribute.",
        "ParameterList": "Assign a list of parameters to an attribute.",
        "RNN": "Write tg.nn.RNNCell(in_features, hidden), and the loop over the steps.",
        "GRU": "Write tg.nn.GRUCell(in_features, hidden), and the loop over the steps.",
        "LSTM": "Write tg.nn.LSTMCell(in_features, hidden), and the loop over the steps.",
        "functional": "Operations are functions of tg, losses of tg.nn.",
        "MSELoss": "Pass tg.nn.squared_error, a function. (It is half the sum over the outputs.)",
        "L1Loss": "Pass tg.nn.absolute_error, a function.",
        "HuberLoss": "Pass tg.nn.huber, a function.",
        "SmoothL1Loss": "Pass tg.nn.huber, a function.",
        "KLDivLoss": "Pass tg.nn.kl_divergence, a function of probabilities.",
        "BCELoss": "Pass tg.nn.binary_cross_entropy, a function.",
        "BCEWithLogitsLoss": "Pass tg.nn.sigmoid_cross_entropy, a function.",
        "NLLLoss": "Pass tg.nn.softmax_cross_entropy, a function of pre-activations.",
        "CrossEntropyLoss": "Pass tg.nn.softmax_cross_entropy, a function; class numbers become "
                            "rows through tg.data.one_hot(labels).",
        **{name: f"It is an operation: write tg.{name}(x)."
           for name in ("relu", "tanh", "sigmoid", "softmax", "gelu", "softplus")}},
    "tg.optim": {
        "Adagrad": "There are SGD, Adam, AdamW and RMSprop.",
        "LBFGS": "Use tg.estimators.MLPClassifier(solver='lbfgs').",
        "lr_scheduler": "Pass a schedule as lr, such as tg.optim.schedule.inverse_time(...)."},
    "Tensor": {
        "cuda": NO_DEVICES,
        "cpu": NO_DEVICES,
        "to": NO_DEVICES,
        "device": NO_DEVICES,
        "view": "Write .reshape(...).",
        "unsqueeze": "Write tg.expand_dims(x, axis).",
        "permute": "Write .transpose(...).",
        "clone": "Write .copy().",
        "dim": "Write .ndim.",
        "numel": "Write .size.",
        "t": "Write .T.",
        "mm": "Write a @ b.",
        "float": "Write .astype(np.float32).",
        "double": "Write .astype(np.float64).",
        "zero_": "Write x.data = np.zeros(x.shape).",
        "grad_fn": "Write tg.draw(x), which shows how x was computed.",
        "requires_grad_": "Write x.requires_grad = True."}}
"""Names in other frameworks by the place where they are looked for, and what to do instead."""


def unknown_name(place: str, name: str, known: Iterable[str]) -> AttributeError:
    """Return the error for a name that a module of the package does not have."""
    return AttributeError(f"{place} has no '{name}'. {advice(place, name, known)}".rstrip())


def advice(place: str, name: str, known: Iterable[str] = (), otherwise: str = "") -> str:
    """Return what to do about a name that does not exist in a place.

    Args:
        place: a key of `FAMILIAR`.
        name: the name.
        known: the names that exist there.
        otherwise: what to say of a name that resembles none.
    """
    if name in FAMILIAR[place]:
        return FAMILIAR[place][name]
    import difflib  # which takes time to load

    by_small_letters = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), by_small_letters, 2, cutoff=0.75)
    if close:
        meant = " or ".join(f"{place}.{by_small_letters[each]}" for each in close)
        return f"Did you mean {meant}?"
    return otherwise
