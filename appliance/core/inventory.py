"""inventory/1: what is in this server."""

from __future__ import annotations

from typing import Literal

import msgspec

VendorName = Literal[
    "nvidia",
    "amd",
    "intel",
    "apple",
    "ascend",
    "mthreads",
    "metax",
    "hygon",
    "enflame",
    "iluvatar",
    "biren",
    "kunlunxin",
    "cambricon",
    "thead",
    "cpu",
]
CardState = Literal["ok", "no_driver", "no_answer", "lost", "degraded"]
ReaderName = Literal["library", "tool", "pci"]
Severity = Literal["pass", "info", "warn", "fail", "unknown"]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything that leaves the program as JSON; unknown values are `null`."""


class Disk(Document, frozen=True, kw_only=True):
    """A mounted file system that could hold models."""

    mount: str
    device: str | None = None
    filesystem: str | None = None
    total_mib: int | None = None
    free_mib: int | None = None
    read_only: bool = False


class Cpu(Document, frozen=True, kw_only=True):
    """The processors of the server, together."""

    model: str | None = None
    sockets: int | None = None
    cores: int | None = None


class Host(Document, frozen=True, kw_only=True):
    """The server around the cards."""

    hostname: str | None = None
    os: str | None = None
    kernel: str | None = None
    arch: str | None = None
    cpu: Cpu = Cpu()
    memory_mib: int | None = None
    disks: list[Disk] = []


class Link(Document, frozen=True, kw_only=True):
    """An interconnect of a card: `kind` is NVLink, HCCS, MTLink, MetaXLink, xGMI, PCIe …"""

    kind: str
    peer: str | None = None
    state: Literal["up", "down"] | None = None
    bandwidth_gbs: float | None = None


class Card(Document, frozen=True, kw_only=True):
    """One device as the driver counts it: each die of a dual-die board, each logical device.

    `id` is stable across reboots: the uuid where there is one, else `<vendor>-<PCI address>`.
    """

    id: str
    vendor: VendorName
    index: int | None = None
    name: str | None = None
    uuid: str | None = None
    pci: str | None = None
    memory_mib: int | None = None
    driver: str | None = None
    runtime: str | None = None
    arch: str | None = None
    numa: int | None = None
    source: ReaderName = "pci"
    state: CardState = "ok"
    links: list[Link] = []
    notes: list[str] = []


class Problem(Document, frozen=True, kw_only=True):
    """Something about the inventory that a person should act on. `code` is a finding code."""

    code: str
    severity: Severity
    text: str
    advice: str
    card: str | None = None


class Inventory(
    Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.inventory/1"
):
    """What is in this server. Without a card there is one entry of vendor `cpu`."""

    host: Host
    cards: list[Card]
    problems: list[Problem] = []

    def card(self, card_id: str) -> Card | None:
        """The card with this id."""
        return next((card for card in self.cards if card.id == card_id), None)

    def accelerators(self) -> list[Card]:
        """All cards but the processor's entry."""
        return [card for card in self.cards if card.vendor != "cpu"]
