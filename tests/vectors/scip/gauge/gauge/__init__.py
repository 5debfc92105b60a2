"""Readings of instruments, and what they come to."""

from .units import Celsius, convert

LIMIT = 90


def warm(readings):
    """Those above the limit."""
    return [one for one in readings if convert(one).value > LIMIT]


__all__ = ["Celsius", "LIMIT", "warm"]
