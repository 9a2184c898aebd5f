"""Invites over bad lines and through other people's hands."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from shared import invite
from shared.authority import CertificateAuthority
from tests.cluster.group import Group, Said, group
from tests.faults.links.eavesdropper import Eavesdropper
from tests.faults.links.proxy import Proxy
from tests.faults.links.table import in_words

SLOW = 1.0  # seconds each way: time enough to lose an answer that is on its way
GUESSES = 5  # wrong secrets that burn an invite


@contextmanager
def host(folder: Path) -> Iterator[Group]:
    with group(folder) as friends:
        friends.up()
        yield friends


def a_man_in_the_middle(folder: Path, seed: int) -> None:
    """Three ways of standing in between; he is told nothing. With the host's own key he would hear the secret."""
    with host(folder) as friends:
        word = friends.host.potluck("invite", "ana").strip()
        secret = invite.parse(word).secret
        own = CertificateAuthority.load(friends.host.home / "coordinator" / "pki")
        stranger = CertificateAuthority.create(friends.folder / "stranger", own.cluster)
        shown = stranger.issue_server()
        borrowed = shown.chain_pem.replace(stranger.certificate_pem, b"") + own.certificate_pem
        for what, chain, honest, needed in (
            ("his own authority", shown.chain_pem, 0, "another computer answers there"),
            ("the host's authority behind his own certificate", borrowed, 0, "another computer answers there"),
            ("the host itself, until it is looked at", shown.chain_pem, 1, "could not prove that it is your host"),
        ):
            with Eavesdropper(shown.key_pem, chain, friends.port + 1, friends.folder, honest) as villain:
                said = join(friends, "ana", through(word, villain.port))
                assert said.code == 1, said
                in_words(said.err.strip(), needed, "Nothing was sent" if not honest else "nothing was sent")
                print(f"{what}: heard {len(villain.heard)} bytes; {said.err.strip()}")
                assert villain.connections > honest
                assert bytes(villain.heard) == b""
        assert states(friends) == ["open"]
        real = own.issue_server()
        with Eavesdropper(real.key_pem, real.chain_pem, friends.port + 1, friends.folder) as villain:
            assert join(friends, "ana", through(word, villain.port)).code == 0
            assert secret in villain.heard, "the search finds nothing even where it is"


def a_lost_reply(folder: Path, seed: int) -> None:
    """The host let ana in and the line broke before she heard: the same key asks again, and is the same friend."""
    with host(folder) as friends, Proxy(friends.port + 1, seed) as line, ThreadPoolExecutor() as threads:
        word = through(friends.host.potluck("invite", "ana").strip(), line.port)
        line.delay_seconds = SLOW
        asking = threads.submit(join, friends, "ana", word)
        friends.until("the invite to be used", lambda: states(friends) == ["used"])
        line.cut()
        said = asking.result()
        print(f"a lost reply: {said.err.strip()}")
        assert said.code == 1, "the reply was not lost"
        in_words(said.err.strip(), "broke while joining", "Paste the invite again")
        assert not (friends.folder / "ana" / "node" / "member.json").exists()
        line.delay_seconds = 0.0
        (first,) = friends.status()["nodes"]
        refused = join(friends, "eve", word)
        assert refused.code == 1
        in_words(refused.err.strip(), "was used on", "(ana)", "Ask for a new one")
        again = join(friends, "ana", word)
        assert again.code == 0, again.err
        assert [node["node"] for node in friends.status()["nodes"]] == [first["node"]]
        member = json.loads((friends.folder / "ana" / "node" / "member.json").read_text())
        assert member["node"] == first["node"]


def a_guessed_invite(folder: Path, seed: int) -> None:
    """Five wrong secrets burn an invite, and then the right one opens nothing either."""
    with host(folder) as friends:
        word = friends.host.potluck("invite", "ana").strip()
        draw = random.Random(seed)
        for number in range(1, GUESSES + 1):
            said = join(friends, "eve", invite.word(replace(invite.parse(word), secret=draw.randbytes(16))))
            assert said.code == 1
            in_words(said.err.strip(), "secret in this invite is wrong" if number < GUESSES else "Ask")
            assert states(friends) == ["burnt" if number == GUESSES else "open"], said
        said = join(friends, "ana", word)
        print(f"a guessed invite: {said.err.strip()}")
        assert said.code == 1
        in_words(said.err.strip(), "Ask")
        assert friends.status()["nodes"] == []


def join(friends: Group, name: str, word: str) -> Said:
    return friends.say(friends.folder / name, "node", "join", "-", "--name", name, stdin=word)


def through(word: str, port: int) -> str:
    """The same invite, with another address in it."""
    return invite.word(replace(invite.parse(word), addresses=(f"127.0.0.1:{port}",)))


def states(friends: Group) -> list[str]:
    return [str(entry["state"]) for entry in friends.status()["invites"]]
