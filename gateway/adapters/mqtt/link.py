"""Settings of one broker connection, and the TLS context they give."""

from __future__ import annotations

import os
import ssl

from msgspec import Struct

from gateway.errors import SourceRefused


class MqttLink(Struct, frozen=True, kw_only=True):
    """What one connection needs beside its plan (`profiles.md`, block mqtt); secrets arrive resolved.

    ``tls`` False is for loopback only. ``ca``, ``certificate``, ``key`` are paths of PEM files;
    ``key_pem`` holds the key itself where its reference is no file. ``gateway`` names our link topic
    ``gateway/<gateway>/link/<source>``. ``protocol`` is ``"5"`` or ``"3.1.1"``. Sizes in kB, times in seconds.
    """

    host: str
    port: int
    gateway: str
    client_id: str
    tls: bool = True
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    key_pem: bytes | None = None
    user: str | None = None
    password: str | None = None
    protocol: str = "5"
    session_expiry_s: int = 604_800
    receive_max: int = 500
    keepalive_s: int = 15
    payload_kb_max: int = 256
    connect_timeout_s: float = 10.0
    will_delay_s: int = 30
    link_topic: bool = True

    @property
    def v5(self) -> bool:
        """Whether the connection speaks MQTT 5."""
        return self.protocol == "5"

    @property
    def endpoint(self) -> str:
        """``mqtts://host:port``, as link events name it."""
        return f"mqtt{'s' if self.tls else ''}://{self.host}:{self.port}"


def tls_context(link: MqttLink) -> ssl.SSLContext | None:
    """Return a context for TLS >= 1.2 with own CA, host name check and client certificate; None where TLS is off.

    Raises `SourceRefused` for a file that cannot be read or does not hold what its key says.
    """
    if not link.tls:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if link.ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cafile=link.ca)
        if link.certificate is not None:
            _load_own(context, link.certificate, link)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        text = f"TLS files of {link.endpoint} cannot be used: {error}"
        raise SourceRefused(
            text, remedy="check ca, certificate and key: PEM, readable by the gateway, key unencrypted"
        ) from error
    return context


def _load_own(context: ssl.SSLContext, certificate: str, link: MqttLink) -> None:
    """Load certificate and key; the library reads files only, so a key in memory becomes one that no disk ever sees."""
    if link.key_pem is None:
        context.load_cert_chain(certificate, link.key)
        return
    descriptor = os.memfd_create("key")
    try:
        os.write(descriptor, link.key_pem)
        context.load_cert_chain(certificate, f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
