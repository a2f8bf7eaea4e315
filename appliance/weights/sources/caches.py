"""Model files that another program keeps on this server, found by that program's own layout."""

from __future__ import annotations

import glob
import re
from pathlib import Path

import msgspec

from appliance.core.documents import prepare
from appliance.weights.names import is_safe_name, split_set

_SHA256 = re.compile(r"[0-9a-f]{64}")
_OLLAMA_MODEL = "application/vnd.ollama.image.model"


class Located(msgspec.Struct, frozen=True):
    """Where a file is, and the hash its keeper vouches for."""

    path: Path
    sha256: str | None = None


class _Layer(msgspec.Struct, rename="camel"):
    media_type: str
    digest: str


class _OllamaManifest(msgspec.Struct):
    layers: list[_Layer]


prepare(_OllamaManifest)


def located_files(path: Path) -> dict[str, Located]:
    """The files of a model at `path` by name: a file, an Ollama manifest, a directory, a
    repository of the Hugging Face cache. Empty where there is nothing. Raises `OSError`.
    """
    if path.is_file():
        return _ollama(path) or {part.name: Located(part) for part in _whole_set(path)}
    snapshot = _snapshot(path)
    if snapshot is not None:
        return {name: _in_cache(found) for name, found in _walk(snapshot).items()}
    sums = read_sums(path / "SHA256SUMS")
    return {name: Located(found, sums.get(name)) for name, found in _walk(path).items()}


def _whole_set(path: Path) -> list[Path]:
    """The file, with the other parts beside it where it is one of a split GGUF."""
    part = split_set(path.name)
    if part is None:
        return [path]
    pattern = f"{glob.escape(part[0])}-?????-of-{part[2]:05}.gguf"
    return sorted(path.parent.glob(pattern))


def _walk(directory: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        hidden = any(part.startswith(".") for part in name.split("/"))
        if not hidden and is_safe_name(name) and path.is_file():
            found[name] = path
    return found


def _snapshot(path: Path) -> Path | None:
    """The newest revision of a repository in the Hugging Face cache."""
    snapshots = path / "snapshots"
    if not snapshots.is_dir():
        return None
    reference = path / "refs" / "main"
    if reference.is_file():
        named = snapshots / reference.read_text().strip()
        if named.is_dir():
            return named
    return max(snapshots.iterdir(), key=lambda entry: entry.stat().st_mtime, default=None)


def _in_cache(link: Path) -> Located:
    """Large files of that cache are links to blobs that are named by their SHA-256."""
    blob = link.resolve()
    return Located(blob, blob.name if _SHA256.fullmatch(blob.name) else None)


def _ollama(manifest: Path) -> dict[str, Located]:
    """The weights behind `…/models/manifests/REGISTRY/LIBRARY/NAME/TAG`."""
    root = next((parent.parent for parent in manifest.parents if parent.name == "manifests"), None)
    if root is None or manifest.stat().st_size > 1 << 20:
        return {}
    try:
        layers = msgspec.json.decode(manifest.read_bytes(), type=_OllamaManifest).layers
    except msgspec.MsgspecError:
        return {}
    digests = [layer.digest for layer in layers if layer.media_type == _OLLAMA_MODEL]
    if not digests or not _SHA256.fullmatch(digests[0].removeprefix("sha256:")):
        return {}
    sha256 = digests[0].removeprefix("sha256:")
    name = f"{manifest.parent.name}-{manifest.name}.gguf"
    return {name: Located(root / "blobs" / f"sha256-{sha256}", sha256)}


def read_sums(path: Path) -> dict[str, str]:
    """Hashes by name from a file of `sha256sum`; none where there is none. Raises `OSError`."""
    if not path.is_file() or path.stat().st_size > 1 << 24:
        return {}
    return parse_sums(path.read_text(errors="replace"))


def parse_sums(text: str) -> dict[str, str]:
    """Hashes by name from the lines that `sha256sum` writes; other lines mean nothing."""
    sums: dict[str, str] = {}
    for line in text.splitlines():
        sha256, space, name = line.partition(" ")
        if space and _SHA256.fullmatch(sha256.lower()) and len(name) > 1 and name[0] in " *":
            sums[name[1:].removeprefix("./")] = sha256.lower()
    return sums
