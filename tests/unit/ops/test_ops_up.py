"""What the main job chooses, asks, undoes and tells."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from up_fakes import PROOF, FakeServices, Job, gpu_box, keep

from appliance.catalog.models import load_catalogue
from appliance.core.errors import ApplianceError, DoesNotFit, Interrupted, Unreachable, UsageError
from appliance.core.holds import save_holds
from appliance.core.paths import Paths, find_paths
from appliance.core.progress import Cancel
from appliance.core.reference import parse_reference
from appliance.core.status import Hold
from appliance.ops import up as up_module
from appliance.ops.events import Phase
from appliance.ops.sources import permitted
from appliance.weights.pull import PullRequest, pull, request_for
from appliance.weights.store import Store

SMALL = "deepseek-r1-distill-qwen-1.5b:q4_k_m"


@pytest.fixture
def paths() -> Paths:
    return find_paths()


@pytest.fixture
def up(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Job:
    return Job(FakeServices(paths), monkeypatch)


@pytest.fixture
def startable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines for every card."""
    monkeypatch.setattr("appliance.ops.planning.Ground.startable", lambda ground, recipe: True)


def store(paths: Paths, reference: str) -> None:
    keep(Store(paths.models), request_for(parse_reference(reference), load_catalogue()))


def test_with_a_hub_the_best_that_fits_is_fetched_and_served(up: Job) -> None:
    result = up()

    assert result.model.startswith("deepseek-")
    assert up.pulled == [result.variant]
    assert up.services.history == [f"deploy {result.variant}"]
    assert result.key == "a-key"
    assert result.notes == []


def test_an_answer_that_is_noise_is_said_to_be_doubtful(up: Job) -> None:
    up.proof = structs.replace(PROOF, answer="6" * 60)

    (note,) = up().notes

    assert note.code == "ENGINE-WRONG-ANSWER"
    assert "it repeated itself" in note.text
    assert "SHA-256" in note.text


def test_without_a_hub_the_self_test_model_is_served_and_said(up: Job) -> None:
    up.hub_has = None

    result = up()

    assert result.model == load_catalogue().self_test[0].id
    assert [note.code for note in result.notes] == ["NO-HUB"]
    assert "no route" in result.notes[0].text


def test_without_a_hub_what_is_stored_goes_first(up: Job, paths: Paths) -> None:
    store(paths, SMALL)
    up.hub_has = None

    assert up().variant == SMALL
    assert up.pulled == []


def test_a_family_by_name_is_served_from_the_store_when_no_hub_answers(
    up: Job, paths: Paths
) -> None:
    store(paths, SMALL)
    up.hub_has = None

    assert up("deepseek-r1-distill-qwen-1.5b").variant == SMALL


def test_hubs_are_asked_as_the_settings_allow(
    up: Job, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    probe = up._probe

    def noting(sources: Any, *, timeout_s: float) -> Any:
        asked.extend(source.hub for source in sources)
        return probe(sources, timeout_s=timeout_s)

    monkeypatch.setattr("appliance.ops.hubs.probe", noting)
    paths.config.mkdir()
    (paths.config / "config.toml").write_text('[hubs]\norder = ["ms"]\n')
    up()
    assert set(asked) == {"ms"}

    asked.clear()
    up.services.running.clear()
    (paths.config / "config.toml").write_text("[hubs]\norder = []\n")
    for model in Store(paths.models).models():
        Store(paths.models).remove(model.id)
    result = up()
    assert asked == []
    assert [note.code for note in result.notes] == ["NO-HUB"]


def test_sources_are_in_the_order_of_the_settings_or_refused() -> None:
    request = request_for(parse_reference("deepseek-r1-distill-qwen-7b:q4_k_m"), load_catalogue())
    hubs = {str(source).partition(":")[0] for source in request.sources}
    assert hubs >= {"hf", "ms"}

    ordered = permitted(request, ("ms", "hf")).sources

    kinds = [str(source).partition(":")[0] for source in ordered]
    assert kinds == sorted(kinds, key=["ms", "hf"].index)
    with pytest.raises(Unreachable) as refused:
        permitted(request, ())
    assert refused.value.code == "HUB-NOT-ALLOWED"


def test_the_processor_is_used_after_a_yes_and_it_is_said(up: Job) -> None:
    up.services.box = gpu_box()
    with pytest.raises(ApplianceError) as asked:
        up(SMALL)
    assert asked.value.code == "ENGINE-ON-CPU"
    assert up.services.history == up.pulled == []
    assert "--yes" in str(asked.value.hint)

    result = up(SMALL, allow_cpu=True)

    assert result.cards == ["cpu"]
    assert [note.code for note in result.notes] == ["ENGINE-ON-CPU"]
    assert up.codes() == ["ENGINE-ON-CPU"]


def test_nothing_that_fits_is_said_with_the_reason(up: Job) -> None:
    with pytest.raises(DoesNotFit) as refused:
        up("deepseek-v3")
    assert refused.value.code == "TOO-BIG"
    assert str(refused.value.hint)
    assert up.services.history == []


@pytest.mark.parametrize(
    "options",
    [{"model": "no-such-model"}, {"model": "hf:nonsense"}, {"users": 0}, {"context": 0}],
)
def test_wrong_words_do_nothing(up: Job, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        up(**options)
    assert up.services.history == []


def test_what_serves_already_is_proved_again_and_left_alone(up: Job) -> None:
    first = up(SMALL)
    again = up()

    assert again.deployment == first.deployment
    assert again.key is None
    assert len(up.services.history) == 1


def test_a_bigger_wish_without_a_name_means_the_model_that_is_there(up: Job) -> None:
    first = up(SMALL, users=1)
    before = up.services.running[first.deployment]

    up(users=6)

    after = up.services.running[first.deployment]
    assert list(up.services.running) == [first.deployment]
    assert after.slots > before.slots


@pytest.mark.parametrize("fault", [ApplianceError("it dies"), Interrupted("no"), RuntimeError("x")])
def test_what_does_not_start_is_withdrawn(up: Job, fault: Exception) -> None:
    up.services.fails = fault

    with pytest.raises(type(fault)):
        up(SMALL)

    assert up.services.running == {}
    assert up.services.history[-1].startswith("withdraw")


def test_what_cannot_answer_does_not_stay_and_what_ran_before_comes_back(up: Job) -> None:
    first = up(SMALL, users=1)
    before = up.services.running[first.deployment]
    up.proof = ApplianceError("silence", code="ENGINE-WRONG-ANSWER")

    with pytest.raises(ApplianceError) as refused:
        up(SMALL, users=6)

    assert refused.value.code == "ENGINE-WRONG-ANSWER"
    assert up.services.running == {first.deployment: before}


def test_a_cancel_before_the_start_changes_nothing(up: Job, monkeypatch: Any) -> None:
    def pull_and_cancel(request: Any, target: Any, **_: Any) -> None:
        up._pull(request, target)
        up.cancel.set()

    monkeypatch.setattr(up_module, "pull", pull_and_cancel)
    with pytest.raises(Interrupted):
        up(SMALL)
    assert up.services.history == []


def test_cards_of_another_deployment_are_not_taken(up: Job, startable: None) -> None:
    up.services.box = gpu_box(2)
    first = up("deepseek-r1-distill-qwen-7b:q4_k_m")
    second = up("deepseek-r1-distill-llama-8b:q4_k_m")
    assert len(first.cards) == len(second.cards) == 1
    assert set(first.cards).isdisjoint(second.cards)

    with pytest.raises(DoesNotFit) as refused:
        up("deepseek-r1-distill-qwen-14b:q4_k_m")
    assert refused.value.code == "CARDS-IN-USE"
    assert "appliance down" in str(refused.value.hint)


def test_cards_of_a_failed_deployment_are_free(up: Job, startable: None) -> None:
    up.services.box = gpu_box(1)
    first = up("deepseek-r1-distill-qwen-7b:q4_k_m")
    up.services.states[first.deployment] = "failed"

    assert up("deepseek-r1-distill-llama-8b:q4_k_m").cards == first.cards


def test_every_phase_is_told_to_begin_and_to_end(up: Job) -> None:
    up(SMALL)

    phases = [(e.phase, e.done) for e in up.events if isinstance(e, Phase)]
    names = ["detect", "plan", "fetch", "load", "prove"]
    assert phases == [(name, done) for name in names for done in (False, True)]


def test_a_model_that_vanishes_from_the_store_is_said(up: Job, monkeypatch: Any) -> None:
    monkeypatch.setattr(up_module, "pull", lambda *_, **__: None)

    with pytest.raises(ApplianceError) as refused:
        up(SMALL)
    assert refused.value.code == "STORE-MISSING"


def test_a_file_is_planned_by_its_header(up: Job, parrot: Path) -> None:
    result = up(f"file:{parrot}")

    assert result.variant == f"file:{parrot}"
    assert up.services.running[result.deployment].family is None


def test_two_files_of_one_name_are_two_deployments(up: Job, parrot: Path, tmp_path: Path) -> None:
    twin = tmp_path / "elsewhere" / parrot.name
    twin.parent.mkdir()
    twin.write_bytes(parrot.read_bytes())

    first, second = up(f"file:{parrot}"), up(f"file:{twin}")

    assert first.deployment != second.deployment
    assert set(up.services.running) == {first.deployment, second.deployment}
    assert up(f"file:{twin}").deployment == second.deployment


@pytest.fixture
def own_file(parrot: Path, tmp_path: Path) -> Path:
    own = tmp_path / "own.gguf"
    shutil.copy(parrot, own)
    return own


@pytest.fixture
def really_pulls(up: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def pulled(request: PullRequest, store: Store, **options: Any) -> None:
        up.pulled.append(request.model)
        pull(request, store, **options)

    monkeypatch.setattr(up_module, "pull", pulled)


@pytest.mark.usefixtures("really_pulls")
def test_a_file_that_was_written_to_is_fetched_as_it_is_now(up: Job, own_file: Path) -> None:
    name = f"file:{own_file}"
    up(name)
    up.services.running.clear()
    up(name)
    assert up.pulled == [name]

    _write_to(own_file)
    up.services.running.clear()
    assert up(name).notes == []
    assert up.pulled == [name, name]


@pytest.mark.usefixtures("really_pulls")
def test_a_file_that_was_written_to_while_it_is_served_is_said(up: Job, own_file: Path) -> None:
    name = f"file:{own_file}"
    up(name)
    assert up(name).notes == []

    _write_to(own_file)
    (note,) = up(name).notes
    assert note.code == "FILE-CHANGED"
    assert "appliance down" in note.text
    assert up.pulled == [name]

    own_file.unlink()
    assert up(name).notes == []


def _write_to(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(32))


def test_a_hub_that_answers_but_lacks_the_files_is_not_called_out_of_reach(up: Job) -> None:
    up.hub_has = "ms:nobody/nothing"

    result = up()

    assert [note.code for note in result.notes] == ["NO-HUB"]
    assert "the hub does not have" in result.notes[0].text
    assert "within reach" not in result.notes[0].text


def test_a_neighbour_that_was_made_known_is_asked_beside_the_hubs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("appliance.ops.sources.known_peers", lambda: {"10.0.0.7:8481": None})
    request = request_for(parse_reference(SMALL), load_catalogue())

    asked = permitted(request, ["hf"]).sources

    assert str(asked[0]) == f"peer:10.0.0.7/{request.model}"
    assert [str(source)[:3] for source in asked[1:]] == ["hf:"]
    brought = request_for(parse_reference("file:/media/usb/x.gguf"), load_catalogue())
    assert permitted(brought, ["hf"]).sources == brought.sources


class _Cramped(FakeServices):
    """A server on which nothing with more than one slot starts."""

    def await_ready(self, deployment_id: str, cancel: Cancel) -> None:
        if self.running[deployment_id].slots > 1:
            raise ApplianceError("no memory", code="HOST-MEMORY")


def test_with_leave_something_smaller_is_served_and_said(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    up = Job(_Cramped(paths), monkeypatch)
    with pytest.raises(ApplianceError, match="no memory"):
        up(SMALL, users=4)
    assert up.services.running == {}

    result = up(SMALL, users=4, adapt=True)

    served = up.services.running[result.deployment]
    assert (served.slots, served.variant, served.adapt) == (1, SMALL, True)
    assert {note.code for note in result.notes} == {"ADAPTED"}
    assert "for 1 users" in result.notes[-1].text


def test_leave_can_be_given_to_what_serves_already(up: Job) -> None:
    first = up(SMALL)

    up(SMALL, adapt=True)

    assert up.services.history[-1] == f"let adapt {first.deployment}"


def test_held_cards_are_not_planned_with(up: Job, paths: Paths, startable: None) -> None:
    up.services.box = gpu_box(2)
    hold = Hold(kind="maintenance", since="t", code="CARD-HELD", reason="new fan")
    save_holds(paths, {"GPU-0": hold})
    assert up(SMALL).cards == ["GPU-1"]

    up.services.running.clear()
    save_holds(paths, {"GPU-0": hold, "GPU-1": hold})
    with pytest.raises(DoesNotFit) as refused:
        up(SMALL)
    assert refused.value.code == "CARDS-HELD"
