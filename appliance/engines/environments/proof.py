"""An environment is good when its modules can be imported, it has the version that was asked for,
and, where that can be tried, it answers a question.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from appliance.core.errors import ApplianceError
from appliance.core.i18n import Text, say
from appliance.core.inventory import Card
from appliance.core.loopback import free_port
from appliance.core.progress import Cancel
from appliance.engines.answers import CHECK, fault_of, last_line
from appliance.engines.build import command_for
from appliance.engines.environments.environment import Environment
from appliance.engines.environments.places import BIN
from appliance.engines.environments.tiny import write_tiny_model
from appliance.engines.environments.within import python_of, search_path, within
from appliance.engines.request import EngineRequest
from appliance.engines.work import run

_START_S = 900.0
_CONTEXT = 512


class Proof(msgspec.Struct, frozen=True):
    """What an environment at `place` is proven with: `card` is one that it is for, or none."""

    kind: Environment
    place: Path
    work: Path
    card: Card | None
    cancel: Cancel

    def prove(self) -> bool:
        """Whether it answered; else it is proven when it serves its first model.

        Raises `ApplianceError` (`ENVIRONMENT-BROKEN`) where it cannot be imported, has another
        version, or does not answer although it should; `Interrupted`.
        """
        self._imports()
        self._has_version()
        return self.kind.proof_flags is not None and self._serves(self.kind.proof_flags)

    def _imports(self) -> None:
        log = self.work / "imports.log"
        code = f"import {', '.join(self.kind.imports)}"
        if self._run([str(python_of(self.place)), "-c", code], log):
            raise _broken(say("it cannot be imported: {why}", why=last_line(log)), log)

    def _has_version(self) -> None:
        log = self.work / "version.log"
        program, *words = self.kind.tells_version
        failed = self._run([str(self.place / BIN / program), *words], log)
        if failed or self.kind.version not in log.read_text(errors="replace"):
            wanted, told = self.kind.version, last_line(log)
            why = say("it should be {wanted} and says: {told}", wanted=wanted, told=told)
            raise _broken(why, log)

    def _run(self, argv: list[str], log: Path) -> int:
        env = {**os.environ, "PATH": search_path(self.place)}
        return run(within(self.kind, argv), env, log, lambda line: None, self.cancel)

    def _serves(self, flags: list[str]) -> bool:
        log = self.work / "serve.log"
        recipe = next(one for one in self.kind.recipes if not self.card or one.takes(self.card))
        request = EngineRequest(
            recipe=recipe.id,
            model_path=str(write_tiny_model(self.work / "model")),
            alias=CHECK,
            port=free_port(),
            context=_CONTEXT,
            cards=[self.card] if self.card else [],
        )
        command = command_for(request, place=self.place)
        command = msgspec.structs.replace(command, argv=[*command.argv, *flags])
        why = fault_of(command, log, self.cancel, start_s=_START_S)
        if why is not None:
            raise _broken(say("it does not serve: {why}", why=why), log)
        return True


def _broken(why: Text, log: Path) -> ApplianceError:
    return ApplianceError(
        say("the new environment is not used: {why}", why=why),
        hint=say("nothing was changed; the log is {log}", log=log),
        code="ENVIRONMENT-BROKEN",
    )
