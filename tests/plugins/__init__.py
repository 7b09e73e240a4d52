"""What the test run adds to pytest: trace matrix, coverage gate, example counts, interrupts."""
