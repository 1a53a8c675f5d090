"""Keeps pytest from these files, which `tests/test_types.py` gives to type checkers."""

collect_ignore = ["program.py", "wrong.py"]
