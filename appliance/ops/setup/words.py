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
    if (crowd := choice.people) and crowd.first_word_s is not None and crowd.words_per_s:
        return say(
            "up to {users} people: first word after {first} s, {words} words a second each",
            first=figure(crowd.first_word_s),
            words=figure(crowd.words_per_s),
            users=crowd.users,
        )
    if choice.speed.decode_tps_one:
        return say("{tps} tokens a second for one alone", tps=figure(choice.speed.decode_tps_one))
    return None


def figure(value: float) -> str:
    """As many digits as a prediction is good for."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
