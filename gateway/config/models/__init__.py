"""Models of the files people type: strict, closed, each key with its meaning."""
