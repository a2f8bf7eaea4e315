from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest
from fake_server import Bus, Tools
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.errors import NeedsRights, UsageError
from appliance.hardware import capture as capture_module
from appliance.hardware.box import open_box
from appliance.hardware.capture import capture
from appliance.hardware.scrub import Scrubber
from appliance.hardware.vendors.nvidia_forms import CSV_FIELDS

UUID = "GPU-6a2a8c3c-51de-79b9-1e0e-0f348a89a6c8"
CSV = (
    f"0, {UUID}, NVIDIA L40S, 00000000:21:00.0, 550.127.05, 34, N/A, 34.71, 350.00, 0, 0, 3, "
    "46068, 0, 0x0000000000000001, P8, 0\n"
)
Q = f"""
Driver Version                            : 550.127.05
GPU 00000000:21:00.0
    Serial Number                         : 8647014340225
    GPU UUID                              : {UUID}
    Processes
        Process ID                        : 4711
            Name                          : /home/wangwei/engine --listen 10.20.30.40
"""


@pytest.fixture
def server(bus: Bus, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> Bus:
    bus.add(
        "0000:21:00.0", "10de:26b9", "0302", driver="nvidia", numa_node="1",
        local_cpulist="24-47", current_link_speed="16.0 GT/s PCIe", current_link_width="16",
    )  # fmt: skip
    (bus.devices / "0000:21:00.0/config").write_bytes(bytes(range(256)))
    bus.add("0000:00:1f.0", "8086:a1c1", "0601")
    tools.script(
        "nvidia-smi",
        f"""case "$*" in
          "--query-gpu={CSV_FIELDS} "*) printf '%s' '{CSV}';;
          "-q") printf '%s' '{Q}';;
          "topo -m") exec /bin/sleep 600;;
          *) echo "not supported" >&2; exit 2;;
        esac""",
    )
    tools.prints(
        "dmesg", f"[1] usb 1-1: MAC 00:11:22:aa:bb:cc\n[2] NVRM: loading on {platform.node()}\n"
    )
    tools.prints("lscpu", "Model name: A processor\nSocket(s): 2\nCore(s) per socket: 8\n")
    monkeypatch.setattr(capture_module, "DEADLINE_S", 0.5)
    return bus


def test_a_capture_replays_as_the_server_was(server: Bus, tmp_path: Path) -> None:
    summary = capture(tmp_path / "c", sys_root=server.root)
    with open_box(tmp_path / "c") as box:
        (card,) = box.inventory().cards
        host = box.inventory().host
        (sample,) = box.sample().cards
    assert (card.name, card.pci, card.numa, card.driver) == (
        "NVIDIA L40S", "0000:21:00.0", 1, "550.127.05",
    )  # fmt: skip
    assert (sample.temp_c, sample.power_w, sample.temp_memory_c) == (34, 34.71, None)
    assert sample.pcie is not None
    assert sample.pcie.width == 16
    assert host.cpu.cores == 16
    assert summary.devices == 1


def test_every_question_is_kept_also_the_needless_ones(server: Bus, tmp_path: Path) -> None:
    summary = capture(tmp_path / "c", sys_root=server.root)
    kept = {" ".join(command.argv): command for command in summary.commands}
    assert kept["nvidia-smi -q"].exit == 0
    assert kept["nvidia-smi -q -x"].exit == 2
    assert kept["nvidia-smi -L"].exit == 2
    assert kept["nvidia-smi topo -m"].exit is None
    assert kept["lspci -nn"].exit == 127
    assert not any(line.startswith("npu-smi") for line in kept)
    assert "nvidia-smi -q" in str(summary)
    manifest = json.loads((tmp_path / "c/manifest.json").read_text())
    assert manifest["schema"] == "appliance.capture/1"
    by_argv = {tuple(command["argv"]): command for command in manifest["commands"]}
    assert by_argv["nvidia-smi", "topo", "-m"]["exit"] is None
    assert (tmp_path / "c/sys/bus/pci/devices/0000:21:00.0/config").stat().st_size == 64


def test_nothing_identifies_the_server_or_its_people(server: Bus, tmp_path: Path) -> None:
    summary = capture(tmp_path / "c", sys_root=server.root)
    everything = "".join(
        path.read_text(errors="replace") for path in (tmp_path / "c").rglob("*") if path.is_file()
    )
    secrets = (UUID[4:], "8647014340225", "wangwei", "10.20.30.40", "00:11:22:aa:bb:cc")
    assert [secret for secret in secrets if secret in everything] == []
    assert f"on {platform.node()}" not in everything
    assert "usb 1-1" not in everything
    assert "NVRM: loading on server" in everything
    assert "550.127.05" in everything
    assert "0000:21:00.0" in everything
    assert set(summary.replaced) >= {"UUID", "serial number", "user name", "IP address"}


def test_a_directory_in_use(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c/notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        capture(tmp_path / "c")
    assert (tmp_path / "c/notes.txt").read_text() == "mine"


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NeedsRights):
        capture(tmp_path / "file/c")


# -- scrubbing ---------------------------------------------------------------------------------


@pytest.fixture
def scrubber() -> Scrubber:
    return Scrubber(b"key", hosts=["ward-7"], users=["wangwei"])


@pytest.mark.parametrize(
    "line",
    [
        "Serial Number                         : {}",
        '"Serial Number": "{}",',
        "<serial>{}</serial>",
        "        Dev SN                  : {}",
        "\tUnique ID: {}",
        "VDie ID                        : {}",
        "GUID: {}",
    ],
)
@pytest.mark.parametrize("serial", ["1320221065432", "A2E0065777600", "0x7048c7e333e9889"])
def test_serial_numbers_go_everywhere(scrubber: Scrubber, line: str, serial: str) -> None:
    table = f"| 0 | {serial} | 36C |"
    scrubber.learn(line.format(serial))
    cleaned = scrubber.clean(line.format(serial)) + scrubber.clean(table)
    assert serial not in cleaned
    made = scrubber.clean(table).split("|")[2].strip()
    assert made in scrubber.clean(line.format(serial))  # the same one in both places
    assert [char.isdigit() for char in made[:2]] == [char.isdigit() for char in serial[:2]]
    assert len(made) == len(serial)


@pytest.mark.parametrize(
    "text",
    [
        "Driver Version: 535.183.01.02", "Ver                     : 1.4.3.4",
        "VBIOS Version                 : 96.00.74.00.01", "0000:c1:00.0", "00000000:53:00.0",
        "10:18:26", "GPU 0: 81559 MiB", "Serial Number : N/A", '"Serial Number": "0"',
        "std::string", "netmask:255.255.255.0", "127.0.0.1",
    ],
)  # fmt: skip
def test_what_identifies_nobody_stays(scrubber: Scrubber, text: str) -> None:
    scrubber.learn(text)
    assert scrubber.clean(text) == text


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("ipaddr:10.20.30.40", "10.20.30.40"), ("fe80::1ff:fe23:4567:890a", "fe80"),
        ("2001:db8:85a3:8d3:1319:8a2e:370:7348", "85a3"), ("00:1B:44:11:3a:b7", "44:11"),
        ("MIG-aaaaaaaa-0000-4000-8000-0123456789ab", "0123456789ab"),
        ("host ward-7 up", "ward-7"), ("/home/li.na/model", "li.na"), ("user=wangwei", "wangwei"),
    ],
)  # fmt: skip
def test_what_goes(scrubber: Scrubber, text: str, gone: str) -> None:
    cleaned = scrubber.clean(text)
    assert gone not in cleaned
    assert scrubber.clean(text) == cleaned


def test_names_inside_other_words_stay(scrubber: Scrubber) -> None:
    assert scrubber.clean("forward-7 wangwei2") == "forward-7 wangwei2"


def test_pseudonyms_differ_by_machine() -> None:
    texts = [Scrubber(key, hosts=[], users=[]).clean(UUID) for key in (b"one", b"two")]
    assert texts[0] != texts[1]


@given(st.text(max_size=300))
def test_no_text_fails(text: str) -> None:
    scrubber = Scrubber(b"key", hosts=["ward-7"], users=[])
    scrubber.learn(text)
    assert scrubber.clean(text).count("\n") == text.count("\n")
