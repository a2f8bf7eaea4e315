from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_server import Bus, Nvml, Tools

from appliance.core.documents import from_json, to_json
from appliance.core.inventory import Card, Inventory
from appliance.core.sample import CardProcess, Pcie, Sample
from appliance.hardware import box as box_module
from appliance.hardware.box import Box, open_box
from appliance.hardware.identity import forget
from appliance.hardware.look import LiveLook, Look
from appliance.hardware.merge import Seen
from appliance.hardware.sources import LiveSource
from appliance.hardware.vendors import nvidia_forms
from appliance.hardware.vendors.amd import Amd
from appliance.hardware.vendors.base import PciDevice, Reading, Report, Vendor
from appliance.ops.detect import detect

NO_LIBRARY = "init_error 12"
CSV_LINE = (
    "{i}, GPU-00000000-0000-0000-0000-0000000000{i:02}, NVIDIA Stub {i}, 00000000:{bus:02X}:00.0, "
    "550.1, {temp}, N/A, 34.71, 350.00, 0, 0, 3, {memory}, 0, 0x0000000000000001, P8, [N/A]\n"
)


def csv(cards: int, *, temp: int = 30, memory: int = 81559, without: int | None = None) -> str:
    return "".join(
        CSV_LINE.format(i=i, bus=0x10 + i, temp=temp, memory=memory)
        for i in range(cards)
        if i != without
    )


@pytest.fixture
def live(bus: Bus, tools: Tools, tmp_path: Path) -> Iterator[Box]:
    """This server, with that bus, those tools, and a memory."""
    with Box(LiveSource(bus.root), tmp_path / "state") as box:
        yield box


def smi_answers_csv(tools: Tools, text: str, *, stderr: str = "") -> None:
    """nvidia-smi that knows only the one-line-per-card question."""
    (tools.directory / "csv").write_text(text)
    (tools.directory / "csv.err").write_text(stderr)
    tools.script(
        "nvidia-smi",
        f'case "$1" in --query-gpu=index,uuid*) /bin/cat {tools.directory}/csv; '
        f"/bin/cat {tools.directory}/csv.err >&2;; *) exit 2;; esac",
    )


# -- inventory ---------------------------------------------------------------------------------


def test_a_server_without_cards_has_its_processor(live: Box, bus: Bus) -> None:
    bus.add("0000:03:00.0", "1a03:2000", "0300")
    inventory = live.inventory()
    (card,) = inventory.cards
    assert (card.id, card.vendor, card.state) == ("cpu", "cpu", "ok")
    assert card.memory_mib == inventory.host.memory_mib
    assert inventory.accelerators() == []
    assert inventory.problems == []
    (sample,) = live.sample().cards
    assert sample.id == "cpu"
    assert sample.memory_total_mib == card.memory_mib


@pytest.mark.usefixtures("eight_cards")
def test_cards_by_their_library(live: Box) -> None:
    inventory = live.inventory()
    assert [card.index for card in inventory.cards] == list(range(8))
    assert {card.source for card in inventory.cards} == {"library"}
    assert {card.state for card in inventory.cards} == {"ok"}
    assert inventory.cards[3].id == "GPU-00000000-0000-0000-0000-000000000003"
    assert inventory.problems == []
    sample = live.sample(processes=True)
    assert [card.id for card in sample.cards] == [card.id for card in inventory.cards]
    assert [card.temp_c for card in sample.cards] == [30 + i for i in range(8)]
    assert sample.cards[0].processes
    assert sample.cards[0].processes[0].command


@pytest.mark.usefixtures("eight_cards")
def test_documents_are_what_they_promise(live: Box) -> None:
    inventory, sample = live.inventory(), live.sample()
    assert from_json(to_json(inventory), Inventory) == inventory
    assert from_json(to_json(sample), Sample) == sample
    assert json.loads(to_json(inventory))["schema"] == "appliance.inventory/1"
    assert json.loads(to_json(sample))["cards"][0]["health"] is None
    assert sample.time.endswith("Z")


@pytest.mark.usefixtures("eight_cards")
def test_sampling_starts_no_process(live: Box, tools: Tools) -> None:
    smi_answers_csv(tools, csv(8))
    live.inventory()
    before = tools.calls()
    for _ in range(5):
        live.sample()
    assert tools.calls() == before


@pytest.mark.usefixtures("eight_cards")
def test_processes_are_asked_every_five_seconds_at_most(
    live: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = live.sample(processes=True)
    asked: list[bool] = []
    see = Box._see

    def watched(box: Box, look: Look, thorough: bool) -> Seen:
        asked.append(thorough)
        return see(box, look, thorough)

    monkeypatch.setattr(Box, "_see", watched)
    second = live.sample(processes=True)
    assert asked == [False]
    assert second.cards[0].processes == first.cards[0].processes
    assert live.sample().cards[0].processes is None
    monkeypatch.setattr(box_module, "PROCESSES_EVERY_S", 0.0)
    live.sample(processes=True)
    assert asked == [False, False, True]


class Quiet(LiveLook):
    """A vendor whose library tells of no process; its tool tells of `users`."""

    def __init__(self, vendor: Vendor, users: dict[str, list[CardProcess]]) -> None:
        super().__init__(vendor, partial_view=False)
        self.told = users
        self.asked = 0

    def see(self, devices: list[PciDevice] | None, *, thorough: bool) -> Seen:
        readings = [Reading(index=0, uuid="u0", pci="0000:01:00.0", name="one", memory_mib=1)]
        return Seen(
            vendor=self.vendor, devices=devices, library=Report(answer="ok", readings=readings)
        )

    def users(self, devices: list[PciDevice] | None) -> dict[str, list[CardProcess]]:
        self.asked += 1
        return self.told


@pytest.mark.parametrize("key", ["u0", "0000:01:00.0", None])
def test_the_tool_tells_of_processes_where_the_library_does_not(
    key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = CardProcess(pid=2**22 + 1, memory_mib=7, command="engine")
    look = Quiet(Amd(), {key: [process]} if key else {})
    box = Box(LiveSource())
    monkeypatch.setattr(box_module, "PROCESSES_EVERY_S", 0.0)
    monkeypatch.setattr(box, "_looks", [look])

    assert box.sample().cards[0].processes is None
    assert look.asked == 0
    for _ in range(3):
        told = box.sample(processes=True).cards[0].processes
    assert told == ([process] if key else None)
    assert look.asked == (3 if key else 1)


def test_without_a_library_the_tool_answers(
    live: Box, eight_cards: Bus, tools: Tools, nvml: Nvml
) -> None:
    nvml.told(NO_LIBRARY)
    smi_answers_csv(tools, csv(8))
    inventory = live.inventory()
    assert {card.source for card in inventory.cards} == {"tool"}
    assert {card.driver for card in inventory.cards} == {"550.1"}
    assert live.sample().cards[7].temp_c == 30


def test_the_bus_gives_what_the_tool_does_not(
    live: Box, bus: Bus, tools: Tools, nvml: Nvml
) -> None:
    nvml.told(NO_LIBRARY)
    bus.add(
        "0000:10:00.0", "10de:2330", "0302", driver="nvidia", numa_node="1",
        current_link_speed="8.0 GT/s PCIe", current_link_width="8",
        max_link_speed="32.0 GT/s PCIe", max_link_width="16",
    )  # fmt: skip
    smi_answers_csv(tools, csv(1))
    (card,) = live.inventory().cards
    assert card.numa == 1
    assert live.sample().cards[0].pcie == Pcie(gen=3, width=8, gen_max=5, width_max=16)


# -- cards that are not well -------------------------------------------------------------------


def _states(inventory: Inventory) -> list[str]:
    return [card.state for card in inventory.cards]


def _codes(inventory: Inventory) -> list[str]:
    return [problem.code for problem in inventory.problems]


def _by_address(inventory: Inventory, address: str) -> Card:
    return next(card for card in inventory.cards if card.pci == address)


@pytest.mark.parametrize("driver", ["", "nouveau", "vfio-pci"])
def test_no_driver(live: Box, bus: Bus, driver: str) -> None:
    bus.add("0000:10:00.0", "10de:2330", "0302", driver=driver)
    bus.add("0000:11:00.0", "10de:2330", "0302", driver=driver)
    inventory = live.inventory()
    assert _states(inventory) == ["no_driver", "no_driver"]
    assert [card.id for card in inventory.cards] == ["nvidia-0000:10:00.0", "nvidia-0000:11:00.0"]
    (problem,) = inventory.problems
    assert problem.code == "CARD-NO-DRIVER"
    assert "0000:11:00.0" in problem.text
    assert "nvidia-driver" in problem.advice
    readings = live.sample().cards[0]
    assert readings.temp_c is readings.util_pct is readings.memory_used_mib is None


def test_the_tool_cannot_reach_the_driver(live: Box, bus: Bus, tools: Tools) -> None:
    bus.add("0000:10:00.0", "10de:2330", "0302", driver="nvidia")
    message = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    tools.prints("nvidia-smi", message, exit_status=9)
    inventory = live.inventory()
    assert _states(inventory) == ["no_driver"]
    assert inventory.cards[0].notes == [message]


def test_a_driver_without_any_tool_is_no_fault(live: Box, bus: Bus) -> None:
    bus.add("0000:10:00.0", "1002:74a1", "1200", driver="amdgpu")
    inventory = live.inventory()
    assert _states(inventory) == ["ok"]
    assert inventory.cards[0].source == "pci"


def test_a_lost_card_by_the_library(live: Box, eight_cards: Bus, nvml: Nvml) -> None:
    ids = [card.id for card in live.inventory().cards]
    nvml.told("cards 8", "error 3 15")
    inventory = live.inventory()
    assert [card.id for card in inventory.cards] == ids
    assert _states(inventory) == ["ok"] * 3 + ["lost"] + ["ok"] * 4
    assert _codes(inventory) == ["CARD-LOST"]
    assert inventory.problems[0].card == ids[3]
    assert live.sample().cards[3].temp_c is None


def test_a_card_the_driver_no_longer_counts(
    live: Box, eight_cards: Bus, nvml: Nvml, tools: Tools
) -> None:
    """Seven of eight answer; the tool and the kernel log are asked why."""
    nvml.told("cards 7")
    tools.prints("dmesg", "NVRM: Xid (PCI:0000:17:00): 79, GPU has fallen off the bus.\n")
    inventory = live.inventory()
    lost = _by_address(inventory, "0000:17:00.0")
    assert lost.state == "lost"
    assert lost.notes == ["Xid 79: GPU has fallen off the bus."]
    assert len(inventory.cards) == 8


def test_a_silent_configuration_space_is_lost(live: Box, eight_cards: Bus, nvml: Nvml) -> None:
    (eight_cards.devices / "0000:12:00.0/config").write_bytes(b"\xff" * 64)
    assert _by_address(live.inventory(), "0000:12:00.0").state == "lost"


@pytest.mark.parametrize("fate", ["hang 5", "crash 5"])
def test_a_wedged_card_costs_only_itself(
    live: Box, eight_cards: Bus, nvml: Nvml, fate: str
) -> None:
    nvml.told("cards 8", fate)
    started = time.monotonic()
    inventory = live.inventory()
    assert time.monotonic() - started < 4.5
    assert len(inventory.cards) == 8
    assert _by_address(inventory, "0000:15:00.0").state == "no_answer"
    assert _states(inventory).count("ok") == 7
    assert _codes(inventory) == ["CARD-NO-ANSWER"]
    readings = {card.id: card.temp_c for card in live.sample().cards}
    assert list(readings.values()).count(None) == 1


def test_everything_hangs(live: Box, eight_cards: Bus, nvml: Nvml, tools: Tools) -> None:
    nvml.told("cards 8", "hang_init")
    tools.script("nvidia-smi", "trap '' TERM\n/bin/sleep 600 &\nexec /bin/sleep 600")
    tools.script("dmesg", "exec /bin/sleep 600")
    started = time.monotonic()
    inventory = live.inventory()
    assert time.monotonic() - started < 4.8
    assert _states(inventory) == ["no_answer"] * 8
    assert _codes(inventory) == ["CARD-NO-ANSWER"]


def test_one_vendor_that_hangs_does_not_hold_another(
    live: Box, eight_cards: Bus, tools: Tools
) -> None:
    eight_cards.add("0000:90:00.0", "1ee0:0001", "1200", driver="biren")
    tools.script("brsmi", "exec /bin/sleep 600")
    inventory = live.inventory()
    assert [card.state for card in inventory.cards if card.vendor == "nvidia"] == ["ok"] * 8
    assert [card.state for card in inventory.cards if card.vendor == "biren"] == ["no_answer"]


def test_groq_is_detected_and_no_card(live: Box, bus: Bus) -> None:
    bus.add("0000:65:00.0", "1de0:0000", "1200")
    inventory = live.inventory()
    assert [card.vendor for card in inventory.cards] == ["cpu"]
    (problem,) = inventory.problems
    assert problem.code == "CARD-NOT-SERVEABLE"
    assert "0000:65:00.0" in problem.text


# -- memory ------------------------------------------------------------------------------------


def test_a_card_that_is_gone_from_the_bus_is_lost(
    live: Box, eight_cards: Bus, nvml: Nvml, tmp_path: Path
) -> None:
    before = live.inventory().cards
    eight_cards.remove("0000:17:00.0")
    nvml.told("cards 7")
    inventory = live.inventory()
    gone = inventory.cards[-1]
    assert (gone.id, gone.state, gone.name) == (before[7].id, "lost", before[7].name)
    assert _codes(inventory) == ["CARD-LOST"]
    assert live.sample().cards[-1].id == gone.id
    assert live.inventory().cards[-1].state == "lost"  # and it stays so
    assert forget(tmp_path / "state", gone.id)
    assert not forget(tmp_path / "state", gone.id)
    assert len(live.inventory().cards) == 7


def test_a_replaced_card_is_not_lost(live: Box, bus: Bus, tools: Tools, nvml: Nvml) -> None:
    nvml.told(NO_LIBRARY)
    bus.add("0000:10:00.0", "10de:2330", "0302", driver="nvidia")
    smi_answers_csv(tools, csv(1))
    live.inventory()
    smi_answers_csv(tools, csv(1).replace("GPU-0000", "GPU-9999"))
    inventory = live.inventory()
    assert [card.id[:8] for card in inventory.cards] == ["GPU-9999"]
    assert inventory.problems == []


def test_a_card_keeps_its_id_when_nobody_reads_it(live: Box, eight_cards: Bus, nvml: Nvml) -> None:
    before = live.inventory()
    nvml.told("gone")
    after = live.inventory()
    assert [card.id for card in after.cards] == [card.id for card in before.cards]
    assert [card.name for card in after.cards] == [card.name for card in before.cards]
    assert _states(after) == ["no_driver"] * 8
    assert {card.memory_mib for card in after.cards} == {None}


def test_a_memory_that_cannot_be_read_or_written(
    eight_cards: Bus, tools: Tools, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "inventory.json").write_text('{"schema": "something else"}')
    with Box(LiveSource(eight_cards.root), state) as box:
        assert len(box.inventory().cards) == 8


def test_a_lost_card_is_the_same_card_also_where_no_state_can_be_written(
    eight_cards: Bus, nvml: Nvml, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with Box(LiveSource(eight_cards.root), blocked / "below") as box:
        before = box.inventory()
        assert len(before.cards) == 8
        nvml.told("gone")
        assert [card.id for card in box.inventory().cards] == [card.id for card in before.cards]


# -- two readers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (csv(8), None),
        (csv(7), "8 cards against 7"),
        (csv(8, temp=60), "°C"),
        (csv(8, memory=40960), "MiB"),
        (csv(8, temp=41), None),
    ],
)
def test_a_second_opinion(
    live: Box, eight_cards: Bus, tools: Tools, text: str, words: str | None
) -> None:
    smi_answers_csv(tools, text)
    live.inventory()
    problems = live.second_opinion()
    if words is None:
        assert problems == []
    else:
        assert {problem.code for problem in problems} == {"READERS-DISAGREE"}
        assert words in problems[0].text


def test_detect_tells_what_the_readers_disagree_about(
    live: Box, eight_cards: Bus, tools: Tools
) -> None:
    smi_answers_csv(tools, csv(8, temp=60))
    assert {problem.code for problem in detect(live).problems} == {"READERS-DISAGREE"}


# -- captures ----------------------------------------------------------------------------------


NV_CSV = f"nvidia-smi --query-gpu={nvidia_forms.CSV_FIELDS} --format=csv,noheader,nounits"


def a_capture(directory: Path, bus: Bus | None, *answers: tuple[str, int | None, str, str]) -> Path:
    """A capture of these answers: command line, exit status, stdout, stderr."""
    (directory / "files").mkdir(parents=True)
    commands = []
    for number, (line, status, out, err) in enumerate(answers):
        (directory / f"files/{number}.out").write_text(out)
        (directory / f"files/{number}.err").write_text(err)
        files = {"stdout": f"files/{number}.out", "stderr": f"files/{number}.err"}
        commands.append({"argv": line.split(), "exit": status, **files})
    manifest = {
        "schema": "appliance.capture/1",
        "host": "ward-7",
        "time": "2026-03-02T09:15:00Z",
        "commands": commands,
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))
    if bus is not None:
        bus.root.rename(directory / "sys")
    return directory


def test_replay_never_touches_this_machine(
    tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi_answers_csv(tools, csv(8))
    tools.prints("lscpu", "Model name: this machine\n")
    monkeypatch.setattr("appliance.hardware.pci.SYS", tmp_path / "nowhere")
    capture = a_capture(tmp_path / "c", None, (NV_CSV, 0, csv(2), ""))
    with open_box(capture, state=tmp_path / "state") as box:
        inventory = box.inventory()
        sample = box.sample(processes=True)
    assert len(inventory.cards) == 2
    assert inventory.host.hostname == "ward-7"
    assert inventory.host.memory_mib is None
    assert inventory.host.cpu.model is None
    assert inventory.host.disks == []
    assert sample.time == "2026-03-02T09:15:00Z"
    assert sample.host.memory_used_mib is None
    assert tools.calls() == []
    assert not (tmp_path / "state").exists()


def test_a_bus_and_one_missing_row(tmp_path: Path, bus: Bus) -> None:
    for card in range(4):
        bus.add(f"0000:{0x10 + card:02x}:00.0", "10de:2330", "0302")
    lost = "Unable to determine the device handle for GPU2: 0000:12:00.0: Unknown Error\n"
    capture = a_capture(tmp_path / "c", bus, (NV_CSV, 0, csv(4, without=2), lost))
    with open_box(capture) as box:
        inventory = box.inventory()
    lost_card = _by_address(inventory, "0000:12:00.0")
    assert (lost_card.state, lost_card.index, lost_card.source) == ("lost", 2, "pci")
    assert _states(inventory).count("ok") == 3


def test_neighbours_that_answer_make_a_silent_card_lost(tmp_path: Path, bus: Bus) -> None:
    for card in range(3):
        bus.add(f"0000:{0x10 + card:02x}:00.0", "10de:2330", "0302")
    with open_box(a_capture(tmp_path / "c", bus, (NV_CSV, 0, csv(2), ""))) as box:
        assert _by_address(box.inventory(), "0000:12:00.0").state == "lost"


@pytest.mark.parametrize(
    ("status", "out", "err", "state"),
    [
        (9, "", "couldn't communicate with the NVIDIA driver", "no_driver"),
        (None, "", "", "no_answer"),
        (127, "", "", "no_driver"),
    ],
)
def test_a_tool_that_reaches_no_card(
    tmp_path: Path, bus: Bus, status: int | None, out: str, err: str, state: str
) -> None:
    bus.add("0000:10:00.0", "10de:2330", "0302")
    with open_box(a_capture(tmp_path / "c", bus, (NV_CSV, status, out, err))) as box:
        assert _states(box.inventory()) == [state]


def test_a_tool_without_a_driver_is_told_where_no_bus_was_captured(tmp_path: Path) -> None:
    words = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    intels = "Error: level zero initialization error"
    answers = ((NV_CSV, 9, words, ""), ("xpu-smi discovery -j", 1, intels, ""))
    with open_box(a_capture(tmp_path / "c", None, *answers)) as box:
        inventory = box.inventory()
    assert [card.id for card in inventory.cards] == ["cpu"]
    assert [problem.code for problem in inventory.problems] == ["CARD-NO-DRIVER"] * 2
    assert [words in problem.text for problem in inventory.problems] == [True, False]


def test_a_number_that_hy_smi_leaves_out_is_the_lost_card(tmp_path: Path, bus: Bus) -> None:
    for card in range(3):
        bus.add(f"0000:{0x10 + card:02x}:00.0", "1d94:6210", "0b40")
    header = "DCU     Temp     AvgPwr     Perf     PwrCap     VRAM%      DCU%      Mode"
    rows = [f"{n}  5{n}.0C  96.0W  auto  300.0W  0%  0%  Normal" for n in (0, 2)]
    table = "\n".join((header, *rows)) + "\n"
    with open_box(a_capture(tmp_path / "c", bus, ("hy-smi", 0, table, ""))) as box:
        inventory = box.inventory()
    assert {card.pci: card.state for card in inventory.cards} == {
        "0000:10:00.0": "ok", "0000:11:00.0": "lost", "0000:12:00.0": "ok",
    }  # fmt: skip


def test_what_was_not_captured_says_nothing(tmp_path: Path, bus: Bus) -> None:
    bus.add("0000:10:00.0", "10de:2330", "0302")
    with open_box(a_capture(tmp_path / "c", bus)) as box:
        inventory = box.inventory()
    assert _states(inventory) == ["ok"]
    assert inventory.cards[0].source == "pci"
    assert inventory.problems == []


def test_without_a_bus_a_named_card_is_lost_too(tmp_path: Path) -> None:
    lost = "Unable to determine the device handle for GPU2: 0000:12:00.0: GPU is lost.\n"
    capture = a_capture(tmp_path / "c", None, (NV_CSV, 15, csv(2), lost))
    with open_box(capture) as box:
        inventory = box.inventory()
    assert _states(inventory) == ["ok", "ok", "lost"]
    assert inventory.cards[2].pci == "0000:12:00.0"


def test_two_chips_behind_one_address_have_two_ids(tmp_path: Path) -> None:
    table = """\
+-------------------------------------------------------------------------------------+
| npu-smi 23.0.0                  Version: 23.0.0                                     |
+--------------------+---------------+------------------------------------------------+
| NPU   Name         | Health        | Power(W)    Temp(C)       Hugepages-Usage(page)|
| Chip  Device       | Bus-Id        | AICore(%)   Memory-Usage(MB)                   |
+====================+===============+================================================+
| 1     310P3        | OK            | NA          41            0    / 0             |
| 0     0            | 0000:81:00.0  | 0           1500 / 21527                       |
+--------------------+---------------+------------------------------------------------+
| 1     310P3        | OK            | NA          40            0    / 0             |
| 1     1            | 0000:81:00.0  | 0           1400 / 21527                       |
+====================+===============+================================================+
"""
    capture = a_capture(tmp_path / "c", None, ("npu-smi info", 0, table, ""))
    with open_box(capture) as box:
        cards = box.inventory().cards
        samples = box.sample().cards
    assert len({card.id for card in cards}) == 2
    assert [card.id for card in samples] == [card.id for card in cards]
    assert [card.temp_c for card in samples] == [41, 40]
    assert [card.power_w for card in samples] == [None, None]
