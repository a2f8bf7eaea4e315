"""The backends llama.cpp can be built with (`backends.toml`)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import msgspec

from appliance.core.documents import prepare
from appliance.core.errors import UsageError
from appliance.core.i18n import say


class Need(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the toolchain: any of `programs`, at `minimum` or newer, or any of `files`.

    `files` are patterns; in them, `{program}` is the directory above the `bin` that a program
    named before was found in. `name` is what people call it.
    """

    name: str | None = None
    programs: list[str] = []
    files: list[str] = []
    paths: list[str] = []
    minimum: str | None = None
    install: str


class Backend(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to compile llama.cpp; `read` says where the options are documented.

    In `env`, `{program}` is the directory above the `bin` that the program was found in.
    """

    id: str
    title: str
    defines: list[str] = []
    arch_define: str | None = None
    arch_prefix: str = ""
    env: dict[str, str] = {}
    needs: list[Need] = []
    read: str

    def targets(self, archs: Iterable[str]) -> list[str]:
        """The cards' architectures as the compiler names them."""
        if self.arch_define is None:
            return []
        return sorted({arch.removeprefix(self.arch_prefix) for arch in archs if arch})


class Sources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pinned source archive and what can be made of it."""

    version: str
    source: str
    sha256: str
    bytes: int
    backends: list[Backend] = msgspec.field(name="backend")
    tools: list[Need] = msgspec.field(name="tool")


prepare(Sources)


@cache
def sources() -> Sources:
    """All of `backends.toml`."""
    text = files("appliance.engines.native").joinpath("backends.toml").read_bytes()
    return msgspec.toml.decode(text, type=Sources)


def backend(name: str) -> Backend:
    """The backend with this id. Raises `UsageError` for one that is not there."""
    known = {one.id: one for one in sources().backends}
    if name in known:
        return known[name]
    raise UsageError(
        say("no such backend: {backend}", backend=name),
        hint=say("choose one of: {backends}", backends=", ".join(known)),
        code="NO-SUCH-BACKEND",
    )
