"""Pure core: records, hashing, tiles, proofs, checkpoints, notes, frames, the verifier."""
