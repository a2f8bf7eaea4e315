"""NVML, NVIDIA's management library, card by card. Runs in the helper process only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pynvml

from appliance.core.inventory import CardState, Link
from appliance.core.sample import CardProcess, Pcie
from appliance.hardware.vendors.base import CardByCard, LibraryGone, Reading, Report
from appliance.hardware.vendors.nvidia_forms import throttle_words
from appliance.hardware.vendors.parse import pci_address

_LOST = frozenset((pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED))
_GONE = frozenset(
    (
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
        pynvml.NVML_ERROR_UNINITIALIZED,
    )
)
_NEVER = frozenset(
    (
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        pynvml.NVML_ERROR_INVALID_ARGUMENT,
        pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
    )
)
"""What a card cannot tell now it cannot tell later either; it is not asked again."""
_BYTES_PER_MIB = 1024 * 1024


def open_nvml() -> CardByCard | None:
    """NVML, initialised; `None` when it is not installed. Raises `LibraryGone`."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        if error.value == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            return None
        raise _gone(error) from error
    return Nvml()


def _gone(error: pynvml.NVMLError) -> LibraryGone:
    if error.value in _GONE:
        return LibraryGone(Report(answer="no_driver", message=str(error)))
    return LibraryGone(Report(answer="no_answer", message=str(error)))


class Nvml(CardByCard):
    """All cards that the driver counts. Handles are opened when a card is first read."""

    def __init__(self) -> None:
        self._driver = _or_none(pynvml.nvmlSystemGetDriverVersion)
        self._runtime = _cuda(_or_none(pynvml.nvmlSystemGetCudaDriverVersion_v2))
        self._cards: dict[int, _Card] = {}

    def cards(self) -> list[str]:
        """`#<index>`; counted anew each time, because cards come and go with the driver."""
        try:
            return [f"#{index}" for index in range(pynvml.nvmlDeviceGetCount())]
        except pynvml.NVMLError as error:
            raise _gone(error) from error

    def read_card(self, key: str, *, processes: bool) -> Reading:
        """The card's facts and present values; a card that NVML calls lost says so."""
        index = int(key.removeprefix("#"))
        try:
            card = self._cards.get(index)
            if card is None:
                card = self._cards[index] = _Card(index, self._driver, self._runtime)
            return card.read(processes=processes)
        except pynvml.NVMLError as error:
            if error.value in _GONE:
                raise _gone(error) from error
            return self._without_answer(index, error)

    def _without_answer(self, index: int, error: pynvml.NVMLError) -> Reading:
        card = self._cards.pop(index, None)
        state: CardState = "lost" if error.value in _LOST else "no_answer"
        facts = card.facts if card is not None else Reading(index=index)
        return Reading(
            index=index,
            name=facts.name,
            uuid=facts.uuid,
            pci=facts.pci,
            state=state,
            notes=[f"NVML: {error}"],
        )

    def close(self) -> None:
        """Shut NVML down."""
        pynvml.nvmlShutdown()


def _or_none(call: Callable[..., Any], *arguments: object) -> Any:
    try:
        return call(*arguments)
    except pynvml.NVMLError:
        return None


def _text(value: bytes | str | None) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _cuda(version: int | None) -> str | None:
    return f"{version // 1000}.{version % 1000 // 10}" if version else None


class _Card:
    """One open device. `ask` returns `None` for what the card does not tell."""

    def __init__(self, index: int, driver: str | None, runtime: str | None) -> None:
        self._handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        self._cannot: set[str] = set()
        self.facts = self._read_facts(index, _text(driver), runtime)

    def ask(self, name: str, *arguments: object) -> Any:
        """Call `nvmlDevice<name>`; raises only what concerns the whole card or driver."""
        if name in self._cannot:
            return None
        try:
            return getattr(pynvml, f"nvmlDevice{name}")(self._handle, *arguments)
        except pynvml.NVMLError as error:
            if error.value in _LOST | _GONE:
                raise
            if error.value in _NEVER and not arguments:
                self._cannot.add(name)
            return None

    def _read_facts(self, index: int, driver: str | None, runtime: str | None) -> Reading:
        memory = self._memory()
        capability = self.ask("GetCudaComputeCapability")
        pci = self.ask("GetPciInfo")
        return Reading(
            index=index,
            name=_text(self.ask("GetName")),
            uuid=_text(self.ask("GetUUID")),
            pci=pci_address(_text(pci.busId)) if pci is not None else None,
            memory_mib=memory.total // _BYTES_PER_MIB if memory is not None else None,
            driver=driver,
            runtime=runtime,
            arch=f"sm_{capability[0]}{capability[1]}" if capability else None,
            power_limit_w=_watts(self.ask("GetEnforcedPowerLimit")),
            temp_warn_c=self._threshold(pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN),
            temp_critical_c=self._threshold(pynvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN),
            notes=self._mig_notes(),
        )

    def read(self, *, processes: bool) -> Reading:
        """The facts with the values of now."""
        memory = self._memory()
        utilization = self.ask("GetUtilizationRates")
        temp_c = self.ask("GetTemperature", pynvml.NVML_TEMPERATURE_GPU)
        power_mw = self.ask("GetPowerUsage")
        if memory is utilization is temp_c is power_mw is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)
        return msgspec.structs.replace(
            self.facts,
            util_pct=utilization.gpu if utilization is not None else None,
            memory_used_mib=memory.used // _BYTES_PER_MIB if memory is not None else None,
            temp_c=temp_c,
            temp_memory_c=self._memory_temperature(),
            temp_margin_c=self.ask("GetMarginTemperature"),
            power_w=_watts(power_mw),
            power_limit_w=_watts(self.ask("GetEnforcedPowerLimit")),
            clock_mhz=self.ask("GetClockInfo", pynvml.NVML_CLOCK_GRAPHICS),
            fan_pct=self.ask("GetFanSpeed"),
            throttle=self._throttle(),
            ecc_uncorrected=self.ask(
                "GetTotalEccErrors",
                pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
                pynvml.NVML_VOLATILE_ECC,
            ),
            pcie=self._pcie(),
            links=self._links() if processes else [],
            processes=self._processes() if processes else None,
        )

    def _memory(self) -> Any:
        """With the driver's own share left out of `used`, as `nvidia-smi` shows it."""
        memory = self.ask("GetMemoryInfo", pynvml.nvmlMemory_v2)
        return memory if memory is not None else self.ask("GetMemoryInfo")

    def _threshold(self, kind: int) -> float | None:
        value: int | None = self.ask("GetTemperatureThreshold", kind)
        return float(value) if value else None

    def _memory_temperature(self) -> float | None:
        values = self.ask("GetFieldValues", [pynvml.NVML_FI_DEV_MEMORY_TEMP])
        if not values or values[0].nvmlReturn != pynvml.NVML_SUCCESS:
            return None
        return float(values[0].value.uiVal) or None

    def _throttle(self) -> list[str] | None:
        mask = self.ask("GetCurrentClocksEventReasons")
        if mask is None:
            mask = self.ask("GetCurrentClocksThrottleReasons")
        return throttle_words(mask) if mask is not None else None

    def _pcie(self) -> Pcie | None:
        link = Pcie(
            gen=self.ask("GetCurrPcieLinkGeneration"),
            width=self.ask("GetCurrPcieLinkWidth"),
            gen_max=self.ask("GetMaxPcieLinkGeneration"),
            width_max=self.ask("GetMaxPcieLinkWidth"),
        )
        return link if link != Pcie() else None

    def _mig_notes(self) -> list[str]:
        mode = self.ask("GetMigMode")
        if not mode or mode[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
            return []
        slots = range(self.ask("GetMaxMigDeviceCount") or 0)
        count = sum(self.ask("GetMigDeviceHandleByIndex", slot) is not None for slot in slots)
        return [f"MIG enabled, {count} instances"]

    def _links(self) -> list[Link]:
        links = []
        for number in range(pynvml.NVML_NVLINK_MAX_LINKS):
            state = self.ask("GetNvLinkState", number)
            if state is None:
                break
            remote = self.ask("GetNvLinkRemotePciInfo", number)
            peer = pci_address(_text(remote.busId)) if remote is not None else None
            links.append(Link(kind="NVLink", peer=peer, state="up" if state else "down"))
        return links

    def _processes(self) -> list[CardProcess] | None:
        compute = self.ask("GetComputeRunningProcesses")
        graphics = self.ask("GetGraphicsRunningProcesses")
        if compute is None and graphics is None:
            return None
        found = {
            process.pid: CardProcess(
                pid=process.pid,
                memory_mib=process.usedGpuMemory / _BYTES_PER_MIB
                if process.usedGpuMemory is not None
                else None,
            )
            for process in [*(graphics or []), *(compute or [])]
        }
        return list(found.values())


def _watts(milliwatts: int | None) -> float | None:
    return milliwatts / 1000 if milliwatts is not None else None
