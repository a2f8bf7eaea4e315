"""What every recipe would run for every class of models it serves, written down.

`python tests/unit/engines/golden.py` writes the files anew; read the difference before committing.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from appliance.core.inventory import Card
from appliance.engines.build import command_for
from appliance.engines.environments.places import NOTE, root_of
from appliance.engines.kept import switch_to
from appliance.engines.native.builds import builds_root
from appliance.engines.recipes import Recipe, load_recipes
from appliance.engines.request import EngineRequest
from appliance.engines.show import shown

GOLDEN = Path(__file__).with_name("golden")

FAMILIES = {
    "distill": "deepseek-r1-distill-qwen-7b",
    "v2": "deepseek-v2-lite-chat",
    "v3": "deepseek-v3-0324",
    "r1": "deepseek-r1-0528",
    "v3.1": "deepseek-v3.1",
    "v3.2": "deepseek-v3.2",
    "v4": "deepseek-v4-flash",
    "v4-dspark": "deepseek-v4-flash-0731",
    "v4.1": "deepseek-v4.1-flash",
}
CARDS = {
    "nvidia": ("sm_90", "NVIDIA H100 80GB HBM3"),
    "amd": ("gfx942", "AMD Instinct MI300X"),
    "intel": ("xe2", "Intel Arc B580"),
    "gaudi": ("gaudi3", "HL-325L"),
    "ascend": ("ascend910b", "910B3"),
    "mthreads": ("mp_31", "MTT S5000"),
    "metax": (None, "MetaX C550"),
    "hygon": ("gfx936", "BW1000"),
    "enflame": (None, "S60"),
    "iluvatar": (None, "Iluvatar BI-V150"),
    "biren": (None, "Biren106M"),
    "kunlunxin": (None, "P800 OAM"),
    "cambricon": (None, "MLU590-M9"),
    "thead": (None, "ZW810E"),
    "apple": ("apple9", "Apple M4 Max"),
    "cpu": (None, None),
}


def cards_for(recipe: Recipe, count: int) -> list[Card]:
    vendor = recipe.vendors[0]
    if vendor == "cpu":
        return [Card(id="cpu", vendor="cpu")]
    arch, name = CARDS[recipe.access or vendor]
    if recipe.archs == ("ascend310p",):
        arch, name = "ascend310p", "310P3"
    if recipe.archs == ("ascend950",):
        arch, name = "ascend950", "Ascend950PR"
    if recipe.archs == ("gfx938",):
        arch, name = "gfx938", "BW1100"
    return [
        Card(id=f"{vendor}-{n}", vendor=vendor, index=n, arch=arch, name=name) for n in range(count)
    ]


def request_for(recipe: Recipe, kind: str) -> EngineRequest:
    """Eight cards for the large, two for the small; llama.cpp deals layers out."""
    cards = cards_for(recipe, 2 if kind in ("distill", "v2") else 8)
    gguf = recipe.formats == ["gguf"]
    model = f"/srv/models/{FAMILIES[kind]}" + (".gguf" if gguf else "")
    return EngineRequest(
        recipe=recipe.id,
        model_path=model,
        alias=FAMILIES[kind],
        port=8000,
        context=16384,
        slots=8,
        threads=16 if gguf or recipe.vendors == ["cpu"] else None,
        cards=cards,
        tensor_parallel=len(cards) if recipe.limits.tensor_parallel else 1,
        family=FAMILIES[kind],
        quant="q4_k_m" if gguf else quant_of(recipe, kind),
    )


def quant_of(recipe: Recipe, kind: str) -> str:
    """What its cards would read: the makers' own form, or the vendor's."""
    if kind in ("distill", "v2"):
        return "w8a8-ascend" if (recipe.vendors, kind) == (["ascend"], "v2") else "bf16"
    own = {"ascend": "w8a8-ascend", "hygon": "w8a8"}
    native = "fp4-fp8" if kind.startswith("v4") else "fp8"
    return native if recipe.archs == ("ascend950",) else own.get(recipe.vendors[0], native)


def text_of(recipe: Recipe) -> str:
    """Shell form of all classes, one after the other."""
    return "\n".join(_sections(recipe)).replace(sys.executable, "/opt/appliance/bin/python")


def _sections(recipe: Recipe) -> Iterator[str]:
    for kind in recipe.classes or _classes_by_architecture(recipe):
        yield f"### {kind}"
        yield shown(command_for(request_for(recipe, kind)), "deepseek", "shell")


def _classes_by_architecture(recipe: Recipe) -> list[str]:
    """llama.cpp tells models apart by itself: one small and one large will do."""
    wanted = {"qwen2": "distill", "deepseek2": "r1", "deepseek4": "v4"}
    return [kind for name, kind in wanted.items() if name in (recipe.architectures or [])]


def with_builds(home: Path) -> None:
    """Make it look as if every backend were built under `home`."""
    os.environ["APPLIANCE_HOME"] = str(home)
    for recipe in load_recipes():
        if recipe.build:
            program = builds_root(recipe.build) / "v1" / "bin" / "llama-server"
            program.parent.mkdir(parents=True, exist_ok=True)
            program.touch()
            switch_to(program.parent.parent)
        if recipe.environment:
            place = root_of(recipe.environment) / "v1"
            place.mkdir(parents=True, exist_ok=True)
            (place / NOTE).touch()
            switch_to(place)


def all_texts(home: Path) -> dict[str, str]:
    """Golden text by recipe, on a server with one node of memory."""
    path = os.environ.get("PATH", os.defpath)
    with patch("appliance.engines.render.numa_nodes", return_value=1):
        texts = {recipe.id: text_of(recipe) for recipe in load_recipes()}
    return {
        name: text.replace(str(home), "/var/lib/appliance").replace(path, "/usr/bin:/bin")
        for name, text in texts.items()
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        with_builds(Path(home))
        GOLDEN.mkdir(exist_ok=True)
        for old in GOLDEN.glob("*.sh"):
            old.unlink()
        for name, text in all_texts(Path(home)).items():
            (GOLDEN / f"{name}.sh").write_text(text)
