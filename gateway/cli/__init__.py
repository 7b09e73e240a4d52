"""Commands, imported lazily so that help stays fast."""
