"""A QMS that believes nobody: it checks each webhook with the public `standardwebhooks` package and keeps it."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from standardwebhooks import Webhook, WebhookVerificationError

if TYPE_CHECKING:
    from types import TracebackType

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def sink_at(port: int) -> dict[str, Any]:
    """A `qms` sink for a receiver on loopback, whether it is there or not."""
    url, secret = f"http://127.0.0.1:{port}/hook", "file:../secrets/qms"
    return {"qms": {"url": url, "secret": secret, "allow_networks": ["127.0.0.0/8"], "ports": [port]}}


class Qms:
    """Takes webhooks on `port` from a thread; `events` are those whose signature held, in order of arrival.

    One record a subject (deviation), named in the answer; `refused` are texts of signatures that did not hold.
    """

    def __init__(self, port: int = 0) -> None:
        self.events: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self._records: dict[str, str] = {}
        self._lock = threading.Lock()
        qms = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                status, answer = qms.take({name.lower(): value for name, value in self.headers.items()}, content)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def sink(self) -> dict[str, Any]:
        """The `qms` sink of a configuration whose `../secrets/qms` holds `SECRET`."""
        return sink_at(self.port)

    def take(self, headers: dict[str, str], content: bytes) -> tuple[int, dict[str, Any]]:
        """Judge one request."""
        try:
            event = Webhook(SECRET).verify(content, headers)
        except WebhookVerificationError as error:
            self.refused.append(str(error))
            return 401, {"error": str(error)}
        with self._lock:
            self.events.append({"webhook-id": headers["webhook-id"], **event})
            record = self._records.setdefault(event["subject"], f"QE-{len(self._records) + 1:05d}")
        return 202, {"record_id": record, "sequence": int(event["sequence"])}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
