"""What a file holds, one conversation after the other: never more of it in memory than one."""

from collections.abc import Callable, Iterator
from typing import IO, Any, Final

import ijson
from ijson.common import ObjectBuilder

from conversation_engine.people.moves.importing.types import Entry
from conversation_engine.people.moves.types import FORMAT, VERSION, Problem

LISTS: Final = ("conversations", "history")
"""Names of lists of conversations in a file that is an object: ours, and Chatbot UI's."""
OVERHEAD_CHARACTERS: Final = 64
"""What a value takes in memory beside its characters, about."""
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
BUFFER_BYTES: Final = 65_536
_Events = Iterator[tuple[str, Any]]


class CountedFile:
    """A file that tells how much of it was read, without the byte order mark that some programs begin with."""

    def __init__(self, file: IO[bytes], told: Callable[[int], None] | None = None) -> None:
        self._file = file
        self._told = told
        self.bytes_read = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self._file.read(size)
        is_start = not self.bytes_read
        self.bytes_read += len(data)
        if self._told is not None:
            self._told(self.bytes_read)
        return data.removeprefix(BYTE_ORDER_MARK) if is_start and size >= len(BYTE_ORDER_MARK) else data


class _TooLarge(Exception):
    """A value that is larger than what is kept in memory."""


def entries_of(file: CountedFile, *, limit_characters: int) -> Iterator[Entry | Problem]:
    """The conversations of a file, or what is in their place. A file that breaks off gives what comes before."""
    last = ""
    try:
        events: _Events = ijson.basic_parse(file, use_float=True, buf_size=BUFFER_BYTES)
        for found in _found(events, limit_characters):
            last = found.position
            yield found
        for _ in events:  # there should be none
            pass
    except (ijson.JSONError, UnicodeDecodeError):
        after = f" after {last}" if last else ""
        yield Problem(position="", sentence=f"It is no JSON any more{after}, before byte {file.bytes_read:,}.")


def _found(events: _Events, limit: int) -> Iterator[Entry | Problem]:
    kind, _ = next(events)
    if kind == "start_array":
        yield from _items(events, "", limit)
    elif kind == "start_map":
        yield from _parts(events, limit)
    else:
        yield Problem(position="", sentence="It holds no conversations.")


def _items(events: _Events, name: str, limit: int) -> Iterator[Entry | Problem]:
    for index, (kind, value) in enumerate(events):
        if kind == "end_array":
            return
        position = f"{name}[{index}]"
        try:
            built = _value(kind, value, events, limit)
        except _TooLarge:
            yield _too_large(position)
        else:
            yield Entry(position=position, value=built)


def _parts(events: _Events, limit: int) -> Iterator[Entry | Problem]:
    """Of an object: the conversations of its list, or else itself as one."""
    head: dict[str, Any] = {}
    has_list = False
    for kind, name in events:
        if kind == "end_map":
            break
        kind, value = next(events)
        if name in LISTS and kind == "start_array":
            if problem := _unknown_version(head):
                yield problem
                return
            has_list = True
            yield from _items(events, name, limit)
            continue
        try:
            head[name] = _value(kind, value, events, limit)
        except _TooLarge:
            yield _too_large(name)
            return
    if not has_list:
        yield Entry(position="", value=head)


def _value(kind: str, value: Any, events: _Events, limit: int) -> Any:
    """The value that begins with this event. Raises _TooLarge when it has passed."""
    if not kind.startswith("start_"):
        return value
    builder = ObjectBuilder()
    builder.event(kind, value)
    depth, size = 1, 0
    for kind, value in events:
        size += OVERHEAD_CHARACTERS + (len(value) if isinstance(value, str) else 0)
        if size <= limit:
            builder.event(kind, value)
        else:
            builder.value = None  # what was built is let go of
        if kind in ("start_map", "start_array"):
            depth += 1
        elif kind in ("end_map", "end_array"):
            depth -= 1
            if not depth:
                break
    if size > limit:
        raise _TooLarge
    return builder.value


def _too_large(position: str) -> Problem:
    return Problem(position=position, sentence="It is larger than CE_IMPORT_LIMIT_CHARACTERS.")


def _unknown_version(head: dict[str, Any]) -> Problem | None:
    if head.get("format") == FORMAT and head.get("version") != VERSION:
        return Problem(position="version", sentence="A newer version of this program wrote it.")
    return None
