"""How a no travels: a gRPC status, the sentence as its message, the code in the trailing metadata `potluck-refusal`.

And back: every gRPC failure becomes one of our errors with a sentence. TLS 1.3 tells a refused client only "Socket
closed", so a certificate that ended, or a clock that is off, is looked for here, on this side.
"""

from __future__ import annotations

import time
from typing import Any, NoReturn

import grpc
import grpc.aio

from shared.clock import HOW, Validity, moment, outside
from shared.errors import OwnerMustAct, PeerMisbehaved, PotluckError, Refusal, Refused, TryLater

KEY = "potluck-refusal"
BY_ITSELF = "It is tried again by itself."
_DAMAGED = "TSI_DATA_CORRUPTED"  # gRPC's word for a TLS record that was changed on the way
_BROKEN = "Stream removed"  # its word for a line that died under a call; about one damaged record in 100 ends so
_SPARE = "try-later"  # the host's own trouble: not a refusal, the caller tries again

Context = grpc.aio.ServicerContext[Any, Any]
Code = grpc.StatusCode

_STATUS = {
    Refusal.MALFORMED: Code.INVALID_ARGUMENT,
    Refusal.UPDATE: Code.INVALID_ARGUMENT,
    Refusal.PROTOCOL: Code.FAILED_PRECONDITION,
    Refusal.CLOCK: Code.FAILED_PRECONDITION,
    Refusal.CERTIFICATE_EXPIRED: Code.UNAUTHENTICATED,
    Refusal.NO_SUCH_BLOB: Code.NOT_FOUND,
    Refusal.NO_SUCH_RUN: Code.NOT_FOUND,
    Refusal.CORRUPT: Code.DATA_LOSS,
    Refusal.QUOTA: Code.RESOURCE_EXHAUSTED,
    Refusal.BUSY: Code.RESOURCE_EXHAUSTED,
    Refusal.DISK_FULL: Code.RESOURCE_EXHAUSTED,
}


def status_of(refusal: Refusal) -> grpc.StatusCode:
    """The gRPC status of a refusal; PERMISSION_DENIED unless another says it better."""
    return _STATUS.get(refusal, Code.PERMISSION_DENIED)


async def refuse(context: Context, refused: Refused) -> NoReturn:
    """End the call with a refusal. Always raises (gRPC's own AbortError)."""
    await context.abort(status_of(refused.refusal), refused.sentence, ((KEY, refused.refusal.value),))


class answering:  # noqa: N801  reads as a word: `async with answering(context):`
    """Inside a handler: an error of ours ends the call in words. A bug is not ours to hide: it passes through."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __aenter__(self) -> None:
        return

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Refused):
            await refuse(self._context, error)
        if isinstance(error, PotluckError):
            await self._context.abort(Code.UNAVAILABLE, error.sentence, ((KEY, _SPARE),))


def in_words(
    error: grpc.aio.AioRpcError,
    doing: str,
    address: str,
    *,
    valid: Validity | None = None,
    now: float | None = None,
    again: str = BY_ITSELF,
) -> PotluckError:
    """What a failed call means, for a person.

    `doing`: "joining", "sending an update"; `valid`: our certificate's dates, if any; `again`: what becomes of it after
    a mere cut.
    """
    code, details = error.code(), (error.details() or "").strip()
    told = dict(error.trailing_metadata() or ()).get(KEY)
    if told == _SPARE:
        return TryLater(f"The host at {address} could not do its part of {doing}: {details}")
    if told is not None:
        return _refused(str(told), details)
    if code in (Code.UNAVAILABLE, Code.UNAUTHENTICATED, Code.UNKNOWN) and valid is not None:
        trouble = preflight(valid, time.time() if now is None else now)
        if trouble is not None:
            return trouble
    if _DAMAGED in details:
        return TryLater(
            f"Bytes were damaged on their way from the host at {address} while {doing}; none of them was used. {again} "
            "If it comes again and again, look at the cable, the WiFi or the router."
        )
    match code:
        case Code.UNKNOWN if details.startswith(_BROKEN):
            return _broken(address, doing, again)
        case Code.UNAVAILABLE:
            return _unreachable(details, doing, address, again)
        case Code.DEADLINE_EXCEEDED:
            return TryLater(
                f"The host at {address} did not answer in time while {doing}. Its PC or the network may be busy."
            )
        case Code.CANCELLED:
            return TryLater(f"The connection to the host at {address} was ended while {doing}.")
        case Code.UNIMPLEMENTED:
            return OwnerMustAct(
                f"The host at {address} cannot do its part of {doing}: one of the potlucks is too old. Update both."
            )
        case Code.RESOURCE_EXHAUSTED if "larger than max" in details:
            return PeerMisbehaved(f"A message was larger than allowed while {doing} with the host at {address}.")
        case Code.RESOURCE_EXHAUSTED:
            return TryLater(f"The host at {address} is busy: it could not take one more call while {doing}.")
        case _:
            return TryLater(f"The host at {address} had a fault while {doing}. Its window or its log says more.")


def preflight(valid: Validity, now: float) -> Refused | None:
    """What is wrong with our own certificate by our own clock; None when nothing is. Ask before dialling, and after."""
    _, not_after = valid
    if now > not_after:
        return Refused(
            Refusal.CERTIFICATE_EXPIRED,
            f"This PC's certificate ended on {moment(not_after)}. "
            "`potluck node run` renews it by itself as soon as the host answers.",
        )
    return outside(*valid, now)


def _refused(code: str, sentence: str) -> PotluckError:
    try:
        return Refused(Refusal(code), sentence)
    except ValueError:  # a newer host knows more reasons than we do
        return OwnerMustAct(
            f"The host refused: {sentence} (This potluck does not know the reason {code[:40]!r}: update it.)"
        )


def _unreachable(details: str, doing: str, address: str, again: str) -> PotluckError:
    said = details.lower()
    if "not yet valid" in said or "has expired" in said:  # the host's: ours is looked at by `preflight`
        off = "behind" if "not yet valid" in said else "ahead of"
        return Refused(
            Refusal.CLOCK,
            f"This PC's clock seems to be {off} the host's: the certificate shown at {address} is not valid by it. "
            f"{HOW}. If it is right, the host's clock is wrong, or its coordinator slept for days: start it again.",
        )
    if "certificate_verify_failed" in said or "certificate verify failed" in said or "peer name" in said:
        return PeerMisbehaved(
            f"What answers at {address} could not prove that it is your host, so nothing was sent. "
            "Another device may have that address now, or this PC's clock is off."
        )
    if "connection refused" in said:
        return TryLater(f"Nothing listens at {address}. Is `potluck coordinator up` running on the host's PC?")
    if "dns" in said or "name resolution" in said or "resolve" in said:
        return TryLater(
            f"The name in {address} is not known to the network. Is this PC online, and the name still right?"
        )
    if "no route" in said or "unreachable" in said:
        return TryLater(f"There is no way from this PC to {address}. Is this PC online?")
    return _broken(address, doing, again)


def _broken(address: str, doing: str, again: str) -> TryLater:
    return TryLater(f"The connection to the host at {address} broke while {doing}. {again}")
