"""The commands of `models` that work on the store itself: verify, import, export, rm, gc."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from appliance.cli.diagnostics import note, tell
from appliance.cli.hardware import json_option
from appliance.cli.options import Command, settings_of
from appliance.cli.output import print_document
from appliance.cli.progress import ProgressLine
from appliance.cli.pulls import daemon_of_jobs
from appliance.core.errors import Interrupted, UsageError, VerificationFailed
from appliance.core.i18n import _, say
from appliance.core.paths import find_paths
from appliance.core.progress import Cancel, OnProgress
from appliance.core.pull import Pull

if TYPE_CHECKING:
    from appliance.weights.pull import PullRequest
    from appliance.weights.store import Store, StoredModel

ResultT = TypeVar("ResultT")
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[KMGT]?)B?", re.IGNORECASE)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _take(request: PullRequest, store: Store, on_progress: OnProgress, cancel: Cancel) -> Pull:
    from appliance.weights.pull import pull

    return pull(request, store, on_progress=on_progress, cancel=cancel)


def _with_progress(work: Callable[[OnProgress, Cancel], ResultT], *, quiet: bool) -> ResultT:
    """Run `work` here, showing how far it is; Ctrl-C stops it at a safe point."""
    with ProgressLine(quiet=quiet) as line:
        return work(line.show, Cancel())


@click.command(cls=Command, example="appliance models verify --quick")
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option("--quick", is_flag=True, help="size, time and sampled chunks only")
def verify(names: tuple[str, ...], quick: bool) -> None:
    """Hash stored files again; exit 7 when one is not what it was."""
    from appliance.ops.store import stored_model_named
    from appliance.weights.store import Store

    store = Store(find_paths().models)
    chosen = [stored_model_named(name, store) for name in names] or store.models()
    damaged: list[VerificationFailed] = []
    for model in chosen:
        try:
            result = _with_progress(partial(store.verify, model.id, quick), quiet=False)
        except VerificationFailed as error:
            damaged.append(error)
            continue
        text = _("{model}: whole ({files} file(s), {gb:.2f} GB read, {seconds:.1f} s)")
        click.echo(
            text.format(
                model=result.model,
                files=result.files,
                gb=result.bytes / 1e9,
                seconds=result.seconds,
            )
        )
    if not chosen:
        click.echo(_("the store is empty"))
    for failure in damaged[:-1]:
        tell(failure.what, failure.hint)
    if damaged:
        raise damaged[-1]


@click.command("import", cls=Command, changes=True, example="appliance models import /media/usb")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--require-signature", is_flag=True, help="only what a site signed that is known")
@json_option
@click.pass_context
def import_models(
    ctx: click.Context, paths: tuple[Path, ...], require_signature: bool, as_json: bool
) -> None:
    """Take models from disks: exported directories, several copies of one, or plain files."""
    from appliance.core.reference import FileReference
    from appliance.ops.store import open_store, seals
    from appliance.weights.disk import place_of

    places = find_paths()
    paths = tuple(place_of(path) for path in paths)
    requests = _requests(paths)
    taken = [Path(s.path) for r in requests for s in r.sources if isinstance(s, FileReference)]
    for verdict in seals(taken, places, require=require_signature):
        note(verdict.text, settings_of(ctx))
    store = open_store(places)
    for request in requests:
        result = _with_progress(partial(_take, request, store), quiet=as_json)
        if as_json:
            print_document(result, lines=True)
        else:
            click.echo(_("{model}: imported and verified").format(model=result.model))


def _requests(paths: tuple[Path, ...]) -> list[PullRequest]:
    from appliance.catalog.models import load_catalogue
    from appliance.core.reference import FileReference
    from appliance.weights.export import import_requests
    from appliance.weights.pull import request_for

    directories = [path for path in paths if path.is_dir()]
    files = [path for path in paths if not path.is_dir()]
    plain = [request_for(FileReference(str(path.absolute())), load_catalogue()) for path in files]
    return plain + (import_requests(directories) if directories else [])


@click.command(
    cls=Command,
    changes=True,
    example="appliance models export deepseek-v3:q4_k_m /media/usb",
)
@click.argument("name", metavar="MODEL")
@click.argument("target", metavar="DIRECTORY", type=click.Path(path_type=Path, file_okay=False))
@click.option("--part-size", metavar="SIZE", help="split files, such as 4G; FAT32 is seen to")
@json_option
def export(name: str, target: Path, part_size: str | None, as_json: bool) -> None:
    """Write a model to a disk, with its hashes, for another appliance to import."""
    from appliance.core.signature import site_key
    from appliance.ops.store import open_store, stored_model_named
    from appliance.weights.export import export_model

    paths = find_paths()
    store = open_store(paths)
    model = stored_model_named(name, store)
    write = partial(
        export_model,
        store,
        model.id,
        target,
        part_bytes=_bytes_of(part_size) if part_size else None,
        key=site_key(paths),
    )
    result = _with_progress(
        lambda tell, cancel: write(on_progress=tell, cancel=cancel), quiet=as_json
    )
    if as_json:
        print_document(result)
    else:
        click.echo(
            _("{model} is in {directory}").format(model=result.model, directory=result.directory)
        )
        click.echo(
            _("signed by {site} with the key {key}").format(site=result.site, key=result.key)
        )


def _bytes_of(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None or float(match["number"]) <= 0:
        raise UsageError(say("not a size: {text}", text=text), hint=say("write it like 4G or 700M"))
    return int(float(match["number"]) * _UNITS[match["unit"].upper()])


@click.command(
    "rm",
    cls=Command,
    changes=True,
    example="appliance models rm deepseek-r1-distill-qwen-7b:q4_k_m",
)
@click.argument("name", metavar="MODEL")
@click.option("--yes", is_flag=True, help="do not ask")
@click.pass_context
def remove(ctx: click.Context, name: str, yes: bool) -> None:
    """Remove a model from the store; never one that is served."""
    from appliance.cli.service import current_status
    from appliance.node.pulls import recorded_pulls
    from appliance.node.start import state_file
    from appliance.ops.store import open_store, pulled_models, removable
    from appliance.weights.disk import show_bytes

    paths = find_paths()
    store = open_store(paths)
    pulls = pulled_models([pull.options.model for pull in recorded_pulls(state_file(paths))])
    with daemon_of_jobs(settings_of(ctx)) as client:
        jobs = client.jobs() if client else []
    model_id = removable(
        name,
        store,
        current_status(settings_of(ctx)).deployments,
        pulls,
        beginning=any(job.kind == "up" and job.state == "running" for job in jobs),
    )
    if not yes:
        _confirm_removal(model_id, store.find(model_id))
    freed = store.remove(model_id)
    text = _("removed {model}, {size} are free again")
    click.echo(text.format(model=model_id, size=show_bytes(freed.bytes)))


def _confirm_removal(model_id: str, model: StoredModel | None) -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            say("removing {model} needs a yes, and there is no terminal to ask", model=model_id),
            hint=say("add --yes"),
            code="NEEDS-YES",
        )
    question = _("Remove what came of {model} so far?").format(model=model_id)
    if model is not None:
        text = _("Remove {model} ({size:.1f} GB)?")
        question = text.format(model=model_id, size=model.bytes / 1e9)
    if not click.confirm(question, err=True):
        raise Interrupted(say("nothing was removed"))


@click.command(cls=Command, changes=True, example="appliance models gc")
@click.pass_context
def gc(ctx: click.Context) -> None:
    """Remove what no model needs: what was never finished and nobody went on with."""
    from appliance.node.pulls import recorded_pulls
    from appliance.node.start import state_file
    from appliance.ops.store import open_store, pulled_models
    from appliance.weights.disk import show_bytes

    paths = find_paths()
    pulls = [pull.options.model for pull in recorded_pulls(state_file(paths))]
    freed = open_store(paths).gc(keep=pulled_models(pulls))
    for path in freed.removed:
        note(path, settings_of(ctx))
    click.echo(_("{size} are free again").format(size=show_bytes(freed.bytes)))


STORE_COMMANDS = (verify, import_models, export, remove, gc)
