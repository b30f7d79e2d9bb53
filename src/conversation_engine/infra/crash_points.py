"""Named places at which a test may let a process die, as `kill -9` would, at exactly that instruction.

`CE_CRASH_AT=record.before_commit` ends the process at the first pass of that point, `…:3` at the third. It is not a
setting: it is in no reference, no file and no constructor can give it, it is read once, when this module is loaded,
and a value that names no point stops the start. A process that dies of it says so on standard error. Never set it
where people's words are at stake: nothing is lost (that is what `tests/durability` shows), but everybody waits.

Unset, a point costs one comparison (about 30 ns).
"""

import itertools
import os
from typing import Final, Literal, get_args

CRASH_VARIABLE: Final = "CE_CRASH_AT"
CRASH_STATUS: Final = 137
"""What the shell reports of a process that was ended by signal 9."""

CrashPoint = Literal[
    "admit.before_commit",
    "admit.after_commit",
    "submit.before_acknowledgement",
    "reply_log.before_commit",
    "reply_log.after_commit",
    "generate.after_last_word",
    "generate.after_restart",
    "record.before_commit",
    "record.after_commit",
    "line.before_commit",
    "line.after_commit",
    "recovery.after_claim",
    "recovery.after_restart",
    "recovery.after_record",
]
"""Every point there is. `tests/durability/test_crash_points.py` dies at each."""

CRASH_POINTS: Final = frozenset[str](get_args(CrashPoint))


def parse_crash(value: str) -> tuple[str, int]:
    """`name` or `name:3` as the point and the pass to die at. Raises ValueError for anything else."""
    name, _, nth = value.partition(":")
    if name not in CRASH_POINTS or not (nth or "1").isdecimal() or nth == "0":
        raise ValueError(f"{CRASH_VARIABLE} names no crash point: {value!r}. It is for tests; unset it.")
    return name, int(nth or "1")


_AT, _NTH = parse_crash(os.environ[CRASH_VARIABLE]) if os.environ.get(CRASH_VARIABLE) else (None, 0)
_PASSES = itertools.count(1)


def crash_point(name: CrashPoint) -> None:
    """Do nothing; or, if the environment says so, die here: no handler, no `finally`, no buffer is given a chance."""
    if name == _AT and next(_PASSES) == _NTH:
        os.write(2, f"{CRASH_VARIABLE}: died at {name}\n".encode())
        os._exit(CRASH_STATUS)
