"""`potluck node doctor`: walk every hop from this PC to a training step, and name the one that fails."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from node import adding, membership, probe
from node.connection import connect
from node.examining import fits, machine
from node.examining.check import Check
from node.home import collections, held_out_for_others, settings
from node.logic.report import for_another_group
from node.newest import find_run
from node.sent import Sent
from node.store.database import connect as open_database
from shared import clock, identity
from shared.errors import OwnerMustAct, PotluckError
from shared.rpc import dial, refusal

HOP_SECONDS = 5.0
IMPORT_SECONDS = 180.0  # torch, transformers and flwr on a cold disk
ASK_HOST = "Ask whether `potluck coordinator up` runs there and whether its firewall lets you in (docs/router.md)."
BELOW = 21  # columns: where a check's sentence begins


async def examine(
    home: Path, tell: Callable[[Check], None], doing: Callable[[str], None] = lambda words: None
) -> list[Check]:
    """Every check, told as soon as it is made; `doing` hears of one that takes long.

    Nothing is changed but the record of what was sent.
    """
    checks = []
    async for check in _walk(home, doing):
        tell(check)
        checks.append(check)
    return checks


async def _walk(home: Path, doing: Callable[[str], None]) -> AsyncIterator[Check]:
    for check in machine.examined(home):
        yield check
    yield _settings(home)
    try:
        member, papers = membership.load(home), membership.papers(home)
    except OwnerMustAct as error:
        yield Check("membership", False, error.sentence)
    else:
        yield Check("membership", True, f"{member.name!r} in the group {member.cluster!r}, node {member.node}")
        pin = identity.pin_of(papers.ca_pem)
        reached = False
        for address in member.joining:
            async for check in _hops(address, member.port, pin):
                yield check
                reached = reached or (check.hop == "pin" and bool(check.fine))
        yield _certificate(papers.valid)
        if reached:
            yield await _welcome(home)
        else:
            yield Check("host", None, "no address answers as it should: see above, and docs/router.md")
    yield await _data(home)
    for check in _fits(home):
        yield check
    doing(f"  ...   {'trainer':<12} loading its libraries; a minute when the disk is cold")
    yield await _trainer(home)


def _settings(home: Path) -> Check:
    try:
        chosen = settings(home)
    except OwnerMustAct as error:
        return Check("settings", False, error.sentence)
    return Check("settings", True, f"engine {chosen.engine}, {probe.hardware(home)}")


async def _hops(address: str, working_port: int, pin: bytes) -> AsyncIterator[Check]:
    """Name, then TCP to both ports, then the host's key, for one address. The first failure ends it."""
    try:
        host, port = dial.split(address)
    except OwnerMustAct as error:
        yield Check("address", False, error.sentence)
        return
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(HOP_SECONDS):
            found = await loop.getaddrinfo(host, port)
    except (OSError, TimeoutError) as error:
        yield Check("DNS", False, f"{host}: {dial.silence(error, HOP_SECONDS)}")
        return
    yield Check("DNS", True, f"{host} is {found[0][4][0]}")
    for number in (port, working_port):
        try:
            async with asyncio.timeout(HOP_SECONDS):
                _, writer = await asyncio.open_connection(host, number)
            writer.transport.abort()
        except (OSError, TimeoutError) as error:
            yield Check("TCP", False, f"{host} port {number}: {dial.silence(error, HOP_SECONDS)}. {ASK_HOST}")
            return
    yield Check("TCP", True, f"{host} ports {port} and {working_port}")
    try:
        await dial.read_authority(address, pin, HOP_SECONDS)
    except PotluckError as error:
        yield Check("pin", False, f"{address}: {error.sentence}")
        return
    yield Check("pin", True, f"{address} is your host: {identity.fingerprint_words(pin)}")


def _certificate(valid: clock.Validity) -> Check:
    trouble = refusal.preflight(valid, time.time())
    if trouble is not None:
        return Check("certificate", False, trouble.sentence)
    return Check("certificate", True, f"valid until {clock.moment(valid[1])}; it renews by itself")


async def _welcome(home: Path) -> Check:
    """A mutually authenticated call; what it asks is written down like everything that leaves."""
    try:
        line, database = await connect(home), open_database(home / "state.db")
        try:
            model = await find_run(line, "", Sent(database))
            return Check("host", True, f"it answers; newest model: round {model.round} of {model.run}")
        except OwnerMustAct as error:  # no run, or several: it answered
            return Check("host", True, f"it answers. {error.sentence}")
        finally:
            await line.close()
            database.close()
    except PotluckError as error:
        return Check("host", False, error.sentence)


def _fits(home: Path) -> list[Check]:
    try:
        return fits.examined(home, settings(home))
    except OwnerMustAct:
        return [Check("fit", None, "settings.json must be mended first")]


async def _data(home: Path) -> Check:
    """Which collections there are, and whether their files are as long as they were."""
    found = collections(home)
    if foreign := held_out_for_others(home):
        return Check("data", False, " ".join(map(for_another_group, foreign)))
    if not found and not [*(home / "data").glob("[!.]*")]:
        return Check("data", False, "none yet: potluck node data add FOLDER --name NAME")
    named = ", ".join(f"{name} ({meta.get('documents', 0):,} documents)" for name, meta in found.items())
    try:
        damages = (await adding.check(home, [], quick=True))["damages"]
    except OwnerMustAct as error:
        return Check("data", None, f"{named}. Could not be looked at: {error.sentence}")
    if damages:
        first, more = next(iter(damages.values()))[0], sum(map(len, damages.values())) - 1
        return Check("data", False, f"{first} {f'{more:,} more: potluck node data check' if more else ''}".rstrip())
    return Check("data", True, named)


async def _trainer(home: Path) -> Check:
    """Import what the trainer imports, in a child of its own."""
    try:
        module = settings(home).trainer
    except OwnerMustAct:
        return Check("trainer", None, "settings.json must be mended first")
    what = "torch, transformers, peft, flwr" if module == "node.train" else module
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"import {what}",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(IMPORT_SECONDS):
            _, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return Check("trainer", False, f"importing {what} took more than {IMPORT_SECONDS:.0f} s")
    if process.returncode:
        last = (errors.decode(errors="replace").strip().splitlines() or ["it did not say why"])[-1]
        missing = re.fullmatch(r"ModuleNotFoundError: No module named '([\w.]+)'", last)
        why = f"{missing[1]} is not installed" if missing else f"importing {what} failed: {last.rstrip('.')}"
        return Check("trainer", False, f"{why}. Install what training needs: pip install 'potluck[train]'")
    return Check("trainer", True, f"{what} can be imported")
