"""`models show`: what a model is, from the catalogue or from its GGUF header."""

from __future__ import annotations

import click
import msgspec

from appliance.cli.output import pad, print_document
from appliance.core.i18n import _
from appliance.core.inventory import Document
from appliance.core.paths import find_paths
from appliance.core.reference import CatalogReference, parse_reference


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
    bytes: int | None = None
    sources: list[str] = []
    variants: list[str] = []
    path: str | None = None


def show_model(reference: str, *, as_json: bool) -> None:
    """Print the card of a model."""
    card = model_card(reference)
    if as_json:
        print_document(card)
        return
    for name, value in card_lines(card):
        click.echo(f"{pad(name, 14)} {value}")


def card_lines(card: ModelCard) -> list[tuple[str, str]]:
    """What is known, as label and text."""
    size = None if card.bytes is None else f"{card.bytes / 1e9:.2f} GB"
    template = None if card.chat_template is None else (_("yes") if card.chat_template else _("no"))
    pairs: list[tuple[str, object]] = [
        (_("model"), card.id),
        (_("title"), card.title),
        (_("architecture"), card.architecture),
        (_("parameters"), card.parameters_b and f"{card.parameters_b:g} B"),
        (_("active"), card.active_b and f"{card.active_b:g} B"),
        (_("quantization"), card.quantization),
        (_("context"), card.context_max),
        (_("tokenizer"), card.tokenizer),
        (_("template"), template),
        (_("licence"), card.licence),
        (_("size"), size),
        (_("stored at"), card.path),
        *((_("source"), source) for source in card.sources),
        *((_("variant"), variant) for variant in card.variants),
    ]
    return [(label, str(value)) for label, value in pairs if value is not None]


def model_card(text: str) -> ModelCard:
    """The card of a catalogue id, or of a file on a hub or a disk, from its header alone."""
    reference = parse_reference(text)
    if isinstance(reference, CatalogReference):
        return _from_catalogue(reference)
    from appliance.ops.planning import empty_ground, header_of

    header = header_of(reference, empty_ground(find_paths()))
    return ModelCard(
        id=text,
        title=header.name,
        architecture=header.architecture,
        parameters_b=header.parameters and round(header.parameters / 1e9, 3),
        quantization=header.quant,
        context_max=header.context_length,
        tokenizer=header.tokenizer.model,
        chat_template=header.chat_template is not None,
        licence=header.licence,
    )


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
        variants=[],
    )
