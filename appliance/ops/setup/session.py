"""One server's setup for whichever face asks: it looks, plans and remembers, and changes nothing.

Every method may take its time (hubs, disks, planning): call it where nobody waits. What is heavy is
imported when it is asked for: the first page does not wait for it either.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from appliance.core.errors import ApplianceError, DoesNotFit
from appliance.core.files import write_atomically
from appliance.core.i18n import say
from appliance.core.inventory import Inventory
from appliance.core.paths import Paths
from appliance.core.plan import Choice
from appliance.core.settings import set_setting
from appliance.core.status import DeploymentStatus
from appliance.ops.setup.answers import Answers, answers_toml
from appliance.ops.setup.draft import Draft, drop_draft, keep_draft, load_draft
from appliance.ops.setup.found import Found, found_here, found_outside

if TYPE_CHECKING:
    from appliance.ops.setup.places import Place
    from appliance.ops.setup.proposal import Offers, Proposal
    from appliance.weights.pull import Probe

ANSWERS_FILE = "answers.toml"


class Session:
    """With `here=False` the inventory is another server's: no hub is asked, nothing is kept.

    Without `asking` no hub is asked either.
    """

    def __init__(self, paths: Paths, *, here: bool = True, asking: bool = True) -> None:
        self._paths = paths
        self._here = here
        self._asks = here and asking
        self._asked: dict[str, list[Probe]] = {}

    def draft(self) -> Draft:
        """Where an earlier setup was left, else the beginning."""
        return (load_draft(self._paths) if self._here else None) or Draft()

    def keep(self, draft: Draft) -> None:
        """Remember where the operator is. A disk that is full costs this memory, nothing else."""
        try:
            if self._here:
                keep_draft(self._paths, draft)
        except OSError:
            return

    def found(self, inventory: Inventory) -> list[Found]:
        """What is in this server."""
        return found_here(inventory, _mount_of(self._paths.models, inventory))

    def outside(self, offered: Offers) -> list[Found]:
        """Which hubs answer."""
        return found_outside(self._probes(offered.best, offered), offered.ground.hubs)

    def offers(
        self, answers: Answers, inventory: Inventory, running: Sequence[DeploymentStatus]
    ) -> Offers:
        """What could be served on the cards that `running` leaves free, and what the answers name;
        where no hub answers and nothing is here, the self-test model too.

        Raises `ApplianceError` where nothing can, `UsageError` for an unknown model.
        """
        from appliance.ops.setup.proposal import with_self_test

        try:
            free = msgspec.structs.replace(answers, model=answers.pick)
            offered = self._offers(free, inventory, running)
        except DoesNotFit:
            if answers.reference is None:
                raise
            return self._offers(answers, inventory, running)
        if self._cut_off(offered):
            offered = with_self_test(offered)
        if answers.reference is None:
            return offered
        return self._with_named(answers, offered, inventory, running)

    def _offers(
        self, answers: Answers, inventory: Inventory, running: Sequence[DeploymentStatus]
    ) -> Offers:
        from appliance.ops.setup.proposal import offers

        return offers(answers, inventory, self._paths, running, here=self._here)

    def _with_named(
        self,
        answers: Answers,
        offered: Offers,
        inventory: Inventory,
        running: Sequence[DeploymentStatus],
    ) -> Offers:
        for choice in offered.choices:
            if answers.reference in (choice.variant, choice.model):
                return msgspec.structs.replace(offered, best=choice)
        named = self._offers(answers, inventory, running)
        own = msgspec.structs.replace(named.best, pick=None)
        return msgspec.structs.replace(named, choices=[*offered.choices, own], best=own)

    def _cut_off(self, offered: Offers) -> bool:
        """Whether no hub answers although one is needed."""
        from appliance.ops.setup.proposal import is_here

        if not self._asks or is_here(offered.best, offered.ground):
            return False
        return not any(probe.reached for probe in self._probes(offered.best, offered))

    def places(self, offered: Offers) -> list[Place]:
        """Where the weights of what the answers lead to can come from."""
        from appliance.ops.setup.places import places
        from appliance.ops.setup.proposal import is_here

        ground, choice = offered.ground, offered.best
        stored = is_here(choice, ground)
        answers = [] if stored else self._probes(choice, offered)
        return places(choice, ground.catalogue, ground.inventory, answers, stored=stored)

    def propose(self, answers: Answers, offered: Offers) -> Proposal:
        """What Apply would do."""
        from appliance.ops.setup.proposal import propose

        return propose(answers, offered)

    def save(self, answers: Answers, path: Path | None = None) -> Path:
        """Write answers.toml, here if no path is given. Raises `ApplianceError`."""
        target = (path or Path(ANSWERS_FILE)).absolute()
        try:
            write_atomically(target, answers_toml(answers).encode())
        except OSError as error:
            raise ApplianceError(
                say("cannot write {path}: {error}", path=target, error=error.strerror or error),
                hint=say("change to a directory that you may write to"),
            ) from error
        return target

    def begin(self, answers: Answers) -> None:
        """What Apply changes beside the server itself: the language of this appliance."""
        if answers.language and self._here:
            set_setting(self._paths, "ui", "language", answers.language)

    def finish(self) -> None:
        """It serves: the next setup begins at the beginning."""
        if self._here:
            drop_draft(self._paths)

    def forget(self) -> None:
        """Ask the hubs afresh."""
        self._asked.clear()

    def _probes(self, choice: Choice, offered: Offers) -> list[Probe]:
        """What the hubs say of a choice; where none answered once, none is asked again."""
        if not self._asks:
            return []
        dead = [asked for asked in self._asked.values() if not any(p.reached for p in asked)]
        if dead:
            return dead[0]
        if choice.variant not in self._asked:
            from appliance.ops.setup.places import ask_hubs

            ground = offered.ground
            self._asked[choice.variant] = ask_hubs(choice, ground.catalogue, ground.hubs)
        return self._asked[choice.variant]


def _mount_of(path: Path, inventory: Inventory) -> str | None:
    """The mount of the disk that `path` is, or will be, on."""
    mounts = [disk.mount for disk in inventory.host.disks]
    return max((m for m in mounts if path.is_relative_to(m)), key=len, default=None)
