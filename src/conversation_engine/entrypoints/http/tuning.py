"""What a server process asks of the interpreter. A library leaves both as the embedding product has them."""

import gc
import sys
from typing import Final

SWITCH_INTERVAL_SECONDS: Final = 0.0002
"""The store's thread needs the interpreter some thirty times a turn, for microseconds each. With Python's 5 ms it
waits behind the event loop: 84 streamed turns a second instead of 116 (benchmarks/streaming.py, 16 connections)."""
YOUNG_OBJECTS: Final = 20_000
"""Python's 700 make it look through the live streams' objects hundreds of times a second: 116 turns instead of 139."""


def tune() -> None:
    """Once, when everything that stays is loaded."""
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
