"""Pure core: the plant's nouns and rules; no I/O, no clock, no randomness."""
