"""`engines show --diff` holds a plan against the engine that really runs."""

from __future__ import annotations

from pathlib import Path

from appliance_box import Appliance


def test_what_a_change_would_change(appliance: Appliance, parrot: Path) -> None:
    model = f"file:{parrot}"
    nothing = appliance.run("engines", "show", model, "--diff")
    assert (nothing.returncode, "no engine runs here" in nothing.stderr) == (2, True)

    appliance.up("--model", model)

    same = appliance.json("engines", "show", model, "--diff")
    assert same["lines"] == []
    assert same["pid"] in appliance.engines()
    other = appliance.json("engines", "show", model, "--diff", "--users", "2")["lines"]
    assert [line[:9] for line in other if "--slots" in line] == ["- --slots", "+ --slots"]
    assert "--slots 2" in appliance.run("engines", "show", model, "--diff", "--users", "2").stdout
