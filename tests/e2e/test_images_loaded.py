"""Images by the command line, at a container engine that is strict."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from appliance_box import Appliance
from docker_stand_in import StandIn


def test_images_are_loaded_and_fetched_when_asked(appliance: Appliance, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    archive.write_bytes(b"an image")
    host = f"unix://{tmp_path}/docker.sock"
    load = ("engines", "load", str(archive), "--recipe", "vllm-biren")
    with StandIn(tmp_path / "docker.sock", []) as engine:
        engine.archives[b"an image"] = "vendor/engine:1"
        engine.registry.append("example/engine:2")

        wrong = appliance.run(*load, "--sha256", "0" * 64, DOCKER_HOST=host)
        assert (wrong.returncode, engine.images) == (7, [])
        right = hashlib.sha256(b"an image").hexdigest()
        loaded = appliance.run(*load, "--sha256", right, "--json", DOCKER_HOST=host)
        assert json.loads(loaded.stdout)["images"][0]["names"] == ["vendor/engine:1"]
        fetched = appliance.run("engines", "pull", "example/engine:2", DOCKER_HOST=host)
        assert fetched.stdout == "example/engine:2 is on this server\n"
        missing = appliance.run("engines", "pull", "example/engine:3", DOCKER_HOST=host)
        assert missing.returncode == 3
        assert "engines load FILE.tar" in missing.stderr

    away = appliance.run("engines", "pull", "example/engine:2", DOCKER_HOST=host)
    assert away.returncode == 3
    assert "error: the container engine does not answer" in away.stderr
