"""One frozen tree of settings: loading, line-numbered errors, JSON Schema."""
