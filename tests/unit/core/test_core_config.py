"""Settings, where they come from, and the places of an appliance."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.core.config import (
    Config,
    config_file,
    configured_language,
    load_config,
    origins,
    schema,
)
from appliance.core.errors import UsageError
from appliance.core.paths import Paths, find_paths, private_directory


@pytest.fixture
def paths() -> Paths:
    found = find_paths()
    found.config.mkdir()
    return found


def write(paths: Paths, text: str) -> None:
    config_file(paths).write_text(text)


def test_without_a_file_everything_is_a_default(paths: Paths) -> None:
    assert load_config(paths) == Config()
    assert {entry["origin"] for entry in origins(paths).values()} == {"default"}
    assert configured_language(paths) is None


def test_each_value_has_its_origin(paths: Paths) -> None:
    write(paths, '[gateway]\nport = 9000\n[hubs]\norder = ["ms"]\n[ui]\nlanguage = "zh"\n')

    found = origins(paths)

    assert found["gateway.port"] == {"value": 9000, "origin": str(config_file(paths))}
    assert load_config(paths).hubs.order == ("ms",)
    assert configured_language(paths) == "zh"


@pytest.mark.parametrize(
    "text",
    [
        "[gateway]\nprot = 1\n", "[gateway]\nport = 0\n", "[gateway]\nport = 65536\n",
        '[gateway]\nport = "x"\n', '[hubs]\norder = ["elsewhere"]\n', '[ui]\nlanguage = "fr"\n',
        "[nonsense]\n", "not toml", "\xff",
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(paths: Paths, text: str) -> None:
    config_file(paths).write_bytes(text.encode("latin-1"))

    with pytest.raises(UsageError) as refused:
        load_config(paths)

    assert refused.value.code == "BAD-CONFIG"
    assert str(config_file(paths)) in str(refused.value)
    assert configured_language(paths) is None


def test_no_hub_at_all_may_be_meant(paths: Paths) -> None:
    write(paths, "[hubs]\norder = []\n")

    assert load_config(paths).hubs.order == ()


def test_the_schema_names_every_setting(paths: Paths) -> None:
    text = str(schema())

    assert all(name.partition(".")[2] in text for name in origins(paths))


def test_one_home_holds_everything(own_home: Path) -> None:
    paths = find_paths()
    places = (paths.config, paths.data, paths.state, paths.cache, paths.logs, paths.models)

    assert all(place.is_relative_to(own_home) for place in places)
    assert paths.node_socket != paths.gateway_socket


def test_a_relative_home_is_meant_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("APPLIANCE_HOME", "there")

    assert find_paths().state == tmp_path / "there" / "state"


def test_without_a_home_the_platform_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("APPLIANCE_HOME")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    assert find_paths().state == tmp_path / "appliance"


def test_a_private_directory_is_its_owners_alone(tmp_path: Path) -> None:
    made = private_directory(tmp_path / "a" / "b")

    assert made.stat().st_mode & 0o777 == 0o700
    assert private_directory(made) == made
