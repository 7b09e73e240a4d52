"""Benchmarks: one file per goal of the performance page; each measures its reference in the same run and asserts no time."""
