"""Bodies of the REST API as pydantic models: unknown fields are refused, numbers and times are text where exactness counts."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NodeUse(_Body):
    """A node the batch uses from the event's effective time on."""

    node: str
    use: Literal["process", "room", "storage"] = "process"
    room: str | None = None


class BatchEventBody(_Body):
    """`POST /api/v1/batches/{id}/events`: one event of one batch; a plant event is a fact and has no person."""

    event: Literal["create", "start", "use", "release", "phase", "hold", "resume", "end", "abort", "cancel"]
    effective_time: str | None = Field(default=None, description="RFC 3339 with zone, to the nanosecond; absent: now")
    nodes: list[NodeUse] = []
    client: str | None = None
    phase: str | None = None
    header: dict[str, str | int | float | bool] = {}
    reason: str | None = None


class KeyRotateBody(_Body):
    """`POST /api/v1/operations/key.rotate`: a new key beside the one in force, which is retired after the overlap."""

    purpose: Literal["seal", "publish"]
    overlap_s: int = Field(default=604_800, description="how long both sign; at least 7 days")
    dry_run: bool = False
    reason: str | None = None


class KeyRevokeBody(_Body):
    """`POST /api/v1/operations/key.revoke`: a key counts for no tree larger than `to_size`."""

    purpose: Literal["seal", "publish"]
    to_size: int = Field(description="newest size that was cosigned and time-stamped before the doubt")
    key_id: str | None = Field(default=None, description="8 hex digits, where more than one key could be meant")
    dry_run: bool = False
    reason: str


class ReplayBody(_Body):
    """`POST /api/v1/deliveries/{id}/replay`: one more attempt, or with `to` a copy of the exact bytes to another sink."""

    reason: str
    sink: str | None = Field(default=None, description="only to this sink; absent: to each that had it")
    to: str | None = Field(default=None, description="send the same bytes to this sink instead")


class HookTestBody(_Body):
    """`POST /api/v1/operations/hook.test`: post a ping to a sink; a ping proves transport, never a receipt."""

    sink: str
    dry_run: bool = Field(default=False, description="show the request, secrets masked, and send nothing")
    enable: bool = Field(default=False, description="first end the stop after a 410; needs a reason")
    reason: str | None = None


class PruneBody(_Body):
    """`POST /api/v1/operations/ledger.prune`: dispose of the records that no retention rule keeps."""

    dry_run: bool = Field(default=False, description="say what would go, and do nothing")
    reason: str | None = Field(default=None, description="why; needed unless dry_run")


class HookReplayBody(_Body):
    """`POST /api/v1/operations/hook.replay`: make dead letters due again, or all events since a time, in the ledger's order."""

    sink: str | None = Field(default=None, description="only of this sink")
    since: str | None = Field(
        default=None, description="RFC 3339 with zone: all events raised from then on, not dead letters alone"
    )
    to: str | None = Field(default=None, description="send the same bytes to this sink instead, confirmed ones as well")
    dry_run: bool = False
    reason: str | None = None


class BackupBody(_Body):
    """`POST /api/v1/operations/backup`: begin a backup; a folder may be named over the control socket only."""

    to: str | None = Field(default=None, description="folder instead of the configured one")
