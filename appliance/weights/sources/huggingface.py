"""The Hugging Face protocol, also spoken by mirrors (`HF_ENDPOINT`)."""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from appliance.core.documents import prepare
from appliance.core.i18n import say
from appliance.weights.faults import not_the_file
from appliance.weights.names import is_safe_name
from appliance.weights.sources.base import Listing, RemoteFile
from appliance.weights.sources.hub import HubSource, token_header

_MAX_PAGES = 1000
_NEXT = re.compile(r"<([^<>]+)>\s*;\s*rel=\"?next\"?")


class _Lfs(msgspec.Struct):
    oid: str
    size: int


class _Entry(msgspec.Struct):
    type: str
    path: str
    size: int | None = None
    oid: str | None = None
    lfs: _Lfs | None = None


prepare(_Entry)


class HuggingFace(HubSource):
    """A repository by its commit: refs move, commits do not."""

    def endpoint(self) -> str:
        """`HF_ENDPOINT`, else the hub's own address."""
        return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"

    def authorization(self) -> dict[str, str]:
        """`HF_TOKEN`."""
        return token_header("HF_TOKEN")

    def address(self, file: RemoteFile) -> str:
        """Where the hub answers with the file or sends us on."""
        revision = quote(self.listing().revision, safe="")
        return f"{self.endpoint()}/{self.reference.repo}/resolve/{revision}/{quote(file.name)}"

    def ask_listing(self) -> Listing:
        """The commit first, then the tree of that commit, page by page."""
        revision = self.reference.revision or "main"
        api = f"{self.endpoint()}/api/models/{self.reference.repo}"
        _, info = self.ask(f"{api}/revision/{quote(revision, safe='')}")
        commit = info.get("sha") if isinstance(info, dict) else None
        commit = commit if isinstance(commit, str) and commit else revision
        tree = f"{api}/tree/{quote(commit, safe='')}"
        url = f"{tree}?recursive=true"
        files: list[RemoteFile] = []
        for _ in range(_MAX_PAGES):
            answer, page = self.ask(url)
            files += parse_tree(page, self.endpoint())
            link = _NEXT.search(answer.headers.get("link", ""))
            if link is None:
                return Listing(revision=commit, files=tuple(files))
            url = f"{tree}?{urlsplit(link[1]).query}"  # mirrors send the hub's own address here
        raise not_the_file(self.endpoint(), say("its listing has no end"), lasting=True)


def parse_tree(page: Any, where: str) -> list[RemoteFile]:
    """The files of one page of a tree. Raises `SourceFault` for what is none."""
    try:
        entries = msgspec.convert(page, type=list[_Entry])
    except msgspec.ValidationError as error:
        raise not_the_file(
            where, say("its listing is not the hub's protocol ({why})", why=error)
        ) from error
    return [_file(entry) for entry in entries if entry.type == "file" and is_safe_name(entry.path)]


def _file(entry: _Entry) -> RemoteFile:
    if entry.lfs is not None:
        oid = entry.lfs.oid.removeprefix("sha256:").lower()
        return RemoteFile(name=entry.path, bytes=entry.lfs.size, sha256=oid)
    return RemoteFile(name=entry.path, bytes=entry.size, git_sha1=entry.oid)
