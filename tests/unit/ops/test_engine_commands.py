"""From a choice to the exact command: nothing of the variant gets lost on the way."""

from __future__ import annotations

from pathlib import Path

from appliance.core.inventory import Card, Host, Inventory
from appliance.core.paths import Paths
from appliance.core.plan import Choice, Memory, Speed
from appliance.ops.engines import command_of

ASCEND = Card(
    id="npu-0", vendor="ascend", index=0, name="910B4", memory_mib=32768, arch="ascend910b"
)
NVIDIA = Card(id="gpu-0", vendor="nvidia", index=0, name="NVIDIA L40S", memory_mib=46068)


def choice(variant: str, recipe: str, engine: str, card: Card) -> Choice:
    return Choice(
        model=variant.partition(":")[0],
        variant=variant,
        engine=engine,
        recipe=recipe,
        cards=[card.id],
        context=4096,
        slots=2,
        fits=True,
        memory=Memory(per_card=[], host_mib=0.0, method="formula"),
        speed=Speed(),
    )


def places(root: Path) -> Paths:
    names = ("config", "data", "state", "cache", "logs")
    return Paths(**{name: root / name for name in names})


def test_the_quantization_reaches_the_engine(tmp_path: Path) -> None:
    wanted = choice("deepseek-r1-distill-qwen-32b:w8a8-ascend", "vllm-ascend", "vLLM", ASCEND)

    command = command_of(wanted, Inventory(host=Host(), cards=[ASCEND]), places(tmp_path))

    at = command.argv.index("--quantization")
    assert command.argv[at + 1] == "ascend"


def test_the_family_picks_the_reasoning_parser(tmp_path: Path) -> None:
    wanted = choice("deepseek-r1-distill-qwen-32b:fp8", "vllm-nvidia", "vLLM", NVIDIA)

    command = command_of(wanted, Inventory(host=Host(), cards=[NVIDIA]), places(tmp_path))

    at = command.argv.index("--reasoning-parser")
    assert command.argv[at + 1] == "deepseek_r1"


def test_an_engine_that_is_not_built_is_named_by_where_it_will_be(tmp_path: Path) -> None:
    wanted = choice(
        "deepseek-r1-distill-qwen-7b:q4_k_m", "llama.cpp-native-cuda", "llama.cpp", NVIDIA
    )

    command = command_of(wanted, Inventory(host=Host(), cards=[NVIDIA]), places(tmp_path))

    assert command.argv[0].endswith("cuda/current/bin/llama-server")
    assert str(tmp_path / "data" / "models") in " ".join(command.argv)


def test_what_is_still_to_be_fetched_and_built_is_said_of_this_server_alone(tmp_path: Path) -> None:
    wanted = choice(
        "deepseek-r1-distill-qwen-7b:q4_k_m", "llama.cpp-native-cuda", "llama.cpp", NVIDIA
    )
    inventory = Inventory(host=Host(), cards=[NVIDIA])

    here = command_of(wanted, inventory, places(tmp_path))
    elsewhere = command_of(wanted, inventory, places(tmp_path), here=False)

    assert here.notes == [
        "first: `appliance models pull deepseek-r1-distill-qwen-7b:q4_k_m`",
        "first: `appliance engines build llama.cpp --backend cuda`",
    ]
    assert elsewhere.notes == []
