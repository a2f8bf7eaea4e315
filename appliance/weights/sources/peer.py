"""The store of another appliance: every file by its hash, the digests of every chunk."""

from __future__ import annotations

import msgspec

from appliance.core.errors import NeedsRights, VerificationFailed
from appliance.core.i18n import say
from appliance.core.reference import PeerReference
from appliance.weights.chunks import ChunkDigests
from appliance.weights.faults import SourceFault, busy, missing, not_the_file
from appliance.weights.http import Answer, Http
from appliance.weights.names import is_safe_name
from appliance.weights.peers import PeerFile, PeerModel, blob_address, known_peers, model_address
from appliance.weights.sources.base import Listing, RemoteFile
from appliance.weights.sources.ranged import RangedSource


class PeerSource(RangedSource):
    """One model of a peer that this appliance knows."""

    def __init__(self, http: Http, reference: PeerReference) -> None:
        super().__init__(http, str(reference))
        self.reference = reference
        self._peer = known_peers().get(reference.authority)

    def listing(self) -> Listing:
        """Its files with their hashes and the digests of their chunks."""
        url = model_address(self.reference.authority, self.reference.model)
        answer, document = self.http.document(url, self.authorization())
        self.check_status(answer, self.reference.model)
        try:
            model = msgspec.convert(document, type=PeerModel)
        except msgspec.ValidationError as error:
            raise not_the_file(self.label, say("it is no appliance ({why})", why=error)) from error
        files = [_file(file) for file in model.files if is_safe_name(file.name)]
        return Listing(revision=model.revision, files=tuple(files))

    def address(self, file: RemoteFile) -> str:
        """By hash: a peer whose file is another one does not have it."""
        return blob_address(self.reference.authority, file.sha256 or "")

    def authorization(self) -> dict[str, str]:
        """The secret of that peer. Raises `SourceFault` for one we do not know."""
        if self._peer is None:
            raise self._unknown()
        return self._peer.authorization()

    def check_status(self, answer: Answer, what: str) -> None:
        """Raise the `SourceFault` that a status means."""
        if answer.status in (401, 403):
            raise self._unknown()
        if answer.status == 404:
            raise missing(
                what,
                self.reference.authority,
                say(
                    "`appliance models peer {place}` lists what it has", place=self.reference.place
                ),
            )
        if answer.status not in (200, 206):
            raise busy(self.reference.authority, answer.status, answer.wait_s())

    def _unknown(self) -> SourceFault:
        place = self.reference.place
        error = NeedsRights(
            say("there is no valid key for the appliance at {place}", place=place),
            hint=say(
                "`appliance models share` shows it there; give it to `appliance models peer "
                "{place}` here",
                place=place,
            ),
            code="PEER-KEY",
        )
        return SourceFault(error, lasting=True)


def _file(file: PeerFile) -> RemoteFile:
    try:
        chunks = ChunkDigests.from_bytes(file.chunks) if file.chunks else None
    except VerificationFailed:
        chunks = None
    if chunks is not None and chunks.size != file.bytes:
        chunks = None
    return RemoteFile(name=file.name, bytes=file.bytes, sha256=file.sha256, chunks=chunks)
