"""What a choice feels like, in words that people know."""

from __future__ import annotations

from appliance.core.i18n import Text, say
from appliance.core.plan import Choice

STYLES = {
    "chat": say("short questions"),
    "documents": say("long documents"),
    "code": say("program code"),
}


def feel(choice: Choice) -> Text | None:
    """What people will notice, as far as it is known."""
    crowd = choice.people
    if crowd is None or crowd.first_word_s is None or crowd.words_per_s is None:
        speed = choice.speed.decode_tps_one
        return say("{tps} tokens a second for one alone", tps=figure(speed)) if speed else None
    first, words = figure(crowd.first_word_s), figure(crowd.words_per_s)
    if crowd.users == 1:
        return say(
            "one person: first word after {first} s, {words} words a second",
            first=first,
            words=words,
        )
    return say(
        "up to {users} people: first word after {first} s, {words} words a second each",
        users=crowd.users,
        first=first,
        words=words,
    )


def figure(value: float) -> str:
    """As many digits as a prediction is good for."""
    return f"{value:.0f}" if value >= 10 else f"{max(value, 0.1):.1f}"
