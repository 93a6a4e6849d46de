"""Errors of the benches.

BenchFailed
"""


class BenchFailed(Exception):
    """A bench cannot give figures that mean something; the message says why."""
