"""Errors for the person who reads them: what and why in one line, then what to do.

ApplianceError            exit 1
├── UsageError            exit 2   the words of the command
├── Unreachable           exit 3   hub, node or engine
├── TimedOut              exit 4
├── NeedsRights           exit 5
├── DoesNotFit            exit 6   memory or disk
├── VerificationFailed    exit 7   hash or signature
└── Interrupted           exit 130
"""

from __future__ import annotations

from typing import Any

from appliance.core.exit_codes import ExitCode
from appliance.core.i18n import Text


class ApplianceError(Exception):
    """A foreseeable fault. `code` is stable and English; `what` and `hint` are for people."""

    exit_code = ExitCode.UNHEALTHY
    code = "FAILED"

    def __init__(self, what: Text | str, *, hint: Text | str = "", code: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.code = code or type(self).code

    def __str__(self) -> str:
        return str(self.what)

    def document(self) -> dict[str, Any]:
        """The error as it crosses the local API, texts in the language of the request."""
        return {
            "code": self.code,
            "exit_code": int(self.exit_code),
            "text": str(self.what),
            "hint": str(self.hint),
        }


class UsageError(ApplianceError):
    """The command was asked for something that it does not know or cannot mean."""

    exit_code = ExitCode.USAGE
    code = "USAGE"


class Unreachable(ApplianceError):
    """A hub, the node daemon or an engine does not answer."""

    exit_code = ExitCode.UNREACHABLE
    code = "UNREACHABLE"


class TimedOut(ApplianceError):
    """Something answered too late."""

    exit_code = ExitCode.TIMED_OUT
    code = "TIMED-OUT"


class NeedsRights(ApplianceError):
    """The operating system said no, or a licence must be accepted first."""

    exit_code = ExitCode.NEEDS_RIGHTS
    code = "NEEDS-RIGHTS"


class DoesNotFit(ApplianceError):
    """Not enough memory or disk for what was asked."""

    exit_code = ExitCode.DOES_NOT_FIT
    code = "DOES-NOT-FIT"


class VerificationFailed(ApplianceError):
    """A hash or a signature is not what it must be."""

    exit_code = ExitCode.VERIFICATION_FAILED
    code = "VERIFICATION-FAILED"


class Interrupted(ApplianceError):
    """The operator, or the program's own cancel, ended the work."""

    exit_code = ExitCode.INTERRUPTED
    code = "INTERRUPTED"


_BY_EXIT_CODE: dict[int, type[ApplianceError]] = {
    int(kind.exit_code): kind
    for kind in (
        ApplianceError,
        UsageError,
        Unreachable,
        TimedOut,
        NeedsRights,
        DoesNotFit,
        VerificationFailed,
        Interrupted,
    )
}


def error_from_document(document: dict[str, Any]) -> ApplianceError:
    """The inverse of `ApplianceError.document`."""
    kind = _BY_EXIT_CODE.get(int(document.get("exit_code", 1)), ApplianceError)
    return kind(
        str(document.get("text", "")),
        hint=str(document.get("hint", "")),
        code=str(document.get("code", "FAILED")),
    )
