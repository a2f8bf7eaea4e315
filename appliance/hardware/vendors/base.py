"""What every vendor's file provides, and what its two readers report.

A vendor is one file, one class and one line in `appliance/hardware/registry.py`. It has up to two
readers. The *tool* reader runs the vendor's own command line tool through `Ask` and parses what it
prints; the same code answers live and from a capture. The *library* reader binds the vendor's
management library; it runs only inside the helper process (`appliance/hardware/helper.py`), because
vendor libraries hang and crash.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, Protocol

import msgspec

from appliance.core.i18n import Text
from appliance.core.inventory import CardState, Link, VendorName
from appliance.core.sample import CardProcess, HealthWord, Pcie


class PciDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A function on the bus, as sysfs shows it. Ids are lower-case hex without `0x`."""

    address: str
    vendor_id: str
    device_id: str
    class_id: str
    subsystem_vendor_id: str | None = None
    subsystem_device_id: str | None = None
    numa: int | None = None
    pcie: Pcie | None = None
    answers: bool = True
    """False when the configuration space reads all ones (`rev ff`): the device fell off the bus."""
    driver: str | None = None
    """The kernel driver that is bound to it; `""` when none is, `None` when not captured."""
    name: str | None = None
    """What `lspci` calls it, where that was asked."""


class ToolAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a command printed. `exit` is `None` when it was killed at its deadline."""

    argv: tuple[str, ...]
    exit: int | None
    stdout: str
    stderr: str = ""
    seconds: float = 0.0
    files: dict[str, str] = {}
    """Text files that the tool wrote into its (temporary) working directory, by name; live only."""


Ask = Callable[..., ToolAnswer | None]
"""`ask("npu-smi", "info")`; `None` when the tool is not installed or the question not captured."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One device as one reader saw it: facts and present values together. `None` is unknown."""

    index: int | None = None
    name: str | None = None
    uuid: str | None = None
    pci: str | None = None
    memory_mib: int | None = None
    driver: str | None = None
    runtime: str | None = None
    arch: str | None = None
    state: CardState = "ok"
    links: list[Link] = []
    notes: list[str] = []
    util_pct: float | None = None
    memory_used_mib: float | None = None
    temp_c: float | None = None
    temp_memory_c: float | None = None
    temp_hotspot_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    clock_mhz: float | None = None
    fan_pct: float | None = None
    throttle: list[str] | None = None
    ecc_uncorrected: int | None = None
    pcie: Pcie | None = None
    health: HealthWord | None = None
    processes: list[CardProcess] | None = None
    temp_warn_c: float | None = None
    """Where the driver starts to slow the core down; absolute, already freed of T.Limit margins."""
    temp_critical_c: float | None = None
    temp_margin_c: float | None = None
    """Degrees left before the core slows down, where the driver tells the margin (T.Limit)."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What one reader of one vendor found.

    `answer` tells apart why there may be no readings: `absent` (no tool or library here, or not
    captured), `no_driver` (the tool cannot reach the driver), `no_answer` (deadline passed).
    """

    answer: Literal["ok", "absent", "no_driver", "no_answer"]
    readings: list[Reading] = []
    lost: list[str] = []
    """PCI addresses (or `#<index>`) that the tool itself names as lost."""
    silent: list[str] = []
    """PCI addresses (or `#<index>`) that a library reader waited for in vain."""
    message: str | None = None
    """The tool's own words, first line, for people."""


ABSENT = Report(answer="absent")


class Library(Protocol):
    """An open vendor library inside the helper process."""

    def read(self, *, processes: bool) -> Report:
        """All devices now; `processes` is asked at most every five seconds, it is expensive."""
        ...

    def close(self) -> None:
        """Give the library back."""
        ...


class LibraryGone(Exception):
    """The library itself no longer answers (driver unloaded, not initialised); it is reopened."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.message)
        self.report = report


class CardByCard(ABC):
    """A library that is read one card after the other, so that one wedged card costs only itself.

    The helper says which card it is about to read; the card it is killed at is skipped next time.
    """

    @abstractmethod
    def cards(self) -> list[str]:
        """Keys of all cards, the same in every process: `#<index>` or the PCI address."""

    @abstractmethod
    def read_card(self, key: str, *, processes: bool) -> Reading:
        """One card now. Raises `LibraryGone`."""

    @abstractmethod
    def close(self) -> None:
        """Give the library back."""

    def read(self, *, processes: bool) -> Report:
        """All cards."""
        readings = [self.read_card(key, processes=processes) for key in self.cards()]
        return Report(answer="ok", readings=readings)


class Vendor(ABC):
    """A maker of accelerators."""

    name: ClassVar[VendorName]
    title: ClassVar[str]
    """How people call the vendor: "Huawei Ascend"."""
    install_hint: ClassVar[Text]
    """Driver package and where to get it; shown for `no_driver`, never carried out."""

    @abstractmethod
    def owns(self, device: PciDevice) -> bool:
        """Whether this PCI function is an accelerator of ours: vendor, class and device id."""

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """Ask the vendor's tool. `bus` has the vendor's own devices; `None` when not captured."""
        return ABSENT

    def open_library(self) -> Library | None:
        """Bind the vendor's library, in the helper process; `None` when it is not here.

        Raises `LibraryGone` when it is here but cannot reach the driver.
        """
        return None
