"""A real InfluxDB 1.6.7, and the small shim that lets the v2 client write to it."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.counterparts.http import ask
from tests.counterparts.missing import need
from tests.counterparts.ports import free_port
from tests.counterparts.process import OwnedServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CONFIGURATION = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
index-version = "inmem"
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
auth-enabled = {auth}
flux-enabled = false
[subscriber]
enabled = false
"""


class Influxd(OwnedServer):
    """InfluxDB 1.6.7 with its data in `folder`; with `user` and `password` it refuses everybody else."""

    def __init__(self, folder: Path, *, port: int | None = None, user: str = "", password: str = "") -> None:
        self._program = need("influxd")
        super().__init__(folder, free_port() if port is None else port)
        self.url = f"http://127.0.0.1:{self.port}"
        self.user, self.password = user, password
        self.conf = folder / "influxdb.conf"
        auth = "true" if user else "false"
        self.conf.write_text(CONFIGURATION.format(rpc=free_port(), folder=folder, port=self.port, auth=auth))
        self._admin_made = False

    def command(self) -> Sequence[str]:
        return [self._program, "-config", str(self.conf)]

    def ready(self) -> bool:
        if not super().ready():
            return False
        answer = ask(f"{self.url}/ping")
        if answer.status == 204 and self.user and not self._admin_made:
            name, word = self.user, self.password
            self.query(f"CREATE USER \"{name}\" WITH PASSWORD '{word}' WITH ALL PRIVILEGES")
            self._admin_made = True
        return answer.status == 204

    def query(self, text: str, database: str = "") -> list[dict[str, Any]]:
        """Result of one InfluxQL statement as rows keyed by column (tags and `time` in nanoseconds included)."""
        given = {"q": text, "db": database, "epoch": "ns"}
        account = urlencode({"u": self.user, "p": self.password}) if self.user else ""
        answer = ask(f"{self.url}/query?{account}", body=urlencode(given).encode())
        result = json.loads(answer.body)
        assert answer.status == 200, result
        assert "error" not in result["results"][0], result
        return [
            {**series.get("tags", {}), **dict(zip(series["columns"], row, strict=True))}
            for series in result["results"][0].get("series", [])
            for row in series["values"]
        ]

    def create_database(self, name: str) -> None:
        """Make a database with the default retention policy `autogen`."""
        self.query(f'CREATE DATABASE "{name}"')

    @contextlib.contextmanager
    def v2_shim(self) -> Iterator[str]:
        """URL of a server that answers `/api/v2/write?bucket=db/rp` by writing to `/write?db=db&rp=rp` here."""
        server = _Shim(("127.0.0.1", 0), _ShimHandler)
        server.target = self.url
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Shim(ThreadingHTTPServer):
    daemon_threads = True
    target = ""


class _ShimHandler(BaseHTTPRequestHandler):
    """The v2 write of InfluxDB 1.8 for 1.6.7: bucket `db/rp`, `Token user:pass`, everything else untouched."""

    server: _Shim
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        address = urlsplit(self.path)
        given = {key: values[0] for key, values in parse_qs(address.query).items()}
        database, _, policy = given.get("bucket", "").partition("/")
        user, _, word = self.headers.get("Authorization", "").removeprefix("Token ").partition(":")
        v1 = {"db": database, "rp": policy, "u": user, "p": word, "precision": given.get("precision", "ns")}
        v1["precision"] = {"ns": "n", "us": "u"}.get(v1["precision"], v1["precision"])
        keep = {key: self.headers[key] for key in ("Content-Encoding",) if key in self.headers}
        path = "/write" if address.path == "/api/v2/write" else address.path
        answer = ask(f"{self.server.target}{path}?{urlencode(v1)}", body=body, headers=keep)
        self.send_response(answer.status)
        for key in ("Content-Type", "X-Influxdb-Error", "X-Influxdb-Version"):
            if key in answer.headers:
                self.send_header(key, answer.headers[key])
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
        """Keep quiet: a test's output is its assertions."""
