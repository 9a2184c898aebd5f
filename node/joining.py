"""`potluck node join`: join, then say what there is and what comes next."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

from node import join, probe
from node.home import collections, held_out_for_others
from node.logic.report import for_another_group
from node.sent import Sent
from node.store.database import connect
from shared.disk import HomeLock
from shared.invite import parse


async def join_and_tell(home: Path, invite: str, name: str, say: Callable[[str], None]) -> None:
    """Join with the pasted word; every byte that leaves is written down. Raises as node.join.join does."""
    parse(invite)  # before anything is made here
    with HomeLock(home):
        database = connect(home / "state.db")
        try:
            sent = Sent(database)
            member = await join.join(
                invite.strip(),
                home,
                name,
                lambda line: say(folded(line)),
                lambda what, size: (sent.note(what, size), None)[1],
            )
        finally:
            database.close()
    say(folded(f"this PC    {probe.hardware(home)}"))
    found = ", ".join(collections(home))
    say(folded(f"data       {found or 'none yet: potluck node data add FOLDER --name NAME'}"))
    for foreign in held_out_for_others(home):
        say(folded(f"data       {for_another_group(foreign)}"))
    say(f"  Joined {member.cluster!r} as {member.name!r}.")
    say("  Nothing runs yet: type `potluck node run` when you are happy.")


def folded(line: str) -> str:
    """Indented, and going on below its second column where it is too long for a narrow window."""
    return textwrap.fill(line, 79, initial_indent="  ", subsequent_indent=" " * 13, break_long_words=False,
                         break_on_hyphens=False)  # fmt: skip
