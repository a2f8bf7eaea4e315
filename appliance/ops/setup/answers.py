"""answers.toml: what a setup was told, read with care and written with comments."""

from __future__ import annotations

import difflib
import inspect
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec

from appliance.core.documents import prepare
from appliance.core.errors import UsageError
from appliance.core.i18n import say
from appliance.core.inventory import Document
from appliance.core.plan import Style
from appliance.core.reference import from_here, parse_reference
from appliance.ops.picks import PICKS

_SOURCE = r"^(hubs|(hf|ms)(,(hf|ms))*|file:.+|peer:\S+)$"
_NAME = r"^\S(.*\S)?$"


class Answers(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a setup; `None` leaves the choice to the appliance.

    `model` is a reference, or one of the planner's picks: quality, balanced, fastest. `source` is
    `hubs` (those the settings allow, in their order), some of them (`ms,hf`), `file:PATH` or
    `peer:HOST[:PORT]`.
    """

    language: Literal["en", "zh"] | None = None
    users: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | None = None
    style: Style = "chat"
    context: Annotated[int, msgspec.Meta(ge=256, le=2**20)] | None = None
    model: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    source: Annotated[str, msgspec.Meta(pattern=_SOURCE)] = "hubs"
    key_name: Annotated[str, msgspec.Meta(pattern=_NAME, max_length=64)] | None = None
    adapt: bool = False
    allow_cpu: bool = False

    @property
    def pick(self) -> str | None:
        """The planner's pick that `model` names, if it names one."""
        return self.model if self.model in PICKS else None

    @property
    def reference(self) -> str | None:
        """The model that `model` names, if it names one."""
        return None if self.model in PICKS else self.model


prepare(Answers)
FIELDS: tuple[str, ...] = Answers.__struct_fields__
_TYPES: dict[str, Any] = {
    name: kind
    for name, kind in get_type_hints(Answers, include_extras=True).items()
    if name in FIELDS
}


def read_answers(path: Path) -> dict[str, Any]:
    """The answers that a file gives, as far as it gives any.

    Raises `UsageError` that names the file and, for every answer that cannot be meant, its line,
    its name and what may stand there.
    """
    try:
        text = path.read_bytes().decode()
        written = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            say("cannot read {path}: {error}", path=path, error=error),
            hint=say("`appliance setup --print-schema` shows what may stand there"),
            code="BAD-ANSWERS",
        ) from error
    faults = [f"{_place(path, text, name)}: {what}" for name, what in _faults(written)]
    if faults:
        raise _refusal(faults)
    return {name: _settled(name, value) for name, value in written.items()}


def answers_of(values: Mapping[str, Any]) -> Answers:
    """Answers from flags, pages and files together. Raises `UsageError`, naming the answer."""
    given = {name: value for name, value in values.items() if value is not None}
    if faults := [f"{name}: {what}" for name, what in _faults(given)]:
        raise _refusal(faults)
    settled = {name: _settled(name, value) for name, value in given.items()}
    return msgspec.convert(settled, Answers)


def fault_of(name: str, value: object) -> str | None:
    """Why `value` cannot be the answer `name`; `None` where it can."""
    return next((what for _, what in _faults({name: value})), None)


def _refusal(faults: list[str]) -> UsageError:
    return UsageError(
        "; ".join(faults),
        hint=say("`appliance setup --print-schema` shows what may stand there"),
        code="BAD-ANSWERS",
    )


def _faults(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if name not in FIELDS:
            yield name, _unknown(name)
        elif not _means_something(name, value):
            from appliance.ops.setup.options import BY_NAME

            text = say("{value} is not allowed; {allowed}", value=repr(value),
                       allowed=BY_NAME[name].allowed)  # fmt: skip
            yield name, str(text)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, FIELDS, n=1)
    if near:
        return str(say("there is no such answer; did you mean {near}?", near=near[0]))
    return str(say("there is no such answer; there are: {known}", known=", ".join(FIELDS)))


def _means_something(name: str, value: object) -> bool:
    if value is None or (isinstance(value, str) and not value.isprintable()):
        return False
    try:
        msgspec.convert(value, _TYPES[name])
        if name == "model" and value not in PICKS:
            parse_reference(str(value))
    except (msgspec.ValidationError, UsageError):
        return False
    return True


def _settled(name: str, value: Any) -> Any:
    """Paths are meant from where the operator is: the daemon is elsewhere."""
    return from_here(value) if name in ("model", "source") else value


def _place(path: Path, text: str, name: str) -> str:
    """Where a file gives an answer: its name, and the line where it can be told."""
    pattern = re.compile(rf"""\s*\[?["']?{re.escape(name)}["']?\s*[.=\]]""")
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.match(line):
            return str(say("{path}, line {line}, {name}", path=path, line=number, name=name))
    return f"{path}, {name}"


def given(answers: Answers) -> dict[str, Any]:
    """The answers that differ from what is taken without a word."""
    defaults = Answers()
    return {
        name: value
        for name in FIELDS
        if (value := getattr(answers, name)) != getattr(defaults, name)
    }


def toml_line(name: str, value: object) -> str:
    """One answer as the file has it."""
    return f"{name} = {_toml(value)}"


def answers_toml(answers: Answers) -> str:
    """The whole file: every answer with what it means; those not given are commented out."""
    from appliance.ops.setup.options import OPTIONS

    told = given(answers)
    lines = ["# appliance setup --answers FILE --yes"]
    for option in OPTIONS:
        lines += ["", f"# {option.help}", f"# {option.allowed}"]
        if option.name in told:
            lines.append(toml_line(option.name, told[option.name]))
        else:
            lines.append(f"# {toml_line(option.name, option.example)}")
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """TOML's basic strings, numbers and booleans are JSON's, but for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def answers_schema() -> dict[str, Any]:
    """The JSON schema of answers.toml, with the help of every option."""
    from appliance.ops.setup.options import OPTIONS

    schema = msgspec.json.schema(Answers)
    schema["$defs"]["Answers"]["description"] = inspect.getdoc(Answers)
    properties = schema["$defs"]["Answers"]["properties"]
    for option in OPTIONS:
        properties[option.name]["title"] = str(option.title)
        properties[option.name]["description"] = f"{option.help}: {option.allowed}"
        properties[option.name]["examples"] = [option.example]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
