"""What a foreign failure means for us: every status code and exception of the library mapped to one verdict.

The pump and the ladder act on verdicts, never on the library's classes (`libraries.md` 1, rule 3).
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from gateway.adapters.opcua.foreign import errors, ua
from gateway.adapters.opcua.wire import Unreadable
from gateway.errors import Unavailable


class Verdict(Enum):
    """What to do about it."""

    LINK = "link"  # channel or server in doubt: drop the socket, next attempt
    SESSION = "session"  # the server forgot the session: step 2
    SUBSCRIPTION = "subscription"  # the server forgot the subscription: step 3
    MESSAGE = "message"  # this message is no longer kept: a gap
    SECURITY = "security"  # certificate, key or policy: lost, tried again, never weaker
    IDENTITY = "identity"  # user refused: again after 60 s
    BUSY = "busy"  # too many sessions or requests: later
    TOO_LARGE = "too_large"  # halve the call
    UNSUPPORTED = "unsupported"  # the server does not offer it: a finding
    NODE = "node"  # this node or item alone


class Trouble(Unavailable):
    """The world's failure on one link, with its verdict and the status code if the server named one."""

    def __init__(self, verdict: Verdict, text: str, *, status: int | None = None) -> None:
        super().__init__(text, remedy=REMEDIES[verdict])
        self.verdict = verdict
        self.status = status


FOREIGN: tuple[type[Exception], ...] = (errors.UaError, OSError, TimeoutError, EOFError, Unreadable, Trouble)
"""Everything the world and the library may raise at us; anything else is our own mistake and leaves `run`."""

REMEDIES = {
    Verdict.LINK: "the gateway connects again by itself; check the network and the server if it lasts",
    Verdict.SESSION: "the gateway opens a new session by itself",
    Verdict.SUBSCRIPTION: "the gateway subscribes again and records the gap",
    Verdict.MESSAGE: "the gap is recorded; history is read where the server has it",
    Verdict.SECURITY: "compare the server's certificate with the pinned one, and ours with the server's trust list",
    Verdict.IDENTITY: "check user and password of the connection and the server's user list",
    Verdict.BUSY: "close sessions on the server or raise its limit",
    Verdict.TOO_LARGE: "the call is halved by itself",
    Verdict.UNSUPPORTED: "the server does not offer this service; what depends on it stays a gap",
    Verdict.NODE: "run `gateway opcua browse` and correct the address in the profile",
}

_NAMES: dict[Verdict, str] = {
    Verdict.SESSION: "BadSessionIdInvalid BadSessionClosed BadSessionNotActivated BadIdentityChangeNotSupported "
    "BadApplicationSignatureInvalid BadNonceInvalid",
    Verdict.SUBSCRIPTION: "BadSubscriptionIdInvalid BadNoSubscription GoodSubscriptionTransferred",
    Verdict.MESSAGE: "BadMessageNotAvailable BadSequenceNumberUnknown BadSequenceNumberInvalid",
    Verdict.IDENTITY: "BadIdentityTokenRejected BadIdentityTokenInvalid BadUserAccessDenied BadUserSignatureInvalid "
    "BadPasswordChangeRequired",
    Verdict.BUSY: "BadTooManySessions BadTooManySubscriptions BadTooManyPublishRequests BadTooManyMonitoredItems "
    "BadServerTooBusy BadResourceUnavailable BadOutOfMemory",
    Verdict.TOO_LARGE: "BadTooManyOperations BadRequestTooLarge BadResponseTooLarge BadEncodingLimitsExceeded "
    "BadTcpMessageTooLarge",
    Verdict.UNSUPPORTED: "BadServiceUnsupported BadNotImplemented BadNotSupported BadHistoryOperationUnsupported "
    "BadHistoryOperationInvalid BadMethodInvalid BadAttributeIdInvalid",
    Verdict.NODE: "BadNodeIdUnknown BadNodeIdInvalid BadNoMatch BadNotReadable BadUserAccessDenied BadIndexRangeInvalid "
    "BadIndexRangeNoData BadMonitoredItemFilterUnsupported BadFilterNotAllowed BadMonitoredItemFilterInvalid "
    "BadTypeMismatch BadNotFound BadNoData BadNoDataAvailable BadBrowseNameInvalid",
}


def _security(name: str) -> bool:
    return name.startswith(("BadCertificate", "BadSecurity", "BadTcpSecureChannel", "BadSecureChannel"))


def _classes() -> dict[int, type[Exception]]:
    """Return the library's exception classes by status code."""
    root: Any = errors.UaStatusCodeError
    everything: list[Any] = [getattr(errors, name) for name in dir(errors)]
    named: list[Any] = [one for one in everything if isinstance(one, type) and issubclass(one, root)]
    return {one.code: one for one in named if isinstance(one.code, int)}


def _table() -> dict[int, Verdict]:
    table = {code: Verdict.SECURITY for code, kind in _classes().items() if _security(kind.__name__)}
    for verdict, names in _NAMES.items():
        for name in names.split():
            code = getattr(ua.StatusCodes, name, None)
            if code is not None:
                table.setdefault(code, verdict)
    return table


NAMED = _classes()

VERDICTS = _table()
"""Status code → verdict; a code that is not here is LINK: when in doubt the channel is dropped and proved anew."""


def judge_status(status: int) -> Verdict:
    """Return the verdict on a status code; sub-code only, flag bits do not count."""
    return VERDICTS.get(status & 0xFFFF0000, Verdict.LINK)


def judge(error: BaseException) -> Trouble | None:
    """Return what a foreign exception means, None when it is not the world's (ours: it leaves `run`)."""
    if isinstance(error, Trouble):
        return error
    if isinstance(error, errors.UaStatusCodeError):
        named: Any = error
        code = named.code
        status = code if isinstance(code, int) else 0x80000000
        return Trouble(judge_status(status), str(error), status=status)
    if isinstance(error, Unreadable):
        return Trouble(Verdict.LINK, f"the server sent bytes that are not OPC UA: {error}")
    if isinstance(error, errors.UaError):
        verdict = Verdict.SECURITY if "certificate" in str(error).lower() else Verdict.LINK
        return Trouble(verdict, f"{type(error).__name__}: {error}")
    if isinstance(error, OSError | TimeoutError | EOFError):
        return Trouble(Verdict.LINK, f"{type(error).__name__}: {error}")
    return None


def status_name(status: int) -> str:
    """Return the name of a status code, or its hex digits."""
    kind = NAMED.get(status & 0xFFFF0000)
    return kind.__name__ if kind is not None else f"0x{status:08X}"
