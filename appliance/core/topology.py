"""topology/1: how the cards of a server are linked, and which processors are near them."""

from __future__ import annotations

from appliance.core.inventory import Document


class CardPlace(Document, frozen=True, kw_only=True):
    """Where a card sits: NUMA node and the processors next to it (`0-23,48-71`)."""

    id: str
    vendor: str
    index: int | None = None
    pci: str | None = None
    numa: int | None = None
    cpus: str | None = None


class Topology(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.topology/1"):
    """`matrix[i][j]` is the path from card i to card j; `None` is unknown.

    X is the card itself. PIX one PCIe switch, PXB several, PHB a host bridge, NODE within a NUMA
    node, SYS between NUMA nodes; other words are interconnects: NV18 (NVLinks), HCCS, XGMI, MTLink,
    MetaXLink, XL16 …
    """

    cards: list[CardPlace]
    matrix: list[list[str | None]]
