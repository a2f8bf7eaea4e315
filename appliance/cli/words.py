"""States in the language of the reader. In English they are the words that JSON has."""

from __future__ import annotations

from appliance.core.i18n import say, translate

STATES = (
    say("starting"), say("ready"), say("busy"), say("degraded"), say("failed"),
    say("quarantined"), say("stopped"),
    say("ok"), say("no_driver"), say("no_answer"), say("lost"),
    say("running"), say("waiting"), say("paused"), say("ended"),
    say("quarantine"), say("maintenance"),
)  # fmt: skip


def state_word(state: str) -> str:
    """A state of a replica, a deployment, a card or a job, or how a card is held."""
    return translate(state)
