"""File errors: what a command says when a file or folder that somebody named cannot be used; no fault of the gateway."""

from __future__ import annotations

import errno
import os
from typing import Final

from gateway.errors import GatewayError, Unavailable

REMEDIES: Final[dict[int, str]] = {
    errno.EACCES: "run it as the user that may, or mend the permissions",
    errno.EPERM: "run it as the user that may, or mend the permissions",
    errno.EROFS: "name a place on a disk that can be written",
    errno.ENOENT: "name a file or folder that is there",
    errno.ENOTDIR: "name a folder whose parents are folders",
    errno.EISDIR: "name a file, not a folder",
    errno.EEXIST: "name another one, or move that away",
    errno.ENOSPC: "free space on that disk",
    errno.EDQUOT: "free space on that disk",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "name the file itself, not a link to it",
}
"""Errors of the world that a name on the command line or in a file can meet, and what to do about each."""


def file_error(fault: BaseException) -> GatewayError | None:
    """Return what to say of an `OSError` about a named file; None for everything else, which is a fault of ours."""
    if not isinstance(fault, OSError) or fault.filename is None or fault.errno not in REMEDIES:
        return None
    return Unavailable(f"{os.path.normpath(fault.filename)}: {fault.strerror}", remedy=REMEDIES[fault.errno])
