"""Python's own containers, which need no replacement here, under autograd's name."""

import builtins

dict, isinstance, list, tuple, type = (
    builtins.dict, builtins.isinstance, builtins.list, builtins.tuple, builtins.type)
