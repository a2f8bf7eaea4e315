"""Taking out of tool output what identifies a server, a card or a person.

A replaced value keeps its shape (digits stay digits, letters letters), and the same value becomes
the same pseudonym everywhere in all captures of one machine, so that outputs still fit together.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import string
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

_UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_MAC = re.compile(r"(?<![0-9a-fA-F:])(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}(?![0-9a-fA-F:])")
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?[1-9]?\d)"
_IPV4 = re.compile(rf"(?<![\d.])(?:{_OCTET}\.){{3}}{_OCTET}(?![\d.])")
_GROUP = r"[0-9a-fA-F]{1,4}"
_IPV6 = re.compile(
    rf"(?<![\w:])(?:(?:{_GROUP}:){{7}}{_GROUP}"
    rf"|(?:{_GROUP}:){{1,6}}:(?:{_GROUP}(?::{_GROUP}){{0,6}})?)(?![\w:])"
)
_HOME = re.compile(r"(?<=/home/)[^/\s:;,\"']+|(?<=/Users/)[^/\s:;,\"']+")
_SECRET_KEY = re.compile(
    r"(?i)(?:\bserial(?:[ _]?(?:number|num|no|id))?|\b(?:dev )?sn|unique[ _]?id|\bguid|\bpdi"
    r"|\bgpu_fabric_guid|\bdev uuid|\basset[ _]tag"
    r"|\b(?:chip|board|node|v?die|npu)[ _](?:serial(?:[ _]number)?|id))"
    r"[\"']?(?:\s*\([^)]*\))?\s*[:=>|]\s*[\"']?"
    r"(?P<value>[A-Za-z0-9][A-Za-z0-9_.-]{4,}[A-Za-z0-9](?: [0-9A-Fa-f]{8})*)"
)
"""`Serial Number : 1320…`, `"Unique ID": "0x…"`, `<serial>…</serial>`, `Dev SN : …`."""
_VERSION_LINE = re.compile(r"(?i)version|\bver\b|driver|firmware|bios|release|\bfw\b|smi")
_NO_ADDRESS = re.compile(r"0\.0\.0\.0|127\..*|255\..*")
"""Nowhere, this machine, and masks: they identify nobody."""


class Scrubber:
    """Replaces what it knows and what it recognises; counts what it did, by kind."""

    def __init__(self, key: bytes, *, hosts: list[str], users: list[str]) -> None:
        """`key` makes the pseudonyms; `hosts` and `users` are names to take out."""
        self._key = key
        self.counts: Counter[str] = Counter()
        self._secrets: dict[str, str] = {}
        self._words = [("host name", re.compile(_whole(name)), "server") for name in hosts]
        self._words += [("user name", re.compile(_whole(name)), "user") for name in users]

    def learn(self, text: str) -> None:
        """Note serial numbers and the like, so that tables without keys lose them too."""
        for match in _SECRET_KEY.finditer(text):
            self.learn_value(match["value"])

    def learn_value(self, value: str) -> None:
        """Note one value that identifies a card; words without a digit identify none."""
        if any(char.isdigit() for char in value) and not _UUID.search(value):
            self._secrets.setdefault(value, self._pseudonym(value))

    def clean(self, text: str) -> str:
        """`text` with everything replaced; learn from all texts first."""
        for value, pseudonym in sorted(self._secrets.items(), key=lambda item: -len(item[0])):
            if value in text:
                self.counts["serial number"] += text.count(value)
                text = text.replace(value, pseudonym)
        text = self._each("UUID", _UUID, text, self._pseudonym)
        text = self._each("MAC address", _MAC, text, self._pseudonym)
        text = self._each("IP address", _IPV6, text, partial(_always, "2001:db8::1"))
        text = "\n".join(self._without_addresses(line) for line in text.split("\n"))
        text = self._each("user name", _HOME, text, partial(_always, "user"))
        for kind, pattern, replacement in self._words:
            text = self._each(kind, pattern, text, partial(_always, replacement))
        return text

    def _without_addresses(self, line: str) -> str:
        """Four numbers with dots are an address, except where a line is about versions."""
        if _VERSION_LINE.search(line):
            return line
        return self._each("IP address", _IPV4, line, self._address)

    def _address(self, address: str) -> str:
        if _NO_ADDRESS.fullmatch(address):
            return address
        return f"192.0.2.{1 + self._digest(address)[0] % 254}"

    def _each(
        self, kind: str, pattern: re.Pattern[str], text: str, make: Callable[[str], str]
    ) -> str:
        def replace(match: re.Match[str]) -> str:
            made = make(match[0])
            self.counts[kind] += made != match[0]
            return made

        return pattern.sub(replace, text)

    def _digest(self, value: str) -> bytes:
        return hmac.new(self._key, value.lower().encode(), hashlib.sha256).digest()

    def _pseudonym(self, value: str) -> str:
        stream = self._digest(value) * (1 + len(value) // 32)
        prefix = 2 if value.lower().startswith("0x") else 0
        letters = [char for char in value[prefix:] if char.isalpha()]
        hexadecimal = bool(letters) and all(char in string.hexdigits for char in letters)
        made = (
            _same_kind(char, byte, hexadecimal) for char, byte in zip(value, stream, strict=False)
        )
        return value[:prefix] + "".join(made)[prefix:]


def _always(replacement: str, _: str) -> str:
    return replacement


def _same_kind(char: str, byte: int, hexadecimal: bool) -> str:
    if hexadecimal and char in string.hexdigits:
        return "0123456789ABCDEF"[byte % 16] if char.isupper() else "0123456789abcdef"[byte % 16]
    if char.isdigit():
        return str(byte % 10)
    if char.isalpha():
        letter = string.ascii_lowercase[byte % 26]
        return letter.upper() if char.isupper() else letter
    return char


def _whole(name: str) -> str:
    return rf"(?<![\w-]){re.escape(name)}(?![\w-])"


def machine_key() -> bytes:
    """A key that stays with this machine and is not told; random where there is no machine id."""
    for path in (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id")):
        try:
            return hashlib.sha256(b"appliance capture\0" + path.read_bytes()).digest()
        except OSError:
            continue
    return os.urandom(32)
