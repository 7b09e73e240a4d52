"""Where revocation lists are published, without a network (port `RevocationLists`)."""

from __future__ import annotations

from gateway.errors import Unavailable


class FakeRevocationLists:
    """``lists``: what lies at an address; an address that is not among them does not answer. ``asked``: in order."""

    def __init__(self, **lists: bytes) -> None:
        self.lists = dict(lists)
        self.asked: list[str] = []

    async def fetch(self, address: str) -> bytes:
        self.asked.append(address)
        if address not in self.lists:
            raise Unavailable(f"revocation list {address}: HTTP 404")
        return self.lists[address]
