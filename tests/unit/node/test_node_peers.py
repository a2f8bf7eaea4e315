"""One appliance shares its store, another one pulls from it: real sockets, TLS, files."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hub import LoopbackHub

from appliance.catalog.models import Catalogue
from appliance.core.errors import ApplianceError, NeedsRights, Unreachable, UsageError
from appliance.core.paths import Paths, find_paths
from appliance.core.pull import Pull
from appliance.core.reference import HubReference, PeerReference, parse_reference
from appliance.node.peers import Sharing
from appliance.node.state import State
from appliance.node.wishes import Shared, ShareOptions
from appliance.weights.chunks import CHUNK_BYTES
from appliance.weights.peers import forget, known_peers, meet
from appliance.weights.pull import FetchOptions, PullRequest, pull, request_for
from appliance.weights.store import Store

SIZE = 3 * CHUNK_BYTES + 12345
MODEL = "hf:deepseek-ai/tiny"
QUICK = FetchOptions(stall_s=2.0, connect_s=2.0, attempts=3, backoff_s=0.02, probe_s=1.0)
NO_CATALOGUE = Catalogue((), "")


def content(seed: int = 1) -> bytes:
    """A safetensors file; no two places of it are alike."""
    header = b'{"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (SIZE, SIZE)
    body = b"".join(hashlib.sha256(b"%d.%d" % (seed, n)).digest() for n in range(SIZE // 32 + 1))
    return len(header).to_bytes(8, "little") + header + body[:SIZE]


@pytest.fixture
def neighbour(tmp_path: Path) -> Paths:
    """The home of the appliance that shares."""
    home = tmp_path / "neighbour"
    names = ("config", "data", "state", "cache", "logs")
    paths = Paths(**{name: home / name for name in names})
    paths.state.mkdir(parents=True)
    return paths


@pytest.fixture
def model(hub: LoopbackHub, neighbour: Paths) -> Pull:
    """A model in the neighbour's store."""
    path = hub.root / "deepseek-ai/tiny/model.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(content())
    request = request_for(parse_reference(MODEL), NO_CATALOGUE)
    return pull(request, Store(neighbour.models, floor_bytes=0), options=QUICK)


@pytest.fixture
def sharing(neighbour: Paths) -> Iterator[Sharing]:
    state = State(neighbour.state / "state.db")
    sharing = Sharing(neighbour, state)
    yield sharing
    sharing.stop()
    state.close()


@pytest.fixture
def shared(sharing: Sharing, model: Pull) -> Shared:
    """Sharing is on, on a port that was free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return sharing.set(ShareOptions(port=port))


def mine(tmp_path: Path) -> Store:
    return Store(tmp_path / "mine", floor_bytes=0)


def fetch(shared: Shared, store: Store, *others: HubReference) -> Pull:
    reference = PeerReference("127.0.0.1", shared.port, MODEL)
    request = request_for(reference, NO_CATALOGUE)
    sources = [*request.sources, *others]
    whole = PullRequest(model=request.model, reference=request.reference, sources=sources)
    return pull(whole, store, options=QUICK)


def spoil(pulled: Pull, offset: int, length: int = 1 << 20) -> None:
    path = Path(pulled.files[0].path)
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(b"\0" * length)


def test_a_disk_that_takes_no_certificate_is_named(sharing: Sharing, neighbour: Paths) -> None:
    (neighbour.state / "share").write_text("in the way")

    with pytest.raises(ApplianceError) as caught:
        sharing.set(ShareOptions(port=1))

    assert caught.value.code == "DISK-FAULT"
    assert str(neighbour.state) in str(caught.value)
    assert sharing.listeners() == []


def test_a_model_comes_from_a_neighbour_with_no_hub_anywhere(
    shared: Shared, hub: LoopbackHub, tmp_path: Path
) -> None:
    sent = hub.bytes_sent
    models = meet("127.0.0.1", shared.port, shared.key)
    assert [one.id for one in models] == [MODEL]

    pulled = fetch(shared, mine(tmp_path))

    assert pulled.model == MODEL
    assert Path(pulled.files[0].path).read_bytes() == content()
    assert pulled.files[0].source == f"peer:127.0.0.1:{shared.port}/{MODEL}"
    assert hub.bytes_sent == sent


def test_nothing_listens_before_somebody_asks_and_after_it_is_off(
    sharing: Sharing, shared: Shared
) -> None:
    assert [(one.what, one.port, one.tls) for one in sharing.listeners()] == [
        ("peers", shared.port, True)
    ]
    sharing.set(ShareOptions(on=False))
    assert sharing.listeners() == []
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", shared.port), timeout=1).close()
    sharing.start()
    assert sharing.listeners() == []


def test_it_is_shared_again_after_a_restart(sharing: Sharing, shared: Shared) -> None:
    sharing.stop()
    sharing.start()
    assert [one.port for one in sharing.listeners()] == [shared.port]


def test_without_the_key_there_is_nothing(shared: Shared) -> None:
    for path in ("/", "/models", f"/models/{MODEL}", f"/blobs/{'0' * 64}"):
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            url = f"https://127.0.0.1:{shared.port}{path}"
            answer = httpx.get(url, headers=headers, verify=False, trust_env=False)
            assert (answer.status_code, answer.content) == (401, b"")


def test_a_wrong_key_is_refused_and_not_kept(shared: Shared) -> None:
    secret, _, print_ = shared.key.partition(".")
    for key, kind in (
        (f"wrong{secret}.{print_}", NeedsRights),
        (f"{secret}.{print_[::-1]}", NeedsRights),
        ("nonsense", UsageError),
    ):
        with pytest.raises(kind):
            meet("127.0.0.1", shared.port, key)
    assert known_peers() == {}


def test_an_unknown_peer_is_said_to_need_its_key(shared: Shared, tmp_path: Path) -> None:
    with pytest.raises(NeedsRights) as caught:
        fetch(shared, mine(tmp_path))
    assert caught.value.code == "PEER-KEY"
    assert "models peer" in str(caught.value.hint)


def test_a_forgotten_peer_is_unknown_again(shared: Shared) -> None:
    meet("127.0.0.1", shared.port, shared.key)
    record = find_paths().config / "peers.json"
    assert record.stat().st_mode & 0o777 == 0o600
    forget("127.0.0.1", shared.port)
    assert known_peers() == {}


def test_a_range_the_neighbours_disk_spoiled_is_found_and_fetched_alone_elsewhere(
    shared: Shared, model: Pull, hub: LoopbackHub, tmp_path: Path
) -> None:
    meet("127.0.0.1", shared.port, shared.key)
    spoil(model, CHUNK_BYTES + 77)
    sent = hub.bytes_sent

    pulled = fetch(shared, mine(tmp_path), HubReference("hf", "deepseek-ai/tiny"))

    assert Path(pulled.files[0].path).read_bytes() == content()
    assert pulled.bytes_fetched <= SIZE + 4 * CHUNK_BYTES
    assert hub.bytes_sent - sent <= 4 * CHUNK_BYTES


def test_a_spoiled_range_with_nobody_else_is_named_and_nothing_is_placed(
    shared: Shared, model: Pull, tmp_path: Path
) -> None:
    meet("127.0.0.1", shared.port, shared.key)
    spoil(model, CHUNK_BYTES + 77)
    store = mine(tmp_path)
    with pytest.raises(
        ApplianceError, match=rf"bytes {CHUNK_BYTES}-{2 * CHUNK_BYTES - 1}"
    ) as caught:
        fetch(shared, store)
    assert int(caught.value.exit_code) == 7
    assert store.models() == []


def test_what_verify_found_damaged_is_not_shared(
    shared: Shared, model: Pull, neighbour: Paths, tmp_path: Path
) -> None:
    meet("127.0.0.1", shared.port, shared.key)
    Store(neighbour.models).keep_damage(model.files[0].sha256, [1])
    with pytest.raises(UsageError) as caught:
        fetch(shared, mine(tmp_path))
    assert caught.value.code == "NOT-ON-HUB"
    assert "HF_TOKEN" not in str(caught.value.hint)
    assert meet("127.0.0.1", shared.port, shared.key) == []


def test_a_port_in_use_is_an_error(sharing: Sharing) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ApplianceError) as caught:
            sharing.set(ShareOptions(port=taken.getsockname()[1]))
    assert caught.value.code == "CANNOT-LISTEN"
    assert sharing.listeners() == []


def test_nobody_there_is_an_error() -> None:
    with pytest.raises(Unreachable) as caught:
        meet("127.0.0.1", 9, "secret.print")
    assert caught.value.code == "NO-PEER"


def test_a_neighbour_that_is_away_is_named_and_no_proxy(
    shared: Shared, sharing: Sharing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meet("127.0.0.1", shared.port, shared.key)
    sharing.set(ShareOptions(on=False))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(Unreachable) as caught:
        fetch(shared, mine(tmp_path))
    assert caught.value.code == "NO-PEER"
    assert "share" in str(caught.value.hint)
    assert "PROXY" not in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "status", "length"),
    [
        ("bytes=0-0", 206, 1),
        ("bytes=5-", 206, len(content()) - 5),
        ("bytes=99999999999-", 416, 0),
        ("bytes=9-3", 416, 0),
        ("lines=1-2", 200, len(content())),
    ],
)
def test_ranges(shared: Shared, model: Pull, text: str, status: int, length: int) -> None:
    url = f"https://127.0.0.1:{shared.port}/blobs/{model.files[0].sha256}"
    key = {"Authorization": f"Bearer {shared.key.partition('.')[0]}"}
    answer = httpx.get(url, headers={**key, "Range": text}, verify=False, trust_env=False)
    assert (answer.status_code, len(answer.content)) == (status, length)
    if status == 206:
        assert answer.content == content()[int(text[6:].partition("-")[0]) :][:length]


@pytest.mark.parametrize("path", ["/blobs/../../etc/passwd", "/blobs/" + "0" * 64, "/models/x"])
def test_what_is_not_in_the_store_is_not_found(shared: Shared, path: str) -> None:
    key = {"Authorization": f"Bearer {shared.key.partition('.')[0]}"}
    url = f"https://127.0.0.1:{shared.port}{path}"
    answer = httpx.get(url, headers=key, verify=False, trust_env=False)
    assert answer.status_code == 404
