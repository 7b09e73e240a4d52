"""The one verifier: bytes in, findings out; `gateway verify`, the start-up check and the tests are this code."""

from __future__ import annotations

from gateway.ledger.verify.bundle import verify_bundle
from gateway.ledger.verify.findings import Counts, Finding, FindingClass, Result
from gateway.ledger.verify.ledger import LedgerVerifier, verify_ledger
from gateway.ledger.verify.scan import FileScan, fold_scan, scan_file, scan_stream, unread_file
from gateway.ledger.verify.texts import index_differs

__all__ = [
    "Counts",
    "FileScan",
    "Finding",
    "FindingClass",
    "LedgerVerifier",
    "Result",
    "fold_scan",
    "index_differs",
    "scan_file",
    "scan_stream",
    "unread_file",
    "verify_bundle",
    "verify_ledger",
]
