"""What Apply would do, in words: the last page before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from appliance.core.config import DEFAULT_PORT
from appliance.core.holds import without_held
from appliance.core.i18n import Text, say
from appliance.core.inventory import Document, Inventory
from appliance.core.paths import Paths
from appliance.core.plan import Choice, Plan, Wish
from appliance.core.reference import parse_reference
from appliance.core.status import DeploymentStatus
from appliance.ops.picks import picked, three
from appliance.ops.planning import DEFAULT_USERS, Ground, ground_of, make_plan, stored_model
from appliance.ops.refusals import nothing_fits
from appliance.ops.setup.answers import Answers
from appliance.ops.setup.found import HUB_NAMES
from appliance.ops.setup.words import STYLES, feel
from appliance.ops.usable import every_card_is_held, free_inventory
from appliance.planner.people import habits_of


class Step(Document, frozen=True, kw_only=True):
    """One line of the plan: `what` is a stable English word, `title` the same for people."""

    what: str
    title: str
    text: str


class Proposal(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.setup/1"):
    """The answers, what they lead to, and what would be done."""

    answers: Answers
    choice: Choice
    steps: list[Step]


class Offers(Document, frozen=True, kw_only=True):
    """The choices worth showing, and the ground they stand on."""

    choices: list[Choice]
    best: Choice
    """What the answers lead to."""
    ground: Ground
    habits: str = ""
    """What was assumed of the people."""

    def is_self_test(self, choice: Choice) -> bool:
        """Whether it is the model that only proves the server."""
        return choice.model == self.ground.catalogue.self_test[0].id

    @property
    def wants_consent(self) -> bool:
        """Whether the processor would compute although there are cards."""
        return self.best.cards == ["cpu"] and bool(self.ground.inventory.accelerators())


def wish_of(answers: Answers) -> Wish:
    """What the planner is asked; a pick is made among its answers."""
    return Wish(
        model=answers.reference,
        users=answers.users or DEFAULT_USERS,
        context=answers.context,
        style=answers.style,
    )


def offers(
    answers: Answers,
    inventory: Inventory,
    paths: Paths,
    running: Sequence[DeploymentStatus] = (),
    *,
    here: bool = True,
) -> Offers:
    """What could be served on the cards that `running` leaves free.

    Raises `ApplianceError` where nothing can, `UsageError` for an unknown model.
    """
    free = free_inventory(inventory, running, answers.reference)
    ground = ground_of(_usable(free, answers, paths) if here else free, paths, here=here)
    plan = make_plan(wish_of(answers), ground)
    choices = startable(plan, ground)
    if not choices:
        raise nothing_fits(plan, answers.reference)
    return Offers(
        choices=three(choices),
        best=picked(choices, answers.pick),
        ground=ground,
        habits=str(_habits(wish_of(answers))),
    )


def _usable(free: Inventory, answers: Answers, paths: Paths) -> Inventory:
    """Without the cards that are held, for maintenance or for what was seen on them."""
    usable = without_held(free, paths)
    if free.accelerators() and not usable.accelerators() and not answers.allow_cpu:
        raise every_card_is_held(free)
    return usable


def _habits(wish: Wish) -> Text:
    habits = habits_of(wish)
    return say(
        "Reckoned with questions of {question} tokens, answers of {answer}, and {pause} s until "
        "the next question.",
        question=habits.prompt_tokens,
        answer=habits.answer_tokens,
        pause=f"{habits.think_s:.0f}",
    )


def with_self_test(offered: Offers) -> Offers:
    """Also the self-test model, which proves the server without any hub."""
    ground = offered.ground
    plan = make_plan(Wish(model=ground.catalogue.self_test[1].id, users=DEFAULT_USERS), ground)
    lacks = str(say("it only proves that this server works: it is not DeepSeek"))
    proving = [
        msgspec.structs.replace(choice, pick=None, gives_up=[lacks])
        for choice in startable(plan, ground)[:1]
    ]
    return msgspec.structs.replace(offered, choices=[*offered.choices, *proving])


def startable(plan: Plan, ground: Ground) -> list[Choice]:
    """The choices that fit, and that this appliance can start by itself."""
    return [c for c in plan.choices if c.fits and ground.startable(c.recipe)]


def propose(answers: Answers, offered: Offers) -> Proposal:
    """The plan for what the answers lead to, in words."""
    steps = list(_steps(answers, offered.best, offered.ground))
    if offered.wants_consent and not answers.allow_cpu:
        steps.append(_consent())
    return Proposal(answers=answers, choice=offered.best, steps=steps)


def _consent() -> Step:
    return _step(
        "consent",
        say("not yet"),
        say("allow the processor first: there are cards, but no engine that can use them"),
    )


def _steps(answers: Answers, choice: Choice, ground: Ground) -> Iterator[Step]:
    engine = say("{variant} by {engine}", variant=choice.variant, engine=choice.engine)
    yield _step("serve", say("serve"), engine)
    yield _step("on", say("on"), _where(choice, ground))
    yield _step("for", say("for"), _people(choice, answers))
    if text := feel(choice):
        yield _step("expect", say("expect"), text)
    yield _step("fetch", say("fetch"), _fetch(choice, ground))
    if not is_here(choice, ground):
        yield _step("from", say("from"), source_text(answers.source, ground.hubs))
    address = say("127.0.0.1, port {port} or the next free one", port=DEFAULT_PORT)
    yield _step("listen", say("listen"), address)
    name = say("{name}, if there is no key yet; shown once", name=answers.key_name or "first")
    yield _step("key", say("key"), name)
    yield _step("undo", say("undo"), say("appliance down (the weights stay; appliance models rm)"))


def _step(what: str, title: Text, text: Text | str) -> Step:
    return Step(what=what, title=str(title), text=str(text))


def _where(choice: Choice, ground: Ground) -> Text:
    fullest = max(choice.memory.per_card, key=lambda card: card.total_mib)
    cards = [ground.inventory.card(card) for card in choice.cards]
    names = sorted({card.name or card.vendor for card in cards if card})
    return say(
        "{count} x {names}, {needs} of {has} GiB of its memory",
        count=len(cards),
        names=", ".join(names) or "cpu",
        needs=_gib(fullest.total_mib),
        has=_gib(fullest.available_mib),
    )


def _gib(mib: float | None) -> str:
    return "?" if mib is None else f"{mib / 1024:.1f}"


def _people(choice: Choice, answers: Answers) -> Text:
    return say(
        "{users} people, {style}; {count} talks of {context} tokens at once",
        count=choice.slots * choice.replicas,
        context=choice.context,
        users=answers.users or DEFAULT_USERS,
        style=STYLES[answers.style],
    )


def is_here(choice: Choice, ground: Ground) -> bool:
    """Whether its weights are in the store."""
    return stored_model(parse_reference(choice.variant), ground) is not None


def _fetch(choice: Choice, ground: Ground) -> Text:
    if is_here(choice, ground):
        return say("nothing: it is here already")
    wanted, free = choice.download_mib or choice.disk_mib, ground.disk_free_mib
    return say("{size}, {free} free on the disk", size=_gb(wanted), free=_gb(free))


def _gb(mib: float | None) -> str:
    return "?" if mib is None else f"{mib * 2**20 / 1e9:.1f} GB"


def source_text(source: str, hubs: Sequence[str]) -> Text | str:
    """A place of weights, in words."""
    kind, colon, place = source.partition(":")
    if not colon:
        named = hubs if source == "hubs" else [hub for hub in source.split(",") if hub in hubs]
        known = ", ".join(HUB_NAMES[hub] for hub in named)
        return known or say("no hub: the settings allow none")
    return say("the disk: {path}", path=place) if kind == "file" else say(
        "the neighbour {host}", host=place
    )  # fmt: skip
