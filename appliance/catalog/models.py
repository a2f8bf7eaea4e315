"""The catalogue: which models could be served, in which forms, from where (`models.toml`)."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec

from appliance.catalog.architecture import Architecture
from appliance.core.documents import prepare
from appliance.core.errors import ApplianceError, UsageError
from appliance.core.i18n import say
from appliance.core.paths import Paths, find_paths
from appliance.core.reference import CatalogReference, parse_reference

ModelKind = Literal["deepseek", "self-test"]
ModelFormat = Literal["gguf", "safetensors"]
Mark = Literal["published", "computed", "inferred", "fork"]

MIB = 1 << 20
GGUF_HEADER_BYTES = 6_500_000
"""What a GGUF file has besides tensors: 6 to 8 MB of metadata and tokenizer in published files."""
_BESIDE_ME = Path(__file__).with_name("models.toml")
_AT_REPOSITORY_ROOT = Path(__file__).parents[2] / "models.toml"


class VariantFile(msgspec.Struct, frozen=True):
    """A file whose digest is known; `bytes` is `None` where its size is not."""

    name: str
    bytes: int | None
    sha256: str


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """A family in one format and quantization; `sources` are references, the best first.

    All `sources` hold the same content. `files` is empty where the hub has to be asked which files
    they are. `bytes` is what is fetched (estimated where not published); `tensor_mib` what is
    loaded.
    """

    id: str
    quant: str
    format: ModelFormat
    tensor_mib: float | None
    bytes: int | None
    files: tuple[VariantFile, ...] = ()
    sources: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    """The only engines that load it; empty where any does that knows the format."""
    mark: Mark = "published"
    checked: str = ""
    """Where the entry was read."""

    @property
    def downloadable(self) -> bool:
        """Whether a place to fetch it from is known."""
        return bool(self.sources)


class Family(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One model as its makers published it.

    `capability` (0 to 100) orders families by what they can do for people: a judgement, not a
    measurement. `engines` maps an engine to the oldest version that serves the family.
    """

    id: str
    title: str
    kind: ModelKind
    architecture: Architecture
    capability: int
    licence: str
    released: str
    repository: str
    native: str
    context_max: int
    sampling: dict[str, float]
    reasoning: Literal["always", "optional", "never"]
    parsers: dict[str, Any]
    engines: dict[str, str]
    marks: dict[str, str]
    checked: str
    system_prompt: bool
    chat: bool
    variants: tuple[Variant, ...]

    @property
    def parameters_b(self) -> float:
        """Parameters in 10^9, without speculative heads."""
        return self.architecture.parameters_b

    @property
    def active_b(self) -> float:
        """Parameters that one token reads, in 10^9."""
        return self.architecture.active_b

    def variant(self, quant: str) -> Variant | None:
        """The variant of this quantization."""
        return self._by_quant.get(quant)

    @cached_property
    def _by_quant(self) -> dict[str, Variant]:
        return {variant.quant: variant for variant in self.variants}


class Catalogue(msgspec.Struct, frozen=True, dict=True):
    """All families, in the order of `models.toml`."""

    families: tuple[Family, ...]
    updated: str

    @cached_property
    def _by_id(self) -> dict[str, Family]:
        return {family.id: family for family in self.families}

    def family(self, family_id: str) -> Family | None:
        """The family with this id."""
        return self._by_id.get(family_id)

    def variant(self, reference: CatalogReference) -> tuple[Family, Variant]:
        """What `reference` names; without a quantization the recommended one.

        Raises `UsageError` for an id or quantization that is not in the catalogue.
        """
        family = self.family(reference.model)
        if family is None:
            raise _unknown_model(reference.model, list(self._by_id))
        if reference.quant is None:
            return family, _recommended(family)
        variant = family.variant(reference.quant)
        if variant is None:
            raise _unknown_quant(family, reference.quant)
        return family, variant

    @cached_property
    def self_test(self) -> tuple[Family, Variant]:
        """The small model that proves a box; never presented as DeepSeek."""
        family = next(family for family in self.families if family.kind == "self-test")
        return family, family.variants[0]


def load_catalogue(path: Path | None = None) -> Catalogue:
    """Read the catalogue: `path`, else the installed update, else the one of this release.

    An update that is older than the release, or cannot be read, is passed over. Raises
    `ApplianceError` (code `BAD-CATALOGUE`) for a file that is none.
    """
    if path is not None:
        return _read(path)
    release = _read(release_file())
    update = installed_file(find_paths())
    if update.exists():
        with contextlib.suppress(ApplianceError):
            installed = _read(update)
            return installed if installed.updated >= release.updated else release
    return release


def release_file() -> Path:
    """The catalogue that came with this version: beside this file, or at the repository's root."""
    return _BESIDE_ME if _BESIDE_ME.exists() else _AT_REPOSITORY_ROOT


def installed_file(paths: Paths) -> Path:
    """Where an update of the catalogue is put."""
    return paths.data / "catalogue" / "models.toml"


def _read(path: Path) -> Catalogue:
    try:
        raw = path.read_bytes()
    except OSError as fault:
        raise _bad_catalogue(path, fault) from fault
    return parse_catalogue(raw, path)


def parse_catalogue(raw: bytes, name: object) -> Catalogue:
    """Read a catalogue; `name` is what an error calls it.

    Raises `ApplianceError` (code `BAD-CATALOGUE`).
    """
    try:
        data = msgspec.toml.decode(raw, type=_CatalogueData)
        architectures = {entry.id: entry for entry in data.architecture}
        families = tuple(_family(entry, architectures[entry.architecture]) for entry in data.family)
        catalogue = Catalogue(families, data.updated)
        _check(catalogue)
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, UsageError) as fault:
        raise _bad_catalogue(name, fault) from fault
    return catalogue


def _check(catalogue: Catalogue) -> None:
    """Raise `UsageError` for what no catalogue of ours may contain."""
    ids = [family.id for family in catalogue.families]
    if len(set(ids)) < len(ids):
        raise UsageError(say("a model is named twice"))
    if not any(family.kind == "self-test" and family.variants for family in catalogue.families):
        raise UsageError(say("the self-test model is missing"))
    for family in catalogue.families:
        for variant in family.variants:
            for source in variant.sources:
                parse_reference(source)


def _bad_catalogue(name: object, fault: Exception) -> ApplianceError:
    return ApplianceError(
        say("the catalogue {path} cannot be read: {fault}", path=name, fault=fault),
        hint=say("restore the file from the release it came with"),
        code="BAD-CATALOGUE",
    )


class _GgufData(msgspec.Struct, forbid_unknown_fields=True):
    sources: list[str]
    file: str
    quants: list[str]
    mark: Mark
    checked: str = ""


class _FileData(msgspec.Struct, forbid_unknown_fields=True):
    source: str
    quant: str
    name: str
    sha256: str
    bytes: int | None = None


class _FormData(msgspec.Struct, forbid_unknown_fields=True):
    quant: str
    format: ModelFormat
    sources: list[str]
    mark: Mark
    file: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    size_as: str | None = None
    vendors: list[str] = []
    engines: list[str] = []
    checked: str = ""


class _FamilyData(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    title: str
    architecture: str
    capability: int
    licence: str
    released: str
    repository: str
    native: str
    context_max: int
    sampling: dict[str, float]
    reasoning: Literal["always", "optional", "never"]
    parsers: dict[str, Any]
    engines: dict[str, str]
    kind: ModelKind = "deepseek"
    marks: dict[str, str] = {}
    checked: str = ""
    system_prompt: bool = True
    chat: bool = True
    gguf: list[_GgufData] = []
    file: list[_FileData] = []
    form: list[_FormData] = []


class _CatalogueData(msgspec.Struct, forbid_unknown_fields=True):
    version: Literal[1]
    updated: str
    architecture: list[Architecture]
    family: list[_FamilyData]


prepare(_CatalogueData)


def _family(data: _FamilyData, architecture: Architecture) -> Family:
    variants = {variant.quant: variant for variant in _variants(data, architecture)}
    return Family(
        id=data.id,
        title=data.title,
        kind=data.kind,
        architecture=architecture,
        capability=data.capability,
        licence=data.licence,
        released=data.released,
        repository=data.repository,
        native=data.native,
        context_max=data.context_max,
        sampling=data.sampling,
        reasoning=data.reasoning,
        parsers=data.parsers,
        engines=data.engines,
        marks=data.marks,
        checked=data.checked,
        system_prompt=data.system_prompt,
        chat=data.chat,
        variants=tuple(variants.values()),
    )


def _variants(data: _FamilyData, architecture: Architecture) -> Iterator[Variant]:
    """Stock GGUF quantizations, then other forms, which win over a stock one of the same name."""
    if data.kind == "deepseek":
        for quant, mib in architecture.gguf_mib.items():
            yield _stock_variant(data, quant, mib)
    for form in data.form:
        yield _form_variant(data, form, architecture)


def _stock_variant(data: _FamilyData, quant: str, mib: float) -> Variant:
    estimate = int(mib * MIB) + GGUF_HEADER_BYTES
    known = next((file for file in data.file if file.quant == quant), None)
    if known:
        sources, name = _same_publisher(data, known), known.name
        mark: Mark = "published"
        checked = "digest of the file in public catalogues"
    elif offer := next((offer for offer in data.gguf if quant in offer.quants), None):
        sources, name = tuple(offer.sources), offer.file.replace("{QUANT}", quant.upper())
        mark, checked = offer.mark, offer.checked
    else:
        sources, name, mark, checked = (), "", "computed", ""
    return Variant(
        id=f"{data.id}:{quant}",
        quant=quant,
        format="gguf",
        tensor_mib=mib,
        bytes=(known and known.bytes) or estimate,
        files=(VariantFile(known.name, known.bytes, known.sha256),) if known else (),
        sources=tuple(f"{source}:{name}" for source in sources),
        mark=mark,
        checked=checked,
    )


def _same_publisher(data: _FamilyData, known: _FileData) -> tuple[str, ...]:
    """The sources that hold exactly the known file, by publisher and repository."""
    repository = known.source.partition(":")[2]
    offered = [source for offer in data.gguf for source in offer.sources]
    same = [source for source in offered if source.partition(":")[2] == repository]
    return tuple(same or [known.source])


def _form_variant(data: _FamilyData, form: _FormData, architecture: Architecture) -> Variant:
    mib = architecture.tensor_mib(form.format, form.size_as or form.quant)
    if mib is None and form.bytes is not None:
        mib = form.bytes / MIB
    size = int(mib * MIB) if form.bytes is None and mib is not None else form.bytes
    files = (VariantFile(form.file, form.bytes, form.sha256),) if form.file and form.sha256 else ()
    return Variant(
        id=f"{data.id}:{form.quant}",
        quant=form.quant,
        format=form.format,
        tensor_mib=mib,
        bytes=size,
        files=files,
        sources=tuple(form.sources),
        vendors=tuple(form.vendors),
        engines=tuple(form.engines),
        mark=form.mark,
        checked=form.checked,
    )


_PREFERRED = ("q4_k_m", "ud-q4_k_xl", "fp4-fp8", "fp8", "q8_0", "q4_1")


def _recommended(family: Family) -> Variant:
    """What a name without a quantization means: the usual one that can be fetched."""
    named = [variant for quant in _PREFERRED if (variant := family.variant(quant))]
    known = [*named, *family.variants]
    return next((variant for variant in known if variant.downloadable), known[0])


def _unknown_model(name: str, known: list[str]) -> UsageError:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = (
        say("did you mean {names}?", names=", ".join(near))
        if near
        else say("`appliance models list --all` shows every model of the catalogue")
    )
    return UsageError(
        say("no model {name} in the catalogue", name=name), hint=hint, code="UNKNOWN-MODEL"
    )


def _unknown_quant(family: Family, quant: str) -> UsageError:
    known = [variant.quant for variant in family.variants]
    return UsageError(
        say("{model} has no variant {quant}", model=family.id, quant=quant),
        hint=say("it has {names}", names=", ".join(known)),
        code="UNKNOWN-VARIANT",
    )
