"""`models show`: what a model is, from the catalogue or from what its files say of it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from appliance.cli.models_view import stored_note
from appliance.cli.output import pad, print_document, print_table, wrapped
from appliance.core.i18n import _, say
from appliance.core.inventory import Document
from appliance.core.paths import find_paths
from appliance.core.reference import CatalogReference, parse_reference
from appliance.planner.wording import pace

if TYPE_CHECKING:
    from appliance.ops.models import ModelRow
    from appliance.weights.repository import Look

_WIDEST = 80
_WORDS = {
    "always": say("always"),
    "optional": say("when asked"),
    "never": say("never"),
    "published": say("published"),
    "computed": say("computed"),
    "inferred": say("inferred"),
    "fork": say("needs a fork"),
}


class ModelCard(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.model/1"):
    """What is known of a model; unknown is `null`."""

    id: str
    title: str | None = None
    kind: str | None = None
    architecture: str | None = None
    parameters_b: float | None = None
    active_b: float | None = None
    quantization: str | None = None
    context_max: int | None = None
    tokenizer: str | None = None
    chat_template: bool | None = None
    licence: str | None = None
    released: str | None = None
    native: str | None = None
    reasoning: str | None = None
    sampling: dict[str, float] | None = None
    parsers: dict[str, Any] | None = None
    engines: dict[str, str] | None = None
    """The oldest version of each engine that serves it."""
    marks: dict[str, str] = {}
    """What is not certain, and why."""
    checked: str | None = None
    mark: str | None = None
    files: int | None = None
    bytes: int | None = None
    sources: list[str] = []
    variants: list[str] = []
    path: str | None = None


def show_model(reference: str, *, as_json: bool) -> None:
    """Print the card of a model; for people with its forms, and how they do on this server."""
    card = model_card(reference)
    if as_json:
        print_document(card)
        return
    columns = min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns)
    for name, value in card_lines(card):
        for line in wrapped(value, pad(name, 14) + " ", columns):
            click.echo(line)
    if card.kind and card.variants:
        from appliance.cli.plan import inventory_of
        from appliance.ops.models import model_rows

        rows = model_rows(find_paths(), inventory_of(None, None))
        click.echo()
        print_forms([row for row in rows if row.id in card.variants])


def print_forms(rows: Sequence[ModelRow]) -> None:
    """The forms of a model, those that run here first, with the reason for the others."""
    head = (_("FORM"), _("GB"), _("ALONE"), _("NOTE"))
    print_table(head, [_form_cells(row) for row in rows])


def _form_cells(row: ModelRow) -> tuple[object, ...]:
    size = None if row.bytes is None else f"{row.bytes / 1e9:.1f}"
    speed = None if row.decode_tps_one is None else pace(row.decode_tps_one)
    notes = [stored_note(row)] if row.stored else []
    notes += [row.code] if row.code else []
    notes += [] if row.sources else [_("no source")]
    notes += [str(_WORDS[row.mark])] if row.mark and row.mark != "published" else []
    return (row.id.partition(":")[2], size, speed, ", ".join(notes))


def card_lines(card: ModelCard) -> list[tuple[str, str]]:
    """What is known, as label and text; of files also what they do not say."""
    unknown = None if card.kind else "-"
    size = None if card.bytes is None else f"{card.bytes / 1e9:.2f} GB"
    template = None if card.chat_template is None else (_("yes") if card.chat_template else _("no"))
    pairs: list[tuple[str, object]] = [
        (_("model"), card.id),
        (_("title"), card.title),
        (_("architecture"), card.architecture or unknown),
        (_("parameters"), f"{card.parameters_b:g} B" if card.parameters_b else unknown),
        (_("active"), card.active_b and f"{card.active_b:g} B"),
        (_("quantization"), card.quantization or unknown),
        (_("context"), card.context_max or unknown),
        (_("released"), card.released),
        (_("native form"), card.native),
        (_("thinks"), card.reasoning and _WORDS.get(card.reasoning)),
        (_("sampling"), card.sampling and _pairs(card.sampling)),
        (_("parsers"), card.parsers and _pairs(card.parsers)),
        (_("engines from"), card.engines and _pairs(card.engines)),
        (_("licence"), card.licence or unknown),
        *((_("not certain"), f"{name}: {text}") for name, text in card.marks.items()),
        (_("read at"), card.checked),
        (_("certainty"), card.mark and _WORDS.get(card.mark)),
        (_("tokenizer"), card.tokenizer or unknown),
        (_("template"), template or unknown),
        (_("files"), card.files),
        (_("size"), size or unknown),
        (_("stored at"), card.path),
        *((_("source"), source) for source in card.sources),
    ]
    return [(label, _shown(str(value))) for label, value in pairs if value not in (None, "")]


def _shown(text: str) -> str:
    """What a file says of itself cannot steer the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _pairs(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def model_card(text: str) -> ModelCard:
    """The card of a catalogue id, or of files on a hub or a disk, without their weights."""
    reference = parse_reference(text)
    if isinstance(reference, CatalogReference):
        return _from_catalogue(reference)
    from appliance.ops.planning import empty_ground, look_at

    return _from_files(text, look_at(reference, empty_ground(find_paths())))


def _from_files(text: str, seen: Look) -> ModelCard:
    from appliance.catalog.gguf import GgufHeader

    card = ModelCard(id=text, files=seen.files, bytes=seen.bytes)
    about = seen.about
    if isinstance(about, GgufHeader):
        return msgspec.structs.replace(
            card,
            title=about.name,
            architecture=about.architecture,
            parameters_b=_billions(about.parameters * about.parts),
            quantization=about.quant,
            context_max=about.context_length,
            tokenizer=about.tokenizer.model,
            chat_template=about.chat_template is not None,
            licence=about.licence,
        )
    return msgspec.structs.replace(
        card,
        architecture=about.architecture,
        parameters_b=_billions(about.parameters),
        quantization=about.quantization,
        context_max=about.context_length,
        tokenizer=about.tokenizer,
        chat_template=about.chat_template,
        licence=about.licence,
    )


def _billions(parameters: float | None) -> float | None:
    return round(parameters / 1e9, 3) or None if parameters else None


def _from_catalogue(reference: CatalogReference) -> ModelCard:
    from appliance.catalog.models import load_catalogue
    from appliance.ops.planning import empty_ground, stored_model

    catalogue = load_catalogue()
    family, variant = catalogue.variant(reference)
    kept = stored_model(reference, empty_ground(find_paths()))
    whole = ModelCard(
        id=family.id,
        title=family.title,
        kind=family.kind,
        architecture=family.architecture.gguf,
        parameters_b=family.parameters_b,
        active_b=family.active_b,
        context_max=family.context_max,
        licence=family.licence,
        released=family.released,
        native=family.native,
        reasoning=family.reasoning,
        sampling=family.sampling,
        parsers=family.parsers,
        engines=family.engines,
        marks={**family.architecture.marks, **family.marks},
        checked=family.checked or None,
        variants=[v.id for v in family.variants],
        path=str(kept.entry) if kept else None,
    )
    if reference.quant is None:
        return whole
    return msgspec.structs.replace(
        whole,
        id=variant.id,
        quantization=variant.quant,
        bytes=variant.bytes,
        sources=list(variant.sources),
        checked=variant.checked or whole.checked,
        mark=variant.mark,
        variants=[],
    )
