"""Every error we raise on purpose. The class says who must act; the message is a sentence for a friend.

    PotluckError
    ├── OwnerMustAct      the person at this PC can mend it: the sentence says how
    │   └── DiskFull      ... by making room; whoever can wait for it goes on by itself
    ├── Refused           the other side said no, with a code a program can read
    ├── PeerMisbehaved    the other side broke the rules: never retried
    └── TryLater          the network, a full disk, a busy file: retried by itself

A bug of ours is an ordinary exception (AssertionError, TypeError): it is not caught.
"""

from __future__ import annotations

from enum import StrEnum


def printable(text: str) -> str:
    """Words that may be another PC's, fit for a terminal: nothing in them moves its cursor. Lines stay lines."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


class PotluckError(Exception):
    """Something we can put into a sentence for the person at the keyboard."""

    def __init__(self, sentence: str) -> None:
        self.sentence = printable(sentence)
        super().__init__(self.sentence)


class OwnerMustAct(PotluckError):
    """The person at this PC can mend it."""


class DiskFull(OwnerMustAct):
    """There is no room for what is to be written."""


class PeerMisbehaved(PotluckError):
    """The other side sent something that breaks the rules."""


class TryLater(PotluckError):
    """It may work in a moment; whoever catches it waits and tries again."""


class Refusal(StrEnum):
    """Why a coordinator said no. The word travels in the trailing metadata `potluck-refusal`."""

    INVITE_UNKNOWN = "invite-unknown"
    INVITE_USED = "invite-used"
    INVITE_EXPIRED = "invite-expired"
    INVITE_BURNT = "invite-burnt"
    MALFORMED = "malformed"
    PROTOCOL = "protocol"
    CLOCK = "clock"
    REVOKED = "revoked"  # final: the node stops dialling
    NOT_REGISTERED = "not-registered"
    CERTIFICATE_EXPIRED = "certificate-expired"
    NOT_OPERATOR = "not-operator"
    NOT_A_MEMBER = "not-a-member"
    UPDATE = "update"  # the update breaks the run's specification
    QUOTA = "quota"
    NO_SUCH_BLOB = "no-such-blob"
    NO_SUCH_RUN = "no-such-run"
    CORRUPT = "corrupt"  # bytes did not match their digest
    BUSY = "busy"
    DISK_FULL = "disk-full"


class Refused(PotluckError):
    """The other side said no, and why."""

    def __init__(self, refusal: Refusal, sentence: str) -> None:
        super().__init__(sentence)
        self.refusal = refusal
