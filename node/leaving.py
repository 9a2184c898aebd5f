"""`potluck node leave`: tell the host, then forget the key. Text collections and the record of what was sent stay."""

from __future__ import annotations

from pathlib import Path

from node import membership
from node.connection import Connection, connect
from node.link import Link
from node.logic.facts import Availability, Readiness
from node.logic.report import Activity, Doing
from node.sent import Sent
from node.store.database import connect as open_database
from node.wire import Introduction
from shared.disk import HomeLock
from shared.errors import OwnerMustAct, PotluckError, Refusal, Refused
from shared.log import Log
from shared.rpc.protocol import VERSION


async def leave(home: Path, *, force: bool) -> None:
    """Raises OwnerMustAct when the host cannot be told, unless forced. A host that removed us knows already."""
    member = membership.load(home)
    with HomeLock(home):
        database = open_database(home / "state.db")

        async def dial() -> Connection:
            return await connect(home)

        me = Introduction(VERSION, member.name, "", (), Availability(Readiness.PAUSED, sentence="leaving"))
        link = Link(dial, lambda: me, lambda: Activity(Doing.IDLE), lambda fact: None, Sent(database), Log())
        try:
            await link.leave()
        except PotluckError as error:
            gone = isinstance(error, Refused) and error.refusal in (Refusal.REVOKED, Refusal.NOT_REGISTERED)
            if not gone and not force:
                raise OwnerMustAct(
                    f"The host could not be told: {error.sentence} Try later, or forget the group without telling it:"
                    " potluck node leave --force"
                ) from error
        finally:
            database.close()
        membership.forget(home)
