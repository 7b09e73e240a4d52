"""Index over the ledger in `state/index.db`: where records stand, never what they say; it can be deleted (`ledger.md` 7)."""

from gateway.adapters.index.follower import IndexFollower
from gateway.adapters.index.query import IndexQuery, Membership

__all__ = ["IndexFollower", "IndexQuery", "Membership"]
