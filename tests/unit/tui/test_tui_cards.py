"""What can be done on the screens of cards."""

from __future__ import annotations

from tui_fakes import FakeNode, app_of, card, drawn, reading, shown, until

from appliance.core.sample import CardProcess
from appliance.tui.widgets import Rows

SIZE = (100, 30)


async def test_a_card_is_held_and_released_after_a_yes() -> None:
    node = FakeNode()
    async with app_of(node).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "OK +" in shown(pilot.app))
        await pilot.press("3", "down", "H")
        assert "Take card 1 on ward-3 out of use?" in shown(pilot.app)
        await pilot.press("enter")
        assert node.asked("hold") == []
        await pilot.press("H", "y")
        await until(pilot, lambda: node.asked("hold") == ["GPU-0001"])
        await until(pilot, lambda: "HELD o" in shown(pilot.app))

        await pilot.press("F", "y")
        await until(pilot, lambda: node.asked("release") == ["GPU-0001"])
        await until(pilot, lambda: "HELD o" not in shown(pilot.app))


async def test_read_only_holds_nothing() -> None:
    node = FakeNode()
    async with app_of(node, readonly=True).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "OK +" in shown(pilot.app))
        await pilot.press("3", "H", "y")
        await pilot.pause(0.05)

    assert node.asked("hold") == []


async def test_a_filter_leaves_what_it_names_and_turned_round_the_others() -> None:
    node = FakeNode()
    node.cards[2] = card(2, state="lost")
    async with app_of(node).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "LOST" in shown(pilot.app))
        await pilot.press("3", "slash", *"lost", "enter")
        rows = pilot.app.screen.query_one(Rows)
        await until(pilot, lambda: rows._keys() == ["GPU-0002"])
        await pilot.press("slash", "home", "!", "enter")
        await until(pilot, lambda: rows._keys() == ["GPU-0000", "GPU-0001", "GPU-0003"])
        await pilot.press("slash", *"nothing", "enter")
        await until(pilot, lambda: "no card contains" in shown(pilot.app))


async def test_a_cards_page_tells_limits_links_and_who_uses_it() -> None:
    node = FakeNode()
    node.processes = [
        CardProcess(pid=4321, memory_mib=2048, command="llama-server", replica="r1-0"),
        CardProcess(pid=99),
    ]
    node.readings[0] = reading(0, temp_warn_c=89.0, temp_critical_c=95.0)
    async with app_of(node).run_test(size=(100, 44)) as pilot:
        await until(pilot, lambda: "OK +" in shown(pilot.app))
        await pilot.press("3", "enter")
        await until(pilot, lambda: "llama-server" in shown(pilot.app))
        await until(pilot, lambda: "NV4: 1-3" in shown(pilot.app))
        text = shown(pilot.app)

        assert "slow at 89 C, off at 95 C" in text
        assert any(
            "4321" in line and "r1-0" in line and "2.0G" in line for line in drawn(pilot.app)
        )
        assert any("99" in line and "n/a" in line for line in drawn(pilot.app))


async def test_the_period_goes_round() -> None:
    async with app_of(FakeNode()).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "OK +" in shown(pilot.app))
        await pilot.press("3")
        for period in ("1 minute", "1 hour", "1 day", "30 days", "1 minute"):
            await until(pilot, lambda text=period: text in shown(pilot.app))  # type: ignore[misc]
            await pilot.press("w")


async def test_a_card_that_is_as_warm_as_its_limit_is_hot_and_sorted_up() -> None:
    node = FakeNode()
    node.readings[3] = reading(3, temp_c=90.0, temp_warn_c=89.0)
    async with app_of(node).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "HOT !" in shown(pilot.app))
        await pilot.press("3")
        await until(pilot, lambda: "HOT !" in drawn(pilot.app)[4] or "HOT !" in drawn(pilot.app)[3])


async def test_links_are_shown_as_a_matrix() -> None:
    async with app_of(FakeNode()).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "OK +" in shown(pilot.app))
        await pilot.press("3", "t")
        await until(pilot, lambda: "LINKS BETWEEN THE CARDS" in shown(pilot.app))
        assert shown(pilot.app).count("NV4") == 12
