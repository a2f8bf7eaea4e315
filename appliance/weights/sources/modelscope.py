"""The ModelScope protocol: mainland by default, the international one by `MODELSCOPE_ENDPOINT`."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from appliance.core.documents import prepare
from appliance.core.i18n import say
from appliance.weights.faults import missing, not_the_file
from appliance.weights.names import is_safe_name
from appliance.weights.sources.base import Listing, RemoteFile
from appliance.weights.sources.hub import HubSource, token_header

_CUT_AT = 3000
"""The hub silently ends a listing here."""
_MAX_FOLDERS = 2000


class _Entry(msgspec.Struct, rename="pascal"):
    path: str
    type: str = "blob"
    size: int | None = None
    sha256: str | None = None


prepare(_Entry)


class ModelScope(HubSource):
    """A repository at a revision."""

    def endpoint(self) -> str:
        """`MODELSCOPE_ENDPOINT`, else the mainland hub."""
        return os.environ.get("MODELSCOPE_ENDPOINT", "").rstrip("/") or "https://modelscope.cn"

    def authorization(self) -> dict[str, str]:
        """`MODELSCOPE_API_TOKEN`."""
        return token_header("MODELSCOPE_API_TOKEN")

    def address(self, file: RemoteFile) -> str:
        """Where the hub answers with the file or sends us on."""
        query = urlencode({"Revision": self._revision(), "FilePath": file.name})
        return f"{self.endpoint()}/api/v1/models/{self.reference.repo}/repo?{query}"

    def ask_listing(self) -> Listing:
        """Everything at once, or folder by folder where that was cut short."""
        entries = self._folder("", recursive=True)
        complete = True
        if len(entries) >= _CUT_AT:
            entries, complete = self._walk()
        files = tuple(_file(entry) for entry in entries if _is_file(entry))
        return Listing(revision=self._revision(), files=files, complete=complete)

    def _walk(self) -> tuple[list[_Entry], bool]:
        found: list[_Entry] = []
        folders, complete = [""], True
        for _ in range(_MAX_FOLDERS):
            if not folders:
                return found, complete
            entries = self._folder(folders.pop(), recursive=False)
            complete = complete and len(entries) < _CUT_AT
            found += entries
            folders += [entry.path for entry in entries if entry.type == "tree"]
        return found, False

    def _folder(self, root: str, *, recursive: bool) -> list[_Entry]:
        query = {"Revision": self._revision(), "Recursive": str(recursive), "Root": root}
        path = f"/api/v1/models/{self.reference.repo}/repo/files"
        _, document = self.ask(f"{self.endpoint()}{path}?{urlencode(query, quote_via=quote)}")
        return parse_files(document, self.endpoint(), str(self.reference))

    def _revision(self) -> str:
        return self.reference.revision or "master"


def parse_files(document: Any, where: str, reference: str) -> list[_Entry]:
    """The entries of a listing. Raises `SourceFault` for what is none."""
    data = document.get("Data") if isinstance(document, dict) else None
    if isinstance(document, dict) and document.get("Success") is False:
        raise missing(reference, where)
    try:
        return msgspec.convert((data or {}).get("Files") or [], type=list[_Entry])
    except (msgspec.ValidationError, AttributeError) as error:
        raise not_the_file(
            where, say("its listing is not the hub's protocol ({why})", why=error)
        ) from error


def _is_file(entry: _Entry) -> bool:
    return entry.type != "tree" and is_safe_name(entry.path)


def _file(entry: _Entry) -> RemoteFile:
    sha256 = entry.sha256.lower() if entry.sha256 else None
    return RemoteFile(name=entry.path, bytes=entry.size, sha256=sha256)
