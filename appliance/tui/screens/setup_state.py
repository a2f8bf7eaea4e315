"""The wizard without its screen: a frozen state, and what each key makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from appliance.core.errors import ApplianceError
from appliance.core.i18n import LANGUAGES, current_language
from appliance.core.inventory import Inventory
from appliance.core.plan import Choice
from appliance.core.status import DeploymentStatus
from appliance.ops.setup.answers import Answers
from appliance.ops.setup.draft import Draft
from appliance.ops.setup.found import Found, found_here
from appliance.ops.setup.options import BY_NAME, PAGES

if TYPE_CHECKING:
    from appliance.ops.setup.places import Place
    from appliance.ops.setup.proposal import Offers, Proposal


class Setup(Protocol):
    """What the wizard asks, as `appliance.ops.setup.session.Session` answers."""

    def draft(self) -> Draft: ...  # noqa: D102

    def keep(self, draft: Draft) -> None: ...  # noqa: D102

    def found(self, inventory: Inventory) -> list[Found]: ...  # noqa: D102

    def outside(self, offered: Offers) -> list[Found]: ...  # noqa: D102

    def offers(  # noqa: D102
        self, answers: Answers, inventory: Inventory, running: Sequence[DeploymentStatus]
    ) -> Offers: ...

    def places(self, offered: Offers) -> list[Place]: ...  # noqa: D102

    def propose(self, answers: Answers, offered: Offers) -> Proposal: ...  # noqa: D102

    def save(self, answers: Answers, path: Path | None = None) -> Path: ...  # noqa: D102

    def begin(self, answers: Answers) -> None: ...  # noqa: D102

    def finish(self) -> None: ...  # noqa: D102

    def forget(self) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class Wizard:
    """The page in front, the answers, and what was found out; `None` is not known yet."""

    page: str = "language"
    answers: Answers = field(default_factory=Answers)
    cursor: int = 0
    found: tuple[Found, ...] | None = None
    outside: tuple[Found, ...] | None = None
    offered: Offers | None = None
    places: tuple[Place, ...] | None = None
    proposal: Proposal | None = None
    error: ApplianceError | None = None

    @property
    def step(self) -> int:
        """Counted from 1."""
        return PAGES.index(self.page) + 1

    @property
    def choice(self) -> Choice | None:
        """What the answers so far lead to."""
        return self.offered.best if self.offered else None

    @property
    def wants_consent(self) -> bool:
        """Whether the processor would compute although there are cards."""
        return self.offered is not None and self.offered.wants_consent

    @property
    def lacks_consent(self) -> bool:
        """Whether Apply has to wait for it."""
        return self.wants_consent and not self.answers.allow_cpu

    def fields(self) -> list[str]:
        """The answers that this page changes by arrows."""
        if self.page == "people":
            return ["users", "style", "context", "adapt"]
        if self.page == "access":
            return ["key_name", "allow_cpu"] if self.wants_consent else ["key_name"]
        return []

    @property
    def field(self) -> str | None:
        """The answer under the cursor."""
        fields = self.fields()
        return fields[min(self.cursor, len(fields) - 1)] if fields else None

    def rows(self) -> int:
        """How many rows the cursor moves over."""
        if self.page == "language":
            return len(LANGUAGES)
        if self.page == "choice":
            return len(self.offered.choices) + 1 if self.offered else 0
        if self.page == "source":
            return len(self.places or ())
        return len(self.fields())

    def pointed_choice(self) -> Choice | None:
        """The choice under the cursor; `None` on the row for another model."""
        choices = self.offered.choices if self.offered else []
        return choices[self.cursor] if self.cursor < len(choices) else None

    def pointed_place(self) -> Place | None:
        """The place under the cursor."""
        places = self.places or ()
        return places[self.cursor] if self.cursor < len(places) else None


def moved(wizard: Wizard, by: int) -> Wizard:
    """The cursor so many rows further down."""
    last = max(0, wizard.rows() - 1)
    return replace(wizard, cursor=min(max(wizard.cursor + by, 0), last))


def shown_value(answers: Answers, name: str) -> Any:
    """The answer, or what is taken where there is none."""
    value = getattr(answers, name)
    return BY_NAME[name].usual if value is None else value


def turned(wizard: Wizard, by: int) -> Wizard:
    """The field under the cursor with its next usual answer."""
    name = wizard.field
    if name is None:
        return wizard
    presets = list(BY_NAME[name].presets)
    value = shown_value(wizard.answers, name)
    at = presets.index(value) + by if value in presets else _nearest(presets, value, by)
    return answered(wizard, name, presets[min(max(at, 0), len(presets) - 1)])


def _nearest(presets: list[Any], value: Any, by: int) -> int:
    """The preset above or below a number that is none; the first for anything else."""
    if not isinstance(value, int):
        return 0
    above = next((n for n, p in enumerate(presets) if p is not None and p > value), len(presets))
    return above if by > 0 else above - 1


def answered(wizard: Wizard, name: str, value: Any) -> Wizard:
    """With another answer; what rested on it is not known any more."""
    answers = msgspec.structs.replace(wizard.answers, **{name: value})
    stale = {"users", "style", "context", "model"}
    changed = replace(wizard, answers=answers, proposal=None, error=None)
    return replace(changed, places=None) if name in stale else changed


def taken(wizard: Wizard) -> Wizard:
    """With the row under the cursor as the answer of the page."""
    if wizard.page == "language":
        return answered(wizard, "language", LANGUAGES[wizard.cursor])
    if wizard.page == "people":
        users = shown_value(wizard.answers, "users")
        return answered(wizard, "users", users)
    if wizard.page == "choice" and (choice := wizard.pointed_choice()) and wizard.offered:
        offered = msgspec.structs.replace(wizard.offered, best=choice)
        return replace(answered(wizard, "model", choice.variant), offered=offered)
    if wizard.page == "source" and (place := wizard.pointed_place()) and place.state != "typed":
        return answered(wizard, "source", place.source)
    return wizard


def went(wizard: Wizard, page: str) -> Wizard:
    """On another page, the cursor on what was answered there before."""
    return pointed(replace(wizard, page=page, cursor=0, error=None))


def pointed(wizard: Wizard) -> Wizard:
    """The cursor on the answer of the page."""
    if wizard.page == "language":
        language = wizard.answers.language or current_language()
        return replace(wizard, cursor=LANGUAGES.index(language))
    if wizard.page == "choice" and wizard.offered:
        return replace(wizard, cursor=wizard.offered.choices.index(wizard.offered.best))
    if wizard.page == "source" and wizard.places:
        return replace(wizard, cursor=answered_place(wizard))
    return wizard


def answered_place(wizard: Wizard) -> int:
    """The row of the place that was chosen, else the first that has the weights."""
    rows = wizard.places or ()
    source = wizard.answers.source
    for number, place in enumerate(rows):
        typed = place.state == "typed" and source.startswith(place.source)
        if typed or (place.source == source and place.state != "typed"):
            return number
    return 0


def neighbour(wizard: Wizard, by: int) -> str | None:
    """The page before or after; `None` past an end."""
    at = PAGES.index(wizard.page) + by
    return PAGES[at] if 0 <= at < len(PAGES) else None


def looked(
    wizard: Wizard,
    setup: Setup | None,
    inventory: Inventory,
    running: Sequence[DeploymentStatus],
) -> Iterator[dict[str, Any]]:
    """What the page in front needs to know, piece by piece as it is found out.

    Raises `ApplianceError` where nothing can be served.
    """
    if setup is None:
        yield {"found": tuple(found_here(inventory, None)), "outside": ()}
        return
    if wizard.page in ("language", "found"):
        yield {"found": tuple(setup.found(inventory))}
    if wizard.page in ("language", "work"):
        return
    offered = setup.offers(wizard.answers, inventory, running)
    yield {"offered": offered, "error": None}
    if wizard.page == "found":
        yield {"outside": tuple(setup.outside(offered))}
    if wizard.page == "source":
        yield {"places": tuple(setup.places(offered))}
    if wizard.page == "summary":
        yield {"proposal": setup.propose(wizard.answers, offered)}
