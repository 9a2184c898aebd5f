"""Both ports speak TLS 1.2 and 1.3 and nothing older, with a client that would speak anything."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from tests.rpc.loopback import hosting
from tests.rpc.test_joining import run

OLD = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1]
NEW = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def context(version: ssl.TLSVersion, pki: Path) -> ssl.SSLContext:
    """One version of TLS, whatever it is worth, as the operator, the host's certificate not looked at."""
    chosen = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    chosen.check_hostname, chosen.verify_mode = False, ssl.CERT_NONE
    chosen.set_ciphers("ALL:@SECLEVEL=0")
    chosen.minimum_version = chosen.maximum_version = version
    chosen.load_cert_chain(pki / "operator.crt", pki / "operator.key")
    chosen.set_alpn_protocols(["h2"])
    return chosen


async def speaks(version: ssl.TLSVersion, pki: Path) -> bool:
    """Whether our client gets through to somebody who allows everything."""
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    lax.load_cert_chain(pki / "operator.crt", pki / "operator.key")
    lax.set_ciphers("ALL:@SECLEVEL=0")
    lax.minimum_version = ssl.TLSVersion.TLSv1
    async with await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0, ssl=lax) as server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context(version, pki))
        found = writer.get_extra_info("ssl_object").version()
        writer.transport.abort()
    return bool(found == version.name.replace("_", ".").replace("TLSv1.0", "TLSv1"))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_nothing_older_than_tls_1_2_is_spoken(tmp_path: Path) -> None:
    async def all_of_it() -> None:
        async with hosting(tmp_path) as host:
            for port in (int(address.rpartition(":")[2]) for address in (host.address, host.working)):
                for version in NEW:
                    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context(version, tmp_path))
                    found = writer.get_extra_info("ssl_object").version()
                    assert found == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
                    writer.transport.abort()
                for version in OLD:
                    assert await speaks(version, tmp_path), "this client could, so the refusal is the port's"
                    with pytest.raises((ssl.SSLError, ConnectionError)):
                        await asyncio.open_connection("127.0.0.1", port, ssl=context(version, tmp_path))

    run(all_of_it())
