"""Documents, errors and texts on their way through the local API."""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core import errors
from appliance.core.documents import from_json, to_json
from appliance.core.errors import ApplianceError, error_from_document
from appliance.core.exit_codes import ExitCode
from appliance.core.i18n import (
    Text,
    current_language,
    language_from_environment,
    say,
    use_default_language,
    use_language,
)
from appliance.core.inventory import Card, Cpu, Disk, Host, Inventory, Link, Problem
from appliance.core.plan import Plan, Rejection, Wish
from appliance.core.progress import Cancel
from appliance.core.pull import Progress, Pull
from appliance.core.sample import CardSample, HostSample, Pcie, Sample
from appliance.core.status import DaemonStatus, Status

ERRORS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)
          if issubclass(kind, ApplianceError)]  # fmt: skip
DOCUMENTS = [
    Inventory(
        host=Host(cpu=Cpu(model="x", sockets=2), disks=[Disk(mount="/")]),
        cards=[Card(id="a", vendor="nvidia", links=[Link(kind="NVLink", state="up")], notes=["n"])],
        problems=[Problem(code="CARD-LOST", severity="fail", text="t", advice="a")],
    ),
    Sample(time="t", cards=[CardSample(id="a", throttle=[], pcie=Pcie(gen=4))], host=HostSample()),
    Plan(wish=Wish(users=3), choices=[],
         rejected=[Rejection(variant="v", engine="e", code="c", reason="r", advice="a")]),
    Progress(phase="fetch", done=0),
    Pull(model="m", files=[], bytes_fetched=0, bytes_reused=0, seconds=0.0),
    Status(daemon=DaemonStatus(), listeners=[], deployments=[], cards=[]),
]  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: type(d).__name__)
@pytest.mark.parametrize("indent", [0, 2])
def test_documents_round_trip_and_name_their_schema(document: Any, indent: int) -> None:
    raw = to_json(document, indent=indent)

    assert from_json(raw, type(document)) == document
    assert ("\n" in raw) == bool(indent)
    assert msgspec.json.decode(raw)["schema"] == type(document).__struct_config__.tag


def test_unknown_is_null_and_zero_is_zero() -> None:
    raw = msgspec.json.decode(to_json(CardSample(id="a", util_pct=0.0)))

    assert raw["util_pct"] == 0.0
    assert raw["temp_c"] is None


@given(st.binary() | st.text().map(str.encode))
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        from_json(raw, Status)


def test_threads_may_read_a_type_for_the_first_time_together() -> None:
    program = (
        "import threading\n"
        "from appliance.core.documents import from_json\n"
        "from appliance.core.plan import Plan\n"
        "gate = threading.Barrier(8)\n"
        "def read():\n"
        "    gate.wait()\n"
        '    from_json(\'{"schema":"appliance.plan/1","wish":{},"choices":[]}\', Plan)\n'
        "threads = [threading.Thread(target=read) for _ in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_errors_cross_the_local_api_as_they_are(kind: type[ApplianceError]) -> None:
    error = kind(say("no {what}", what="thing"), hint=say("do {what}", what="this"), code="A-CODE")

    again = error_from_document(error.document())

    assert type(again) is kind
    assert (str(again), str(again.hint), again.code) == ("no thing", "do this", "A-CODE")
    assert again.exit_code == kind.exit_code


def test_every_error_has_an_exit_code_and_a_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in ERRORS]

    assert len(set(codes)) == len(codes)
    assert len({kind.code for kind in ERRORS}) == len(ERRORS)
    assert set(codes) == set(ExitCode) - {ExitCode.OK, ExitCode.CHANGED_REBOOT_NEEDED}


def test_a_document_that_lacks_everything_is_still_an_error() -> None:
    assert (error_from_document({}).code, error_from_document({}).exit_code) == ("FAILED", 1)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text()))
def test_values_are_never_read_as_templates(values: dict[str, str]) -> None:
    template = " ".join(f"{{{name}}}" for name in values)

    assert str(say(template, **values)) == " ".join(values.values())


def test_a_text_is_stored_and_rendered_later() -> None:
    raw = msgspec.json.encode(say("cancelled"))
    use_language("zh")
    chinese = str(msgspec.json.decode(raw, type=Text))
    use_language("en")

    assert chinese != "cancelled"
    assert str(msgspec.json.decode(raw, type=Text)) == "cancelled"


def test_each_thread_has_its_language_and_the_default_is_for_the_rest() -> None:
    seen: list[str] = []

    def look() -> None:
        seen.append(current_language())

    use_language("en")
    use_default_language("zh")
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    use_default_language("en")

    assert seen == ["zh"]
    assert current_language() == "en"


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_MESSAGES": "ZH_CN", "LANG": "en_US"}, "zh"),
        ({"APPLIANCE_LANG": "zh", "LC_ALL": "en_US"}, "zh"),
        ({"LC_ALL": "", "LANG": "zh"}, "zh"),
    ],
)
def test_the_language_of_the_environment(environment: dict[str, str], language: str) -> None:
    assert language_from_environment(environment) == language


def test_cancel_raises_once_asked() -> None:
    cancel = Cancel()
    cancel.check()
    assert not cancel.wait(0.0)
    cancel.set()

    assert cancel.is_set()
    assert cancel.wait(60)
    with pytest.raises(errors.Interrupted):
        cancel.check()
