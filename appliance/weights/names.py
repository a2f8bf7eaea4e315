"""Names: of files that may be written, of models in the store, and what an engine needs of both."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from appliance.core.errors import UsageError, VerificationFailed
from appliance.core.i18n import say
from appliance.weights.faults import not_the_file
from appliance.weights.sources.base import Listing, RemoteFile

_SPLIT = re.compile(r"(?P<stem>.+)-(?P<no>\d{5})-of-(?P<count>\d{5})\.gguf")
_PART = re.compile(
    r"(?P<stem>.+)-(?P<no>\d{5,6})-of-(?P<count>\d{5,6})\.(gguf|safetensors)", re.IGNORECASE
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OURS = frozenset({"manifest.json", "sha256sums", "signature", "site-key"})
"""What the store and an export write beside the files of a model; no engine reads any of it."""
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_BESIDE_SAFETENSORS = (".json", ".model", ".jinja", ".txt", ".py", ".tiktoken")
_PREFERRED_QUANTS = ("q4_k_m", "q4_k_xl", "q4_k_s", "iq4_xs", "q4_0", "q4_1", "q5_k_m", "q6_k")


def is_safe_name(name: str) -> bool:
    """Whether a name from elsewhere stays inside a directory of ours, on every file system."""
    parts = name.split("/")
    return (
        name.isprintable()
        and all(part not in ("", ".", "..") and len(part.encode()) <= 240 for part in parts)
        and not any(letter in '\\:*?"<>|' for letter in name)
    )


def is_sha256(text: str) -> bool:
    """Whether a text from elsewhere is a SHA-256 as we write it."""
    return _SHA256.fullmatch(text) is not None


def directory_name(model_id: str) -> str:
    """A directory name for a model's id: readable, and different for different ids."""
    readable = re.sub(r"[^A-Za-z0-9._=+-]+", "--", model_id).strip("-.")[:120]
    if readable == model_id.replace(":", "--", 1) and "--" not in model_id:
        return readable
    return f"{readable}-{hashlib.sha256(model_id.encode()).hexdigest()[:8]}"


def split_set(name: str) -> tuple[str, int, int] | None:
    """Stem, number and count of a part of a split GGUF."""
    match = _SPLIT.fullmatch(name)
    return (match["stem"], int(match["no"]), int(match["count"])) if match else None


def files_in(listing: Listing, glob: str | None, where: str) -> list[RemoteFile]:
    """The needed files of a listing. Raises what `needed_files` does.

    Raises `SourceFault` where the listing was cut short and files may be missing from the choice;
    a GGUF is known to be whole by its name.
    """
    try:
        chosen = needed_files(listing.files, glob, where)
    except UsageError:
        if listing.complete:
            raise
        chosen = []
    whole = bool(chosen) and all(file.name.lower().endswith(".gguf") for file in chosen)
    if not (listing.complete or whole):
        raise not_the_file(where, say("its listing was cut short"), lasting=True)
    return chosen


def needed_files(files: Sequence[RemoteFile], glob: str | None, where: str) -> list[RemoteFile]:
    """The files of a repository that an engine needs: one model, whole, and nothing else.

    Raises `UsageError` where there is no such model and `VerificationFailed` for pickle files,
    which run code when they are opened.
    """
    files = [file for file in files if file.name.lower() not in _OURS]
    if glob is None:
        chosen = _safetensors(files) or _preferred_gguf(files)
    else:
        chosen = _with_siblings(_matching(files, glob), files)
    if not chosen:
        raise _nothing_there(files, glob, where)
    pickles = [file.name for file in chosen if file.name.lower().endswith(_PICKLES)]
    if pickles:
        raise VerificationFailed(
            say("{name} is a pickle file: it can run any code when opened", name=pickles[0]),
            hint=say("use a GGUF or safetensors release of the model"),
            code="PICKLE",
        )
    _check_sets([file.name for file in chosen], where)
    return sorted(chosen, key=lambda file: file.name)


def _matching(files: Sequence[RemoteFile], glob: str) -> list[RemoteFile]:
    wanted = glob.lower()
    exact = [file for file in files if file.name.lower() == wanted]
    return exact or [
        file
        for file in files
        if fnmatchcase(file.name.lower(), wanted)
        or fnmatchcase(PurePosixPath(file.name).name.lower(), wanted)
    ]


def _with_siblings(chosen: list[RemoteFile], files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """A part of a split GGUF stands for the whole set."""
    stems = {part[0] for file in chosen if (part := split_set(file.name))}
    names = {file.name for file in chosen}
    more = [
        file
        for file in files
        if file.name not in names and (part := split_set(file.name)) and part[0] in stems
    ]
    return chosen + more


def _safetensors(files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """Tensors at the top with the configuration and tokenizer beside them."""
    top = [file for file in files if "/" not in file.name]
    if not any(file.name.endswith(".safetensors") for file in top):
        return []
    return [
        file
        for file in top
        if file.name.endswith((".safetensors", *_BESIDE_SAFETENSORS))
        and not file.name.startswith(".")
    ]


def _preferred_gguf(files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """One quantization of many: the usual four-bit one, else the smallest set."""
    sets: dict[str, list[RemoteFile]] = {}
    for file in files:
        name = PurePosixPath(file.name).name.lower()
        if name.endswith(".gguf") and not name.startswith("mmproj") and "imatrix" not in name:
            part = split_set(file.name)
            sets.setdefault(part[0] if part else file.name, []).append(file)
    for quant in _PREFERRED_QUANTS:
        for stem in sorted(sets):
            if quant in PurePosixPath(stem).name.lower().replace("-", "_"):
                return sets[stem]
    return min(sets.values(), key=_set_bytes, default=[])


def _set_bytes(files: list[RemoteFile]) -> tuple[int, str]:
    return sum(file.bytes or 0 for file in files), files[0].name


def _check_sets(names: list[str], where: str) -> None:
    parts: dict[tuple[str, int], set[int]] = {}
    for name in names:
        if part := _PART.fullmatch(name):
            parts.setdefault((part["stem"], int(part["count"])), set()).add(int(part["no"]))
    for (stem, count), numbers in parts.items():
        missing = sorted(set(range(1, count + 1)) - numbers)
        if missing:
            raise VerificationFailed(
                say(
                    "{where} lacks part {number} of {count} of {stem}",
                    where=where,
                    number=missing[0],
                    count=count,
                    stem=stem,
                ),
                hint=say("use a source that has the whole set"),
                code="INCOMPLETE-SET",
            )


def _nothing_there(files: Sequence[RemoteFile], glob: str | None, where: str) -> UsageError:
    ggufs = [file.name for file in files if file.name.lower().endswith(".gguf")]
    hint = (
        say("it has {names}", names=", ".join(ggufs[:8]))
        if ggufs
        else say("look for a repository with GGUF or safetensors files")
    )
    if glob is None:
        return UsageError(
            say("{where} holds no model an engine could load", where=where),
            hint=hint,
            code="NO-MODEL-THERE",
        )
    return UsageError(
        say("{where} has no file {glob}", where=where, glob=glob), hint=hint, code="NO-SUCH-FILE"
    )


def entry_name(names: Sequence[str]) -> str | None:
    """The file an engine is given: the GGUF or its first part; `None` means the directory."""
    ggufs = sorted(name for name in names if name.lower().endswith(".gguf"))
    return ggufs[0] if ggufs else None
