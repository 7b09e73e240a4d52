"""The error tree: each error says what, why and what to do next, and knows its exit code.

GatewayError                 every error that the world causes and we foresaw
├── ConfigurationRefused     78  a file, a secret or a folder that we do not fully understand
├── Unavailable              69  a port taken, a peer or tool missing, a ledger in use
├── Refused                   1  an act that a rule forbids (BAT-002, REF-01 …)
├── RecordTooLarge            1  one record over its bound; nothing was written
├── SourceRefused                one source cannot run; the others do
├── DiskFull                     no space: acknowledgement stops, the write is tried again
├── EvidenceRefused           1  bytes that break their format, a proof or a seal that does not hold
└── LedgerDoubt                  the evidence cannot be trusted to continue: halt
"""

from __future__ import annotations


class GatewayError(Exception):
    """An error that the world causes.

    ``code`` is the permanent id users find in the documentation (``REF-01``), ``remedy`` the next step in one sentence,
    ``exit_code`` what a command ends with (sysexits where one fits).
    """

    exit_code = 1

    def __init__(self, text: str, *, code: str = "", remedy: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.remedy = remedy

    def __str__(self) -> str:
        head = f"{self.code}: {self.text}" if self.code else self.text
        return f"{head}; {self.remedy}" if self.remedy else head


class ConfigurationRefused(GatewayError):
    """A file, a secret or a folder that is not fully understood (EX_CONFIG)."""

    exit_code = 78


class Unavailable(GatewayError):
    """A port taken, a peer or a tool missing, a ledger in use (EX_UNAVAILABLE)."""

    exit_code = 69


class Refused(GatewayError):
    """An act that a rule forbids; state stays as it was."""


class RecordTooLarge(GatewayError):
    """One record exceeds its bound; nothing was written."""


class SourceRefused(GatewayError):
    """One source may not or cannot run as configured; all others run on."""


class DiskFull(GatewayError):
    """No space left: nothing was committed, acknowledgement stops, the same write may be tried again."""


class LedgerDoubt(GatewayError):
    """The ledger cannot be trusted to continue (rule 10): stop, keep the evidence, say so. Never retried."""


class EvidenceRefused(GatewayError):
    """Bytes that break their format, or a proof, a seal or a cosignature that does not hold. Never retried."""
