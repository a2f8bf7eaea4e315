"""Builds are listed with what other servers can be given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.cli.engines import engines
from appliance.core.documents import to_json
from appliance.engines.kept import switch_to
from appliance.engines.native.builds import Build, builds_root
from appliance.engines.native.making import archive_of


@pytest.fixture
def two_builds() -> None:
    for key, seconds in (("0.3.35-a", 500.0), ("0.3.36-a", 400.0)):
        place: Path = builds_root("cpu") / key
        place.mkdir(parents=True)
        version = key.partition("-")[0]
        note = Build(
            backend="cpu", key=key, version=version, targets=[], sha256="0" * 64, seconds=seconds
        )
        (place / "build.json").write_text(to_json(note))
    switch_to(builds_root("cpu") / "0.3.36-a")


def test_builds_are_listed(two_builds: None) -> None:
    told = CliRunner().invoke(engines, ["builds", "--json"])

    found = json.loads(told.output)["builds"]
    assert {(one["version"], one["in_use"]) for one in found} == {
        ("0.3.35", False),
        ("0.3.36", True),
    }
    archive = archive_of("cpu", "0.3.36-a")
    archive.parent.mkdir(parents=True)
    archive.touch()
    table = CliRunner().invoke(engines, ["builds"]).output
    assert str(archive) in table
    assert "0.3.35-a" not in table


def test_nothing_was_built() -> None:
    assert json.loads(CliRunner().invoke(engines, ["builds", "--json"]).output)["builds"] == []
