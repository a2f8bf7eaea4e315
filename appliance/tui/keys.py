"""Keys as people write them, and which of them a line of input takes for itself."""

from __future__ import annotations

KEY_NAMES = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "escape": "Esc",
    "enter": "Enter",
    "space": "Space",
    "delete": "Del",
    **{f"f{n}": f"F{n}" for n in range(1, 13)},
}


def key_name(key: str) -> str:
    """A key as people write it: `?`, `F1`, `^Q`, `S`."""
    return KEY_NAMES.get(key, key.replace("ctrl+", "^"))


def typed(key: str) -> bool:
    """Whether the key belongs to a line of input while one has the focus."""
    return not (key.startswith("ctrl+") or (key[0] == "f" and key[1:].isdigit()))
