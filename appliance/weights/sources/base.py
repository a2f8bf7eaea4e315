"""What a place that has model files can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager

import msgspec

from appliance.core.i18n import Text, say
from appliance.weights.chunks import ChunkDigests
from appliance.weights.faults import SourceFault, no_answer, not_the_file


class RemoteFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as its place describes it; what the place does not say is `None`."""

    name: str
    bytes: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None
    chunks: ChunkDigests | None = None


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """All files of a place at one revision; `complete` is false where the place cut it short."""

    revision: str
    files: tuple[RemoteFile, ...]
    complete: bool = True

    def find(self, name: str) -> RemoteFile | None:
        """The file with this name; a bare name also finds the only one in some folder."""
        exact = [file for file in self.files if file.name == name]
        nested = [file for file in self.files if file.name.endswith(f"/{name}")]
        found = exact or nested
        return found[0] if len(found) == 1 else None


class Source(ABC):
    """A place that has the files of a model. Threads share it."""

    connections = 1
    """How many ranges can be read at once with profit."""

    sequential = False
    """Whether a read that does not start at the beginning costs what lies before it."""

    remedy: Text = say("use another source or mirror, or look for a fault of the network")
    """What the operator can do when it sends wrong bytes."""

    def __init__(self, label: str) -> None:
        self.label = label

    @abstractmethod
    def listing(self) -> Listing:
        """What is there. Raises `SourceFault`."""

    @abstractmethod
    def open(
        self, file: RemoteFile, start: int, end: int
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Bytes [start, end) of a file; raises `SourceFault` at once or when it breaks off."""

    def broke_off(self, why: Text, *, passing: bool = True) -> SourceFault:
        """What the operator is told when the bytes of a file stop coming.

        `passing`: the network may be to blame; an answer that was whole but short is the server's.
        """
        return no_answer(self.label, why, passing=passing)

    def measure(self, file: RemoteFile) -> int:
        """Size of a file whose listing does not say it. Raises `SourceFault`."""
        raise not_the_file(self.label, say("it does not say how large {name} is", name=file.name))
