"""The plain notation of equations, as docstrings and the page of operations have it, as LaTeX."""


def setup(app):
    return {}
