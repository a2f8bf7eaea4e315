"""Colours. A view names a style; a theme says what it looks like."""

from __future__ import annotations

from textual.theme import Theme

Palette = dict[str, str]
"""Name of a style to a Rich style."""


def _palette(
    *,
    fg: str,
    dim: str,
    accent: str,
    ok: str,
    warn: str,
    fail: str,
    bar: str,
    ink: str,
    line: str,
    graph: str,
) -> Palette:
    """`bar` is the background of title and key bar, `ink` what is written on a bright ground."""
    return {
        "strong": f"bold {fg}",
        "dim": dim,
        "head": f"bold {accent}",
        "rule": line,
        "accent": accent,
        "ok": ok,
        "warn": f"bold {warn}",
        "fail": f"bold {fail}",
        "unknown": f"bold {dim}",
        "moving": accent,
        "meter": accent,
        "meter_high": warn,
        "track": line,
        "graph": graph,
        "title": f"bold {ink} on {accent}",
        "tab": f"{fg} on {bar}",
        "tab_key": f"{dim} on {bar}",
        "tab_on": f"bold {accent} on {bar}",
        "flag": f"bold {ink} on {warn}",
        "key": f"bold {accent} on {bar}",
        "key_label": f"{fg} on {bar}",
        "select": f"{ink} on {accent}",
        "user": f"bold {accent}",
        "reasoning": f"italic {dim}",
        "danger": f"bold {ink} on {fail}",
        "button": f"{fg} on {bar}",
        "button_on": f"bold {ink} on {accent}",
    }


PALETTES: dict[str, Palette] = {
    "dark": _palette(
        fg="#dfe6ee", dim="#8a97a6", accent="#62b6e7", ok="#74cf9a", warn="#f0bd4f",
        fail="#ff7a70", bar="#1f2730", ink="#0f1419", line="#38434f", graph="#2b5f80",
    ),
    "light": _palette(
        fg="#1b232b", dim="#5d6874", accent="#0b65a3", ok="#1a7440", warn="#8a5a00",
        fail="#b3261e", bar="#e3e8ee", ink="#ffffff", line="#b9c2cc", graph="#9cc3df",
    ),
    "ansi": _palette(
        fg="default", dim="bright_black", accent="cyan", ok="green", warn="yellow",
        fail="bright_red", bar="default", ink="black", line="bright_black", graph="blue",
    ),
    "high-contrast": _palette(
        fg="#ffffff", dim="#d0d0d0", accent="#00ffff", ok="#00ff66", warn="#ffff00",
        fail="#ff6666", bar="#000000", ink="#000000", line="#808080", graph="#00a0a0",
    ),
    "colour-blind": _palette(
        fg="#e6e6e6", dim="#9a9a9a", accent="#56b4e9", ok="#56b4e9", warn="#e69f00",
        fail="#f0e442", bar="#20262c", ink="#101010", line="#404850", graph="#2f6688",
    ),
}  # fmt: skip
"""`colour-blind` takes blue, orange and yellow of the Okabe-Ito set, which all eyes tell apart."""

_GROUNDS = {
    "dark": ("#12171d", "#1a2129"),
    "light": ("#fbfcfd", "#eef1f5"),
    "high-contrast": ("#000000", "#000000"),
    "colour-blind": ("#15191d", "#1d2329"),
}


def themes() -> list[Theme]:
    """The themes as the toolkit wants them, named like their palettes."""
    return [_ansi() if name == "ansi" else _theme(name) for name in PALETTES]


def _theme(name: str) -> Theme:
    background, surface = _GROUNDS[name]
    colours = PALETTES[name]
    foreground = colours["strong"].removeprefix("bold ")
    return Theme(
        name=name,
        primary=colours["accent"],
        secondary=colours["accent"],
        accent=colours["accent"],
        warning=colours["meter_high"],
        error=colours["fail"].removeprefix("bold "),
        success=colours["ok"],
        foreground=foreground,
        background=background,
        surface=surface,
        panel=surface,
        dark=name != "light",
        variables={"scrollbar": colours["rule"], "scrollbar-background": background},
    )


def _ansi() -> Theme:
    from textual.theme import BUILTIN_THEMES

    base = BUILTIN_THEMES["ansi-dark"]
    return Theme(**{**vars(base), "name": "ansi"})
