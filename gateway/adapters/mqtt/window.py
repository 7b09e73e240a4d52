"""Window: which messages wait for their commit, in which order they are acknowledged, and which of them are repeats.

The rule of the house stands here: a PUBACK leaves only after its commit, in receive order, and only on the connection the
message came by. An old message id may name another message on a new connection.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from gateway.domain.repeat import TransportKey, parse_transport_key
from gateway.ports import Outcome

PUBACK: Final = b"\x40\x02"


class Pending(Struct, eq=False):
    """One message between its offer and its PUBACK; calling it is its settling."""

    window: Window
    qos: int
    mid: int
    key: TransportKey | None
    done: bool = False
    followers: list[Pending] | None = None

    def __call__(self, outcome: Outcome) -> None:
        """Settle: after COMMITTED the message may be acknowledged, after DISCARDED its connection is given up."""
        self.window.settle(self, outcome)


class Repeats:
    """What the newest committed messages were, by message id; and which are on their way to the ledger now."""

    def __init__(self, capacity: int, known: Iterable[str], incarnation: int) -> None:
        self._capacity = capacity
        self._committed: OrderedDict[int, TransportKey] = OrderedDict()
        self._waiting: dict[int, Pending] = {}
        for text in known:
            key = parse_transport_key(text)
            if key is not None and key.incarnation == incarnation:
                self.commit(key)
        self.last: dict[str, str] = {key.topic: key.payload_sha256 for key in self._committed.values()}

    def forget(self) -> None:
        """The broker forgot us: message ids begin anew."""
        self._committed.clear()
        self._waiting.clear()

    def clear(self, mid: int) -> None:
        """A message that is no repeat took this id."""
        self._committed.pop(mid, None)
        self._waiting.pop(mid, None)

    def wait(self, pending: Pending) -> None:
        """Remember a message that was offered."""
        self._waiting[pending.mid] = pending

    def commit(self, key: TransportKey) -> None:
        """Remember a committed message, at most ``capacity`` of them."""
        self._committed.pop(key.mid, None)
        self._committed[key.mid] = key
        if len(self._committed) > self._capacity:
            self._committed.popitem(last=False)

    def settled(self, pending: Pending) -> None:
        """Take a message off the way to the ledger."""
        if self._waiting.get(pending.mid) is pending:
            del self._waiting[pending.mid]

    def committed(self, key: TransportKey) -> bool:
        """Tell whether this very message is durable."""
        return self._committed.get(key.mid) == key

    def waiting(self, key: TransportKey) -> Pending | None:
        """Return the earlier copy of this very message that still waits for its commit."""
        found = self._waiting.get(key.mid)
        return found if found is not None and found.key == key else None


class Window:
    """The unacknowledged messages of one connection, oldest first.

    ``acknowledge`` is told that PUBACKs may leave (`take_acks`); ``give_up`` is called after DISCARDED.
    """

    def __init__(self, repeats: Repeats, acknowledge: Callable[[], None], give_up: Callable[[], None]) -> None:
        self._repeats = repeats
        self._acknowledge = acknowledge
        self._give_up = give_up
        self._waiting: deque[Pending] = deque()
        self.current = True
        self.acknowledged = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, qos: int, mid: int, key: TransportKey | None) -> Pending:
        """Add a message that is about to be offered."""
        pending = Pending(self, qos, mid, key)
        self._waiting.append(pending)
        if qos:
            self._repeats.wait(pending)
        return pending

    def repeat(self, mid: int, key: TransportKey) -> bool:
        """Add a message if it is a repeat: acknowledged with its earlier copy, offered never again. False: it is none."""
        if self._repeats.committed(key):
            pending = Pending(self, 1, mid, key)
            pending.done = True
            self._waiting.append(pending)
            self._acknowledge()
            return True
        earlier = self._repeats.waiting(key)
        if earlier is None:
            return False
        pending = Pending(self, 1, mid, key)
        self._waiting.append(pending)
        earlier.followers = [*(earlier.followers or ()), pending]
        return True

    def drop(self, qos: int, mid: int) -> None:
        """Add a message that holds nothing new (an overlap copy): acknowledged in its turn."""
        pending = Pending(self, qos, mid, None)
        pending.done = True
        self._waiting.append(pending)
        self._acknowledge()

    def settle(self, pending: Pending, outcome: Outcome) -> None:
        """Carry out the promise of `Parcel.settle` for one message and the repeats that hang on it."""
        self._repeats.settled(pending)
        if outcome is not Outcome.COMMITTED:
            self._give_up()
            for follower in pending.followers or ():
                follower.window.settle(follower, outcome)
            return
        pending.done = True
        if pending.key is not None:
            self._repeats.commit(pending.key)
        for follower in pending.followers or ():
            follower.window.settle(follower, outcome)
        if self._waiting and self._waiting[0] is pending:
            self._acknowledge()

    def take_acks(self) -> bytes:
        """Return the PUBACKs that may leave now, in receive order; nothing once the connection is an old one."""
        waiting, mids = self._waiting, list[int]()
        while waiting and waiting[0].done:
            pending = waiting.popleft()
            if pending.qos:
                mids.append(pending.mid)
        self.acknowledged += len(mids)
        return b"".join([PUBACK + mid.to_bytes(2) for mid in mids]) if self.current else b""
