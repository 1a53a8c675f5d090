"""``np.r_[a, 0, 1:4]`` and ``np.c_[a, b]`` with tensors among what is joined."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.tensor import Tensor


class JoinByIndex:
    """NumPy's object `plain`, which joins what is written between the brackets.

    NumPy itself says where each element goes: it joins the numbers of the elements of tensors,
    counted from 1, with a 0 for each element of anything else.
    """

    def __init__(self, plain: Any) -> None:
        self.plain = plain

    def __getitem__(self, key: Any) -> Any:
        items = key if isinstance(key, tuple) else (key,)
        tensors = [item for item in items if isinstance(item, Tensor)]
        if not tensors:
            return self.plain[key]
        taken, numbers, values = 1, [], []
        for item in items:
            if isinstance(item, Tensor):
                numbers.append(np.arange(taken, taken + item.size).reshape(item.shape))
                values.append(np.zeros(item.shape, item.dtype))
                taken += item.size
            else:
                words = isinstance(item, str)  # '0,2' says how to join, and is no element
                numbers.append(item if words else np.zeros_like(np.r_[item], int)
                               if isinstance(item, slice) else np.zeros(np.shape(item), int))
                values.append(item)
        place, others = self.plain[tuple(numbers)], self.plain[tuple(values)]
        elements = ops.concatenate([ops.ravel(t) for t in tensors])
        found = elements[np.maximum(place - 1, 0)]
        return found if place.all() else ops.where(place > 0, found, others)

    def __len__(self) -> int:
        return 0
