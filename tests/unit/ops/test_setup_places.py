from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.catalog.models import load_catalogue
from appliance.core.errors import Unreachable, UsageError
from appliance.core.inventory import Card, Cpu, Disk, Host, Inventory, Problem
from appliance.core.paths import Paths, find_paths
from appliance.core.reference import FileReference, HubReference, parse_reference
from appliance.ops.copies import find_copy, from_disk
from appliance.ops.setup.answers import Answers
from appliance.ops.setup.draft import Draft, draft_file, drop_draft, keep_draft, load_draft
from appliance.ops.setup.found import found_here, found_outside
from appliance.ops.setup.session import Session
from appliance.ops.sources import from_source, hubs_of
from appliance.weights.pull import Probe, PullRequest, request_for

CPU = Card(id="cpu", vendor="cpu", name="EPYC", memory_mib=64 * 1024, source="library")
CARD = Card(id="GPU-1", vendor="nvidia", index=0, name="L40S", driver="570.1", memory_mib=46068)
HOST = Host(
    hostname="ward-3", arch="x86_64", cpu=Cpu(model="EPYC", cores=32), memory_mib=65536,
    disks=[Disk(mount="/", total_mib=900_000, free_mib=500_000)],
)  # fmt: skip
HF = HubReference("hf", "org/name", glob="name-Q4_K_M.gguf")


def server(*cards: Card, **more: Any) -> Inventory:
    return Inventory(host=HOST, cards=list(cards), **more)


@pytest.fixture
def paths() -> Paths:
    return find_paths()


@pytest.fixture
def usb() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def request(*sources: Any) -> PullRequest:
    return PullRequest(model="name:q4_k_m", reference="name:q4_k_m", sources=list(sources or (HF,)))


# What was found


def test_cards_are_told_first_and_each_kind_once() -> None:
    rows = found_here(server(CARD, msgspec.structs.replace(CARD, id="GPU-2")), "/")

    assert (rows[0].state, rows[0].text) == ("found", "2 x L40S, driver 570.1")
    assert [row.what for row in rows] == ["cards", "processor", "memory", "disk for models"]


def test_a_card_without_a_driver_comes_with_what_to_do() -> None:
    bare = msgspec.structs.replace(CARD, state="no_driver", driver=None)
    problem = Problem(
        code="CARD-NO-DRIVER", severity="fail", card="GPU-1", text="no driver", advice="apt install"
    )

    row = found_here(server(bare, problems=[problem]), "/")[0]

    assert (row.state, row.text, row.next) == ("driver", "1 x L40S", "apt install")


@pytest.mark.parametrize("state", ["lost", "no_answer"])
def test_a_card_out_of_order_is_no_card_found(state: Any) -> None:
    row = found_here(server(msgspec.structs.replace(CARD, state=state)), "/")[0]

    assert row.state == "broken"
    assert row.next


def test_a_server_without_cards_says_so_and_how_to_look() -> None:
    row = found_here(server(CPU), "/")[0]

    assert row.state == "missing"
    assert row.next.startswith("lspci")


def test_a_full_disk_is_too_little() -> None:
    disk = Disk(mount="/", total_mib=900_000, free_mib=900)
    host = msgspec.structs.replace(HOST, disks=[disk])

    row = found_here(Inventory(host=host, cards=[CPU]), "/")[-1]

    assert row.state == "low"
    assert "APPLIANCE_HOME" in row.next


def probe(hub: Any, *, ok: bool, reached: bool = True, why: str = "") -> Probe:
    reference = HubReference(hub, "org/name")
    return Probe(reference=reference, ok=ok, reached=reached, seconds=0.3, why=why)


def test_hubs_that_answer_are_the_network() -> None:
    rows = found_outside(
        [probe("hf", ok=False), probe("ms", ok=False, reached=False)], ("hf", "ms")
    )

    assert [row.text for row in rows] == ["Hugging Face answers in 0.3 s"]


def test_no_hub_is_told_with_its_reason() -> None:
    silent = [probe("hf", ok=False, reached=False, why="no route")]

    assert "no route" in found_outside(silent, ("hf",))[0].text
    assert "settings" in found_outside([], ())[0].text


# Where from


def test_a_file_by_its_published_name_is_found_on_a_disk(usb: Path) -> None:
    (usb / "models" / "deep").mkdir(parents=True)
    file = usb / "models" / "deep" / "NAME-q4_k_m.gguf"
    file.write_bytes(b"x")
    (usb / "other.gguf").write_bytes(b"x")

    found = from_disk(request(), usb)

    assert found.sources == [FileReference(str(file))]
    assert found.model == "name:q4_k_m"


def test_hidden_and_far_away_directories_are_not_searched(usb: Path) -> None:
    for name in (".cache", "a/b/c/d"):
        (usb / name).mkdir(parents=True)
        (usb / name / "name-Q4_K_M.gguf").write_bytes(b"x")

    assert find_copy(request(), usb) is None
    with pytest.raises(UsageError, match="no copy of name:q4_k_m"):
        from_disk(request(), usb)


def test_a_pinned_file_of_another_size_is_no_copy(usb: Path) -> None:
    pinned = next(
        v for f in load_catalogue().families for v in f.variants if v.files and v.files[0].bytes
    )
    wanted = request_for(parse_reference(pinned.id), load_catalogue())
    for file in wanted.files:
        (usb / Path(file.name).name).write_bytes(b"too short")

    assert find_copy(wanted, usb) is None


def test_hubs_are_those_that_are_named_and_allowed_in_that_order() -> None:
    assert hubs_of("hubs", ("hf", "ms")) == ["hf", "ms"]
    assert hubs_of("ms,hf", ("hf", "ms")) == ["ms", "hf"]
    assert hubs_of("ms", ("hf",)) == []
    assert hubs_of("file:/x", ("hf",)) == []
    with pytest.raises(Unreachable):
        from_source(request(), "ms", ("hf",))


def test_a_neighbour_is_asked_for_the_model_by_its_id() -> None:
    found = from_source(request(), "peer:ward-4", ("hf",))

    assert [str(source) for source in found.sources] == ["peer:ward-4/name:q4_k_m"]


# Where an earlier one was left


def test_a_draft_is_kept_whole_and_for_its_owner_alone(paths: Paths) -> None:
    draft = Draft(page="access", answers=Answers(users=7, key_name="病房"))
    keep_draft(paths, draft)

    assert load_draft(paths) == draft
    assert draft_file(paths).stat().st_mode & 0o077 == 0
    assert [file.name for file in paths.state.iterdir()] == ["setup.json"]
    drop_draft(paths)
    assert load_draft(paths) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"page": 3}', '{"answers": {"users": 0}}'])
def test_a_draft_that_cannot_be_read_is_none(paths: Paths, text: str) -> None:
    paths.state.mkdir(parents=True)
    draft_file(paths).write_text(text)

    assert Session(paths).draft() == Draft()


def test_a_home_that_cannot_be_written_costs_the_memory_alone(paths: Paths) -> None:
    paths.state.parent.mkdir(parents=True, exist_ok=True)
    paths.state.write_text("a file where the directory should be")

    Session(paths).keep(Draft(page="people"))

    assert Session(paths).draft() == Draft()


# What it leads to


@pytest.fixture
def session(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Session:
    """On a server of 64 GiB, no hub within reach."""

    def silent(sources: Sequence[Any], *, timeout_s: float) -> list[Probe]:
        asked.append(len(sources))
        return [
            Probe(reference=s, ok=False, reached=False, seconds=0.0, why="no route")
            for s in sources
        ]

    asked: list[int] = []
    monkeypatch.setattr("appliance.ops.setup.places.probe", silent)
    monkeypatch.setattr("appliance.ops.planning._free_memory_mib", lambda: 60 * 1024.0)
    session = Session(paths)
    session.asked = asked  # type: ignore[attr-defined]
    return session


def test_without_a_hub_the_self_test_model_is_offered_too(session: Session) -> None:
    offered = session.offers(Answers(users=2), server(CPU), [])

    assert offered.choices[-1].model == load_catalogue().self_test[0].id
    assert offered.best.model != offered.choices[-1].model
    assert session.outside(offered)[0].state == "missing"


def test_hubs_that_are_out_of_reach_are_asked_once(session: Session) -> None:
    for users in (1, 2, 40):
        session.outside(session.offers(Answers(users=users), server(CPU), []))

    assert len(session.asked) == 1  # type: ignore[attr-defined]


def test_the_named_model_is_the_choice_and_stands_beside_the_picks(session: Session) -> None:
    named = "deepseek-r1-distill-qwen-1.5b:q4_k_m"

    offered = session.offers(Answers(model=named), server(CPU), [])

    assert offered.best.variant == named
    assert offered.best in offered.choices
    assert len(offered.choices) > 1


def test_an_unknown_model_is_a_usage_error(session: Session) -> None:
    with pytest.raises(UsageError):
        session.offers(Answers(model="no-such-model"), server(CPU), [])


def test_the_plan_tells_what_is_fetched_from_where_and_how_to_undo_it(session: Session) -> None:
    answers = Answers(users=3, style="documents", source="ms", key_name="ward-3")
    proposal = session.propose(answers, session.offers(answers, server(CPU), []))
    told = {step.what: step.text for step in proposal.steps}

    assert proposal.choice.variant in told["serve"]
    assert "3 people, long documents" in told["for"]
    assert told["from"] == "ModelScope"
    assert told["key"].startswith("ward-3")
    assert "appliance down" in told["undo"]
    assert "consent" not in told
    assert told["listen"].startswith("127.0.0.1")


def test_the_processor_beside_cards_wants_a_yes(session: Session) -> None:
    cards = server(CARD, CPU)
    offered = session.offers(Answers(), cards, [])
    on_cpu = [c for c in offered.choices if c.cards == ["cpu"]]
    if not on_cpu:
        pytest.skip("an engine for the card is built here")
    offered = msgspec.structs.replace(offered, best=on_cpu[0])

    assert offered.wants_consent
    assert session.propose(Answers(), offered).steps[-1].what == "consent"
    yes = session.propose(Answers(allow_cpu=True), offered)
    assert yes.steps[-1].what != "consent"


def test_neighbours_and_hubs_that_have_it_come_first_and_together(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def some(sources: Sequence[Any], *, timeout_s: float) -> list[Probe]:
        return [
            Probe(
                reference=s, ok=not str(s).startswith("hf"), reached=True, seconds=0.2, why="gone"
            )
            for s in sources
        ]

    monkeypatch.setattr("appliance.ops.setup.places.probe", some)
    monkeypatch.setattr("appliance.ops.sources.known_peers", lambda: {"10.0.0.7:8481": None})
    offered = session.offers(Answers(), server(CPU), [])

    rows = session.places(offered)

    assert [row.source for row in rows[:4]] == ["hubs", "peer:10.0.0.7:8481", "ms", "hf"]
    assert rows[0].title == "10.0.0.7 + ModelScope"
    assert (rows[3].state, rows[3].text) == ("no", "gone")
    assert "10.0.0.7 answers" in session.outside(offered)[0].text


def test_places_end_with_what_can_be_named(session: Session) -> None:
    rows = session.places(session.offers(Answers(), server(CPU), []))

    assert [row.state for row in rows[-2:]] == ["typed", "typed"]
    assert {row.source for row in rows[:-2]} == {"hf", "ms"}
    assert {row.state for row in rows[:-2]} == {"no"}


def test_another_servers_plan_asks_nobody_and_keeps_nothing(paths: Paths) -> None:
    session = Session(paths, here=False)
    offered = session.offers(Answers(), server(CPU), [])
    session.keep(Draft(page="people"))
    session.begin(Answers(language="zh"))

    assert session.outside(offered)
    assert session.draft() == Draft()
    assert not paths.config.exists()


def test_answers_are_written_where_the_operator_is(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    path = session.save(Answers(users=5))

    assert path == tmp_path / "answers.toml"
    assert "users = 5" in path.read_text()
