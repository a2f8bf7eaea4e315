"""Facts about the kinds of cards there are, from `cards.toml`.

A card finds its row by vendor, by the words of its name and by its memory. Words must be the same
words ("RTX 4080" is no "RTX 4080 SUPER", nothing is a "Laptop GPU"); brand words, punctuation and
case do not count. A card nobody described has no facts: a wrong bandwidth is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from appliance.core.cards import CardFacts
from appliance.core.documents import prepare
from appliance.core.inventory import Card

_FILE = Path(__file__).with_name("cards.toml")
_BRAND = re.compile(
    "nvidia|geforce|tesla|amd|radeon|instinct|intel|corporation|huawei|ascend|moore|threads|metax"
    "|hygon|dcu|hcu|enflame|iluvatar|corex|biren|birentech|kunlun|kunlunxin|cambricon|t|head|thead"
    "|ppu|gpu|npu|graphics|series|accelerator|cpu|processor|r|tm"
)
_JOINED = re.compile(r"^(?:ascend|biren|mx|ppu)(?=[a-z]?\d)")
_MEMORY = re.compile(r"^(\d+)gi?b$")
_NOISE = re.compile(r"@.*|\(r\)|\(tm\)|\d+-core")
_LEAST, _MOST = 0.82, 1.06
"""Drivers keep some memory back (Intel Flex 17 %) and count MiB where a seller counts GB."""


class _File(msgspec.Struct, frozen=True):
    card: list[CardFacts]


prepare(_File)


class _Name(msgspec.Struct, frozen=True):
    words: tuple[str, ...]
    memory_gib: float | None


@cache
def all_facts() -> tuple[CardFacts, ...]:
    """Every row of `cards.toml`, in its order."""
    return tuple(msgspec.toml.decode(_FILE.read_bytes(), type=_File).card)


def facts(card: Card) -> CardFacts | None:
    """What is known about this kind of card; `None` when no row is surely its own.

    Figures are those of the device: a die of a two-die board gets half of the board's.
    """
    if card.name is None:
        return None
    name = _name(card.name)
    memory_gib = card.memory_mib / 1024 if card.memory_mib else name.memory_gib
    fits = {
        row.name: fit
        for row, exact in _spelled().get((card.vendor, name.words), [])
        if (fit := _fit(row, memory_gib, exact)) is not None
    }
    closest = sorted(fits.values(), key=lambda fit: fit.apart)
    if not closest or (len(closest) > 1 and closest[0].apart == closest[1].apart):
        return None
    return closest[0].facts


@cache
def _spelled() -> dict[tuple[str, tuple[str, ...]], list[tuple[CardFacts, bool]]]:
    """Rows by vendor and words; with each, whether the spelling names this card alone."""
    index: dict[tuple[str, tuple[str, ...]], list[tuple[CardFacts, bool]]] = {}
    for row in all_facts():
        for spelling in (*row.reported_as, row.name):
            key = (row.vendor, _name(spelling).words)
            index.setdefault(key, []).append((row, "/" not in spelling or spelling == row.name))
    return index


class _Fit(NamedTuple):
    apart: float
    """How far the card's memory is from the row's, as a share of it."""
    facts: CardFacts


def _fit(row: CardFacts, memory_gib: float | None, exact: bool) -> _Fit | None:
    """The row, or one die's share of it, if the memory agrees."""
    if row.memory_gib is None or row.host_share is not None:
        return _Fit(0, row)
    if memory_gib is None:
        return _Fit(0, row) if exact else None
    for dies in {1, row.dies}:
        share = memory_gib * dies / row.memory_gib
        if _LEAST <= share <= _MOST:
            return _Fit(abs(1 - share), row if dies == 1 else _divided(row, dies))
    return None


def _divided(row: CardFacts, dies: int) -> CardFacts:
    figures = ("memory_gib", "bandwidth_gbs", "fp16_tflops", "fp8_int8_tops", "tdp_w")
    share = {name: value / dies for name in figures if (value := getattr(row, name)) is not None}
    return msgspec.structs.replace(row, dies=1, **share)


def _name(text: str) -> _Name:
    words: list[str] = []
    memory_gib: float | None = None
    for word in _words(text):
        if found := _MEMORY.match(word):
            memory_gib = float(found[1])
        else:
            words.append(word)
    return _Name(tuple(words), memory_gib)


def _words(text: str) -> Iterator[str]:
    """Lower-case words that tell cards apart: `Tesla V100-SXM2-32GB` is v100, sxm2, 32gb."""
    plain = _NOISE.sub(" ", text.lower())
    for word in re.findall(r"[a-z0-9+]+", plain):
        short = _JOINED.sub("", word)
        if not _BRAND.fullmatch(short):
            yield short
