"""Why a choice is where it is, in words."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.core.i18n import Text, current_language, say
from appliance.core.inventory import Inventory
from appliance.core.plan import People
from appliance.planner.candidates import Candidate
from appliance.planner.rules import rules
from appliance.planner.starts import unknowns


def why(candidate: Candidate, people: People | None, roles: list[Text]) -> list[str]:
    """The reasons, the most important first."""
    parts = (roles, _place(candidate), _experience(candidate, people), _reservations(candidate))
    return [str(text) for part in parts for text in part]


def pace(tps: float) -> str:
    """Tokens a second as people read them: words, in Chinese characters."""
    count = pace_number(tps)
    if current_language() == "zh":
        return str(say("{count} characters/s", count=count))
    return str(say("{count} words/s", count=count))


def pace_number(tps: float) -> float:
    """The number of `pace` alone."""
    people = rules().people
    chinese = current_language() == "zh"
    return _few_digits(tps * (people.characters_per_token if chinese else people.words_per_token))


def _few_digits(value: float) -> float:
    """As many digits as a prediction is good for."""
    return round(value) if value >= 10 else round(value, 1)


def _place(candidate: Candidate) -> Iterator[Text]:
    choice = candidate.choice
    cards = len(choice.memory.per_card)
    fullest = max(choice.memory.per_card, key=lambda card: card.total_mib)
    if candidate.place.is_host:
        yield say("runs on the processor and needs no card")
    elif cards > 1:
        yield say("spread over {count} cards", count=cards)
    yield from _groups(candidate, cards)
    if choice.host_layers:
        yield say(
            "the experts of {layers} layers are in the server's memory: {host:.0f} GiB of it",
            layers=choice.host_layers,
            host=choice.memory.host_mib / 1024,
        )
    if choice.replicas > 1:
        yield say("{count} replicas share the requests", count=choice.replicas)
    if fullest.available_mib is not None:
        needs, has = fullest.total_mib / 1024, fullest.available_mib / 1024
        text = (
            say("takes {needs:.1f} of {has:.1f} GiB", needs=needs, has=has)
            if cards == 1
            else say("takes {needs:.1f} of {has:.1f} GiB on each card", needs=needs, has=has)
        )
        yield text
    if candidate.place.shares_host:
        yield say("the card has no memory of its own: it takes the server's, of which some is left "
                  "to the system")  # fmt: skip


def _groups(candidate: Candidate, cards: int) -> Iterator[Text]:
    ranks = candidate.recipe.limits.ranks(cards, experts=candidate.model.architecture.is_moe)
    if candidate.model.is_tensor_parallel and ranks and ranks < cards:
        yield say("in {groups} groups of {ranks} cards, the experts over all of them",
                  groups=cards // ranks, ranks=ranks)  # fmt: skip


def _experience(candidate: Candidate, people: People | None) -> Iterator[Text]:
    """What people will see, with the range that nine of ten predictions stay within."""
    speed = candidate.choice.speed
    yield say("one person alone sees about {pace}", pace=pace(speed.decode_tps_one or 0.0))
    if speed.method == "measured":
        yield say(
            "predicted {predicted:.0f} tokens/s, measured {measured:.0f}",
            predicted=speed.predicted_tps_one,
            measured=speed.decode_tps_one,
        )
    if candidate.usable and people and people.words_per_s is not None:
        yield say(
            "{people} people can chat: first word in {first:.1f} s, {pace} each",
            people=people.users,
            first=people.first_word_s or 0.0,
            pace=pace(people.words_per_s / rules().people.words_per_token),
        )


def _reservations(candidate: Candidate) -> Iterator[Text]:
    place = candidate.place
    if candidate.choice.kv_type != "f16":
        yield say("the cache holds {kind} values to make room", kind=candidate.choice.kv_type)
    if not place.is_host and not (place.facts and place.facts.bandwidth_gbs):
        yield say("how fast this card reads its memory is not known: the speed is a guess")
    if candidate.shortened:
        yield say(
            "it was trained for conversations of {context} tokens", context=candidate.choice.context
        )
    if not candidate.usable:
        yield say("slower than people read")
    yield from unmet(candidate)
    if not candidate.model.downloadable:
        yield say("no place to fetch this variant from is known: import it from a disk")
    yield from unknowns(candidate.model, candidate.recipe, place)
    if candidate.recipe.start == "container":
        yield say("needs a container runtime to start")
    elif candidate.recipe.start == "build":
        yield say("its engine has to be built on this server once")
    elif candidate.recipe.start == "environment":
        yield say("its engine has to be installed on this server once")


def unmet(candidate: Candidate) -> Iterator[Text]:
    """What of the wish it does not meet."""
    if candidate.meets_wish or not candidate.usable:
        return
    choice, crowd = candidate.choice, candidate.crowd
    if choice.context < candidate.wished_context:
        yield say("conversations are shortened to {context} tokens", context=choice.context)
    if crowd.queued > rules().people.queued_most:
        yield say(
            "with {users} people {share:.0f} % of the questions wait for a free place",
            users=crowd.users,
            share=100 * crowd.queued,
        )
    elif crowd.first_word_s > candidate.wished_first_word_s:
        yield say("the first word takes {seconds:.1f} s", seconds=crowd.first_word_s)
    else:
        yield say(
            "with {users} people each gets {pace}: too slow for a thought before the answer",
            users=crowd.users,
            pace=pace(crowd.tps),
        )


def left_out(inventory: Inventory) -> Iterator[Text]:
    """Cards that cannot be used, and why: nobody shall wonder where they are."""
    states = {
        "no_driver": say("no driver"),
        "no_answer": say("no answer"),
        "lost": say("lost from the bus"),
    }
    for card in inventory.accelerators():
        if card.state in states:
            name = card.name or card.pci or card.id
            yield say("{card} is left out: {why}", card=name, why=str(states[card.state]))
