from __future__ import annotations

import msgspec
import pytest

from appliance.core.plan import CardMemory, Choice, Memory, Rejection, Speed
from appliance.ops.models import ModelRow
from appliance.planner.survey import Verdict
from appliance.tui.drawing import Line, line_cells
from appliance.tui.scene import Scene
from appliance.tui.views import models, services
from appliance.tui.views.models import FITS, NOT_KNOWN, SLOW, TOO_BIG, offers

MEMORY = CardMemory(
    id="GPU-0",
    weights_mib=900,
    kv_mib=300,
    compute_mib=200,
    overhead_mib=100,
    total_mib=12288,
    available_mib=24576,
)
CHOICE = Choice(
    model="a",
    variant="a:q8_0",
    engine="llama.cpp",
    recipe="llama.cpp-native-cuda",
    cards=["GPU-0"],
    context=8192,
    slots=4,
    fits=True,
    memory=Memory(per_card=[MEMORY], host_mib=300, method="engine"),
    speed=Speed(decode_tps_one=12.0),
)
REJECTION = Rejection(
    variant="c:q8_0", engine="llama.cpp", code="TOO-LARGE", reason="too large", advice="less"
)


def row(name: str, *, stored: bool = False, amount: int = 10**9) -> ModelRow:
    return ModelRow(id=name, title=name, format="gguf", bytes=amount, stored=stored)


def fits(rank: int, *, fast: bool = True) -> Verdict:
    return Verdict(rank=rank, choice=CHOICE, meets_wish=fast)


def text(line: Line) -> str:
    return "".join(span.text for span in line)


def test_what_is_here_comes_first_then_the_best_of_each_model_then_the_rest() -> None:
    verdicts = {
        "a:q8_0": fits(0),
        "a:q4_0": fits(1),
        "b:q8_0": fits(2, fast=False),
        "c:q8_0": Verdict(rank=3, rejection=REJECTION),
    }
    names = ["unknown:q8_0", "c:q8_0", "b:q8_0", "a:q4_0", "a:q8_0"]
    found = offers([row("mine", stored=True), *map(row, names)], verdicts)

    order = ["mine", "a:q8_0", "b:q8_0", "a:q4_0"]
    assert [offer.model.id for offer in found][:4] == order
    words = {offer.model.id: offer.word for offer in found}
    assert (words["a:q8_0"], words["b:q8_0"]) == (FITS, SLOW)
    assert (words["c:q8_0"], words["unknown:q8_0"]) == (TOO_BIG, NOT_KNOWN)


@pytest.mark.parametrize("width", [60, 78, 118, 198])
def test_a_wide_list_shows_how_full_a_card_would_be(width: int) -> None:
    lines = models.table(Scene(width=width), offers([row("a:q8_0"), row("b")], {"a:q8_0": fits(0)}))
    shown = width > 100

    assert all(line_cells(line) <= width for line in lines)
    assert ("memory" in text(lines[0]), "12.0/24.0G" in text(lines[1])) == (shown, shown)


def test_a_model_that_takes_several_cards_shows_the_fullest() -> None:
    full = msgspec.structs.replace(MEMORY, id="GPU-1", total_mib=20480)
    memory = msgspec.structs.replace(CHOICE.memory, per_card=[MEMORY, full])
    choice = msgspec.structs.replace(CHOICE, memory=memory)
    found = offers([row("a:q8_0")], {"a:q8_0": Verdict(rank=0, choice=choice)})

    assert "20.0/24.0G" in text(models.table(Scene(width=198), found)[1])


@pytest.mark.parametrize(
    ("labels", "drawn"),
    [
        (["0", "1", "2", "3"], "0-3"),
        (["0", "1", "3"], "0-1,3"),
        ([f"node-01:{n}" for n in range(8)], "node-01:0-7"),
        (["node-01:7", "node-02:0", "node-02:1"], "node-01:7,node-02:0-1"),
        (["cpu"], "cpu"),
        ([], ""),
    ],
)
def test_cards_in_a_row_are_drawn_together(labels: list[str], drawn: str) -> None:
    assert services.ranges(labels) == drawn
