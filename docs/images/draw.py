"""Draws the pictures of the documentation from a simulated server.

python docs/images/draw.py
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from appliance.core.i18n import use_default_language
from appliance.tui.app import ApplianceApp
from appliance.tui.backend import Backend
from appliance.tui.demo import DemoNode, demo
from appliance.tui.glyphs import UNICODE

HERE = Path(__file__).parent
SIZE = (112, 36)
PICTURES = {
    "board": ("en", ("1",)),
    "board-zh": ("zh", ("1",)),
    "cards": ("en", ("3", "down", "down", "down")),
    "card": ("en", ("3", "down", "down", "enter", "w", "w")),
    "services": ("en", ("5",)),
}


async def draw(name: str, language: str, keys: tuple[str, ...]) -> None:
    """One picture."""
    use_default_language(language)
    node = DemoNode(8, "nvidia")
    app = ApplianceApp(Backend(node=node, converse=demo().converse, mark="DEMO"), glyphs=UNICODE)
    async with app.run_test(size=SIZE) as pilot:
        while app.snapshot.status is None:
            await pilot.pause(0.05)
        await pilot.press(*keys)
        await pilot.pause(1.0)
        svg = app.export_screenshot(title="appliance", simplify=True)
        (HERE / f"{name}.svg").write_text(svg, encoding="utf-8")


def main() -> None:
    """All pictures."""
    for name, (language, keys) in PICTURES.items():
        asyncio.run(draw(name, language, keys))


if __name__ == "__main__":
    main()
