"""Whatever gRPC says, a friend reads a sentence that says what happened and what to do."""

from __future__ import annotations

import time
from pathlib import Path

import grpc
import grpc.aio
import pytest

from shared import identity
from shared.authority import CertificateAuthority
from shared.errors import OwnerMustAct, PeerMisbehaved, PotluckError, Refusal, Refused, TryLater
from shared.rpc import refusal

ADDRESS = "192.168.1.20:7443"
JARGON = ("UNAVAILABLE", "Socket", "StatusCode", "DENIED", "VERIFY", "ssl", "RPC", "ipv4")


def failed(code: grpc.StatusCode, details: str = "", told: str | None = None) -> grpc.aio.AioRpcError:
    trailing = grpc.aio.Metadata(*([(refusal.KEY, told)] if told else []))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details)


def words(code: grpc.StatusCode, details: str = "") -> PotluckError:
    return refusal.in_words(failed(code, details), "sending an update", ADDRESS)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_no_status_reaches_a_friend_as_jargon(code: grpc.StatusCode) -> None:
    error = words(code, "Socket closed; ipv4:192.168.1.20:7443: ssl3_read_bytes RPC")
    assert ADDRESS in error.sentence
    assert not any(jargon in error.sentence for jargon in JARGON)


@pytest.mark.parametrize(
    ("details", "kind", "said"),
    [
        ("failed to connect; Connection refused (111)", TryLater, "Is `potluck coordinator up` running"),
        ("DNS resolution failed for home.example.org", TryLater, "The name in"),
        ("Network is unreachable", TryLater, "Is this PC online?"),
        ("Ssl handshake failed: CERTIFICATE_VERIFY_FAILED", PeerMisbehaved, "could not prove that it is your host"),
        ("CERTIFICATE_VERIFY_FAILED: certificate is not yet valid", Refused, "seems to be behind the host's"),
        ("CERTIFICATE_VERIFY_FAILED: certificate has expired", Refused, "seems to be ahead of the host's"),
        ("Socket closed", TryLater, "tried again by itself"),
    ],
)
def test_what_is_known_of_a_broken_connection_is_told(details: str, kind: type[PotluckError], said: str) -> None:
    error = words(grpc.StatusCode.UNAVAILABLE, details)
    assert isinstance(error, kind)
    assert said in error.sentence


def test_a_line_that_died_under_a_write_is_no_fault_of_the_host() -> None:
    error = words(grpc.StatusCode.UNKNOWN, "Stream removed (Wrap failed (TSI_INTERNAL_ERROR))")
    assert isinstance(error, TryLater)
    assert "broke while" in error.sentence


@pytest.mark.parametrize("reason", list(Refusal))
def test_every_refusal_arrives_as_it_was_sent(reason: Refusal) -> None:
    error = refusal.in_words(failed(refusal.status_of(reason), "So it is.", reason.value), "joining", ADDRESS)
    assert isinstance(error, Refused)
    assert (error.refusal, error.sentence) == (reason, "So it is.")


def test_a_reason_of_a_newer_host_keeps_its_sentence() -> None:
    error = refusal.in_words(failed(grpc.StatusCode.ABORTED, "The moon is wrong.", "moon"), "joining", ADDRESS)
    assert isinstance(error, OwnerMustAct)
    assert "The moon is wrong." in error.sentence
    assert "update it" in error.sentence


def test_a_broken_connection_is_blamed_on_a_certificate_that_ended(tmp_path: Path) -> None:
    authority = CertificateAuthority.create(tmp_path, "saturday")
    valid = identity.dates_of(authority.issue_operator(identity.public_key(identity.new_key())))
    error, now = failed(grpc.StatusCode.UNAVAILABLE, "Socket closed"), time.time()
    for at, reason in ((now + 8 * 86400, Refusal.CERTIFICATE_EXPIRED), (now - 86400, Refusal.CLOCK)):
        said = refusal.in_words(error, "listening", ADDRESS, valid=valid, now=at)
        assert isinstance(said, Refused)
        assert said.refusal is reason
    assert isinstance(refusal.in_words(error, "listening", ADDRESS, valid=valid, now=now), TryLater)
