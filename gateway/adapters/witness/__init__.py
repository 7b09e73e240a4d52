"""Witnesses: we ask others to cosign our checkpoints (client), and we cosign those of others (server)."""
