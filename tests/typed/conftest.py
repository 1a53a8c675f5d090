"""What type checkers are given is not collected: `tests/test_types.py` runs it."""

collect_ignore = ["program.py", "wrong.py"]
