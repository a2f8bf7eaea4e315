"""Why pip could not: its words, and ours for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from appliance.core.errors import (
    ApplianceError,
    DoesNotFit,
    NeedsRights,
    Unreachable,
    VerificationFailed,
)
from appliance.core.i18n import Text, say
from appliance.engines.environments.environment import Environment

_BRING = say("check network, proxy and `pip config list`, name a mirror with --index URL, or bring "
             "the packages along: --wheels DIR")  # fmt: skip

_KNOWN: tuple[tuple[str, type[ApplianceError], str, Text, Text], ...] = (
    ("No space left", DoesNotFit, "DISK-FULL", say("the disk is full"),
     say("free space, then run the same command again")),
    ("MATCH THE HASHES", VerificationFailed, "PACKAGE-CHANGED",
     say("a package is not the one that was locked"),
     say("the index or the wheels changed it; the log is {log}")),
    ("Permission denied", NeedsRights, "NEEDS-RIGHTS", say("not allowed to write the environment"),
     say("check the owner of the appliance's directories")),
    ("CERTIFICATE_VERIFY_FAILED", Unreachable, "NO-INDEX",
     say("this server does not trust the certificate of the package index"),
     say("set PIP_CERT to the file of your site's certificate authority")),
    *((sign, Unreachable, "NO-INDEX", say("the package index is out of reach"), _BRING)
      for sign in ("onnection broken", "Max retries exceeded", "timed out", "IncompleteRead")),
    ("No matching distribution", Unreachable, "NO-PACKAGES",
     say("a package of {title} cannot be had here: {why}"), _BRING),
    ("ResolutionImpossible", ApplianceError, "PACKAGES-CLASH",
     say("the packages of {title} do not go together: {why}"),
     say("a constraint of this machine's pip may forbid them (`pip config list`); the log is "
         "{log}")),
)  # fmt: skip
"""What the log has, and the error, code, words and way out for it; the first that matches."""


def failure(said: Sequence[str], log: Path, kind: Environment) -> ApplianceError:
    """The error for what an installer said, which is in `log`, too."""
    values: dict[str, str | int | float | Text] = {
        "title": kind.title,
        "log": str(log),
        "why": _cause(said),
    }
    for sign, error, code, what, hint in _KNOWN:
        if any(sign in line for line in said):
            return error(Text(what.template, values), hint=Text(hint.template, values), code=code)
    return ApplianceError(
        say("the packages of {title} could not be installed: {why}", **values),
        hint=say("the log is {log}", **values),
        code="INSTALL-FAILED",
    )


def _cause(said: Sequence[str]) -> str:
    """The first line that says it is an error, else the last."""
    lines = [line.strip() for line in said if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
    return errors[0].removeprefix("ERROR: ")[:300] if errors else ""
