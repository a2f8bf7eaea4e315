"""Predictions against what was measured: `python benchmarks/planner.py [--engine] [--rows]`.

Reads `../shared/truth` (see its README for the columns) and prints errors per architecture and per
card. `--engine` asks the engine where a formula is a fit; `--rows` prints every row, too.
"""

from __future__ import annotations

import argparse
import csv
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

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
from appliance.planner.plan import plan
from appliance.planner.speed import (
    decode_step_s,
    machine_of_host,
    machine_of_layers,
    machine_of_ranks,
)

TRUTH = Path(__file__).parents[2] / "shared" / "truth"
SWA_FULL = re.compile(r"swa_full=1|kv_unified=1")
CORES = {
    "Raspberry Pi 4 (CPU)": ("Raspberry Pi 4 (CPU)", 4),
    "Raspberry Pi 5 (CPU)": ("Raspberry Pi 5 (CPU)", 4),
    "CPU Xeon Platinum 8175 48 vCPU (r5.12xlarge)": ("Xeon Platinum 8175M, one socket", 24),
    "CPU 128 threads (Xeon 6980P)": ("Xeon 6980P, one socket", 128),
}
UNFIT = re.compile(r"does not fit|spills|power-limited|likely CPU|speculation|not the stock")


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


def memory_rows(catalogue: Catalogue, *, engine: bool) -> Iterator[Row]:
    for row in _read("memory_truth.csv"):
        if row["kind"] != "engine-dry-run" or not row["variant"] or SWA_FULL.search(row["notes"]):
            continue
        model = _model(catalogue, row["variant"], row["quant"])
        setup = Setup(
            context=int(row["n_ctx"]),
            slots=int(row["n_parallel"]),
            kv_type=row["kv_type"],
            ubatch=int(row["n_ubatch"]),
            flash_attention=row["flash_attn"] == "1",
        )
        a = model.architecture
        answer = measured(model, setup, None) if engine and a.indexer_dim else None
        cache = kv_mib(a, setup)
        compute = compute_mib(a, setup, on_card=False)
        if answer:
            compute = max(answer.compute_mib, output_mib(a, setup, on_card=False))
        predicted = {"weights": model.tensor_mib, "kv": cache, "compute": compute}
        predicted["total"] = sum(predicted.values())
        label = " ".join(row[key] for key in ("variant", "n_ctx", "n_parallel", "kv_type"))
        label += f" u{row['n_ubatch']} fa{row['flash_attn']}"
        for what, value in predicted.items():
            yield Row(a.gguf, what, label, value, float(row[f"{what}_mib"]))


def speed_rows(catalogue: Catalogue) -> Iterator[Row]:
    facts = {fact.name: fact for fact in all_facts()}
    for row in _read("speed_truth.csv"):
        if row["concurrency"] != "1" or not row["variant"] or UNFIT.search(row["notes"]):
            continue
        if row["engine"] not in ("llama.cpp", "ollama"):
            continue
        try:
            model = _model(catalogue, row["variant"], row["quant"])
        except (LookupError, ValueError):
            continue
        predicted = _decode_tps(model, row["card"], int(row["n_cards"] or 1), facts)
        if predicted:
            group = "moe" if model.architecture.is_moe else "dense"
            label = f"{row['variant']} {row['quant']} {row['n_cards']}x{row['card']}"
            yield Row(group, "decode", label, predicted, float(row["decode_tps"]))


QUANTS = {"AWQ int4": "awq", "FP8": "fp8", "BF16": "bf16"}
CARDS = {
    "H100/H200": "H100 SXM 80GB",
    "H200": "H200 SXM 141GB",
    "A100 80GB": "A100 SXM 80GB",
    "H100 80GB": "H100 SXM 80GB",
    "MI300X": "MI300X",
    "H20": "H20 96GB",
    "A40 48GB": "A40",
}


def served_rows(catalogue: Catalogue) -> Iterator[Row]:
    """Aggregates of vLLM and its kin, where the number of requests at once is told."""
    facts = {fact.name: fact for fact in all_facts()}
    for row in _read("speed_truth.csv"):
        known = row["quant"] in QUANTS and row["card"] in CARDS and row["concurrency"].isdigit()
        if not known or "TOTAL" in row["notes"]:
            continue
        model = _model(catalogue, row["variant"], QUANTS[row["quant"]])
        streams, cards = int(row["concurrency"]), int(row["n_cards"])
        machine = machine_of_ranks(model, cards, facts[CARDS[row["card"]]])
        setup = Setup(context=1024 * streams, slots=streams)
        predicted = streams / decode_step_s(model, machine, setup, streams)
        label = f"{row['variant']} {row['quant']} {cards}x{row['card']} {streams} at once"
        yield Row(
            "moe" if model.architecture.is_moe else "dense",
            "served",
            label,
            predicted,
            float(row["decode_tps"]),
        )


def planning_s() -> float:
    """Seconds of a plan over the whole catalogue for 16 cards."""
    fact = next(fact for fact in all_facts() if fact.name.startswith("Ascend 910B ("))
    cards = [
        Card(id=str(index), vendor="ascend", index=index, name=fact.name, memory_mib=65536)
        for index in range(16)
    ]
    inventory = Inventory(host=Host(memory_mib=1 << 20, cpu=Cpu(cores=64)), cards=cards)
    facts = {card.id: fact for card in cards}
    catalogue, recipes = load_catalogue(), load_recipes()
    begin = time.perf_counter()
    plan(Wish(users=40), inventory, catalogue, recipes, facts)
    return time.perf_counter() - begin


def _decode_tps(model: Model, card: str, count: int, facts: dict[str, CardFacts]) -> float | None:
    setup = Setup(context=4096)
    if card in CORES:
        name, cores = CORES[card]
        arch = "aarch64" if "Raspberry" in card else "x86_64"
        host = Host(arch=arch, cpu=Cpu(cores=cores, sockets=1))
        machine = machine_of_host(model.architecture, host, facts.get(name))
        return 1 / decode_step_s(model, machine, setup)
    fact = _facts(card, facts)
    if fact is None:
        return None
    machine = machine_of_layers(model.architecture, count, fact.arch, fact)
    return 1 / decode_step_s(model, machine, setup)


def _facts(card: str, facts: dict[str, CardFacts]) -> CardFacts | None:
    plain = card.replace(" 24GB", "").replace(" 8GB", "")
    for name in (card, plain, f"Apple {plain}", f"{plain} 16GB"):
        if name in facts:
            return facts[name]
    return None


def _model(catalogue: Catalogue, family: str, quant: str) -> Model:
    found = catalogue.family(family)
    variant = found.variant(quant.lower()) if found else None
    if found is None or variant is None:
        raise LookupError(family)
    model = of_catalogue(*catalogue.variant(CatalogReference(family, quant.lower())))
    if model is None:
        raise LookupError(family)
    return model


def _read(name: str) -> Iterator[dict[str, str]]:
    with (TRUTH / name).open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            yield {key: value or "" for key, value in row.items() if isinstance(key, str)}


def report(rows: Iterable[Row], *, every: bool) -> None:
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.what, row.group].append(row)
        groups[row.what, "all"].append(row)
        if every:
            figures = f"{row.error:+7.1%} {row.predicted:10.2f} {row.measured:10.2f}"
            print(f"{row.what:8} {figures} {row.label}")
    print(f"{'what':8} {'group':11} rows  median     p90  too low too high")
    for (what, group), members in sorted(groups.items()):
        sizes = sorted(abs(row.error) for row in members)
        p90 = sizes[min(len(sizes) - 1, round(0.9 * (len(sizes) - 1)))]
        low = min(0.0, min(row.error for row in members))
        high = max(0.0, max(row.error for row in members))
        median = statistics.median(sizes)
        print(f"{what:8} {group:11} {len(sizes):4} {median:7.1%} {p90:7.1%} {low:8.1%} {high:8.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", action="store_true")
    parser.add_argument("--rows", action="store_true")
    options = parser.parse_args()
    catalogue = load_catalogue()
    report(memory_rows(catalogue, engine=options.engine), every=options.rows)
    report(speed_rows(catalogue), every=options.rows)
    report(served_rows(catalogue), every=options.rows)
    print(f"a plan over the whole catalogue for 16 cards: {planning_s():.2f} s")


if __name__ == "__main__":
    main()
