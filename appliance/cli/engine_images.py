"""`engines pull` and `engines load`: images of engines that run in containers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.hardware import json_option
from appliance.cli.options import Command
from appliance.cli.output import print_documents
from appliance.cli.progress import ProgressLine
from appliance.core.i18n import _
from appliance.core.paths import find_paths
from appliance.core.progress import Cancel

if TYPE_CHECKING:
    from appliance.supervisor.container_images import Image


@click.command("pull", cls=Command, changes=True, example="appliance engines pull vllm-nvidia")
@click.argument("image", metavar="RECIPE|IMAGE")
@json_option
def pull_image(image: str, as_json: bool) -> None:
    """Fetch the image of an engine that runs in a container."""
    from appliance.hardware.box import open_box
    from appliance.ops.engine_images import pull_image as fetch

    with open_box(state=find_paths().state) as box:
        inventory = box.inventory()
    with ProgressLine(quiet=as_json) as line:
        fetched = fetch(image, inventory, _bytes_on(line, "fetch"), Cancel())
    _print([fetched], as_json)


@click.command(
    "load",
    cls=Command,
    changes=True,
    example="appliance engines load image.tar --recipe vllm-biren",
)
@click.argument("archive", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--recipe", help="this recipe uses the image from now on (see `engines list`)")
@click.option("--sha256", help="what the file must hash to; else FILE.sha256 beside it is read")
@json_option
def load_image(archive: Path, recipe: str | None, sha256: str | None, as_json: bool) -> None:
    """Load an image from a file that was brought along, for servers without internet."""
    from appliance.ops.engine_images import load_images

    with ProgressLine(quiet=as_json) as line:
        images = load_images(archive, recipe, sha256, _bytes_on(line, "load"), Cancel())
    _print(images, as_json)


def _bytes_on(line: ProgressLine, phase: str) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        pct = 100.0 * done / total if total else None
        line.tell(f"{phase}  {done / 1e6:.1f}/{total / 1e6:.1f} MB", key=phase, pct=pct)

    return tell


def _print(images: Sequence[Image], as_json: bool) -> None:
    if as_json:
        print_documents("appliance.images/1", "images", images)
        return
    for image in images:
        names = ", ".join(image.names or image.digests) or image.id
        click.echo(_("{image} is on this server").format(image=names))
