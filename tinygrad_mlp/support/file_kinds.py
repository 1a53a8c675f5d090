"""The kind of a file, recognised by its first bytes, for messages about a wrong file."""

from __future__ import annotations

import zipfile

TORCH = ("In PyTorch, save the weights with safetensors.torch.save_file(model.state_dict(), path); "
         "a pickle is a program, which would run when it is loaded.")
ARRAYS = "Load the arrays with numpy.load, and save them with safetensors.numpy.save_file."
TRAIN = "Name a file that this package has written."

PICKLE_PROTOCOLS = range(2, 6)
"""Protocols that begin with the byte 0x80 and the number of the protocol."""

KINDS = {
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file", TRAIN),
    b"MATLAB 5.0 MAT-file": ("a MATLAB file", TRAIN),
    b"\x93NUMPY": ("a file of numpy.save", ARRAYS),
    b"\x1f\x8b": ("a gzip file", "Decompress it first."),
    b"\x89PNG": ("a PNG picture", TRAIN),
    b"\xff\xd8\xff": ("a JPEG picture", TRAIN),
    b"%PDF": ("a PDF document", TRAIN)}
"""What a file is that begins with these bytes, and what to do with it."""

LONGEST = 1024
"""Bytes. MATLAB may put 512 before the HDF5 content; text is judged by as many."""


def kind_of(path: str) -> tuple[str, str]:
    """Return what a file is in place of a safetensors file, and what to do, both as text."""
    try:
        with open(path, "rb") as file:
            head = file.read(LONGEST)
    except OSError:
        return "a file that cannot be opened", "Check its permissions."
    if not head:
        return "an empty file", "Save it again."
    # A safetensors file is the length of its header in 8 bytes, then the header in JSON.
    if head[8:9] == b"{":
        return "one that cannot be read", "Save it again, with arrays of NumPy's own dtypes."
    if head.startswith(b"PK"):
        return _archive(path)
    if head[0] == 0x80 and len(head) > 1 and head[1] in PICKLE_PROTOCOLS:
        return "a pickle, as torch.save and pickle.dump write it", TORCH
    for beginning, known in KINDS.items():
        if head.startswith(beginning) or (beginning[:4] == b"\x89HDF" and beginning in head):
            return known
    if _is_text(head):
        return f"text that begins with {head[:20].decode(errors='replace')!r}", TRAIN
    return f"a file that begins with the bytes {head[:8].hex(' ')}", "Save it again."


def _archive(path: str) -> tuple[str, str]:
    """Return what a file with the first bytes of a zip archive is."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "a damaged zip archive", "Save it again."
    if any(name.endswith(".pkl") for name in names):
        return "an archive of pickles, as torch.save writes it", TORCH
    if names and all(name.endswith(".npy") for name in names):
        return "an archive of numpy.savez", ARRAYS
    return "a zip archive", TRAIN


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else the last character may be cut
            return False
        text = head[: error.start].decode()
    return all(character.isprintable() or character.isspace() for character in text)
