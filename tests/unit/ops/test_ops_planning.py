"""Plans for servers that are elsewhere, and of exactly one setup."""

from __future__ import annotations

import csv
import hashlib
import shutil
from pathlib import Path

import msgspec
import pytest
from hub import LoopbackHub
from tiny_safetensors import build_parrot
from up_fakes import CPU_BOX, gpu_box

from appliance.catalog.models import load_catalogue
from appliance.cli.models_view import stored_note
from appliance.core.errors import Unreachable, UsageError
from appliance.core.inventory import Inventory
from appliance.core.paths import find_paths
from appliance.core.plan import Wish
from appliance.core.reference import parse_reference
from appliance.ops.engines import command_of
from appliance.ops.models import model_rows
from appliance.ops.planning import described, empty_ground, ground_of, make_exact_plan, make_plan
from appliance.weights.manifest import ManifestFile
from appliance.weights.pull import pull, request_for
from appliance.weights.store import Store


def test_a_plan_for_elsewhere_does_not_count_our_memory_and_disk() -> None:
    ground = ground_of(gpu_box(), find_paths(), here=False)

    assert (ground.disk_free_mib, ground.host_memory_free_mib, ground.stored) == (None, None, [])
    plan = make_plan(Wish(model="deepseek-r1-distill-qwen-7b", users=4), ground)
    assert plan.choices[0].cards == ["GPU-0"]


def test_the_room_of_a_plan_is_what_the_settings_leave_to_models() -> None:
    paths = find_paths()
    paths.config.mkdir(parents=True)
    settings = paths.config / "config.toml"

    settings.write_text("[store]\nfree_gib = 0\nquota_gib = 0.5\n")
    assert ground_of(CPU_BOX, paths).disk_free_mib == 512
    settings.write_text("[store]\nfree_gib = 1e9\n")
    assert ground_of(CPU_BOX, paths).disk_free_mib == 0


def test_a_model_that_lost_a_file_does_not_count_as_stored() -> None:
    paths = find_paths()
    store = Store(paths.models)
    sha256 = hashlib.sha256(b"x").hexdigest()
    (store.blobs() / f"sha256-{sha256}").write_bytes(b"x")
    file = ManifestFile(name="a.gguf", bytes=1, sha256=sha256, source="s", trust="pinned")
    store.publish("m", "m", "", [file])
    assert [model.id for model in ground_of(CPU_BOX, paths).stored] == ["m"]
    assert [row.whole for row in model_rows(paths) if row.stored] == [True]

    store.blob(sha256).write_bytes(b"")

    assert ground_of(CPU_BOX, paths).stored == []
    (row,) = [row for row in model_rows(paths) if row.stored]
    assert row.whole is False
    assert stored_note(row) == "damaged: pull it again"


def test_exactly_one_setup_is_planned_and_scales_with_its_context() -> None:
    ground = ground_of(gpu_box(), find_paths(), here=False)
    totals = []
    for context in (4096, 8192):
        plan = make_exact_plan(
            ground, variant="deepseek-r1-distill-qwen-7b", quant="Q4_K_M", total_context=context,
            slots=2, kv_type="f16", ubatch=512, flash_attn=True,
        )  # fmt: skip
        (choice,) = plan.choices
        assert (choice.context, choice.slots) == (context // 2, 2)
        totals.append(sum(card.kv_mib for card in choice.memory.per_card))
    assert totals[1] == pytest.approx(2 * totals[0])


def test_exact_predictions_are_near_what_was_measured(shared: Path) -> None:
    with (shared / "truth" / "memory_truth.csv").open() as file:
        rows = list(csv.DictReader(file))
    ground = ground_of(CPU_BOX, find_paths(), here=False)
    known = {variant.id for family in ground.catalogue.families for variant in family.variants}
    sized = [r for r in rows if r["kind"] == "engine-dry-run"
             and r["arch"] in ("qwen2", "qwen3", "llama", "deepseek2")
             and f"{r['variant']}:{r['quant']}".lower() in known]  # fmt: skip
    assert len(sized) > 20
    for row in sized[::8]:
        plan = make_exact_plan(
            ground, variant=row["variant"], quant=row["quant"],
            total_context=int(row["n_ctx"]), slots=int(row["n_parallel"]),
            kv_type=row["kv_type"], ubatch=int(row["n_ubatch"]),
            flash_attn=row["flash_attn"] == "1",
        )  # fmt: skip
        (card,) = plan.choices[0].memory.per_card
        assert card.kv_mib == pytest.approx(float(row["kv_mib"]), rel=0.02), row
        assert card.weights_mib == pytest.approx(float(row["weights_mib"]), rel=0.05), row


@pytest.mark.parametrize(("variant", "quant"), [("no-such", "q4_k_m"), ("deepseek-v3", "q99")])
def test_an_exact_plan_of_nothing_known_is_refused(variant: str, quant: str) -> None:
    ground = ground_of(gpu_box(), find_paths(), here=False)
    with pytest.raises(UsageError):
        make_exact_plan(
            ground, variant=variant, quant=quant, total_context=4096, slots=1, kv_type="f16",
            ubatch=512, flash_attn=True,
        )  # fmt: skip


def test_a_header_on_a_hub_that_may_not_be_asked_stays_there() -> None:
    paths = find_paths()
    paths.config.mkdir()
    (paths.config / "config.toml").write_text("[hubs]\norder = []\n")

    with pytest.raises(Unreachable) as refused:
        described(parse_reference("hf:org/name"), empty_ground(paths))
    assert refused.value.code == "HUB-NOT-ALLOWED"


def test_a_directory_without_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        described(parse_reference(f"file:{tmp_path}"), empty_ground(find_paths()))
    assert refused.value.code == "NO-SUCH-FILE"


def test_models_that_fit_come_first_and_the_rest_says_why() -> None:
    rows = model_rows(find_paths(), CPU_BOX)

    fitting = [row.fits is True for row in rows]
    assert fitting == sorted(fitting, reverse=True)
    assert any(fitting)
    giant = next(row for row in rows if row.id.startswith("deepseek-v3:"))
    assert giant.fits is False
    assert giant.reason
    assert len(rows) == len(model_rows(find_paths()))


def test_the_command_of_a_choice_is_for_its_first_replica() -> None:
    box = gpu_box(2)
    wish = Wish(model="deepseek-r1-distill-qwen-7b:q4_k_m", users=4)
    choice = make_plan(wish, ground_of(box, find_paths(), here=False)).choices[0]

    command = command_of(choice, box, find_paths())

    assert command.argv
    assert command.port == 8000


def new_box() -> Inventory:
    """With a driver that vLLM's images start on."""
    box = gpu_box()
    cards = [msgspec.structs.replace(card, driver="590.44") for card in box.cards]
    return msgspec.structs.replace(box, cards=cards)


def test_safetensors_are_planned_from_a_disk_and_from_a_hub_without_their_weights(
    hub: LoopbackHub, tmp_path: Path
) -> None:
    ours = build_parrot("qwen2", tmp_path / "ours", "Good day.")
    there = build_parrot("qwen2", hub.root / "org/model", "Good day.")
    ground = ground_of(new_box(), find_paths(), here=False)

    near, far = (
        make_plan(Wish(model=name, users=2), ground).choices[0]
        for name in (f"file:{ours}", "hf:org/model")
    )

    assert near.form == far.form
    assert near.memory == far.memory
    assert near.form is not None
    assert near.form.architecture == "qwen2"
    assert hub.bytes_sent < (there / "model.safetensors").stat().st_size


def test_stored_safetensors_are_planned_as_their_directory_is(tmp_path: Path) -> None:
    ours = build_parrot("llama", tmp_path / "ours", "Good day.")
    name = f"file:{ours}"
    before = make_plan(Wish(model=name), ground_of(new_box(), find_paths())).choices[0]
    pull(request_for(parse_reference(name), load_catalogue()), Store(find_paths().models))
    shutil.rmtree(ours)

    after = make_plan(Wish(model=name), ground_of(new_box(), find_paths())).choices[0]

    assert (after.form, after.recipe, after.context) == (before.form, before.recipe, before.context)
    assert after.download_mib == 0.0


def test_an_architecture_that_nobody_knows_is_refused_before_anything_is_fetched(
    tmp_path: Path,
) -> None:
    ours = build_parrot("llama", tmp_path / "ours", "Good day.")
    config = ours / "config.json"
    config.write_text(config.read_text().replace("LlamaForCausalLM", "MambaForCausalLM"))

    with pytest.raises(UsageError, match="MambaForCausalLM") as refused:
        make_plan(Wish(model=f"file:{ours}"), ground_of(new_box(), find_paths()))

    assert refused.value.code == "ARCHITECTURE-UNKNOWN"
