"""What a recipe makes of the very cards and models it is for."""

from __future__ import annotations

import msgspec
import pytest
from golden import FAMILIES

from appliance.core.inventory import Card, VendorName
from appliance.engines.build import command_for
from appliance.engines.classes import ModelClass, classes, drafts_of
from appliance.engines.command import EngineCommand
from appliance.engines.recipes import load_recipes
from appliance.engines.request import EngineRequest

RECIPES = {recipe.id: recipe for recipe in load_recipes()}


def command(
    recipe: str, kind: str, arch: str, *, cards: int = 8, pp: int = 1, quant: str = "fp8"
) -> EngineCommand:
    vendor: VendorName = RECIPES[recipe].vendors[0]
    found = [Card(id=f"c{n}", vendor=vendor, index=n, arch=arch) for n in range(cards)]
    request = EngineRequest(
        recipe=recipe,
        model_path="/srv/model",
        alias="model",
        port=8000,
        context=4096,
        cards=found,
        tensor_parallel=cards // pp,
        pipeline_parallel=pp,
        family=FAMILIES[kind],
        quant=quant,
    )
    return command_for(request)


def value(argv: list[str], option: str) -> str | None:
    return argv[argv.index(option) + 1] if option in argv else None


def drafted(command: EngineCommand) -> dict[str, object]:
    found = value(command.argv, "--speculative-config")
    return msgspec.json.decode(found, type=dict[str, object]) if found else {}


@pytest.mark.parametrize(
    ("kind", "arch", "method", "tokens"),
    [
        ("v3.2", "sm_90", "mtp", 3),
        ("v4", "sm_90", "mtp", 1),
        ("v4", "sm_100", "mtp", 2),
        ("v4", "sm_120", None, None),
        ("v4-dspark", "sm_120", "dspark", 7),
        ("v4-dspark", "sm_90", "dspark", 7),
        ("v4.1", "sm_100", "dspark", 5),
        ("r1", "sm_90", None, None),
        ("distill", "sm_90", None, None),
    ],
)
def test_vllm_drafts_as_published(
    kind: str, arch: str, method: str | None, tokens: int | None
) -> None:
    draft = drafted(command("vllm-nvidia", kind, arch))

    assert (draft.get("method"), draft.get("num_speculative_tokens")) == (method, tokens)


def test_no_drafting_where_layers_are_dealt_out() -> None:
    """vLLM's drafting model does not go over several stages."""
    assert not drafted(command("vllm-nvidia", "v3.2", "sm_90", cards=16, pp=2))
    assert not drafted(command("vllm-ascend", "v3.2", "ascend910b", cards=16, pp=2))


def test_adaptive_verification_is_nvidias_alone() -> None:
    nvidia = drafted(command("vllm-nvidia", "v4.1", "sm_90"))
    amd = drafted(command("vllm-amd-v4", "v4.1", "gfx950"))

    assert nvidia["enable_adaptive_verification"] is True
    assert amd["enable_adaptive_verification"] is False


def test_sglang_drafts_on_nvidia() -> None:
    assert value(command("sglang-nvidia", "r1", "sm_90").argv, "--speculative-algorithm") == "EAGLE"
    assert "--speculative-algorithm" not in command("sglang-amd", "r1", "gfx942").argv
    assert "--speculative-algorithm" not in command("sglang-nvidia", "distill", "sm_90").argv


def test_blackwells_kernels_are_for_blackwell() -> None:
    assert "deep_gemm_mega_moe" in command("vllm-nvidia", "v4", "sm_100").argv
    assert "deep_gemm_mega_moe" not in command("vllm-nvidia", "v4", "sm_100", quant="nvfp4").argv
    assert "deep_gemm_mega_moe" not in command("vllm-nvidia", "v4", "sm_90").argv
    assert "deep_gemm_mega_moe" not in command("vllm-nvidia", "v4", "sm_120").argv
    assert "deep_gemm_mega_moe" not in command("vllm-nvidia", "r1", "sm_100").argv


@pytest.mark.parametrize(("cards", "groups", "share"), [(8, None, "8"), (16, "2", "8")])
def test_sixteen_ascend_devices_are_two_groups(cards: int, groups: str | None, share: str) -> None:
    argv = command("vllm-ascend", "v3.2", "ascend910_93", cards=cards, quant="w8a8-ascend").argv

    assert value(argv, "--data-parallel-size") == groups
    assert value(argv, "--tensor-parallel-size") == share
    assert "--enable-expert-parallel" in argv
    assert value(argv, "--quantization") == "ascend"


def test_a_dense_model_stays_one_group() -> None:
    argv = command("vllm-ascend", "distill", "ascend910_93", cards=16).argv

    assert value(argv, "--tensor-parallel-size") == "16"


def test_ascend_keeps_v4s_context_its_own_way() -> None:
    argv = command("vllm-ascend-v4", "v4", "ascend910b", quant="w8a8-ascend").argv

    assert value(argv, "--block-size") == "128"
    assert "--kv-cache-dtype" not in argv
    nvidia = command("vllm-nvidia", "v4", "sm_90").argv
    assert (value(nvidia, "--block-size"), value(nvidia, "--kv-cache-dtype")) == ("256", "fp8")
    assert nvidia.count("--kv-cache-dtype") == 1


@pytest.mark.parametrize("quant", ["bf16", "w8a8-ascend"])
def test_310p_computes_in_float16(quant: str) -> None:
    argv = command("vllm-ascend-310p", "distill", "ascend310p", quant=quant).argv

    assert value(argv, "--dtype") == "float16"
    assert value(argv, "--quantization") == ("ascend" if "ascend" in quant else None)


@pytest.mark.parametrize(("arch", "dtype"), [("sm_75", "float16"), ("sm_86", None)])
def test_turing_has_no_bf16(arch: str, dtype: str | None) -> None:
    argv = command("vllm-nvidia", "distill", arch, quant="w8a8").argv

    assert value(argv, "--dtype") == dtype


@pytest.mark.parametrize(
    ("recipe", "kind", "quant", "named"),
    [
        ("sglang-nvidia", "r1", "w8a8", "w8a8_int8"),
        ("sglang-nvidia", "v3.1", "w8a8", "w8a8_int8"),
        ("sglang-hygon", "v3", "w8a8", "w8a8_int8"),
        ("sglang-nvidia", "distill", "w8a8", None),
        ("sglang-nvidia", "r1", "fp8", None),
        ("sglang-ascend", "r1", "w8a8-ascend", "modelslim"),
        ("vllm-hygon", "r1", "w8a8", "slimquant_marlin"),
        ("vllm-hygon-v3.2", "v3.2", "w8a8", "slimquant_marlin"),
        ("vllm-hygon", "r1", "w4a8-hygon", None),
        ("vllm-hygon", "distill", "w8a8", None),
        ("vllm-nvidia", "distill", "w8a8", None),
    ],
)
def test_how_weights_are_read_is_said_where_they_do_not_say_it(
    recipe: str, kind: str, quant: str, named: str | None
) -> None:
    found = command(recipe, kind, "x", quant=quant)

    assert value(found.argv, "--quantization") == named
    assert drafted(found).get("quantization") == (named if "slimquant" in (named or "") else None)


def test_hygons_w4a8_is_served_as_published() -> None:
    found = command("vllm-hygon", "r1", "gfx936", quant="w4a8-hygon")

    assert drafted(found) == {"method": "deepseek_mtp", "num_speculative_tokens": 2}
    assert "--enable-expert-parallel" not in found.argv
    assert value(found.argv, "--dtype") == "bfloat16"
    assert (found.env["VLLM_HCU_USE_FLASHMLA"], found.env["VLLM_HCU_USE_CAT_MLA"]) == ("1", "0")
    assert "VLLM_ROCM_USE_AITER" not in found.env, "that is for K100_AI alone"


@pytest.mark.parametrize(
    ("arch", "quant", "kernels"),
    [
        ("sm_90", "fp4-fp8", "marlin"),
        ("sm_100", "fp4-fp8", "flashinfer_mxfp4"),
        ("sm_120", "fp4-fp8", "flashinfer_mxfp4"),
        ("sm_100", "nvfp4", None),
    ],
)
def test_sglang_serves_v4_with_the_kernels_of_its_cookbook(
    arch: str, quant: str, kernels: str | None
) -> None:
    argv = command("sglang-nvidia", "v4", arch, quant=quant).argv

    assert value(argv, "--moe-runner-backend") == kernels
    assert value(argv, "--speculative-algorithm") == "EAGLE"
    dspark = command("sglang-nvidia", "v4-dspark", arch, quant=quant).argv
    assert value(dspark, "--speculative-algorithm") == "DSPARK"
    assert "--speculative-num-steps" not in dspark, "its shape is in the checkpoint"


@pytest.mark.parametrize(("recipe", "arch"), [("vllm-nvidia", "sm_100"), ("vllm-amd-v4", "gfx950")])
def test_v41_is_served_as_published(recipe: str, arch: str) -> None:
    """Its tables are in host memory with CUDA alone: vLLM refuses that on ROCm."""
    argv = command(recipe, "v4.1", arch, quant="fp4-fp8").argv

    assert not {"--kv-cache-dtype", "--block-size", "--trust-remote-code"} & set(argv)
    assert value(argv, "--engram-config") == (None if "amd" in recipe else '{"cpu_offload":true}')
    assert RECIPES[recipe].limits.host_tables == ("amd" not in recipe)


@pytest.mark.parametrize(("arch", "share"), [("sm_121", "0.85"), ("sm_120", "0.92")])
def test_a_card_in_the_host_s_memory_leaves_the_host_more_of_it(arch: str, share: str) -> None:
    argv = command("vllm-nvidia", "distill", arch).argv

    assert value(argv, "--gpu-memory-utilization") == share


def test_ascend_950_reads_the_makers_own_v4() -> None:
    argv = command("vllm-ascend-950-v4", "v4", "ascend950", quant="fp4-fp8").argv

    assert "--quantization" not in argv
    assert drafted(command("vllm-ascend", "v3.1", "ascend950", quant="w8a8-ascend"))


@pytest.mark.parametrize("recipe", sorted(r for r in RECIPES if RECIPES[r].start == "container"))
def test_a_container_that_is_privileged_says_why(recipe: str) -> None:
    kind = (RECIPES[recipe].classes or ["distill"])[0]
    found = command(recipe, kind, RECIPES[recipe].archs[0].rstrip("*?") or "x", cards=2)
    reason = found.container.privileged

    assert reason is None or len(reason) > 20
    assert not any("docker.sock" in m or "podman" in m for m in found.mounts)
    assert all(m.endswith(":ro") for m in found.mounts if not m.startswith("/dev/"))


def test_bash_only_sets_the_scene() -> None:
    argv = command("vllm-cambricon", "r1", "mlu590").argv

    assert argv[:2] == ["bash", "-c"]
    assert argv[2].endswith('exec "$0" "$@"')
    assert argv[3:5] == ["vllm", "serve"]


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.id)
def test_what_is_drafted_is_told_to_the_planner(kind: ModelClass) -> None:
    assert set(kind.drafts) == set(kind.draft)
    for engine, flags in kind.draft.items():
        by_itself = "EAGLE" in flags or flags.endswith("DSPARK")
        assert by_itself or str(kind.drafts[engine]) in flags


def test_a_recipe_without_drafting_drafts_nothing() -> None:
    drafting = "{% include 'vllm' %} {% include 'draft' %}"
    assert drafts_of("deepseek-v3.2", "vLLM", drafting, "sm_90") == 3
    assert drafts_of("deepseek-v3.2", "vLLM", "{% include 'vllm' %}", "sm_90") == 0
    assert drafts_of("deepseek-v4-flash", "vLLM", drafting, "sm_100") == 2
    assert drafts_of("deepseek-v4-flash", "vLLM", drafting, "sm_120") == 0
    assert drafts_of(None, "vLLM", drafting, None) == 0
