"""Why the host hung up before a word was said: TLS 1.3 does not tell, so the joining port is asked for its clock."""

from __future__ import annotations

import time
from pathlib import Path

from node import membership
from node.enrol import Host, Note
from shared import clock
from shared.errors import PotluckError, Refusal, Refused
from shared.rpc import dial


async def doubt(home: Path, note: Note) -> Refused | None:
    """In words, when this PC's certificate is not valid by the host's clock. None when it is, or when nobody tells."""
    member, papers = membership.load(home), membership.papers(home)
    try:
        async with Host(await dial.find_again(member.joining, papers.ca_pem)) as host:
            hello = await host.hello(note)
    except Refused as refused:
        return refused if refused.refusal is Refusal.CLOCK else None
    except PotluckError:
        return None
    return clock.hosts_trouble(*papers.valid, time.time(), hello.ahead)
