"""The embedded broker as a process of its own: amqtt, with TLS certificates asked of every client. For the demo only."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import ssl
import sys
from pathlib import Path
from typing import Any

from amqtt.broker import Broker


class CertificateBroker(Broker):  # type: ignore[misc, unused-ignore]  # the library is untyped
    """The library's broker, but a client without a certificate of our authority is not let in."""

    @staticmethod
    def _create_ssl_context(listener: Any) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=listener.get("cafile"))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(listener["certfile"], listener["keyfile"])
        context.verify_mode = ssl.CERT_REQUIRED
        return context


async def serve(settings: dict[str, Any]) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    broker = CertificateBroker(settings)
    await broker.start()
    await stop.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text())))
