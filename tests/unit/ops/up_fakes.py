"""The main job without daemon, hub and engine: what it asks of them, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from appliance.core.documents import to_json
from appliance.core.inventory import Card, Cpu, Host, Inventory
from appliance.core.paths import Paths
from appliance.core.progress import Cancel
from appliance.core.sample import CardSample, Sample
from appliance.core.status import DeploymentStatus, Proof, ReplicaStatus, Up
from appliance.node.wishes import UpOptions
from appliance.ops import up as up_module
from appliance.ops.deployment import Deployment
from appliance.ops.events import JobEvent
from appliance.ops.up import MainJob
from appliance.weights.disk import place_link
from appliance.weights.manifest import MANIFEST, Manifest, ManifestFile
from appliance.weights.pull import Probe, PullRequest
from appliance.weights.store import Store

PROOF = Proof(prompt="?", answer="Paris.", first_token_s=0.1, decode_tps=10.0)
HOST = Host(cpu=Cpu(model="x", sockets=1, cores=16), memory_mib=64 * 1024)
CPU_BOX = Inventory(host=HOST, cards=[Card(id="cpu", vendor="cpu")])


def gpu_box(count: int = 1) -> Inventory:
    cards = [
        Card(id=f"GPU-{n}", vendor="nvidia", index=n, name="NVIDIA H100 80GB HBM3",
             memory_mib=81559, driver="550.54", arch="sm_90", state="ok", source="library")
        for n in range(count)
    ]  # fmt: skip
    return Inventory(host=HOST, cards=cards)


class FakeServices:
    """Remembers what it was asked to run; `fails` is raised instead of getting ready."""

    def __init__(self, paths: Paths, inventory: Inventory = CPU_BOX) -> None:
        self.paths = paths
        self.box = inventory
        self.running: dict[str, Deployment] = {}
        self.states: dict[str, str] = {}
        self.fails: BaseException | None = None
        self.history: list[str] = []
        self.keys = ["a-key"]
        self.readings: list[CardSample] = []

    def inventory(self) -> Inventory:
        return self.box

    def sample(self, *, processes: bool = False) -> Sample:
        assert processes
        return Sample(time="2026-11-25T00:00:00Z", cards=self.readings)

    def statuses(self) -> list[DeploymentStatus]:
        return [self._status(work) for work in self.running.values()]

    def _status(self, work: Deployment) -> DeploymentStatus:
        state: Any = self.states.get(work.id, "ready")
        replica = ReplicaStatus(id=f"{work.id}-0", pid=1, cards=work.cards, state=state, port=1)
        return DeploymentStatus(
            id=work.id, model=work.model, variant=work.variant, engine=work.engine, state=state,
            reason=None, replicas=[replica], endpoint="http://127.0.0.1:1/v1",
            context=work.context, slots=work.slots, served_as=work.served_as,
        )  # fmt: skip

    def deploy(self, deployment: Deployment) -> Deployment | None:
        self.history.append(f"deploy {deployment.variant}")
        before = self.running.get(deployment.id)
        self.running[deployment.id] = deployment
        return before

    def withdraw(self, deployment_id: str, before: Deployment | None) -> None:
        self.history.append(f"withdraw {deployment_id}")
        del self.running[deployment_id]
        if before:
            self.running[before.id] = before

    def await_ready(self, deployment_id: str, cancel: Cancel) -> None:
        cancel.check()
        if self.fails:
            raise self.fails

    def let_adapt(self, deployment_id: str) -> None:
        self.history.append(f"let adapt {deployment_id}")

    def endpoint(self) -> str:
        return "http://127.0.0.1:1/v1"

    def first_key(self, name: str | None = None) -> str | None:
        return self.keys.pop() if self.keys else None


class Job:
    """Runs of `up` on one server, with everything outside of it scripted."""

    def __init__(self, services: FakeServices, monkeypatch: Any) -> None:
        self.services = services
        self.events: list[JobEvent] = []
        self.cancel = Cancel()
        self.pulled: list[str] = []
        self.hub_has: str | None = "*"
        self.proof: Proof | BaseException = PROOF
        monkeypatch.setattr(up_module, "pull", self._pull)
        monkeypatch.setattr(up_module, "prove", self._prove)
        monkeypatch.setattr("appliance.ops.hubs.probe", self._probe)
        monkeypatch.setattr("appliance.ops.planning._free_memory_mib", lambda: 48 * 1024.0)
        monkeypatch.setattr(Store, "free_bytes", lambda store: 10**13)

    def __call__(self, model: str | None = None, **options: Any) -> Up:
        request = UpOptions(model=model, **options)
        return MainJob(self.services, request, self.events.append, self.cancel).run()

    def codes(self) -> list[str]:
        return [event.note.code for event in self.events if hasattr(event, "note")]

    def _pull(self, request: PullRequest, store: Store, **_: Any) -> None:
        self.pulled.append(request.model)
        keep(store, request)

    def _prove(self, *_: Any, **__: Any) -> Proof:
        if isinstance(self.proof, BaseException):
            raise self.proof
        return self.proof

    def _probe(self, sources: Sequence[Any], *, timeout_s: float) -> list[Probe]:
        return [
            Probe(
                reference=source,
                ok=self.hub_has is not None and self.hub_has in ("*", str(source)),
                reached=self.hub_has is not None,
                seconds=0.0,
                why="" if self.hub_has else "no route",
            )
            for source in sources
        ]


def keep(store: Store, request: PullRequest) -> None:
    """Put the model of `request` into the store; each of its files has one byte."""
    directory = store.model_directory(request.model)
    directory.mkdir(parents=True, exist_ok=True)
    names = [file.name for file in request.files] or ["model.gguf"]
    manifest = Manifest(
        id=request.model,
        reference=request.reference,
        added="2026-01-01T00:00:00Z",
        files=[
            ManifestFile(name=name, bytes=1, sha256="0" * 64, source="test", trust="pinned")
            for name in names
        ],
    )
    for file in manifest.files:
        blob = store.blobs() / f"sha256-{file.sha256}"
        blob.write_bytes(b"x")
        place_link(blob, directory / file.name)
    (directory / MANIFEST).write_text(to_json(manifest))
