"""What one subscription owes and is owed: expected number, messages not yet committed, acknowledgements to send."""

from __future__ import annotations

from collections.abc import Callable

from gateway.ports import Outcome

UNCOMMITTED_MAX = 8
SILENCE_EXTRA_S = 5.0


class Delivery:
    """One subscription across all channels it lives through; it ends with the subscription, not with the link.

    ``role`` is data (recorded, acknowledged after commit) or watch (the server's own state, acknowledged at once).
    ``expected`` 0: not known yet, the first number is taken as it comes.
    """

    def __init__(self, number: int, role: str, keepalive_s: float, expected: int = 1) -> None:
        self.id = number
        self.role = role
        self.keepalive_s = keepalive_s
        self.expected = expected
        self.heard_s = 0.0
        self.ready: list[int] = []
        self.repeats = 0
        self.broken = False
        self.wake: Callable[[], None] | None = None
        self._uncommitted: set[int] = set()

    @property
    def silence_s(self) -> float:
        """Seconds without any message after which the channel is dead: the revised keep-alive and 5 s."""
        return self.keepalive_s + SILENCE_EXTRA_S

    @property
    def uncommitted(self) -> int:
        """Messages offered and not settled."""
        return len(self._uncommitted)

    def offered(self, number: int) -> Callable[[Outcome], None]:
        """Count a message as under way; return what settles it, once, on the event loop."""
        self._uncommitted.add(number)

        def settle(outcome: Outcome) -> None:
            self._uncommitted.discard(number)
            if outcome is Outcome.COMMITTED:
                self.ready.append(number)
            if self.wake is not None:
                self.wake()

        return settle

    def taken(self, number: int) -> None:
        """Acknowledge a message that needs no commit of its own: committed before, or the server's own state."""
        if number not in self._uncommitted and number not in self.ready:
            self.ready.append(number)

    def take_ready(self) -> list[tuple[int, int]]:
        """Return and forget the acknowledgements to send now."""
        ready, self.ready = self.ready, []
        return [(self.id, number) for number in ready]

    def restore(self, numbers: list[int]) -> None:
        """Put acknowledgements back that may not have arrived; twice does no harm."""
        self.ready = numbers + self.ready
