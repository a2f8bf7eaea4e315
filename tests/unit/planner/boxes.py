"""Servers for planning tests: cards by the names of cards.toml."""

from appliance.core.cards import CardFacts
from appliance.core.inventory import Card, Cpu, Host, Inventory, Link
from appliance.hardware.cards import all_facts

FACTS = {fact.name: fact for fact in all_facts()}


def box(
    *groups: tuple[str, int],
    memory_gib: int = 512,
    cores: int = 64,
    sockets: int = 2,
    cpu: str | None = None,
    linked: bool = False,
) -> tuple[Inventory, dict[str, CardFacts]]:
    """A server with `groups` of cards (name, how many), and the facts about them."""
    cards: list[Card] = []
    facts: dict[str, CardFacts] = {}
    for name, count in groups:
        fact = FACTS[name]
        for index in range(count):
            card = _card(fact, index, linked=linked)
            cards.append(card)
            facts[card.id] = fact
    if cpu:
        facts["cpu"] = FACTS[cpu]
    if not cards:
        cards = [Card(id="cpu", vendor="cpu", name=cpu)]
    host = Host(
        arch="x86_64",
        memory_mib=memory_gib * 1024,
        cpu=Cpu(model=cpu, sockets=sockets, cores=cores),
    )
    return Inventory(host=host, cards=cards), facts


def _card(fact: CardFacts, index: int, *, linked: bool) -> Card:
    memory = fact.memory_gib and int(fact.memory_gib * 1024 / fact.dies)
    return Card(
        id=f"{fact.vendor}-{fact.name}-{index}",
        vendor=fact.vendor,
        index=index,
        name=fact.name,
        arch=fact.arch,
        memory_mib=memory or None,
        links=[Link(kind="NVLink", state="up")] if linked else [],
    )
