"""Reference pages of what the running gateway answers: REST routes and metrics."""

from __future__ import annotations

from tests.docs.reference_pages import MADE
from tests.docs.source_calls import figures, routes

REST = """The API listens on `http.listen` of `gateway.yaml` (TLS unless on loopback) and, for the commands of the box itself, on
`state/control.sock`. `/metrics`, `/live` and `/ready` listen on `telemetry.listen` and ask for no account.

**Account**: `Authorization: Bearer gwt_…`, the token of a machine account (`gateway user add --machine`). A scope is an operation id; no
token signs for a person. Each refusal is recorded in the ledger.

**Times** are RFC 3339 with a zone, to the nanosecond. Unknown query and body fields are refused (422). A body has at most 1 MiB.

**Idempotency-Key** (1 to 64 printable characters) is mandatory on every POST: the same key with the same body gives the first answer
again with `Idempotency-Replayed: true`; with another body it is refused.

**Errors** are `application/problem+json` (RFC 9457): `type` `/problems/<code>` or `about:blank`, `title`, `status`, `detail`, `instance`,
`request_id`, and `remedy` where there is a next step. Codes: [errors](errors.md). 401 no account, 403 not in scope, 404 no such thing,
409 refused by the present state, 413 too large, 422 not understood, 503 halted or unavailable.

```
curl -H "Authorization: Bearer $(cat mes.token)" http://127.0.0.1:8080/api/v1/batches
curl -H "Authorization: Bearer $(cat mes.token)" -H 'Idempotency-Key: order-77-start' \\
     --json '{"event":"start","nodes":[{"node":"FRZ-01"}]}' http://127.0.0.1:8080/api/v1/batches/B-1/events
```

The body of a batch event: `event` (create, start, use, release, phase, hold, resume, end, abort, cancel), `effective_time` (absent: now), `nodes`
[{`node`, `use` process, room or storage, `room`}], `client`, `phase`, `header` {}, `reason`. `start` makes a batch that was not created before only if the
account also has `batch.create`; else the event waits as `pending`.
"""

METRICS = """`http://<telemetry.listen>/metrics`, Prometheus text format 0.0.4. Labels never name a signal, a batch, a client or a person.
`/live`: the event loop turned within 5 s. `/ready`: 503 with the reasons while starting, halted or with a full disk; sources may be down.

What to alarm on first: `gateway_halted` 1; `gateway_gaps_open` above 0; `gateway_source_silence_seconds`; `gateway_clock_synchronised` 0;
`gateway_task_restarts_total` growing.
"""


def rest_page() -> str:
    """Return `rest.md`."""
    rows = [f"| {one.method} | `{one.path}` | {one.operation or '-'} | `{one.served_by}` |" for one in routes()]
    return "\n".join(
        [f"# REST API\n\n{MADE}\n{REST}", "| method | route | operation | served by |", "|---|---|---|---|", *rows, ""]
    )


def metrics_page() -> str:
    """Return `metrics.md`."""
    rows = [f"| `{one.name}` | {one.kind} | {one.label or '-'} | {one.text} |" for one in figures()]
    head = ["| metric | type | label | what |", "|---|---|---|---|"]
    return "\n".join([f"# Metrics\n\n{MADE}\n{METRICS}", *head, *rows, ""])
