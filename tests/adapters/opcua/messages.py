"""Publish answers made by the library's encoder: what a server would send, for a pump that has no server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

if TYPE_CHECKING:
    from collections.abc import Sequence

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def change(values: Sequence[tuple[int, ua.DataValue]]) -> Any:
    """A DataChangeNotification of (handle, value)."""
    return ua.DataChangeNotification(
        MonitoredItems=[ua.MonitoredItemNotification(ClientHandle=handle, Value=value) for handle, value in values]
    )


def double(value: float) -> ua.DataValue:
    return ua.DataValue(ua.Variant(value, ua.VariantType.Double), SourceTimestamp=NOON, ServerTimestamp=NOON)


def message(sequence: int, *parts: Any) -> ua.NotificationMessage:
    return ua.NotificationMessage(SequenceNumber=sequence, PublishTime=NOON, NotificationData=list(parts))


def publish(subscription: int, told: ua.NotificationMessage) -> bytes:
    answer = ua.PublishResponse()
    answer.Parameters = ua.PublishResult(SubscriptionId=subscription, NotificationMessage=told)
    return struct_to_binary(answer)


def republish(told: ua.NotificationMessage) -> bytes:
    answer = ua.RepublishResponse()
    answer.NotificationMessage = told
    return struct_to_binary(answer)
