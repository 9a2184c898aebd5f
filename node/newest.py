"""What the host has to give: the newest model of each run, and the files that belong to it."""

from __future__ import annotations

from collections.abc import Callable

from node.blobs_link import BlobsLink
from node.connection import UNARY_SECONDS, Connection
from node.logic.bounds import Bound
from node.sent import Sent
from shared.errors import OwnerMustAct
from shared.ids import Digest, is_run
from shared.rpc.v1 import node_pb2 as pb

Progress = Callable[[float, str], None]


async def find_run(line: Connection, run: str, sent: Sent) -> pb.Model:
    """That run, or the newest with a finished round. Raises OwnerMustAct when there is none."""
    question = pb.ModelsRequest()
    sent.note("question", question.ByteSize(), run=run, details="which models are there?")
    async with line.words("asking for the models"):
        reply = await line.stub.Models(question, timeout=UNARY_SECONDS)
    known = {model.run: model for model in reply.models if is_run(model.run)}  # it names a folder here
    if run in known:
        return known[run]
    if not run and known:  # the host lists them by the time they were started
        return ([model for model in known.values() if model.round] or list(known.values()))[-1]
    if not known:
        raise OwnerMustAct("The host has no model yet: no run has been started.")
    raise OwnerMustAct(f"There is no run {run}. The host has: {', '.join(sorted(known))}.")


async def fetch_all(link: BlobsLink, line: Connection, wanted: dict[Digest, Bound], progress: Progress) -> None:
    """Have these blobs here."""
    for digest, bound in wanted.items():
        words = f"fetching {bound.what}"
        await link.download(line, digest, lambda share, words=words: progress(share * 0.999, words), bound)  # type: ignore[misc]
