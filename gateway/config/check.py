"""Check: the report of one run of `gateway check`, its text, its JSON (`check/1`) and its exit code (`profiles.md` 4)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from gateway.config.environment import REFUSALS, EnvironmentResult
from gateway.config.findings import Finding, format_finding
from gateway.config.load import Loaded

EXIT_OK, EXIT_WARNINGS, EXIT_UNAVAILABLE, EXIT_CONFIGURATION = 0, 1, 69, 78


class CheckReport(Struct, frozen=True, kw_only=True):
    """One run. ``exit`` is 78 error (or warning denied), 69 a target did not answer, 1 warnings, 0."""

    format: str = "check/1"
    config_hash: str
    findings: tuple[Finding, ...]
    environment: tuple[EnvironmentResult, ...]
    exit: int


def report(
    loaded: Loaded, environment: Sequence[EnvironmentResult] = (), *, deny_warnings: bool = False
) -> CheckReport:
    """Judge what was found."""
    return CheckReport(
        config_hash=loaded.config_sha256,
        findings=loaded.findings,
        environment=tuple(environment),
        exit=_exit(loaded.findings, environment, deny_warnings=deny_warnings),
    )


def _exit(findings: Sequence[Finding], environment: Sequence[EnvironmentResult], *, deny_warnings: bool) -> int:
    errors = any(found.severity == "error" for found in findings)
    warned = any(found.severity == "warning" for found in findings)
    warned = warned or any(result.state == "warning" for result in environment)
    failed = {result.id for result in environment if result.state == "failed"}
    if errors or failed & REFUSALS or (deny_warnings and warned):
        return EXIT_CONFIGURATION
    if failed:
        return EXIT_UNAVAILABLE
    return EXIT_WARNINGS if warned else EXIT_OK


def format_report(loaded: Loaded, checked: CheckReport, *, offline: bool = False) -> str:
    """Return the text people read: findings with their lines, what is not ok of the environment, one line of sums."""
    lines = [format_finding(found, loaded.source(found)) for found in checked.findings]
    lines += [result.line() for result in checked.environment if result.state in {"failed", "warning"}]
    errors = sum(found.severity == "error" for found in checked.findings)
    warnings = len(checked.findings) - errors
    said = f"{_count(errors, 'error')}, {_count(warnings, 'warning')}"
    lines.append(f"{said}; environment {_environment(checked.environment, offline=offline)}")
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _environment(results: Sequence[EnvironmentResult], *, offline: bool) -> str:
    if offline:
        return "not checked"
    states = [result.state for result in results]
    counts = [f"{states.count('ok')} ok"]
    counts += [f"{states.count(state)} {state}" for state in ("warning", "failed", "skipped") if state in states]
    return ", ".join(counts)


def to_json(checked: CheckReport) -> bytes:
    """Return the report as one JSON object of format `check/1`."""
    return msgspec.json.encode(checked)
