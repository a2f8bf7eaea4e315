"""The architecture numbers of safetensors that are not in the catalogue, from their config.json.

Whoever wrote it may be hostile or wrong: numbers have limits, and they are held against the tensors
that the files name. What is not understood is refused; nothing is assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from math import prod
from typing import Any, NoReturn

import msgspec

from appliance.catalog.architecture import Architecture
from appliance.catalog.compose import tensors
from appliance.core.documents import prepare
from appliance.core.errors import UsageError, VerificationFailed
from appliance.core.i18n import Text, say

_PARTS = (("kv_heads", "heads"), ("experts_used", "experts"), ("dense_layers", "layers"))
_OFF = 0.1
"""Parts of the numbers' parameters by which the tensors' may differ: drafting heads, rounding."""


class SafetensorsSet(msgspec.Struct, frozen=True, kw_only=True):
    """A model's safetensors as they describe themselves: documents, and their headers added up.

    `architecture` is the first class that config.json names, `layers` the indexes of layers that
    tensors name, `template` all chat templates. `parameters` is `None` where they are packed.
    """

    architecture: str | None
    config: Mapping[str, Any]
    quantization: str | None
    tensor_bytes: int
    parameters: int | None
    layers: frozenset[int]
    template: str
    has_tokenizer: bool


class _Class(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    gguf: str
    needs: list[str]
    may: list[str] = []
    fixed: dict[str, int] = {}


class _Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: dict[str, str]
    most: dict[str, int]
    quantizations: dict[str, str]
    classes: list[_Class] = msgspec.field(name="class")


prepare(_Known)


@cache
def _known() -> _Known:
    text = files("appliance.catalog").joinpath("transformers.toml").read_bytes()
    return msgspec.toml.decode(text, type=_Known)


def quantization_of(found: SafetensorsSet) -> str:
    """The planner's name of how the weights are stored. Raises `UsageError` for an unknown one."""
    known = _known().quantizations
    name = known.get(found.quantization or "")
    if name is None:
        raise UsageError(
            say("weights stored as {form} are not known here", form=found.quantization)
            if found.quantization
            else say("the files do not say how the weights are stored"),
            hint=say("known are: {known}", known=", ".join(known)),
            code="QUANTIZATION-UNKNOWN",
        )
    return name


def architecture_of(found: SafetensorsSet) -> Architecture:
    """What a plan needs to know.

    Raises `UsageError` (`ARCHITECTURE-UNKNOWN`, `NO-TOKENIZER`) for what no plan can be made of,
    `VerificationFailed` (`BAD-CONFIG`) for numbers that are missing, impossible or of others.
    """
    kind = _class_of(found)
    if not found.has_tokenizer:
        raise UsageError(
            say("there is no tokenizer beside the weights"),
            hint=say("put the publisher's tokenizer.json (or tokenizer.model) there"),
            code="NO-TOKENIZER",
        )
    numbers = _numbers(found.config, kind)
    architecture = _with_parameters(_architecture(found.config, kind, numbers))
    _check_tensors(found, architecture)
    return architecture


def _class_of(found: SafetensorsSet) -> _Class:
    classes = _known().classes
    for kind in classes:
        if kind.name == found.architecture:
            return kind
    raise UsageError(
        say("the architecture {name} is not known here", name=found.architecture)
        if found.architecture
        else say("config.json names no architecture"),
        hint=say("known are: {known}", known=", ".join(kind.name for kind in classes)),
        code="ARCHITECTURE-UNKNOWN",
    )


def _numbers(config: Mapping[str, Any], kind: _Class) -> dict[str, int]:
    """The fields of an architecture that config.json gives; those that it may lack are left out."""
    known, numbers = _known(), {}
    for field in (*kind.needs, *kind.may):
        key = known.keys[field]
        value = _whole(config, key, known.most[field], least=0 if field in kind.may else 1)
        if value is not None:
            numbers[field] = value
        elif field in kind.needs:
            _bad(say("it does not say {key}", key=key))
    for key, only in kind.fixed.items():
        if config.get(key, only) != only:
            _bad(say("{key} is not {only}", key=key, only=only))
    return numbers


def _whole(config: Mapping[str, Any], key: str, most: int, *, least: int) -> int | None:
    value = config.get(key)
    if value is None:
        return None
    if type(value) is not int or not least <= value <= most:
        _bad(say("{key} is no number from {least} to {most}", key=key, least=least, most=most))
    return value


def _architecture(
    config: Mapping[str, Any], kind: _Class, numbers: Mapping[str, int]
) -> Architecture:
    """All but how many parameters it has. What may be 0 and is, is not there."""
    given = {field: value for field, value in numbers.items() if value or field == "dense_layers"}
    heads, hidden = numbers["heads"], numbers["hidden"]
    if "kv_lora" in given:
        given |= {"kv_heads": 1}
    else:
        given.setdefault("kv_heads", heads)
        if "head_dim" not in given and hidden % heads:
            _bad(say("{hidden} is not divisible by {heads} heads", hidden=hidden, heads=heads))
        given.setdefault("head_dim", hidden // heads)
    _check_shares(given)
    values = {
        "id": kind.name,
        "gguf": kind.gguf,
        "hf": kind.name,
        "tied_embeddings": config.get("tie_word_embeddings") is True,
        **dict.fromkeys(("parameters_b", "active_b", "norm_epsilon", "rope_base"), 0.0),
        **given,
    }
    return msgspec.convert(values, Architecture)


def _check_shares(given: Mapping[str, int]) -> None:
    """Refuse parts that are larger than the whole they are of."""
    names = _known().keys
    for part, whole in _PARTS:
        if part in given and whole in given and given[part] > given[whole]:
            _bad(say("{part} is more than {whole}", part=names[part], whole=names[whole]))
    if "kv_lora" not in given and given["heads"] % given["kv_heads"]:
        _bad(say("{whole} is no multiple of {part}", whole=names["heads"], part=names["kv_heads"]))


def _with_parameters(a: Architecture) -> Architecture:
    """Parameters in all, and those that one token reads: of routed experts only the ones used."""
    total = routed = 0
    for name, shape, _ in tensors(a):
        total += prod(shape)
        routed += prod(shape) if name.endswith("_exps.weight") else 0
    used = (a.experts_used or 0) / a.experts if a.experts else 1.0
    active = total - routed * (1 - used)
    return msgspec.structs.replace(a, parameters_b=total / 1e9, active_b=active / 1e9)


def _check_tensors(found: SafetensorsSet, a: Architecture) -> None:
    """Refuse numbers of another model than the tensors'. Layers beyond the last draft tokens."""
    if not found.layers >= set(range(a.layers)):
        _bad(
            say(
                "it says {layers} layers, the files have tensors of {found}",
                layers=a.layers,
                found=len(found.layers),
            )
        )
    extra = _whole(found.config, "num_nextn_predict_layers", a.layers, least=0) or 0
    if max(found.layers) >= a.layers + extra:
        _bad(
            say(
                "it says {layers} layers, the files have tensors of {found}",
                layers=a.layers,
                found=len(found.layers),
            )
        )
    counted = (found.parameters or 0) / 1e9
    if counted and abs(counted - a.parameters_b) > _OFF * max(counted, a.parameters_b):
        _bad(
            say(
                "its numbers make {said:.3g} B parameters, the files have {counted:.3g} B",
                said=a.parameters_b,
                counted=counted,
            )
        )


def _bad(why: Text) -> NoReturn:
    raise VerificationFailed(
        say("config.json does not describe these weights: {why}", why=why),
        hint=say("fetch it again, or use the files of a publisher you trust"),
        code="BAD-CONFIG",
    )
