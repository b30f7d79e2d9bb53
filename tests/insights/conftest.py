"""Engines whose clock is not the machine's, as in tests of turns."""

from tests.turns.conftest import open_stale

__all__ = ["open_stale"]
