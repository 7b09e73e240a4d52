"""Pages: templates and static modules."""
