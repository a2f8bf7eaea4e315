"""Programs that end with whoever started them, however that ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence

_TIED = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Becomes the program in its arguments, tied to its parent by PR_SET_PDEATHSIG:
https://man7.org/linux/man-pages/man2/pr_set_pdeathsig.2const.html"""


def tied(argv: Sequence[str]) -> list[str]:
    """`argv` as a program that is killed with the thread that starts it.

    Elsewhere than on Linux it lives on. What it starts itself is not tied.
    """
    return [sys.executable, "-c", _TIED, *argv]
