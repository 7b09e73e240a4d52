"""Batch facts: what a source says of batches, made into events for the book; a plant event is a fact and is never refused a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from gateway.domain.batch_event import BatchEvent, NodeUse
from gateway.domain.batch_states import BatchAct
from gateway.domain.times import format_time
from gateway.ledger.records import format_content
from gateway.pipeline.batch_book import BatchBook, Beside, Verdict
from gateway.ports import Fact


def judge_fact(
    book: BatchBook, fact: Fact, now_ns: int, index_of: Callable[[int], int]
) -> tuple[Verdict, bytes | None]:
    """Return the verdict on a fact of kind ``batch`` and the side object of its evidence, if it is too long for a record.

    Raises `Refused` where nobody can place the event (unknown node, used key, time ahead): it is quarantined then.
    """
    detail = fact.detail or {}
    content = fact.content or b""
    evidence, side = format_content(content)
    facts: dict[str, Any] = {"payload_sha256": sha256(content).hexdigest(), "topic": fact.address or ""}
    if detail["basis"] != "source":
        facts["effective_basis"] = detail["basis"]
    if fact.flags:
        facts["flags"] = sorted(fact.flags)
    verdict = book.judge(_event(detail, now_ns), Beside(facts=facts, evidence=evidence), index_of)
    return verdict, side if verdict.records else None


def answer_of(detail: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    """Return the answer that the plant may be sent; a repeat gets the first answer again."""
    return {"event_key": detail["key"], "ledger_index": verdict.index, "effect": verdict.judged.effect}


def refused_detail(detail: Mapping[str, Any], code: str, text: str) -> dict[str, Any]:
    """Return the facts of the quarantine record of an event that nobody can place."""
    return {
        "adapter": detail["adapter"],
        "batch": detail["batch"],
        "code": code,
        "effective": format_time(detail["effective_ns"]),
        "event": detail["act"],
        "event_key": detail["key"],
        "why": text,
    }


def _event(detail: Mapping[str, Any], now_ns: int) -> BatchEvent:
    return BatchEvent(
        batch=detail["batch"],
        act=BatchAct(detail["act"]),
        effective_ns=detail["effective_ns"],
        recorded_ns=now_ns,
        key=detail["key"],
        adapter=detail["adapter"],
        client=detail.get("client"),
        nodes=tuple(
            NodeUse(node=one["node"], use=one.get("use", "process"), room=one.get("room"))
            for one in detail.get("nodes", ())
        ),
        phase=detail.get("phase"),
        header=detail.get("header", {}),
    )
