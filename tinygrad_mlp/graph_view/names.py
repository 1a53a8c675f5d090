"""Names of tensors, cotangents and gradients in plain text and in LaTeX."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

GREEK = """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma
    tau upsilon phi chi psi omega""".split()
LETTERS = dict(zip("αβγδεζηθικλμνξπρστυφχψω", GREEK, strict=True)) | dict(zip(
    "ΓΔΘΛΞΠΣΥΦΨΩ", "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split(),
    strict=True))

LAYERED = frozenset(["W", "b", "z", "Z", "a", "A", "D", "δ"])
"""Letters whose number is that of a layer. LaTeX shows it as a superscript in brackets."""

SAME_IN_EVERY_LAYER = frozenset(["weight", "bias"])
"""Names that layers give to their parameters. They do not say which layer it is."""


def of_places(places: Iterable[str]) -> dict[str, str]:
    """Return a name for each path of a parameter, with as much of its end as tells them apart.

    >>> of_places(["block.query.weight", "block.key.weight", "first.0.weight", "second.0.weight"])
    {'block.query.weight': 'query_weight', 'block.key.weight': 'key_weight', \
'first.0.weight': 'first_0_weight', 'second.0.weight': 'second_0_weight'}
    """
    parts = {place: place.split(".") for place in places}
    alike = Counter(tuple(path[-n:]) for path in parts.values() for n in range(1, len(path) + 1))
    names, found = UniqueNames(), {}
    for place, path in parts.items():
        for n in range(min(2, len(path)), len(path) + 1):
            text = "_".join(path[-n:])
            if alike[tuple(path[-n:])] == 1 and text.isidentifier():
                break
        found[place] = names.unique(text).text
    return found


class Name(NamedTuple):
    """The name of a symbol in plain text; its main part in LaTeX, with the script of that."""

    text: str
    base: str
    script: str = ""

    @property
    def latex(self) -> str:
        """The name in LaTeX."""
        return self.base + self.script


def name(text: str) -> Name:
    """Return the name for a text, such as W2, x1, w_ih, y_hat or theta."""
    if text == "L":
        return Name(text, r"\mathcal{L}")
    numbered = re.fullmatch(r"([^\W\d_]+)_?(\d+)", text)
    if numbered:
        letters, number = numbered.groups()
        script = f"^{{({number})}}" if letters in LAYERED else f"_{{{number}}}"
        return Name(text, _base(letters), script)
    if re.fullmatch("[A-Z][a-z]", text):
        return Name(text, text[0], f"_{{{text[1]}}}")
    first, _, rest = text.partition("_")
    if rest == "hat":
        return Name(text, rf"\hat{{{_base(first)}}}")
    if first and rest:
        return Name(text, _base(first), rf"_{{\mathrm{{{_escaped(rest)}}}}}")
    return Name(text, _base(text))


def _base(letters: str) -> str:
    greek = LETTERS.get(letters) or (letters if letters in GREEK else None)
    if greek:
        return f"\\{greek}"
    if len(letters) == 1 and letters.isalpha():
        return letters
    return rf"\mathrm{{{_escaped(letters)}}}"


def _escaped(text: str) -> str:
    return re.sub(r"[\\{}^~$%&#_]", lambda m: rf"\{m[0]}" if m[0] in "$%_#" else r"\ ", text)


def layer_number(text: str | None, letter: str = "z") -> int | None:
    """Return the number of the layer that a name such as ``z2`` or ``z_2`` belongs to, or None."""
    numbered = re.fullmatch(rf"{letter}_?(\d+)", text or "")
    return int(numbered[1]) if numbered else None


def adjoint(of: Name) -> Name:
    """Return the name of a cotangent: z̄ for z, δ for the pre-activation of a layer."""
    number = layer_number(of.text)
    if number is not None:
        return Name(f"δ{number}", r"\delta", f"^{{({number})}}")
    single = re.fullmatch(r"[^\W\d_](_?\d+)?", of.text)
    text = f"{of.text[0]}\N{COMBINING MACRON}{of.text[1:]}" if single else f"bar({of.text})"
    bar = r"\bar" if single or of.base.startswith((r"\hat", r"\mathcal")) else r"\overline"
    return Name(unicodedata.normalize("NFC", text), rf"{bar}{{{of.base}}}", of.script)


def gradient(output: Name, of: Name) -> Name:
    """Return the name of the derivative of the output with respect to a value."""
    return Name(f"∂{output.text}/∂{of.text}", rf"\nabla_{{{of.latex}}}{output.latex}")


class UniqueNames:
    """A register that gives out each name once."""

    def __init__(self) -> None:
        self.given: dict[str, int] = {}

    def unique(self, text: str) -> Name:
        """Return `text`, with a number behind it if it was given out before."""
        wanted = text
        while wanted in self.given:
            self.given[text] += 1
            wanted = f"{text}_{self.given[text]}"
        self.given[wanted] = 1
        return name(wanted)

    def numbered(self, letter: str) -> Name:
        """Return the letter with the next free number: v1, v2 and so on."""
        while True:
            number = self.given.get(f"{letter}#", 0) + 1
            self.given[f"{letter}#"] = number
            if f"{letter}{number}" not in self.given:
                return self.unique(f"{letter}{number}")

    def adjoint(self, of: Name) -> Name:
        """Return the name of a cotangent; a numbered u if a tensor has that name."""
        wanted = adjoint(of)
        if wanted.text in self.given:
            return self.numbered("u")
        self.given[wanted.text] = 1
        return wanted
