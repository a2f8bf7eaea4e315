"""Filling in the templates of recipes.

Words a template may use: `model` (the path), `alias`, `port`, `context` (one conversation),
`slots`, `total_context`, `kv_type`, `ubatch`, `threads`, `cores` (of this server), `nodes` (of its
memory), `tp` (cards that share a layer), `dp` (groups of such), `pp`, `host_layers`, `cards`,
`indexes` ("0,1"), `arch` and `name` of the first card, `quant` (these three "" when unknown),
`flags`, `cache` and `draft` (of the model's class), `experts`, `prompt_cache_mib`, `python`,
`config` (a directory for the recipe's files), `build` (of an engine built here), `cache_mib` (for
all conversations, `None` where nobody planned it) and `bin` (what comes before the name of a
program: of an environment the directory of its programs, else ""). An unknown word is an error,
never "".
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.engines.classes import class_named, class_of
from appliance.engines.environments.places import BIN
from appliance.engines.llamacpp.threads import numa_nodes, usable_threads
from appliance.engines.recipes import Recipe, command_parts
from appliance.engines.request import EngineRequest

if TYPE_CHECKING:
    from jinja2 import Environment

OWN_CODE = "--trust-remote-code"
"""Runs Python that comes with the weights: those of the catalogue's makers, nobody else's."""


def words_for(request: EngineRequest, chosen: Recipe, place: Path | None) -> dict[str, Any]:
    """The values of all words for one request; `place` is where an engine made here is."""
    foreign = request.model_class
    kind = class_named(foreign) if foreign else class_of(request.family)
    flags = kind.flags.get(chosen.engine, [])
    first = request.cards[0] if request.cards else None
    cards = request.tensor_parallel
    ranks = chosen.limits.ranks(cards, experts=kind.experts) or cards
    words = {
        "model": request.model_path,
        "alias": request.alias,
        "port": request.port,
        "context": request.context,
        "slots": request.slots,
        "total_context": request.context * request.slots,
        "kv_type": request.kv_type,
        "ubatch": request.ubatch,
        "threads": request.threads,
        "nodes": 1 if request.cpus else numa_nodes(),
        "cores": min(usable_threads(), len(request.cpus) or usable_threads()),
        "tp": ranks,
        "dp": cards // ranks,
        "pp": request.pipeline_parallel,
        "host_layers": request.host_layers,
        "cards": request.cards,
        "indexes": ",".join(str(c.index) for c in request.cards if c.index is not None),
        "arch": (first.arch if first else None) or "",
        "name": (first.name if first else None) or "",
        "quant": request.quant or "",
        "flags": [flag for flag in flags if not (foreign and flag == OWN_CODE)],
        "cache": kind.cache,
        "experts": kind.experts,
        "prompt_cache_mib": chosen.limits.prompt_cache_mib,
        "cache_mib": request.cache_mib,
        "python": sys.executable,
        "config": _config_directory(request),
        "build": place,
        "bin": f"{place / BIN}/" if chosen.environment and place else "",
    }
    undrafted = foreign or words["arch"] in kind.undrafted.get(chosen.engine, ())
    draft = "" if undrafted else kind.draft.get(chosen.engine, "")
    return words | {"draft": fill_command(draft, words)}


def fill_command(template: str, words: dict[str, Any]) -> list[str]:
    """A command line: each value becomes part of one argument, whatever is in it."""
    return shlex.split(_environment(_quoted).from_string(template).render(words))


def fill(template: str, words: dict[str, Any]) -> str:
    """Any other text."""
    return _environment(None).from_string(template).render(words)


def _quoted(value: object) -> str:
    return shlex.quote(str(value))


@cache
def _environment(finalize: Callable[[object], str] | None) -> Environment:
    from jinja2 import DictLoader, Environment, StrictUndefined

    return Environment(  # noqa: S701 - command lines and JSON, never HTML
        loader=DictLoader(command_parts()),
        undefined=StrictUndefined,
        finalize=finalize,
        keep_trailing_newline=True,
    )


def _config_directory(request: EngineRequest) -> str:
    if request.log_path:
        return str(Path(request.log_path).with_suffix(""))
    return f"/etc/appliance/{request.alias}"
