"""An authority without a network (port `TimeStamper`): `openssl ts` answers at once, or it fails in the way a test asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Unavailable
from tests.counterparts.tsa import other_query

if TYPE_CHECKING:
    from tests.counterparts.tsa import Authority


class FakeTimeStamper:
    """`mode` as `tests.counterparts.tsa.TsaServer` has it; ``applied_then_down`` answers and loses the answer."""

    url = "https://tsa.example/tsr"

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.mode = "ok"
        self.queries: list[bytes] = []

    async def stamp(self, request: bytes) -> bytes:
        self.queries.append(request)
        if self.mode == "down":
            raise Unavailable("time stamping at https://tsa.example/tsr: HTTP 503")
        if self.mode == "junk":
            return b"<html>a portal</html>"
        self.authority.configure("sha512" if self.mode == "refuse" else "sha256")
        answer = self.authority.reply(other_query(request, self.mode))
        if self.mode == "applied_then_down":
            raise Unavailable("time stamping at https://tsa.example/tsr: no answer in time")
        return answer
