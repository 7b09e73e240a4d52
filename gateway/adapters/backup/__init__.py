"""Backups: one folder each, every file encrypted under a key of its own, named by an authenticated manifest (`interface.md` 8)."""
