"""The rules of the house as tests, and what `./run check` and `./run test` do inside the environment."""
