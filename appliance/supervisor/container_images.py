"""Images of engines: there, fetched when asked, or loaded from a file that was brought along."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from appliance.core.errors import ApplianceError, Unreachable, UsageError, VerificationFailed
from appliance.core.i18n import say
from appliance.core.inventory import Document
from appliance.core.progress import Cancel
from appliance.supervisor.container_engine import (
    REFUSED,
    Gone,
    connected,
    refusals,
    refused,
    sdk,
    sockets,
)

OnBytes = Callable[[int, int], None]
"""Told how many bytes of how many are through."""

_BLOCK = 1 << 20


class Image(Document, frozen=True, kw_only=True):
    """An image that is here: `id` is the digest of its configuration, the same on every server."""

    id: str
    names: list[str]
    digests: list[str] = []
    bytes: int | None = None


def images() -> list[Image]:
    """All images of the container engine in use. Raises what `connected` does."""
    with connected() as api:
        return [_image(row) for row in api.images()]


def image_names() -> frozenset[str] | None:
    """Names (as `plain`) of images that are here; `None` where no container engine answers."""
    try:
        if not sockets():
            return None
        here = images()
    except ApplianceError:
        return None
    return frozenset(plain(name) for image in here for name in [*image.names, *image.digests])


def plain(name: str) -> str:
    """An image's name without the registry that goes without saying."""
    for registry in ("docker.io/library/", "docker.io/", "localhost/"):
        name = name.removeprefix(registry)
    return name


def require(api: Any, name: str | None) -> str:
    """The image as the engine is to be told it. Raises `ApplianceError` (`IMAGE-MISSING`)."""
    if name is None:
        raise ApplianceError(
            say("the image of this engine comes from the card's vendor"),
            hint=say("load it: `appliance engines load FILE.tar --recipe RECIPE`"),
            code="IMAGE-FROM-VENDOR",
        )
    try:
        with refusals():
            api.inspect_image(name)
    except Gone as error:
        raise ApplianceError(
            say("the image {image} is not on this server", image=name),
            hint=say(
                "fetch it with `appliance engines pull {image}`, or bring it along as a file: "
                "`appliance engines load FILE.tar`",
                image=name,
            ),
            code="IMAGE-MISSING",
        ) from error
    return name


def pull(name: str, on_bytes: OnBytes, cancel: Cancel) -> Image:
    """Let the engine fetch an image. Raises `Unreachable` when its registry does not give it."""
    layers: dict[str, tuple[int, int]] = {}
    with _refused_as(partial(_not_fetched, name)), connected() as api:
        for event in api.pull(*_name_and_tag(name), stream=True, decode=True):
            cancel.check()
            _raise_if_refused(event)
            _count(event, layers)
            on_bytes(sum(d for d, _ in layers.values()), sum(t for _, t in layers.values()))
        return _image(api.inspect_image(name))


def load(archive: Path, sha256: str | None, on_bytes: OnBytes, cancel: Cancel) -> list[Image]:
    """Load the images of a file that `docker save` or `podman save` wrote.

    Its SHA-256 is checked before anything is loaded: the one given, else the one in
    `FILE.sha256` beside it, where there is one. Raises `VerificationFailed` and `UsageError`.
    """
    told = sha256 or _told_beside(archive)
    if told and told.lower() != _digest(archive, cancel):
        raise VerificationFailed(
            say("{archive} is not what its SHA-256 says", archive=archive),
            hint=say("copy it again"),
            code="ARCHIVE-CORRUPT",
        )
    with _refused_as(partial(_no_archive, archive)), connected() as api:
        before = {row["Id"] for row in api.images()}
        text = "".join(_loaded(api, archive, on_bytes, cancel))
        fresh = [_image(row) for row in api.images()]
    named = [image for image in fresh if _mentioned(image, text)]
    return named or [image for image in fresh if image.id not in before]


def _loaded(api: Any, archive: Path, on_bytes: OnBytes, cancel: Cancel) -> Iterator[str]:
    for event in api.load_image(_blocks(archive, on_bytes, cancel)):
        _raise_if_refused(event)
        yield str(event.get("stream", ""))


@contextmanager
def _refused_as(meaning: Callable[[ApplianceError], ApplianceError]) -> Iterator[None]:
    """What a refusal means here."""
    try:
        yield
    except ApplianceError as error:
        if error.code in (Gone.code, REFUSED):
            raise meaning(error) from error
        raise


def _not_fetched(name: str, error: ApplianceError) -> ApplianceError:
    return Unreachable(
        say("the image {image} cannot be fetched: {why}", image=name, why=str(error)[:300]),
        hint=say("bring it along as a file: `appliance engines load FILE.tar`"),
        code="IMAGE-NOT-FETCHED",
    )


def _no_archive(archive: Path, error: ApplianceError) -> ApplianceError:
    return UsageError(
        say("{archive} is no archive of an image: {why}", archive=archive, why=str(error)[:200]),
        hint=say("`docker save NAME:TAG -o FILE.tar` writes one"),
        code="BAD-IMAGE",
    )


def _blocks(archive: Path, on_bytes: OnBytes, cancel: Cancel) -> Iterator[bytes]:
    total, done = archive.stat().st_size, 0
    with archive.open("rb") as file:
        while block := file.read(_BLOCK):
            cancel.check()
            yield block
            done += len(block)
            on_bytes(done, total)


def _raise_if_refused(event: dict[str, Any]) -> None:
    if "error" in event:
        raise refused(str(event["error"]))


def _count(event: dict[str, Any], layers: dict[str, tuple[int, int]]) -> None:
    detail = event.get("progressDetail") or {}
    if event.get("status") == "Downloading" and detail.get("total"):
        layers[str(event.get("id"))] = (int(detail.get("current", 0)), int(detail["total"]))
    elif event.get("status") in ("Download complete", "Pull complete"):
        _, total = layers.get(str(event.get("id")), (0, 0))
        layers[str(event.get("id"))] = (total, total)


def _name_and_tag(name: str) -> tuple[str, str | None]:
    """The SDK wants them apart; a digest is part of the name."""
    repository, tag = sdk().utils.parse_repository_tag(name)
    return repository, tag or "latest"


def _mentioned(image: Image, text: str) -> bool:
    return image.id in text or any(name in text for name in image.names)


def _image(row: dict[str, Any]) -> Image:
    return Image(
        id=row["Id"],
        names=_real(row.get("RepoTags")),
        digests=_real(row.get("RepoDigests")),
        bytes=row.get("Size"),
    )


def _real(names: list[str] | None) -> list[str]:
    """Docker before 25 writes `<none>` where there is no name."""
    return [name for name in names or [] if not name.startswith("<none>")]


def _told_beside(archive: Path) -> str | None:
    try:
        return archive.with_name(f"{archive.name}.sha256").read_text().split()[0]
    except (OSError, IndexError):
        return None


def _digest(archive: Path, cancel: Cancel) -> str:
    digest = hashlib.sha256()
    with archive.open("rb") as file:
        while block := file.read(_BLOCK):
            cancel.check()
            digest.update(block)
    return digest.hexdigest()
