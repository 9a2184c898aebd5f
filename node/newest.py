"""What the host has to give: the newest model of each run, and the files that belong to it."""

from __future__ import annotations

from collections.abc import Callable

from node.blobs_link import BlobsLink
from node.connection import UNARY_SECONDS, Connection
from node.logic.bounds import Bound
from node.sent import Sent
from shared.errors import OwnerMustAct
from shared.ids import Digest, is_run, runs_called
from shared.rpc.v1 import node_pb2 as pb

Progress = Callable[[float, str], None]


async def find_run(line: Connection, run: str, sent: Sent) -> pb.Model:
    """The run that is meant by an id, a name or how it begins; empty: the only one. Else raises OwnerMustAct."""
    question = pb.ModelsRequest()
    sent.note("question", question.ByteSize(), run=run, details="which models are there?")
    async with line.words("asking for the models"):
        reply = await line.stub.Models(question, timeout=UNARY_SECONDS)
    known = {model.run: model for model in reply.models if is_run(model.run)}  # it names a folder here
    if not known:
        raise OwnerMustAct("The host has no model yet: no run has been started.")
    match runs_called(run, list(known)):
        case [one]:
            return known[one]
        case []:
            raise OwnerMustAct(f"There is no run {run}. The host has: {', '.join(sorted(known))}.")
        case several:
            raise OwnerMustAct(f"Say which run: {', '.join(sorted(several))}.")


async def fetch_all(link: BlobsLink, line: Connection, wanted: dict[Digest, Bound], progress: Progress) -> None:
    """Have these blobs here."""
    for digest, bound in wanted.items():
        words = f"fetching {bound.what}"
        await link.download(line, digest, lambda share, words=words: progress(share * 0.999, words), bound)  # type: ignore[misc]
