"""The routes file: always whole, and always the newest that can be read."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.documents import from_json, to_json
from appliance.gateway.routes import ModelRoute, Routes, RouteTable, Worker, write_routes

_names = st.text(min_size=1, max_size=20)
_workers = st.lists(st.builds(Worker, id=_names, url=_names), max_size=3)
_models = st.builds(ModelRoute, id=_names, aliases=st.lists(_names, max_size=3), workers=_workers)
_tables = st.builds(RouteTable, models=st.lists(_models, max_size=4))


def _table(*ids: str) -> RouteTable:
    return RouteTable(models=[ModelRoute(id=name) for name in ids])


@given(_tables)
def test_a_table_reads_back_as_it_was_written(table: RouteTable) -> None:
    assert from_json(to_json(table), RouteTable) == table


@given(_tables, _names)
def test_an_id_wins_over_an_alias(table: RouteTable, name: str) -> None:
    found = table.find(name)
    ids = [model for model in table.models if model.id == name]
    aliases = [model for model in table.models if name in model.aliases]
    assert found == next(iter(ids + aliases), None)


def test_a_new_table_counts_at_once(tmp_path: Path) -> None:
    routes = Routes(tmp_path)
    assert routes.current() == RouteTable()
    for ids in (("a",), ("a", "b"), ()):
        write_routes(tmp_path, _table(*ids))
        assert routes.current() == _table(*ids)


@pytest.mark.parametrize("damage", ["", "{", '{"models": 5}', "\0"])
def test_a_damaged_file_leaves_the_last_table(tmp_path: Path, damage: str) -> None:
    routes = Routes(tmp_path)
    write_routes(tmp_path, _table("a"))
    assert routes.current() == _table("a")
    (tmp_path / "routes.json").write_text(damage)
    assert routes.current() == _table("a")
    write_routes(tmp_path, _table("b"))
    assert routes.current() == _table("b")


def test_fields_of_a_later_version_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "routes.json").write_text(
        '{"version": 1, "models": [{"id": "a", "weight": 3, "workers": []}], "policy": "x"}'
    )
    assert Routes(tmp_path).current() == _table("a")


def test_a_reader_never_meets_half_a_table(tmp_path: Path) -> None:
    tables = [_table(*(f"m{n}" for n in range(size))) for size in (1, 400)]
    write_routes(tmp_path, tables[0])
    done = threading.Event()

    def write() -> None:
        for turn in range(60):
            write_routes(tmp_path, tables[turn % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while not done.is_set():
        seen.append(Routes(tmp_path).current())
    writer.join()
    assert all(table in tables for table in seen)
    assert [file.name for file in tmp_path.iterdir()] == ["routes.json"]
