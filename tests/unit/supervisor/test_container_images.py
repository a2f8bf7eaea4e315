from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_stand_in import StandIn

from appliance.core.errors import Interrupted, Unreachable, UsageError, VerificationFailed
from appliance.core.progress import Cancel
from appliance.supervisor.container_images import image_names, images, load, plain, pull

ARCHIVE = b"an image" * 300_000


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with StandIn(tmp_path / "docker.sock", ["docker.io/example/engine:1"]) as running:
        running.archives[ARCHIVE] = "vendor/engine:2"
        running.registry.append("example/other:3")
        yield running
    assert running.unknown == []


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "image.tar"
    path.write_bytes(ARCHIVE)
    return path


class Told:
    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.steps.append((done, total))


def test_what_is_here(engine: StandIn) -> None:
    (image,) = images()

    assert image.names == ["docker.io/example/engine:1"]
    assert image.id.startswith("sha256:")
    assert image_names() == frozenset({"example/engine:1"})


@pytest.mark.parametrize(
    "name", ["a/b:1", "docker.io/a/b:1", "localhost/a/b:1", "docker.io/library/a/b:1"]
)
def test_names_without_the_registry_that_goes_without_saying(name: str) -> None:
    assert plain(name) == "a/b:1"
    assert plain("quay.io/a/b:1") == "quay.io/a/b:1"


def test_without_a_container_engine_nothing_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert image_names() is None
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:1")
    assert image_names() is None


def test_docker_of_before_25_writes_none_where_there_is_no_name(
    engine: StandIn, archive: Path
) -> None:
    engine.archives[ARCHIVE] = "<none>:<none>"

    (image,) = load(archive, None, Told(), Cancel())

    assert (image.names, image.digests) == ([], [])
    assert image_names() == frozenset({"example/engine:1"})


def test_an_image_is_fetched_with_its_progress(engine: StandIn) -> None:
    told = Told()

    image = pull("example/other:3", told, Cancel())

    assert image.names == ["example/other:3"]
    assert told.steps == [(10, 100), (60, 100), (100, 100), (100, 100)]


def test_an_image_that_its_registry_has_not(engine: StandIn) -> None:
    with pytest.raises(Unreachable, match="manifest unknown") as caught:
        pull("example/missing:1", Told(), Cancel())

    assert "engines load" in str(caught.value.hint)


def test_an_archive_is_loaded(engine: StandIn, archive: Path) -> None:
    told = Told()

    (image,) = load(archive, None, told, Cancel())

    assert image.names == ["vendor/engine:2"]
    assert told.steps[-1] == (len(ARCHIVE), len(ARCHIVE))
    assert "vendor/engine:2" in (image_names() or ())


def test_an_archive_is_held_against_its_hash(engine: StandIn, archive: Path) -> None:
    right = hashlib.sha256(ARCHIVE).hexdigest()
    beside = archive.with_name("image.tar.sha256")

    with pytest.raises(VerificationFailed):
        load(archive, "0" * 64, Told(), Cancel())
    beside.write_text(f"{'1' * 64}  image.tar\n")
    with pytest.raises(VerificationFailed):
        load(archive, None, Told(), Cancel())
    assert engine.images == ["docker.io/example/engine:1"]

    beside.write_text(f"{right}  image.tar\n")
    assert load(archive, None, Told(), Cancel())
    assert load(archive, right.upper(), Told(), Cancel())


def test_no_archive(engine: StandIn, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")

    with pytest.raises(UsageError) as caught:
        load(tmp_path / "notes.txt", None, Told(), Cancel())

    assert caught.value.code == "BAD-IMAGE"


def test_loading_ends_when_asked(engine: StandIn, archive: Path) -> None:
    cancel = Cancel()
    cancel.set()

    with pytest.raises(Interrupted):
        load(archive, "0" * 64, Told(), cancel)
