"""Foreign errors in our words: every exception paho or the socket may raise, and what it means for the connection."""

from __future__ import annotations

import socket
import ssl
from typing import Final

from paho.mqtt.client import WebsocketConnectionError
from paho.mqtt.exception import MalformedPacket, MQTTException
from paho.mqtt.subscribeoptions import MQTTException as SubscribeOptionsError

from gateway.errors import GatewayError


class LinkLost(GatewayError):
    """The connection could not be made or has ended; it is tried again. ``cause`` is a code of link events."""

    def __init__(self, text: str, *, cause: str, remedy: str = "") -> None:
        super().__init__(text, remedy=remedy)
        self.cause = cause


MAPPED: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (
        ssl.SSLCertVerificationError,
        "certificate",
        "compare the broker's certificate with ca and with the host name in url",
    ),
    (ssl.SSLError, "tls", "check TLS versions and certificates on both sides"),
    (socket.gaierror, "name", "check the host name in url and the name server"),
    (TimeoutError, "timeout", "check that the broker runs and that no firewall swallows the packets"),
    (ConnectionRefusedError, "refused", "check that the broker runs and listens on that port"),
    (WebsocketConnectionError, "connection", "use mqtt:// or mqtts://, not websockets"),
    (OSError, "connection", "check network and broker"),
    (MalformedPacket, "protocol", "report this with the broker's version"),
    (MQTTException, "protocol", "report this with the broker's version"),
    (SubscribeOptionsError, "protocol", "report this with the broker's version"),
    (ValueError, "protocol", "check host, port and topics of the connection"),
)
"""Exception class → cause of the link event, remedy; the first that fits counts."""

FOREIGN: Final[tuple[type[Exception], ...]] = tuple(one for one, _, _ in MAPPED)


def link_lost(endpoint: str, error: Exception) -> LinkLost:
    """Return our error for one of `FOREIGN`."""
    cause, remedy = next((cause, remedy) for kind, cause, remedy in MAPPED if isinstance(error, kind))
    return LinkLost(f"no connection to {endpoint}: {str(error) or type(error).__name__}", cause=cause, remedy=remedy)
