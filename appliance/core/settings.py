"""Changing one setting in config.toml, its comments and everything else left as they are."""

from __future__ import annotations

import json
import re
import tomllib

import msgspec

from appliance.core.config import Config, config_file
from appliance.core.errors import NeedsRights, UsageError
from appliance.core.files import write_atomically
from appliance.core.i18n import say
from appliance.core.paths import Paths, private_directory

_HEADER = re.compile(r"\s*\[")


def set_setting(paths: Paths, section: str, name: str, value: str) -> None:
    """Make `section.name` have `value`. Raises `UsageError` where the file cannot be edited so."""
    path = config_file(paths)
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        edited = _edited(text, section, f"{name} = {json.dumps(value, ensure_ascii=False)}")
        msgspec.convert(tomllib.loads(edited), Config)
        private_directory(path.parent)
        write_atomically(path, edited.encode(), mode=0o600)
    except OSError as error:
        raise NeedsRights(
            say("cannot write {path}: {error}", path=path, error=error.strerror or error),
            hint=say("run as the owner of that file, or set APPLIANCE_HOME"),
        ) from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise UsageError(
            say("cannot set {name} in {path}: {error}", name=f"{section}.{name}", path=path,
                error=error),
            hint=say("`appliance config schema` shows what may stand there"),
            code="BAD-CONFIG",
        ) from error  # fmt: skip


def _edited(text: str, section: str, setting: str) -> str:
    """`text` with the line `setting` in `[section]`, in the place of an earlier one."""
    lines = text.splitlines()
    header = re.compile(rf"\s*\[\s*{re.escape(section)}\s*\]\s*(#.*)?")
    begin = next((n for n, line in enumerate(lines) if header.fullmatch(line)), None)
    if begin is None:
        gap = [""] if lines else []
        return "\n".join([*lines, *gap, f"[{section}]", setting]) + "\n"
    name = setting.partition(" ")[0]
    for at in range(begin + 1, len(lines)):
        if _HEADER.match(lines[at]):
            break
        if re.match(rf"\s*{re.escape(name)}\s*=", lines[at]):
            lines[at] = setting
            return "\n".join(lines) + "\n"
    return "\n".join([*lines[: begin + 1], setting, *lines[begin + 1 :]]) + "\n"
