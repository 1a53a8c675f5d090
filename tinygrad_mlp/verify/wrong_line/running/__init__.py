"""The person's code, run with something changed, and the lines that come into question."""
