"""Which side objects a record names: long content (`{"sha256":…,"len":…}`) and what a time stamp needs beside it.

That is: certificates and revocation lists of its authority, a list of stamps with the answer over it.
"""

from __future__ import annotations

import re
from typing import Final

_NAMED: Final = re.compile(
    rb'\{"sha256":"([0-9a-f]{64})","len":[0-9]+\}|"(?:authority|crl|list|list_token)_sha256":"([0-9a-f]{64})"'
)
"""No quotation mark inside a string of JSON stands without its backslash, so text of people never looks like this."""


def side_objects_of(record: bytes) -> list[str]:
    """Return the SHA-256, in hex, of each side object that a record's JSON names, in their order."""
    return [(first or second).decode() for first, second in _NAMED.findall(record)]
