"""Finding another plan for what cannot run as it was planned: taken where allowed, else offered."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec

from appliance.core.errors import ApplianceError
from appliance.core.i18n import Text, say
from appliance.core.inventory import Inventory
from appliance.node.holds import CardHolds
from appliance.node.keeper import Keeper
from appliance.node.replicas import Replicas
from appliance.ops import replanning
from appliance.ops.deployment import Deployment
from appliance.ops.replanning import Way
from appliance.telemetry.sampler import Sampler

log = logging.getLogger(__name__)
_EVERY_S = 0.5


class Trouble(msgspec.Struct, frozen=True):
    """Why a deployment cannot run as it is: held cards, or a cause with a way out."""

    held: frozenset[str] = frozenset()
    way_out: str | None = None
    code: str = "CARD-HELD"


class Replanner(Keeper):
    """Looks for deployments in trouble, and tries each trouble once."""

    def __init__(self, replicas: Replicas, holds: CardHolds, sampler: Sampler) -> None:
        super().__init__("replanner", every_s=_EVERY_S)
        self._replicas = replicas
        self._holds = holds
        self._sampler = sampler
        self._known: dict[str, Trouble] = {}

    def tick(self) -> None:
        """Put back what need not be displaced any more, then help what is in trouble."""
        self._restore()
        for work in self._replicas.wanted().values():
            trouble = self._trouble(work)
            if trouble is None:
                self._known.pop(work.id, None)
            elif self._known.get(work.id) != trouble and not self._answers_end(trouble):
                self._known[work.id] = trouble
                self._help(work, trouble)

    def failed(self, error: ApplianceError) -> None:
        """What could not be planned now is planned when the trouble changes."""
        log.warning("no other plan: %s", error)

    # -- trouble ----------------------------------------------------------------------------

    def _trouble(self, work: Deployment) -> Trouble | None:
        held = frozenset(work.cards) & self._holds.all().keys()
        if held:
            return Trouble(held=held)
        for keeper in self._replicas.kept(work.id).values():
            cause = keeper.last_death
            tried = keeper.stuck or (cause is not None and cause.code == "MEMORY-FORESEEN")
            if tried and cause and cause.way_out and keeper.record.state == "failed":
                return Trouble(way_out=cause.way_out, code=cause.code)
        return None

    def _answers_end(self, trouble: Trouble) -> bool:
        """Whether answers still run on cards that a person took out: those end first."""
        holds = self._holds.all()
        taken_out = {c for c in trouble.held & holds.keys() if holds[c].kind == "maintenance"}
        return any(
            keeper.record.identity and taken_out & set(keeper.record.cards)
            for keeper in self._replicas.kept().values()
        )

    def _help(self, work: Deployment, trouble: Trouble) -> None:
        way = next(self._ways(work, trouble), None)
        if way is None:
            if not self._others_serve(work, trouble):
                self._event("NO-OTHER-PLAN", work, say("no other plan for it fits here"))
        elif work.adapt or (trouble.held and way.same_model):
            self._take(work, way, trouble)
        else:
            self._offer(work, way)

    def _ways(self, work: Deployment, trouble: Trouble) -> Iterator[Way]:
        left = self._left_for(work)
        paths = self._replicas.paths
        if not trouble.held:
            smaller = trouble.way_out == "smaller"
            find = replanning.with_less_memory if smaller else replanning.with_another_engine
            yield from find(work, left, paths)
            return
        known = self._sampler.inventory()
        if spare := replanning.spare_card(work, trouble.held, left, known):
            yield spare
        if not self._others_serve(work, trouble):
            yield from replanning.on_what_is_left(work, left, paths)

    def _others_serve(self, work: Deployment, trouble: Trouble) -> bool:
        """Whether replicas without a held card go on: they are not stopped for a new plan."""
        return bool(trouble.held) and any(
            not trouble.held & set(cards) for cards in work.replica_cards().values()
        )

    def _left_for(self, work: Deployment) -> Inventory:
        """The server without held cards and those of other deployments."""
        inventory = self._sampler.inventory(fresh=True)
        others = [w for w in self._replicas.wanted().values() if w.id != work.id]
        taken = {card for other in others for card in other.cards} - {"cpu"}
        taken |= self._holds.all().keys()
        free = [card for card in inventory.cards if card.id not in taken]
        return msgspec.structs.replace(inventory, cards=free)

    # -- what is done about it --------------------------------------------------------------

    def _take(self, work: Deployment, way: Way, trouble: Trouble) -> None:
        """Run it that way, unless somebody has wished otherwise meanwhile."""
        state = self._replicas.state
        with self._replicas.changing:
            if self._replicas.wanted().get(work.id) != work:
                return
            if trouble.held and work.id not in {d.id for d in state.displaced()}:
                state.keep_displaced(work)
            state.want(way.work)
            self._event("ADAPTED", work, _adapted(way.work, trouble))
            self._replicas.reconcile(drain_s=0.0)

    def _offer(self, work: Deployment, way: Way) -> None:
        text = say("what fits: `{command}`; `--adapt` takes such a plan by itself",
                   command=way.command)  # fmt: skip
        self._event("PLAN-OFFERED", work, text)
        for keeper in self._replicas.kept(work.id).values():
            if keeper.record.state in ("failed", "quarantined"):
                keeper.offer(way.command)

    def _restore(self) -> None:
        """What was displaced by held cards runs as before once none of its cards is held."""
        state = self._replicas.state
        for before in state.displaced():
            if self._holds.on(before.cards):
                continue
            with self._replicas.changing:
                state.forget_displaced(before.id)
                if before.id in self._replicas.wanted():
                    state.want(before)
                    text = say("its cards are back: it runs on {cards} again",
                               cards=", ".join(before.cards))  # fmt: skip
                    self._event("RESTORED", before, text)
                    self._replicas.reconcile()

    def _event(self, code: str, work: Deployment, text: Text) -> None:
        self._replicas.state.record("info" if code == "RESTORED" else "warn", code, work.id, text)


def _adapted(work: Deployment, trouble: Trouble) -> Text:
    return say(
        "{variant} now runs on {cards} for {users} users with {context} tokens each, because of "
        "{code}",
        variant=work.variant,
        cards=", ".join(work.cards),
        users=work.slots * work.replicas,
        context=work.context,
        code=trouble.code,
    )
