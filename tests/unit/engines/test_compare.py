from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engines.command import EngineCommand
from appliance.engines.compare import difference, port_in

PLANNED = EngineCommand(
    engine="vLLM",
    kind="container",
    image="example/vllm:2",
    argv=["vllm", "serve", "/models/a", "--port", "8001", "--max-model-len", "4096"],
    env={"CARDS": "0,1"},
    devices=["/dev/card1", "/dev/card0"],
    mounts=["/models/a:/models/a:ro"],
    port=8001,
)


def runs_with(**changes: Any) -> EngineCommand:
    return msgspec.structs.replace(PLANNED, **changes)


BARE: dict[str, Any] = {"image": None, "devices": [], "mounts": [], "env": {}}


def test_nothing_changes() -> None:
    assert difference(PLANNED, PLANNED) == []


@pytest.mark.parametrize(
    "runs",
    [
        runs_with(argv=["/usr/bin/python3", "/opt/bin/vllm", *PLANNED.argv[1:]]),
        runs_with(env={**PLANNED.env, "PATH": "/bin"}),
        runs_with(env={}),
        runs_with(devices=["/dev/card0", "/dev/card1"]),
    ],
)
def test_what_makes_no_difference(runs: EngineCommand) -> None:
    assert difference(runs, PLANNED) == []


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        ({"image": "example/vllm:1"}, ["- image example/vllm:1", "+ image example/vllm:2"]),
        ({"env": {"CARDS": "0"}}, ["- env CARDS=0", "+ env CARDS=0,1"]),
        ({"env": {"PATH": "/bin"}}, ["+ env CARDS=0,1"]),
        ({"devices": ["/dev/card1"]}, ["+ device /dev/card0"]),
        (
            {"argv": [*PLANNED.argv[:-1], "8192"]},
            ["- --max-model-len 8192", "+ --max-model-len 4096"],
        ),
        ({"argv": [*PLANNED.argv, "--eager"]}, ["- --eager"]),
    ],
)
def test_what_would_change(changed: dict[str, Any], lines: list[str]) -> None:
    assert difference(runs_with(**changed), PLANNED) == lines


def test_a_process_has_no_image() -> None:
    process = EngineCommand(engine="x", argv=["serve", "--port=1"], port=1)

    assert difference(runs_with(**BARE, argv=["serve", "--port=1"]), process) == []


def test_the_port_in_a_command() -> None:
    assert port_in(PLANNED.argv) == 8001
    assert port_in(["x", "--port=9", "--portable=3"]) == 9
    assert port_in(["x", "--portable=3", "--port"]) is None


@given(st.lists(st.text(), min_size=1), st.lists(st.text(), min_size=1))
def test_the_same_command_never_differs(argv: list[str], other: list[str]) -> None:
    process = EngineCommand(engine="x", argv=argv, port=1)

    assert difference(runs_with(**BARE, argv=argv), process) == []
    port_in(other)
