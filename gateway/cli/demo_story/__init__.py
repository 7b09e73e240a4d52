"""The demo's story: simulated plant, broker, cut line, acts and their proof, around the real gateway as a child process."""
