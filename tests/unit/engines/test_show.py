from __future__ import annotations

import shlex
import subprocess
from configparser import ConfigParser
from pathlib import Path
from typing import Any, get_args

import golden
import msgspec
import pytest

from appliance.core.errors import UsageError
from appliance.engines.build import command_for
from appliance.engines.command import ContainerOptions, EngineCommand
from appliance.engines.recipes import load_recipes
from appliance.engines.show import FROM_VENDOR, Form, container_argv, shown

AWKWARD = EngineCommand(
    engine="vLLM",
    kind="container",
    image="example/image:1",
    argv=["vllm", "serve", "/srv/my model", "--config", '{"a":"$HOME 100%"}', "it's"],
    env={"PLAIN": "1", "ODD": "a b$c%d\"e'"},
    port=8000,
    devices=["/dev/card0"],
    mounts=["/srv/my model:/srv/my model:ro"],
    files={"/etc/engine/conf.json": '{"x": "$(reboot)"}'},
    container=ContainerOptions(
        ipc="host", cap_add=["SYS_NICE"], ulimits={"memlock": "-1"}, privileged="the vendor says so"
    ),
    notes=["read the manual"],
)


def run_shell(text: str, tmp_path: Path) -> list[str]:
    """Run it with a `docker` that tells what it was given."""
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    docker.chmod(0o755)
    text = text.replace("/etc/engine", str(tmp_path / "etc"))
    done = subprocess.run(
        ["sh", "-eu", "-c", text],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_the_shell_form_runs_just_the_command(tmp_path: Path) -> None:
    argv = run_shell(shown(AWKWARD, "ds", "shell"), tmp_path)

    assert argv == container_argv(AWKWARD, "ds")[1:]
    assert argv[argv.index("example/image:1") + 1 :] == AWKWARD.argv[1:]
    assert "--env=ODD=a b$c%d\"e'" in argv
    assert (tmp_path / "etc/conf.json").read_text() == '{"x": "$(reboot)"}\n'


def test_a_process_in_shell_form_gets_its_environment(tmp_path: Path) -> None:
    command = EngineCommand(
        engine="x", argv=["docker", "a b", "--flag"], env={"PATH": f"{tmp_path}:/bin"}, port=1
    )

    assert run_shell(shown(command, "ds", "shell"), tmp_path) == ["a b", "--flag"]


def test_compose_means_the_same() -> None:
    yaml: Any = pytest.importorskip("yaml")
    service = yaml.safe_load(shown(AWKWARD, "ds", "compose"))["services"]["ds"]
    unescaped = [word.replace("$$", "$") for word in service["entrypoint"] + service["command"]]

    assert unescaped == AWKWARD.argv
    assert service["environment"]["ODD"].replace("$$", "$") == AWKWARD.env["ODD"]
    assert service["image"] == AWKWARD.image
    assert service["network_mode"] == "host"
    assert service["privileged"] is True
    assert service["ulimits"] == {"memlock": -1}
    assert service["volumes"] == AWKWARD.mounts


def sections(text: str) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def systemd_words(text: str) -> list[str]:
    return [word.replace("$$", "$").replace("%%", "%") for word in shlex.split(text)]


def test_the_quadlet_means_the_same() -> None:
    container = sections(shown(AWKWARD, "ds", "quadlet"))["Container"]

    assert [container["Entrypoint"], *systemd_words(container["Exec"])] == AWKWARD.argv
    assert container["Image"] == AWKWARD.image
    assert container["Network"] == "host"
    assert systemd_words(container["PodmanArgs"]) == ["--ipc=host", "--privileged"]


def test_a_quadlet_goes_through_systemd_once_more_which_replaces_no_variable() -> None:
    command = msgspec.structs.replace(AWKWARD, mounts=["/srv/$a:/srv/$a"], env={"ODD": "${B}"})
    container = sections(shown(command, "ds", "quadlet"))["Container"]

    assert container["Volume"] == "/srv/$$a:/srv/$$a"
    assert systemd_words(container["Environment"]) == ["ODD=${B}"]


def test_the_unit_means_the_same() -> None:
    service = sections(shown(AWKWARD, "ds", "unit"))["Service"]

    assert systemd_words(service["ExecStart"]) == container_argv(AWKWARD, "ds")
    assert service["Restart"] == "always"


def test_a_container_whose_client_was_killed_does_not_keep_its_name_from_the_next() -> None:
    parsed = sections(shown(AWKWARD, "ds", "unit"))

    assert parsed["Service"]["ExecStartPre"] == "-docker rm --force ds"
    assert parsed["Service"]["ExecStop"] == "docker stop -t 60 ds"
    assert parsed["Unit"]["After"] == parsed["Unit"]["Wants"] == "docker.service"


def test_a_process_becomes_a_service_that_may_do_little() -> None:
    command = EngineCommand(engine="x", argv=["/opt/e", "$x"], env={"A": "1 2"}, port=1)
    service = sections(shown(command, "ds", "unit"))["Service"]

    assert systemd_words(service["ExecStart"]) == command.argv
    assert shlex.split(service["Environment"]) == ["A=1 2"]
    assert service["NoNewPrivileges"] == "true"


@pytest.mark.parametrize("form", get_args(Form))
def test_what_a_person_must_know_comes_first(form: Form) -> None:
    assert shown(AWKWARD, "ds", form).splitlines()[:2] == [
        "# read the manual",
        "# privileged: the vendor says so",
    ]


def test_an_image_from_the_vendor_is_a_blank_to_fill_in() -> None:
    [recipe] = [recipe for recipe in load_recipes() if recipe.id == "vllm-enflame"]
    command = command_for(golden.request_for(recipe, "distill"))

    assert FROM_VENDOR in shown(command, "ds", "shell")
    assert "TopsRider" in shown(command, "ds", "shell").splitlines()[0]


def test_an_image_with_an_entrypoint_of_its_own_keeps_it(tmp_path: Path) -> None:
    options = ContainerOptions(image_entrypoint=True, user="1001")
    command = EngineCommand(
        engine="vLLM", kind="container", image="example/image:1", argv=["python3", "-m", "vllm"],
        port=1, container=options, cpus=[0, 2],
    )  # fmt: skip

    argv = run_shell(shown(command, "ds", "shell"), tmp_path)
    assert argv[argv.index("example/image:1") + 1 :] == ["python3", "-m", "vllm"]
    assert {"--user=1001", "--cpuset-cpus=0,2"} < set(argv)
    assert "ntrypoint" not in "".join(shown(command, "ds", form) for form in get_args(Form))
    quadlet = sections(shown(command, "ds", "quadlet"))["Container"]
    assert systemd_words(quadlet["Exec"]) == command.argv
    assert (quadlet["User"], quadlet["PodmanArgs"]) == ("1001", "--cpuset-cpus=0,2")


@pytest.mark.parametrize("form", ["compose", "quadlet"])
def test_what_runs_in_no_container_has_no_form_of_one(form: Form) -> None:
    command = EngineCommand(engine="llama.cpp", argv=["python", "-m", "x"], port=1)

    with pytest.raises(UsageError) as refused:
        shown(command, "ds", form)
    assert refused.value.code == "NO-CONTAINER"
    assert "--form unit" in str(refused.value.hint)


def test_a_process_stays_near_its_cards(tmp_path: Path) -> None:
    command = EngineCommand(engine="x", argv=["docker", "--flag"], port=1, cpus=[4, 5])

    words = shlex.split(shown(command, "ds", "shell").replace("\\\n", ""))
    assert words == ["taskset", "--cpu-list", "4,5", "docker", "--flag"]
    assert sections(shown(command, "ds", "unit"))["Service"]["CPUAffinity"] == "4,5"


@pytest.mark.parametrize("form", ["compose", "quadlet", "unit"])
def test_a_form_that_writes_no_files_tells_what_must_be_written(form: Form) -> None:
    lines = shown(AWKWARD, "ds", form).splitlines()

    at = lines.index("# before the start, write /etc/engine/conf.json:")
    assert lines[at + 1] == '#   {"x": "$(reboot)"}'
