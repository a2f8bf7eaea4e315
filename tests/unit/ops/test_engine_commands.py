"""From a choice to the exact command: nothing of the variant gets lost on the way."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from appliance.core.inventory import Card, Host, Inventory
from appliance.core.paths import Paths
from appliance.core.plan import CardMemory, Choice, Form, Memory, Speed
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


OURS = Choice(
    model="file:/srv/ours",
    variant="file:/srv/ours",
    engine="vLLM",
    recipe="vllm-cpu",
    cards=["cpu"],
    context=4096,
    slots=2,
    fits=True,
    memory=Memory(
        per_card=[
            CardMemory(
                id="cpu",
                weights_mib=1.0,
                kv_mib=100.01,
                compute_mib=1.0,
                overhead_mib=1.0,
                total_mib=103.01,
                available_mib=None,
            )
        ],
        host_mib=103.01,
        method="formula",
    ),
    speed=Speed(),
    form=Form(architecture="qwen2", quant="bf16", model_class="distill"),
)


def command_line(choice: Choice, root: Path, *cards: Card) -> list[str]:
    return command_of(choice, Inventory(host=Host(), cards=list(cards)), places(root)).argv


def test_the_engine_is_told_the_cache_that_was_planned(tmp_path: Path) -> None:
    argv = command_line(OURS, tmp_path, Card(id="cpu", vendor="cpu"))

    assert argv[argv.index("--kv-cache-memory-bytes") + 1] == str(101 << 20)


def test_an_engine_that_fills_its_card_is_told_nothing(tmp_path: Path) -> None:
    on_card = msgspec.structs.replace(OURS, recipe="vllm-nvidia", cards=["gpu-0"])

    assert "--kv-cache-memory-bytes" not in command_line(on_card, tmp_path, NVIDIA)


def test_weights_outside_the_catalogue_get_the_settings_of_their_class(tmp_path: Path) -> None:
    argv = command_line(OURS, tmp_path, Card(id="cpu", vendor="cpu"))

    assert argv[argv.index("--reasoning-parser") + 1] == "deepseek_r1"


@pytest.mark.parametrize("engine", ["vLLM", "SGLang"])
def test_weights_outside_the_catalogue_run_no_code_and_draft_nothing(
    tmp_path: Path, engine: str
) -> None:
    form = Form(architecture="deepseek32", quant="fp8", model_class="v3.2")
    ours = msgspec.structs.replace(
        OURS, engine=engine, recipe=f"{engine.lower()}-nvidia", cards=["gpu-0"], form=form
    )
    known = choice("deepseek-v3.2:fp8", f"{engine.lower()}-nvidia", engine, NVIDIA)

    argv, of_catalogue = (command_line(one, tmp_path, NVIDIA) for one in (ours, known))

    assert "--trust-remote-code" in of_catalogue
    assert [flag for flag in of_catalogue if "specul" in flag]
    assert "--trust-remote-code" not in argv
    assert not [flag for flag in argv if "specul" in flag]
    assert argv[argv.index("--reasoning-parser") + 1].startswith("deepseek")


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
