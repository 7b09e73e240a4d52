"""One plain HTTP request on loopback, for asking a counterpart what it holds."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Answer(NamedTuple):
    """Status, headers and body of one answer, errors included."""

    status: int
    headers: Mapping[str, str]
    body: bytes


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy between a test and loopback


def ask(url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None, method: str = "") -> Answer:
    """GET `url`, or POST `body` to it; an HTTP error status is an answer, not an exception."""
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}))
    if method:
        request.method = method
    try:
        with _DIRECT.open(request, timeout=20) as answer:
            return Answer(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(refused.code, dict(refused.headers), refused.read())
