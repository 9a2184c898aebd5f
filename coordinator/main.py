"""The coordinator's whole job. READ FIRST, top to bottom.

It holds its home, loads the journal, opens two doors (joining; everything else), and from then on does one thing:
facts go into the ledger, and after each durable one the world is made to agree with `plan(state)`. Killed at any
instruction, it loads, plans again and carries on.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from asyncio import TaskGroup
from datetime import datetime
from pathlib import Path
from typing import TextIO

import grpc
import grpc.aio

from coordinator import addresses
from coordinator import ledger as ledger_
from coordinator import settings as settings_
from coordinator.doorman import Doorman, joining_server
from coordinator.doors.node import NodeDoor
from coordinator.doors.operator import OperatorDoor
from coordinator.doors.transfers import Transfers
from coordinator.enrol import EnrolDoor
from coordinator.guard import Guard
from coordinator.heartbeats import Heartbeats
from coordinator.ledger import Ledger
from coordinator.logic.cluster import plan
from coordinator.logic.facts import Lost
from coordinator.logic.news import news
from coordinator.logic.presence import Link
from coordinator.logic.wishes import Evaluate, Train
from coordinator.settings import Settings
from coordinator.status import Status
from coordinator.store.sqlite import SqliteStore
from coordinator.work import Work
from shared.authority import CertificateAuthority
from shared.blobs import Blobs
from shared.disk import HomeLock, private_folder
from shared.errors import OwnerMustAct, printable
from shared.hands import Hands
from shared.log import Log
from shared.rpc import tls
from shared.rpc.v1 import enrol_pb2_grpc, node_pb2_grpc, operator_pb2_grpc

LOOK = 2.0  # seconds between looks for silent nodes


def run(home: Path, *, as_json: bool = False, verbose: bool = False) -> None:
    """`potluck coordinator up`: until Ctrl-C or SIGTERM."""
    settings_.load(home)  # or nothing is made there
    log = Log(as_json=as_json) if verbose or as_json else Log(open_log(home))
    logging.basicConfig(
        level=logging.WARNING, stream=log.stream, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    asyncio.run(until_told(home, log))


async def until_told(home: Path, log: Log) -> None:
    """Run until a signal asks us to stop."""
    task = asyncio.current_task()
    assert task is not None
    for name in ("SIGINT", "SIGTERM"):
        try:
            asyncio.get_running_loop().add_signal_handler(getattr(signal, name), task.cancel)
        except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
            break
    try:
        await coordinate(home, settings_.load(home), log)
    except asyncio.CancelledError:
        print("Stopped. Everything is kept; `potluck coordinator up` goes on where it was.")


async def coordinate(home: Path, settings: Settings, log: Log) -> None:
    with HomeLock(home):
        authority = CertificateAuthority.load(home / "pki")
        store = SqliteStore(home / "state.db")
        ledger = ledger_.load(store)
        blobs, heartbeats, guard = Blobs(home / "blobs"), Heartbeats(), Guard(ledger, log=log)
        transfers = Transfers(ledger, blobs, heartbeats)
        reachable = addresses.reachable(settings)
        nodes = NodeDoor(ledger, transfers, heartbeats, log, settings.cluster, reachable)
        status = Status(ledger, heartbeats, settings.cluster, authority.words, reachable)
        operator = OperatorDoor(ledger, guard, status, authority.pin, reachable, settings.enrol_port)
        enrol = EnrolDoor(
            ledger, authority, settings.cluster, settings.port, reachable, (home / "pki" / "group.key").read_bytes()
        )
        work = Work(home, settings_.cache(), ledger, blobs, transfers, heartbeats, log)
        identity = tls.ServerIdentity(authority.issue_server(), authority.certificate_pem, issue=authority.issue_server)
        servers = await open_doors(home, settings, identity, guard, nodes, operator, enrol)
        say_where(settings, authority, reachable)
        log.info("up", cluster=settings.cluster, port=settings.port, runs=len(ledger.state.runs))
        try:
            async with TaskGroup() as tasks:
                tasks.create_task(ledger.run())
                tasks.create_task(notice_silence(ledger, heartbeats, log))
                tasks.create_task(work.keep_tidy())
                hands, told = Hands(tasks, work.perform), ledger.durable
                async for state in ledger.changes():
                    say(news(told, state))
                    told = state
                    hands.want(wish for wish in plan(state) if not isinstance(wish, Train | Evaluate))
                    nodes.tell()
        finally:
            await asyncio.gather(*(server.stop(1.0) for server in servers))
            await work.close()
            store.close()


async def open_doors(
    home: Path,
    settings: Settings,
    identity: tls.ServerIdentity,
    guard: Guard,
    nodes: NodeDoor,
    operator: OperatorDoor,
    enrol: EnrolDoor,
) -> list[grpc.aio.Server]:
    """Listen: members and the host with certificates on one port, joining on the next."""
    members = grpc.aio.server(interceptors=[guard], options=tls.server_options())
    node_pb2_grpc.add_NodeServicer_to_server(nodes, members)
    operator_pb2_grpc.add_OperatorServicer_to_server(operator, members)
    joining = joining_server(Doorman())
    enrol_pb2_grpc.add_EnrolServicer_to_server(enrol, joining)
    for server, port, mutual in ((members, settings.port, True), (joining, settings.enrol_port, False)):
        bind = settings.bind or "[::]"
        host = f"[{bind}]" if ":" in bind and not bind.startswith("[") else bind
        try:
            server.add_secure_port(f"{host}:{port}", identity.credentials(mutual=mutual))
        except RuntimeError as error:
            await asyncio.gather(members.stop(0), joining.stop(0))  # or they complain at the very end
            raise OwnerMustAct(
                f"{addresses.port_trouble(settings.bind, port)} Choose another `port` in {home / 'settings.json'} "
                "(a new group gets its own with: potluck coordinator init NAME --port 7643)."
            ) from error
        await server.start()
    return [members, joining]


async def notice_silence(ledger: Ledger, heartbeats: Heartbeats, log: Log) -> None:
    """Turn silence past the lease into a fact; and a jump of the clock into one, before it passes for silence."""
    while True:
        if (away := ledger.follow_the_wall()) > 0:
            log.warn("clock went ahead", seconds=away)
        here = [node for node, presence in ledger.state.presences.items() if presence.link is Link.HERE]
        for node in heartbeats.silent(here):
            log.warn("lost", node=node)
            heartbeats.forget(node)
            await ledger.record(Lost(ledger.now(), node))
        await asyncio.sleep(LOOK)


def say_where(settings: Settings, authority: CertificateAuthority, reachable: tuple[str, ...]) -> None:
    print(f"Group {settings.cluster!r} is up.  host words: {authority.words}")
    shown = [f"{address} ({addresses.kind(address)})" for address in reachable]
    print(f"  Reachable for joining at {', '.join(shown) or 'no address: is this PC on a network?'}")
    print(
        f"  Members use port {settings.port}. Invite a friend in another window: potluck coordinator invite NAME",
        flush=True,
    )


def say(sentences: list[str]) -> None:
    """To whoever keeps this window open."""
    for sentence in sentences:
        print(f"{datetime.now():%H:%M}  {printable(sentence)}", flush=True)


def open_log(home: Path) -> TextIO:
    """Facts go to a file when nobody asked to see them."""
    path = home / "log" / "coordinator.log"
    private_folder(path.parent)
    return open(path, "a", encoding="utf-8")
