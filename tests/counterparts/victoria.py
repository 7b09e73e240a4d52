"""A real VictoriaMetrics server: speaks the InfluxDB v2 write API, so the official client can be judged against it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tests.counterparts.http import ask
from tests.counterparts.missing import need
from tests.counterparts.ports import free_port
from tests.counterparts.process import OwnedServer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Victoria(OwnedServer):
    """VictoriaMetrics with its data in `folder`; `url` takes `/api/v2/write` and `/write`.

    It stores numbers only, at millisecond resolution, as `<measurement>_<field>`; a text field is dropped.
    """

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        self._program = need("victoria-metrics")
        super().__init__(folder, free_port() if port is None else port)
        self.url = f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        return [
            self._program,
            f"-httpListenAddr=127.0.0.1:{self.port}",
            f"-storageDataPath={self.folder / 'data'}",
            "-retentionPeriod=100y",
            "-memory.allowedBytes=64MB",
            "-search.latencyOffset=0s",
        ]

    def export(self, match: str) -> list[dict[str, Any]]:
        """Every stored series that `match` selects: `[{"metric": {…}, "values": […], "timestamps": [ms, …]}]`."""
        ask(f"{self.url}/internal/force_flush")
        answer = ask(f"{self.url}/api/v1/export?" + urlencode({"match[]": match}))
        assert answer.status == 200, answer
        return [json.loads(line) for line in answer.body.splitlines()]

    def delete(self, match: str) -> None:
        """Forget every series that `match` selects."""
        answer = ask(f"{self.url}/api/v1/admin/tsdb/delete_series?" + urlencode({"match[]": match}))
        assert answer.status == 204, answer
