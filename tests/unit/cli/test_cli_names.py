"""Which name people ask, where several deployments answer to it."""

from __future__ import annotations

import pytest

from appliance.cli.chat import _served_model
from appliance.cli.service import print_status
from appliance.core.errors import UsageError
from appliance.core.status import DaemonStatus, DeploymentStatus, Status


def deployment(name: str, served_as: str | None = None) -> DeploymentStatus:
    return DeploymentStatus(
        id=name, model="r1", variant="r1:q8_0", engine="vLLM", state="ready", reason=None,
        replicas=[], endpoint="http://127.0.0.1:8080/v1", served_as=served_as,
    )  # fmt: skip


NOW = Status(
    daemon=DaemonStatus(), listeners=[], cards=[],
    deployments=[deployment("r1@ascend", "r1"), deployment("r1")],
)  # fmt: skip


@pytest.mark.parametrize("asked", [None, "r1", "r1@ascend", "r1:q8_0"])
def test_a_conversation_is_held_with_the_name(asked: str | None) -> None:
    assert _served_model(asked, NOW) == "r1"


def test_a_name_is_told_once() -> None:
    with pytest.raises(UsageError) as refused:
        _served_model("v3", NOW)
    assert str(refused.value.hint) == "served: r1"


def test_the_status_shows_both_and_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    print_status(NOW)

    lines = [line for line in capsys.readouterr().out.splitlines() if "r1:q8_0" in line]
    assert [line.rpartition("r1:q8_0 ")[2] for line in lines] == ["(vLLM, served as r1)", "(vLLM)"]
