"""What is to be planned for: one model in one form, from the catalogue or from a header."""

from __future__ import annotations

import msgspec

from appliance.catalog.architecture import Architecture
from appliance.catalog.from_config import SafetensorsSet, architecture_of, quantization_of
from appliance.catalog.ggml import BYTES_PER_ELEMENT
from appliance.catalog.gguf import GgufHeader
from appliance.catalog.models import MIB, Family, Variant
from appliance.core.plan import Form
from appliance.engines.classes import ModelClass, class_named, class_of, class_of_weights
from appliance.planner.rules import rules

CAPABILITY_UNKNOWN = 40
QUALITY_UNKNOWN = 3.0
THOUGHT = "</think>"
"""In the chat template of a model that thinks before it answers."""
EMBEDDING_BYTES = 2
"""Of an element of the token embedding, which is not quantized in safetensors."""
CONTEXT_STEP = 256
"""Contexts are planned in multiples of this, and no engine serves more than the model's."""

_EMBEDDING_TYPE = {
    "q5_k_m": "q5_k",
    "q5_k_s": "q5_k",
    "q4_k_m": "q4_k",
    "q4_k_s": "q4_k",
    "q3_k_l": "q3_k",
    "q3_k_m": "q3_k",
    "q3_k_s": "q3_k",
    "iq3_m": "iq3_s",
    "iq3_xxs": "iq3_s",
    "iq2_m": "iq3_s",
    "iq2_xxs": "q2_k",
    "iq1_m": "q2_k",
    "iq1_s": "q2_k",
    "mxfp4_moe": "q8_0",
}
"""How llama.cpp's stock recipes store the token embedding, where not as the name says."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model in one form. Sizes in MiB; `embedding_mib` is the part that stays in host memory.

    `tensor_mib` counts all tensors. `download_mib` is `None` for what is here already.
    """

    id: str
    variant: str
    title: str
    architecture: Architecture
    quant: str
    format: str
    tensor_mib: float
    embedding_mib: float
    output_mib: float | None = None
    """The output matrix, where the file's own header tells."""
    disk_mib: float
    downloadable: bool
    score: float
    """What it can do for people: its family's capability without `damage`."""
    damage: float = 0.0
    """Points that the quantization costs."""
    context_max: int
    reasoning: bool
    vendors: tuple[str, ...] = ()
    loaded_by: tuple[str, ...] = ()
    """The only engines that load this form; empty where its format decides."""
    fork: bool = False
    official: bool = False
    """Whether its makers recommend this form."""
    engines: dict[str, str] = {}
    form: Form | None = None
    """What engines are told of weights that are in no catalogue."""

    @property
    def kind(self) -> ModelClass:
        """Its class, by which engines know how to serve it."""
        return class_named(self.form.model_class) if self.form else class_of(self.id)

    @property
    def is_tensor_parallel(self) -> bool:
        """Whether its engines split each layer over the cards, and not the layers among them."""
        return self.format == "safetensors"


def of_catalogue(family: Family, variant: Variant) -> Model | None:
    """The model of a catalogue entry; `None` where its size is not known."""
    if variant.tensor_mib is None:
        return None
    architecture = family.architecture
    return Model(
        id=family.id,
        variant=variant.id,
        title=family.title,
        architecture=architecture,
        quant=variant.quant,
        format=variant.format,
        tensor_mib=variant.tensor_mib,
        embedding_mib=_embedding_mib(architecture, variant.quant, variant.tensor_mib),
        disk_mib=(variant.bytes or 0) / MIB or variant.tensor_mib,
        downloadable=variant.downloadable,
        score=family.capability - _damage(variant.quant),
        damage=_damage(variant.quant),
        context_max=family.context_max,
        reasoning=family.reasoning != "never",
        vendors=variant.vendors,
        loaded_by=variant.engines,
        fork=variant.mark == "fork",
        official=variant.quant == family.native,
        engines=family.engines,
    )


def of_header(
    header: GgufHeader, reference: str, architecture: Architecture, all_bytes: int | None
) -> Model:
    """The model of a GGUF header. Of a split one `all_bytes` is the size of all its files.

    Without it a split model is estimated from the part that is known.
    """
    quant = header.file_type or "unknown"
    sizes = {tensor.name: tensor.bytes for tensor in header.tensors}
    embedding = sizes.get("token_embd.weight", 0)
    tensor_mib = header.tensor_bytes * header.parts / MIB
    if all_bytes is not None:
        tensor_mib = max(tensor_mib, (all_bytes - header.data_offset) / MIB)
    return Model(
        id=reference,
        variant=reference,
        title=header.name or reference,
        architecture=architecture,
        quant=quant,
        format="gguf",
        tensor_mib=tensor_mib,
        embedding_mib=embedding / MIB,
        output_mib=sizes.get("output.weight", 0) / MIB or None,
        disk_mib=max(tensor_mib, header.bytes / MIB),
        downloadable=True,
        score=CAPABILITY_UNKNOWN - _damage(quant),
        damage=_damage(quant),
        context_max=header.context_length or architecture.context_train,
        reasoning="<think>" in (header.chat_template or ""),
    )


def of_safetensors(found: SafetensorsSet, reference: str, all_bytes: int | None) -> Model:
    """The model of safetensors outside the catalogue. `all_bytes` is the size of all its files.

    Raises what `architecture_of` and `quantization_of` do.
    """
    architecture, quant = architecture_of(found), quantization_of(found)
    kind = class_of_weights(architecture.hf, found.template)
    in_32_bits = 2 if found.quantization == "f32" else 1
    tensor_mib = found.tensor_bytes / MIB / in_32_bits
    return Model(
        id=reference,
        variant=reference,
        title=reference,
        architecture=architecture,
        quant=quant,
        format="safetensors",
        tensor_mib=tensor_mib,
        embedding_mib=architecture.vocab * architecture.hidden * EMBEDDING_BYTES / MIB,
        disk_mib=(all_bytes or found.tensor_bytes) / MIB,
        downloadable=True,
        score=CAPABILITY_UNKNOWN - _damage(quant),
        damage=_damage(quant),
        context_max=max(1, architecture.context_train // CONTEXT_STEP) * CONTEXT_STEP,
        reasoning=THOUGHT in found.template,
        form=Form(architecture=architecture.gguf, quant=quant, model_class=kind.id),
    )


def _damage(quant: str) -> float:
    return rules().quality.get(quant, QUALITY_UNKNOWN)


def _embedding_mib(a: Architecture, quant: str, tensor_mib: float) -> float:
    kind = _EMBEDDING_TYPE.get(quant, quant)
    share = tensor_mib * MIB / (a.parameters_b * 1e9)
    return a.vocab * a.hidden * BYTES_PER_ELEMENT.get(kind, share) / MIB
