"""Predictions against what was measured: `python benchmarks/planner.py [--engine] [--rows]`.

Reads `../shared/truth` (see its README for the columns), `served.csv` (the same for engines for
safetensors) and `hosted.csv` (experts in the server's memory), and prints errors: of memory per
architecture, of speed per kind of machine and per card. Speeds come as they are predicted, and left
out, with bandwidth and layer time refitted without the card (the model, the source) of the row; and
how many are within the range of a plan.
`--engine` asks the engine as a plan does for its picks; `--rows` prints every row, too.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from appliance.catalog.architecture import Architecture
from appliance.catalog.models import Catalogue, load_catalogue
from appliance.core.cards import CardFacts
from appliance.core.inventory import Card, Cpu, Host, Inventory
from appliance.core.plan import Wish
from appliance.core.reference import CatalogReference
from appliance.engines.recipes import load_recipes
from appliance.hardware.cards import all_facts
from appliance.planner.measured import measured
from appliance.planner.memory import Setup, compute_mib, kv_mib, output_mib
from appliance.planner.model import Model, of_catalogue
from appliance.planner.placement import Place
from appliance.planner.plan import plan
from appliance.planner.rules import rules
from appliance.planner.speed import Machine, decode_step_s, machine_for, prompt_s

TRUTH = Path(__file__).parents[2] / "shared" / "truth"
SERVED = Path(__file__).with_name("served.csv")
HOSTED = Path(__file__).with_name("hosted.csv")
ASIDE = ("other engine", "vLLM before 0.8")
FACTS = {fact.name: fact for fact in all_facts()}
T = TypeVar("T")
K = TypeVar("K")
LEGACY = {"DeepSeek-V2-Lite-legacy": "deepseek-v2-lite", "DeepSeek-V3-R1-legacy": "deepseek-r1"}
PROCESSORS = {
    "Raspberry Pi 4 (CPU)": ("Raspberry Pi 4 (CPU)", 4),
    "Raspberry Pi 5 (CPU)": ("Raspberry Pi 5 (CPU)", 4),
    "CPU Xeon Platinum 8175 48 vCPU (r5.12xlarge)": ("Xeon Platinum 8175M, one socket", 24),
    "CPU 128 threads (Xeon 6980P)": ("Xeon 6980P, one socket", 128),
}
CARDS = {
    "H100/H200": "H100 SXM 80GB",
    "H200": "H200 SXM 141GB",
    "A100 80GB": "A100 SXM 80GB",
    "H100 80GB": "H100 SXM 80GB",
    "H20": "H20 96GB",
    "H200 NVL": "H200 NVL 141GB",
    "RTX PRO 6000 Max-Q": "RTX PRO 6000 Blackwell Max-Q",
    "RTX PRO 6000 96GB": "RTX PRO 6000 Blackwell",
    "RTX PRO 6000 96GB (275 W)": "RTX PRO 6000 Blackwell",
    "GB10 DGX Spark": "GB10 (DGX Spark)",
    "DGX Spark GB10": "GB10 (DGX Spark)",
    "A40 48GB": "A40",
    "RTX 2080 8GB": "RTX 2080",
    "RTX 4060 Ti": "RTX 4060 Ti 16GB",
    "Apple M4 Pro 24GB": "Apple M4 Pro",
}
QUANTS = {
    "AWQ int4": "awq",
    "FP8": "fp8",
    "BF16": "bf16",
    "fp8/fp4": "fp4-fp8",
    "native fp4/fp8": "fp4-fp8",
}
UNFIT = re.compile(r"does not fit|spills|power-limited|likely CPU|speculation|not the stock|TOTAL")
OTHER_ENGINE = re.compile(r"cchuter|b9842|TensorRT|POC")
"""Not what is planned: a fork, a build from before the indexer's kernel, an engine without a
recipe."""
EARLY = re.compile(r"vLLM 0\.7\.|R1 issue #507")
"""vLLM before its second engine (0.8, March 2025) with R1 in its first weeks; no recipe has it."""
DRAFTING = re.compile(r"(?:MTP|DSpark)(\d)")
PROMPT = re.compile(r"([\d.]+)(K?)(?:-token)? in / ([\d.]+)(K?) out")
NO_INDEXER = re.compile(r"no fused indexer|without LIGHTNING_INDEXER")
GIB = re.compile(r"([\d.]+) ?GiB")


class Row(NamedTuple):
    """One figure, predicted and measured."""

    group: str
    what: str
    label: str
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """Relative; negative is too low."""
        return self.predicted / self.measured - 1


class Run(NamedTuple):
    """A measured speed, and what is needed to predict it."""

    kind: str
    card: str
    family: str
    source: str
    label: str
    model: Model
    machine: Machine
    setup: Setup
    tokens: int | None
    streams: int
    measured: float

    def predicted(self, reading: float = 1.0, layers: float = 1.0) -> float:
        """Tokens a second, with the time for reading and for layers scaled."""
        machine = msgspec.structs.replace(
            self.machine,
            gbs=self.machine.gbs / reading,
            expert_gbs=self.machine.expert_gbs and self.machine.expert_gbs / reading,
            cache_gbs=self.machine.cache_gbs and self.machine.cache_gbs / reading,
            layer_s=self.machine.layer_s * layers,
        )
        step = decode_step_s(self.model, machine, self.setup, self.streams, self.tokens)
        return self.streams / step


def memory_rows(catalogue: Catalogue, *, engine: bool) -> Iterator[Row]:
    for row in _read(TRUTH / "memory_truth.csv"):
        if row["kind"] != "engine-dry-run":
            continue
        model = _memory_model(catalogue, row)
        setup = Setup(
            context=int(row["n_ctx"]),
            slots=int(row["n_parallel"]),
            kv_type=row["kv_type"],
            ubatch=int(row["n_ubatch"]),
            flash_attention=row["flash_attn"] == "1",
            unified="kv_unified=1" in row["notes"],
            swa_full="swa_full=1" in row["notes"],
        )
        cache, compute = _buffers(model, setup, engine=engine)
        predicted = {"weights": model.tensor_mib, "kv": cache, "compute": compute}
        predicted["total"] = sum(predicted.values())
        label = " ".join(row[key] for key in ("model", "n_ctx", "n_parallel", "kv_type"))
        label += f" u{row['n_ubatch']} fa{row['flash_attn']} {row['notes']}"
        group = "legacy" if model.architecture.legacy_cache else model.architecture.gguf
        for what, value in predicted.items():
            yield Row(group, what, label, value, float(row[f"{what}_mib"]))


def _memory_model(catalogue: Catalogue, row: dict[str, str]) -> Model:
    legacy = LEGACY.get(row["model"])
    model = _model(catalogue, legacy or row["variant"], row["quant"])
    if legacy is None:
        return model
    old = msgspec.structs.replace(model.architecture, legacy_cache=True)
    return msgspec.structs.replace(model, architecture=old)


def _buffers(model: Model, setup: Setup, *, engine: bool) -> tuple[float, float]:
    a = model.architecture
    answer = measured(model, setup, None) if engine else None
    if answer is None:
        return kv_mib(a, setup), compute_mib(a, setup, on_card=False)
    return answer.kv_mib, max(answer.compute_mib, output_mib(a, setup, on_card=False))


def unfused_rows(catalogue: Catalogue) -> Iterator[Row]:
    """Compute buffers of one device where the lightning indexer is not one operation."""
    for row in _read(TRUTH / "memory_truth.csv"):
        if not NO_INDEXER.search(row["device"]) or "multi-GPU" in row["device"]:
            continue
        architecture = _architecture(catalogue, row["variant"])
        setup = Setup(context=int(row["n_ctx"]), ubatch=int(row["n_ubatch"]), fused_indexer=False)
        value = compute_mib(architecture, setup, on_card=True)
        label = f"{row['variant']} {row['n_ctx']} u{row['n_ubatch']}, {row['device']}"
        yield Row(architecture.gguf, "unfused", label, value, float(row["compute_mib"]))


def runs(catalogue: Catalogue) -> Iterator[Run]:
    for row in _speeds():
        if not row["variant"] or not row["decode_tps"] or UNFIT.search(row["notes"]):
            continue
        model = _speed_model(catalogue, row)
        place = _place(row) if model else None
        if model and place and row["concurrency"].isdigit():
            yield _run(row, model, place)


def _speeds() -> Iterator[dict[str, str]]:
    yield from _read(TRUTH / "speed_truth.csv")
    yield from _read(SERVED)


def _run(row: dict[str, str], model: Model, place: Place) -> Run:
    streams, cards = int(row["concurrency"]), int(row["n_cards"] or 1)
    drafting = DRAFTING.search(row["engine"])
    machine = machine_for(model, place, cards, drafts=int(drafting[1]) if drafting else 0)
    tokens = _tokens(row)
    context = max(4096, 2 * (tokens or 0))
    return Run(
        kind=_kind(row) or machine.kind,
        card=CARDS.get(row["card"], row["card"]),
        family=row["variant"],
        source=row["source"],
        label=f"{row['variant']} {row['quant']} {cards}x{row['card']} {row['engine']} {streams}",
        model=model,
        machine=machine,
        setup=Setup(context=context * streams, slots=streams),
        tokens=tokens,
        streams=streams,
        measured=float(row["decode_tps"]),
    )


def _kind(row: dict[str, str]) -> str | None:
    """Of runs that are no test of what is planned; `None` for all others."""
    if OTHER_ENGINE.search(row["engine"]):
        return "other engine"
    if EARLY.search(f"{row['engine']} {row['source']}"):
        return "vLLM before 0.8"
    return None


def _tokens(row: dict[str, str]) -> int | None:
    """In each conversation's cache halfway through its answer, where the row tells."""
    if row.get("tokens"):
        return int(row["tokens"])
    found = PROMPT.search(row["notes"])
    if found is None:
        return None
    asked, answered = (float(found[n]) * (1000 if found[n + 1] else 1) for n in (1, 3))
    return round(asked + answered / 2)


def _speed_model(catalogue: Catalogue, row: dict[str, str]) -> Model | None:
    """The model of a row: a catalogue variant, or its family at the size that the row tells."""
    ranks = not any(name in row["engine"] for name in ("llama.cpp", "ollama"))
    quant = QUANTS.get(row["quant"], row["quant"]) if ranks else row["quant"]
    size = GIB.search(row["quant"])
    try:
        if size:
            plain = _model(catalogue, row["variant"], "q4_k_m")
            mib = float(size[1]) * 1024
            return msgspec.structs.replace(plain, tensor_mib=mib, embedding_mib=600.0)
        return _model(catalogue, row["variant"], quant)
    except (LookupError, ValueError):
        return None


def _place(row: dict[str, str]) -> Place | None:
    """Where a row was measured; `None` for cards that nobody described."""
    if row["card"] in PROCESSORS:
        name, cores = PROCESSORS[row["card"]]
        arch = "aarch64" if "Raspberry" in row["card"] else "x86_64"
        host = Host(arch=arch, cpu=Cpu(cores=cores, sockets=1))
        card = Card(id="cpu", vendor="cpu")
        return Place(vendor="cpu", cards=(card,), facts=FACTS[name], available_mib=None, host=host)
    fact = FACTS.get(CARDS.get(row["card"], row["card"]))
    if fact is None:
        return None
    cards = (Card(id="0", vendor=fact.vendor, name=fact.name, arch=fact.arch),)
    return Place(vendor=fact.vendor, cards=cards, facts=fact, available_mib=None, host=Host())


def hosted_rows(catalogue: Catalogue) -> Iterator[Row]:
    """Speeds with all experts in the server's memory and the rest on a card."""
    for row in _read(HOSTED):
        model = _speed_model(catalogue, row)
        place = _hosted(row)
        if model and place:
            machine = machine_for(model, place, 1, model.architecture.layers)
            predicted = 1 / decode_step_s(model, machine, Setup(context=4096))
            label = f"{model.id} {row['quant']} {row['card']}, {row['host']}, {row['engine']}"
            yield Row(machine.kind, "decode", label, predicted, float(row["decode_tps"]))


def _hosted(row: dict[str, str]) -> Place | None:
    cpu = Cpu(cores=int(row["cores"]), sockets=int(row["sockets"]))
    memory = CardFacts(name=row["host"], vendor="cpu", bandwidth_gbs=float(row["host_gbs"]))
    place = _place(row)
    host = Host(arch="x86_64", cpu=cpu)
    return place and msgspec.structs.replace(place, host=host, host_facts=memory)


def within(rows: Iterable[Row]) -> Iterator[str]:
    """How many measurements are within the range of a plan, by kind."""
    for kind, members in _grouped(rows, lambda row: row.group):
        allowed = rules().speed.range.get(kind)
        if allowed:
            parts = [row.measured / row.predicted for row in members]
            good = sum(allowed.low <= part <= allowed.high for part in parts)
            yield f"  {kind:34} {good:4} of {len(parts)}, {min(parts):.2f} to {max(parts):.2f}"


SCALES = [0.7 + 0.05 * step for step in range(15)]


def left_out(every: Sequence[Run], key: Callable[[Run], str]) -> Iterator[Row]:
    """Each run predicted with reading and layers refitted without those that share its key."""
    for (kind, _), members in _grouped(every, lambda run: (run.kind, key(run))):
        if kind in ASIDE:
            continue
        others = [run for run in every if run.kind == kind and run not in members]
        scales = _fitted(others) if len(others) > 2 else (1.0, 1.0)
        for run in members:
            yield Row(kind, "left out", run.label, run.predicted(*scales), run.measured)


def _fitted(training: Sequence[Run]) -> tuple[float, float]:
    def loss(scales: tuple[float, float]) -> float:
        return sum(abs(math.log(run.predicted(*scales) / run.measured)) for run in training)

    return min(itertools.product(SCALES, SCALES), key=loss)


def _grouped(items: Iterable[T], key: Callable[[T], K]) -> Iterable[tuple[K, list[T]]]:
    groups: dict[K, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups.items()


def prefill_rows(catalogue: Catalogue) -> Iterator[Row]:
    for row in _speeds():
        if not row["prompt_tps"] or not row["variant"] or "in /" in row["notes"][:12]:
            continue
        model = _speed_model(catalogue, row)
        place = _place(row) if model else None
        if model and place:
            machine = machine_for(model, place, int(row["n_cards"] or 1))
            predicted = 2048 / prompt_s(model, machine, 2048)
            yield Row(machine.kind, "prefill", row["variant"] + " " + row["card"], predicted,
                      float(row["prompt_tps"]))  # fmt: skip


def planning_s() -> float:
    """Seconds of a plan over the whole catalogue for 16 cards."""
    fact = next(fact for fact in all_facts() if fact.name.startswith("Ascend 910B ("))
    cards = [
        Card(id=str(index), vendor="ascend", index=index, name=fact.name, memory_mib=65536)
        for index in range(16)
    ]
    inventory = Inventory(host=Host(memory_mib=1 << 20, cpu=Cpu(cores=64)), cards=cards)
    facts: dict[str, CardFacts] = {card.id: fact for card in cards}
    catalogue, recipes = load_catalogue(), load_recipes()
    begin = time.perf_counter()
    plan(Wish(users=40), inventory, catalogue, recipes, facts)
    return time.perf_counter() - begin


def _architecture(catalogue: Catalogue, family: str) -> Architecture:
    found = catalogue.family(family)
    if found is None:
        raise LookupError(family)
    return found.architecture


def _model(catalogue: Catalogue, family: str, quant: str) -> Model:
    found = catalogue.family(family)
    if found is None or found.variant(quant.lower()) is None:
        raise LookupError(family)
    model = of_catalogue(*catalogue.variant(CatalogReference(family, quant.lower())))
    if model is None:
        raise LookupError(family)
    return model


def _read(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            yield {key: value or "" for key, value in row.items() if isinstance(key, str)}


def report(title: str, rows: Iterable[Row], *, every: bool) -> None:
    kept = list(rows)
    print(f"\n{title}")
    if every:
        for row in kept:
            figures = f"{row.error:+7.1%} {row.predicted:10.2f} {row.measured:10.2f}"
            print(f"  {row.what:8} {figures} {row.label}")
    print(f"  {'':34} rows  median     p90  too low too high")
    grouped = list(_grouped(kept, lambda row: (row.what, row.group)))
    if len(grouped) > 1:
        grouped += _grouped(kept, lambda row: (row.what, "all"))
    for (what, group), members in sorted(grouped, key=lambda entry: entry[0]):
        sizes = sorted(abs(row.error) for row in members)
        p90 = sizes[min(len(sizes) - 1, round(0.9 * (len(sizes) - 1)))]
        low = min(0.0, min(row.error for row in members))
        high = max(0.0, max(row.error for row in members))
        median = statistics.median(sizes)
        name = f"{what} {group}"
        print(f"  {name:34} {len(sizes):4} {median:7.1%} {p90:7.1%} {low:8.1%} {high:8.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", action="store_true")
    parser.add_argument("--rows", action="store_true")
    options = parser.parse_args()
    catalogue, every = load_catalogue(), options.rows
    report("memory, per architecture", memory_rows(catalogue, engine=options.engine), every=every)
    report("memory without a fused indexer", unfused_rows(catalogue), every=every)
    found = list(runs(catalogue))
    rows = [Row(run.kind, "decode", run.label, run.predicted(), run.measured) for run in found]
    report("decode, as predicted", rows, every=every)
    report("decode, without the row's card", left_out(found, lambda run: run.card), every=False)
    report("decode, without the row's model", left_out(found, lambda run: run.family), every=False)
    report("decode, without the source", left_out(found, lambda run: run.source), every=False)
    hosted = list(hosted_rows(catalogue))
    report("decode with experts in the server's memory", hosted, every=every)
    print("\nmeasurements within the range of a plan, left out by card, and what they are of it")
    print("\n".join(within([*left_out(found, lambda run: run.card), *hosted])))
    by_card = [Row(run.card, "decode", run.label, run.predicted(), run.measured) for run in found]
    report("decode, per card (all engines)", by_card, every=False)
    report("prompts", prefill_rows(catalogue), every=every)
    print(f"\na plan over the whole catalogue for 16 cards: {planning_s():.2f} s")


if __name__ == "__main__":
    main()
