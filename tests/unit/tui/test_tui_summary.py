from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tui_fakes import MODEL, FakeNode, card, deployment, reading

from appliance.core.errors import Unreachable
from appliance.core.inventory import Problem
from appliance.tui.feed import Feed
from appliance.tui.glyphs import ASCII
from appliance.tui.snapshot import Snapshot
from appliance.tui.summary import notices, sentence


def look(node: FakeNode) -> Snapshot:
    return Feed(node, lambda snapshot: None).look()


def test_a_healthy_server_in_one_sentence() -> None:
    severity, text = sentence(look(FakeNode()), ASCII)

    assert severity == "pass"
    assert text == f"serving {MODEL} to 2 now; 4 of 4 cards OK; hottest: card 3, 63 C"


def test_the_sentence_gives_up_its_end_first() -> None:
    _, text = sentence(look(FakeNode()), ASCII, 60)

    assert text == f"serving {MODEL} to 2 now"


def test_a_failed_engine_is_the_worst_and_says_why() -> None:
    node = FakeNode()
    node.deployments = [deployment(state="failed", reason="out of memory on card 0")]

    severity, text = sentence(look(node), ASCII)

    assert severity == "fail"
    assert text.startswith(f"{MODEL}: failed")
    assert notices(look(node))[0].text == "out of memory on card 0"


def test_nothing_served_is_neither_good_nor_bad() -> None:
    node = FakeNode()
    node.deployments = []

    assert sentence(look(node), ASCII)[0] == "info"


def test_worst_comes_first() -> None:
    node = FakeNode()
    node.readings[1] = reading(1, throttle=["thermal"])
    node.readings[2] = reading(2, health="critical")
    node.cards[3] = card(3, state="lost")

    assert [(n.severity, n.subject) for n in notices(look(node))] == [
        ("fail", "card 2"),
        ("fail", "card 3"),
        ("warn", "card 1"),
    ]
    assert [row.label for row in look(node).worst_first()] == ["2", "3", "1", "0"]


def test_a_card_that_the_inventory_speaks_of_is_told_once() -> None:
    node = FakeNode()
    node.cards[3] = card(3, state="no_driver")
    node.problems = [
        Problem(
            code="CARD-NO-DRIVER",
            severity="fail",
            card="GPU-0003",
            text="no driver is loaded",
            advice="install it",
        )
    ]

    (notice,) = notices(look(node))

    assert notice.subject == "card 3"
    assert notice.advice == "install it"


def test_unknown_is_not_nought() -> None:
    node = FakeNode(cards=1)
    node.readings = [reading(0, temp_c=None, util_pct=None)]

    assert "hottest" not in sentence(look(node), ASCII)[1]


def test_old_readings_are_called_old() -> None:
    node = FakeNode()
    node.sampled_at = (datetime.now(UTC) - timedelta(seconds=41)).isoformat()

    snapshot = look(node)

    assert sentence(snapshot, ASCII)[1].startswith("no new readings for 00:41")
    assert {str(row.word.text) for row in snapshot.cards()} == {"STALE"}


def test_a_silent_daemon_leaves_no_readings_behind() -> None:
    node = FakeNode()
    feed = Feed(node, lambda snapshot: None)
    feed.look()
    node.go_silent()

    snapshot = feed.look()

    assert isinstance(snapshot.error, Unreachable)
    assert sentence(snapshot, ASCII) == ("fail", "the daemon has not answered for 00:00")
    assert [n.code for n in notices(snapshot)] == ["DAEMON-DOWN"]
    assert all(row.reading is None for row in snapshot.cards())
    assert len(snapshot.cards()) == 4
