"""What a model is that is not here, of either form, without its weights: headers and documents.

Whoever runs the hub may be hostile: every document has a limit, and so have all headers together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

import msgspec

from appliance.catalog.from_config import SafetensorsSet
from appliance.catalog.gguf import GgufHeader
from appliance.core.errors import VerificationFailed
from appliance.core.i18n import Text, say
from appliance.core.reference import FileReference, HubReference, PeerReference
from appliance.weights.faults import SourceFault
from appliance.weights.header import check_template, gguf_of, header_at, read_range
from appliance.weights.http import Http
from appliance.weights.model_facts import (
    MAX_DOCUMENT_BYTES,
    MAX_TEMPLATES,
    TEMPLATE_DOCUMENTS,
    TOKENIZERS,
    SafetensorsModel,
    architecture_of,
    context_of,
    licence_of,
    parameters_of,
    plain,
    quantization_of,
    templates_in,
)
from appliance.weights.names import files_in
from appliance.weights.probe import source_for
from appliance.weights.request import glob_of
from appliance.weights.safetensors import MAX_HEADER_BYTES, check_safetensors
from appliance.weights.sources.base import Listing, RemoteFile, Source
from appliance.weights.tally import Tally

INDEX = "model.safetensors.index.json"
_MAX_INDEX_BYTES = 32 << 20
"""That of DeepSeek V3 has 9 MB."""
_MAX_README_BYTES = 64 << 10
"""The front matter is at its beginning."""
_MAX_PARTS = 2000
_MAX_HEADERS_BYTES = 64 << 20
_FIRST_BYTES = 64 << 10
"""Holds the whole header of most parts, so that one request does."""
_AT_ONCE = 8


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """A model from afar: the files that a pull would fetch, their size, and what they say.

    `safetensors` is what a plan is made of, where it is of that form.
    """

    files: int
    bytes: int | None
    about: GgufHeader | SafetensorsModel
    safetensors: SafetensorsSet | None = None


def look(reference: HubReference | PeerReference | FileReference) -> Look:
    """What `reference` names, from a few MB of it at most where nobody wishes us ill.

    Raises `UsageError` where there is no model, `VerificationFailed` for pickle files and for what
    an engine could trip over (a header, a document, a chat template), `Unreachable`.
    """
    try:
        with Http() as http:
            source = source_for(reference, http)
            listing = source.listing()
            files = files_in(listing, glob_of(reference), source.label)
            sizes = [file.bytes for file in files if file.bytes is not None]
            about, inside = _about(source, listing, files)
            return Look(
                files=len(files),
                bytes=sum(sizes) if len(sizes) == len(files) else None,
                about=about,
                safetensors=inside,
            )
    except SourceFault as fault:
        raise fault.error from fault


def _about(
    source: Source, listing: Listing, files: Sequence[RemoteFile]
) -> tuple[GgufHeader | SafetensorsModel, SafetensorsSet | None]:
    gguf = gguf_of(files)
    if gguf is None:
        return _Repository(source, listing, files).describe()
    header = header_at(source, gguf)
    if header.chat_template:
        check_template(header.chat_template, gguf.name)
    return header, None


class _Repository:
    """A repository of safetensors; its documents lie beside the first of them."""

    def __init__(self, source: Source, listing: Listing, files: Sequence[RemoteFile]) -> None:
        self._source = source
        self._label = source.label
        self._files = {file.name: file for file in listing.files}
        self._tensors = [file for file in files if file.name.lower().endswith(".safetensors")]
        self._folder = PurePosixPath(self._tensors[0].name if self._tensors else "").parent

    def describe(self) -> tuple[SafetensorsModel, SafetensorsSet]:
        """Everything that can be known without the weights; for people, and for a plan."""
        config, described = self._values("config.json"), self._values("hf_quant_config.json")
        tokenizer = self._values("tokenizer_config.json")
        tally, template = self._tally(), self._template(tokenizer)
        about = SafetensorsModel(
            architecture=architecture_of(config),
            parameters=parameters_of(config, described, tally),
            quantization=quantization_of(config, described, tally),
            context_length=context_of(config),
            tokenizer=plain(tokenizer.get("tokenizer_class")),
            chat_template=True if template else (False if tokenizer else None),
            licence=licence_of(self._readme()),
        )
        return about, self._inside(about, config, tally, template)

    def _inside(
        self, about: SafetensorsModel, config: Mapping[str, Any], tally: Tally, template: str
    ) -> SafetensorsSet:
        return SafetensorsSet(
            architecture=about.architecture,
            config=config,
            quantization=about.quantization,
            tensor_bytes=tally.bytes,
            parameters=about.parameters,
            layers=tally.layers,
            template=template,
            has_tokenizer=any(self._beside(name) for name in TOKENIZERS),
        )

    def _beside(self, name: str) -> RemoteFile | None:
        return self._files.get((self._folder / name).as_posix())

    def _document(self, name: str, limit: int = MAX_DOCUMENT_BYTES) -> bytes | None:
        file = self._beside(name)
        if file is None:
            return None
        size = file.bytes if file.bytes is not None else self._source.measure(file)
        if size > limit:
            raise _refused(
                name, say("it has {size} bytes of at most {most}", size=size, most=limit)
            )
        return read_range(self._source, file, 0, size) if size else b""

    def _values(self, name: str) -> dict[str, Any]:
        raw = self._document(name)
        return {} if raw is None else _decoded(raw, name, dict[str, Any])

    def _readme(self) -> str:
        file = self._beside("README.md") or self._files.get("README.md")
        if file is None:
            return ""
        return read_range(self._source, file, 0, _MAX_README_BYTES).decode(errors="replace")

    def _template(self, tokenizer: dict[str, Any]) -> str:
        """All chat templates, one after the other; "" where there is none."""
        found: list[str] = []
        for name, template in self._templates(tokenizer):
            if len(found) == MAX_TEMPLATES:
                raise _refused(name, say("it has too many chat templates"))
            check_template(template, name)
            found.append(template)
        return "\n".join(found)

    def _templates(self, tokenizer: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for name in self._jinja_files():
            if raw := self._document(name):
                yield name, raw.decode(errors="replace")
        for name in TEMPLATE_DOCUMENTS:
            known = name == "tokenizer_config.json"
            for template in templates_in(tokenizer if known else self._values(name)):
                yield name, template

    def _jinja_files(self) -> list[str]:
        """Templates in files of their own, among them those in `additional_chat_templates/`."""
        paths = [PurePosixPath(name) for name in self._files if name.endswith(".jinja")]
        inside = [path for path in paths if path.is_relative_to(self._folder)]
        return sorted(path.relative_to(self._folder).as_posix() for path in inside)

    def _parts(self) -> list[RemoteFile]:
        """What an engine would load: the files that the index names, else all."""
        raw = self._document(INDEX, _MAX_INDEX_BYTES)
        if raw is None:
            return self._tensors
        folder = self._folder
        names = {(folder / name).as_posix() for name in set(_decoded(raw, INDEX, _Index).places())}
        absent = sorted(names - self._files.keys())
        if absent:
            name = plain(absent[0]) or "?"
            raise _refused(INDEX, say("it names {name}, which is not there", name=name))
        return [self._files[name] for name in sorted(names)]

    def _tally(self) -> Tally:
        """All tensors by their headers, fetched side by side and read one after the other."""
        parts, tally, budget = self._parts(), Tally(), _Budget()
        if len(parts) > _MAX_PARTS:
            raise _refused(INDEX, say("it has {count} parts", count=len(parts)))
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="weights-header") as pool:
            heads = pool.map(partial(_head, self._source, budget), parts)
            for part, (raw, size) in zip(parts, heads, strict=True):
                _count(part.name, raw, size, tally)
        return tally


def check_index(path: Path, names: Collection[str]) -> None:
    """Refuse a set of which the index at `path` names a part that is not among `names`.

    Raises `VerificationFailed`.
    """
    size, most = path.stat().st_size, _MAX_INDEX_BYTES
    if size > most:
        raise _refused(INDEX, say("it has {size} bytes of at most {most}", size=size, most=most))
    for place in sorted(set(_decoded(path.read_bytes(), INDEX, _Index).places())):
        if place not in names:
            name = plain(place) or "?"
            raise _refused(INDEX, say("it names {name}, which is not there", name=name))


class _Index(msgspec.Struct):
    weight_map: dict[str, str]

    def places(self) -> list[str]:
        """The files that hold a tensor."""
        return list(self.weight_map.values())


class _Budget:
    """How many bytes of headers may still be fetched."""

    def __init__(self) -> None:
        self._left = _MAX_HEADERS_BYTES
        self._lock = Lock()

    def take(self, name: str, length: int) -> None:
        """Raises `VerificationFailed` where the headers together become too long."""
        with self._lock:
            self._left -= length
            if self._left < 0:
                most = _MAX_HEADERS_BYTES
                raise _refused(name, say("the headers have more than {most} bytes", most=most))


def _head(source: Source, budget: _Budget, file: RemoteFile) -> tuple[bytes, int]:
    """The beginning of a part up to the end of its header, and its size."""
    size = file.bytes if file.bytes is not None else source.measure(file)
    raw = read_range(source, file, 0, min(size, _FIRST_BYTES))
    length = 8 + int.from_bytes(raw[:8], "little")
    budget.take(file.name, min(length, _FIRST_BYTES))
    if len(raw) < length <= min(size, 8 + MAX_HEADER_BYTES):
        budget.take(file.name, length - len(raw))
        raw += read_range(source, file, len(raw), length - len(raw))
    return raw[:length], size


def _count(name: str, raw: bytes, size: int, tally: Tally) -> None:
    try:
        check_safetensors(lambda offset, length: raw[offset : offset + length], size, tally.add)
    except VerificationFailed as error:
        text = say("{name}: {why}", name=name, why=error.what)
        raise VerificationFailed(text, hint=error.hint, code=error.code) from error
    tally.bytes += size - len(raw)


def _decoded(raw: bytes, name: str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(name, say("it is damaged ({why})", why=error)) from error


def _refused(name: str, why: Text) -> VerificationFailed:
    return VerificationFailed(
        say("{name}: {why}", name=name, why=why),
        hint=say("fetch it again, or use the files of a publisher you trust"),
        code="BAD-DOCUMENT",
    )
