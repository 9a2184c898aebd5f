"""gRPC over TLS as every connection here uses it: limits, keepalive, server rotation, one fixed server name.

gRPC speaks TLS 1.2 and 1.3 only. A server's certificate is fetched anew for every handshake, so `rotate` changes it
while open connections live on; a client dials anew to change its own. `grpc.http2.ping_timeout_ms` is what notices
a connection that a router silently forgot: with the keepalive options alone that took 60 s, with it at most 40 s.

gRPC measures a line with pings of its own while bytes flow (bdp_probe), and the same limit holds for those. On a line
of 1 Mbit/s their answer waits longer than that behind a megabyte of our own: connections that did well were cut every
10 s. So lines are not measured; a stream may have LOOKAHEAD under way, which fills 300 Mbit/s over 100 ms.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from shared.clock import renew_at
from shared.ids import SERVER_NAME

if TYPE_CHECKING:  # a command that only asks the host need not load cryptography
    from shared.authority import ServerCertificate

MAX_MESSAGE = 8 << 20  # bytes; blobs travel in chunks of 1 MiB
MAX_ENROL_MESSAGE = 16 << 10  # bytes; before anybody has shown a certificate
LOOKAHEAD = 4 << 20  # bytes of one stream that may be on their way before they are read
MAX_METADATA = 16 << 10  # bytes
JOINING_CONNECTIONS = 128  # open to the joining port at once; more are closed again
JOINING_AGE = 20_000  # milliseconds a connection to the joining port may last, and
JOINING_GRACE = 10_000  # its open calls after that

Options = list[tuple[str, int | str]]


def server_options(max_message: int = MAX_MESSAGE) -> Options:
    """For grpc.aio.server: caps before authentication, and pings that find dead peers within 40 s."""
    return [
        *_common(max_message),
        ("grpc.max_concurrent_streams", 64),  # on one connection
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.so_reuseport", 0),  # else two coordinators could share a port on Linux
    ]


def joining_options() -> Options:
    """For the joining port: connections and calls that strangers open and never use cannot hold it for long."""
    return [
        *server_options(MAX_ENROL_MESSAGE),
        ("grpc.max_allowed_incoming_connections", JOINING_CONNECTIONS),
        ("grpc.max_connection_age_ms", JOINING_AGE),
        ("grpc.max_connection_age_grace_ms", JOINING_GRACE),
    ]


def client_options(max_message: int = MAX_MESSAGE) -> Options:
    """For channels: proxies in the environment are ignored, and a broken connection is dialled again within 30 s."""
    return [
        *_common(max_message),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 500),
        ("grpc.min_reconnect_backoff_ms", 5_000),
        ("grpc.max_reconnect_backoff_ms", 30_000),
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection, with the new certificate
        ("grpc.ssl_target_name_override", SERVER_NAME),
    ]


def channel(
    address: str,
    ca_pem: bytes,
    key_pem: bytes | None = None,
    cert_pem: bytes | None = None,
    *,
    max_message: int = MAX_MESSAGE,
) -> grpc.aio.Channel:
    """A channel to the coordinator at `address` (host:port; IPv6 in brackets), trusting only the authority `ca_pem`.

    With a key and a certificate it is mutual. Nothing is dialled before the first call.
    """
    credentials = grpc.ssl_channel_credentials(
        root_certificates=ca_pem, private_key=key_pem, certificate_chain=cert_pem
    )
    return grpc.aio.secure_channel(address, credentials, options=client_options(max_message))


class ServerIdentity:
    """The certificate our servers show now.

    With `issue` it renews itself at the first handshake after two thirds of its life: a timer would sleep while the
    host's PC sleeps, and then show an ended certificate. `clock`: UTC seconds.
    """

    def __init__(
        self,
        certificate: ServerCertificate,
        ca_pem: bytes,
        issue: Callable[[], ServerCertificate] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ca_pem, self._issue, self._clock = ca_pem, issue, clock
        self.certificate = certificate

    def rotate(self, certificate: ServerCertificate) -> None:
        """Show `certificate` from the next handshake on. Open connections stay as they are."""
        self.certificate = certificate

    def credentials(self, *, mutual: bool) -> grpc.ServerCredentials:
        """For add_secure_port. Mutual: a client without a certificate of our authority gets no connection."""
        shown = self.certificate

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            """Called by gRPC in a thread of its own, for every handshake; None means unchanged."""
            nonlocal shown
            self._renew()
            if self.certificate is shown:
                return None
            shown = self.certificate
            return self._configuration(shown)

        return grpc.dynamic_ssl_server_credentials(
            self._configuration(shown),
            fetch,  # type: ignore[arg-type]  # the stubs do not know that None means unchanged
            require_client_authentication=mutual,
        )

    def _renew(self) -> None:
        """Two handshakes at the same moment may both issue one; either is as good."""
        now = self.certificate
        if self._issue is not None and self._clock() > renew_at(now.not_before, now.not_after):
            self.rotate(self._issue())

    def _configuration(self, certificate: ServerCertificate) -> grpc.ServerCertificateConfiguration:
        pair = (certificate.key_pem, certificate.chain_pem)
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=self._ca_pem)


def _common(max_message: int) -> Options:
    return [
        ("grpc.max_receive_message_length", max_message),
        ("grpc.max_send_message_length", max_message),
        ("grpc.max_metadata_size", MAX_METADATA),
        ("grpc.absolute_max_metadata_size", MAX_METADATA),
        ("grpc.keepalive_time_ms", 30_000),  # home routers forget idle connections after one to five minutes
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.ping_timeout_ms", 10_000),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", min(LOOKAHEAD, max_message)),  # strangers send no more than a message
        ("grpc.keepalive_permit_without_calls", 1),
    ]
