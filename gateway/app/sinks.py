"""Sinks: QMS receivers and InfluxDB targets of the configuration, made ready for outbox and projectors."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.app.build import this_build
from gateway.app.site import Site
from gateway.config.models.sinks import Influxdb, Qms
from gateway.errors import ConfigurationRefused
from gateway.pipeline.influx_lines import LineWriter
from gateway.pipeline.influx_syntax import SignalTags
from gateway.pipeline.line_sender import LineSender
from gateway.pipeline.outbox import Sink
from gateway.pipeline.projector import Projector
from gateway.ports import Journal, SystemClock

if TYPE_CHECKING:
    from ssl import SSLContext

    from gateway.adapters.webhook.address_check import AddressRule
    from gateway.adapters.webhook.envelope_seal import EnvelopeKeys
    from gateway.app.lookup import LedgerLookup

_RANDOM = secrets.SystemRandom()


async def open_qms_sinks(site: Site, clock: SystemClock, stack: AsyncExitStack) -> list[Sink]:
    """Open the sender of every QMS sink; the stack closes them."""
    return [
        await _qms(site, name, sink.qms, clock, stack)
        for name, sink in site.settings.sinks.items()
        if sink.qms is not None
    ]


async def open_projectors(
    site: Site, clock: SystemClock, journal: Journal, lookup: LedgerLookup, stack: AsyncExitStack
) -> dict[str, Projector]:
    """Open every InfluxDB sink with its projector; the stack closes them."""
    return {
        name: await _influx(site, name, sink.influxdb, clock, journal, lookup, stack)
        for name, sink in site.settings.sinks.items()
        if sink.influxdb is not None
    }


def required_sinks(site: Site) -> tuple[str, ...]:
    """Return the QMS sinks that data and system conditions go to: the site's, never one that is a client's alone.

    A client would read there of the batches of others (`deviations.md` 4). A sink is the site's by ``scope``, or by use: where a
    rule names it, or no client does.
    """
    clients = {name for client in site.clients.values() for name in client.sinks}
    ruled = {rule.deviation.sink for limit_set in site.limit_sets for rule in limit_set.rules}
    found: list[str] = []
    for name, sink in site.settings.sinks.items():
        if sink.qms is not None and sink.qms.required:
            by_use = name not in clients or name in ruled
            if sink.qms.scope == "site" or (sink.qms.scope is None and by_use):
                found.append(name)
    return tuple(found)


def modes(site: Site) -> dict[str, tuple[str, str]]:
    """Return CloudEvents mode and content type by QMS sink."""
    return {name: (s.qms.mode, s.qms.content_type) for name, s in site.settings.sinks.items() if s.qms is not None}


async def _qms(site: Site, name: str, block: Qms, clock: SystemClock, stack: AsyncExitStack) -> Sink:
    from gateway.adapters.webhook.sender import WebhookSender  # noqa: PLC0415 - aiohttp only where a sink needs it

    sender = WebhookSender(
        block.url, qms_rule(site, block), clock, tls=qms_tls(site, block), approval=not site.development
    )
    headers = {"user-agent": f"gateway/{this_build().version}"}
    if block.token is not None:
        headers["authorization"] = f"Bearer {site.secret_text(block.token)}"
    keys = _keys(site, name, block)

    def seal(event_id: str, timestamp_s: int, body: bytes) -> str:
        from gateway.adapters.webhook.envelope_seal import seal_envelope  # noqa: PLC0415 - loaded with the sender

        return seal_envelope(keys, event_id, timestamp_s, body)

    return Sink(
        name=name,
        url=block.url,
        webhook=await stack.enter_async_context(sender),
        seal=seal,
        headers=headers,
        id_pointer=block.receipt.id_pointer,
        required=block.required,
        confirm_within_s=block.confirm_within_s,
    )


def qms_rule(site: Site, block: Qms) -> AddressRule:
    """Return which addresses a QMS sink may be reached at; with approval off also this machine."""
    from gateway.adapters.webhook.address_check import AddressRule  # noqa: PLC0415 - aiohttp only where a sink needs it

    parts = urlsplit(block.url)
    loopback = site.development and parts.hostname in {"127.0.0.1", "localhost", "::1"}
    return AddressRule(
        block.allow_hosts or [parts.hostname or ""],
        [*block.allow_networks, *(["127.0.0.0/8", "::1/128"] if loopback else [])],
        [*block.ports, *([parts.port] if loopback and parts.port is not None else [])],
    )


def qms_tls(site: Site, block: Qms) -> SSLContext:
    """Return the TLS context of a QMS sink; raise `ConfigurationRefused` for files that cannot be used."""
    from gateway.adapters.webhook.sender import make_tls  # noqa: PLC0415 - aiohttp only where a sink needs it

    return make_tls(
        None if block.ca is None else site.path(block.ca),
        None if block.client_certificate is None else site.path(block.client_certificate),
        None if block.client_key is None else site.secret_file(block.client_key),
    )


def _keys(site: Site, name: str, block: Qms) -> EnvelopeKeys:
    from gateway.adapters.webhook.envelope_seal import EnvelopeKeys, parse_secret, parse_signing_key  # noqa: PLC0415

    def named(key: str, reference: str, parse: Callable[[str], bytes]) -> bytes:
        try:
            return parse(site.secret_text(reference))
        except ConfigurationRefused as error:
            if error.code:
                raise
            problem = f"sinks.{name}.qms.{key} ({reference}): {error.text}"
            raise ConfigurationRefused(problem, code="SEC-01", remedy=error.remedy) from error

    seeds = () if block.ed25519_key is None else (named("ed25519_key", block.ed25519_key, parse_signing_key),)
    return EnvelopeKeys((named("secret", block.secret, parse_secret),), seeds)


async def _influx(
    site: Site,
    name: str,
    block: Influxdb,
    clock: SystemClock,
    journal: Journal,
    lookup: LedgerLookup,
    stack: AsyncExitStack,
) -> Projector:
    from gateway.adapters.cursor_file import CursorFile  # noqa: PLC0415 - only where a projection runs
    from gateway.adapters.influx import InfluxSink, InfluxTarget  # noqa: PLC0415 - as above
    from gateway.adapters.webhook.sender import make_tls  # noqa: PLC0415 - as above

    target = InfluxTarget(
        url=block.url,
        api=block.api,
        bucket=block.bucket,
        org=block.org,
        token=None if block.token is None else site.secret_text(block.token),
        user=block.user,
        password=None if block.password is None else site.secret_text(block.password),
    )
    tls = make_tls(None if block.ca is None else site.path(block.ca)) if block.url.startswith("https:") else None
    sink = await stack.enter_async_context(InfluxSink(target, clock, tls))
    store = CursorFile(site.state, name)
    sender = LineSender(name, sink, store, clock, _RANDOM.random)
    writer = LineWriter(site.plan.gateway, tags_of(site), lookup, lookup.batch_ref)
    return Projector(name, site.settings.ledger.origin, sink, writer, journal, store, sender)


def tags_of(site: Site) -> Callable[[str, str], SignalTags]:
    """Return the function (signal, config) → tags of a series."""
    signals = site.plan.signals

    def tags(signal: str, config: str) -> SignalTags:
        del config  # tags of a signal that is gone: those of its name alone
        plan = signals.get(signal)
        if plan is None:
            return SignalTags(equipment=signal.partition("/")[0], room="", unit="")
        return SignalTags(equipment=plan.node, room=plan.room or "", unit=plan.unit or "")

    return tags
