"""Finding messages by words, phrases and beginnings of words: all that either database needs for it.

Every word is kept with the number of who may read it (`12_foxes`, and `12__fox` for its stem, where that is another
word), so that a search reads what one person may find, however much there is of others. The numbers of rows grow with
the time at which something was said: FTS5 and a B-tree give the newest first without sorting. Triggers forget what is
deleted at once; what that leaves on pages of FTS5 is wiped by merging (`scrubbing`), on PostgreSQL by vacuum.

Stems have no places on PostgreSQL: they would be an eighth of the index, and a phrase asks for words.

FTS5 keeps no copy of the words, which would be five times a message: to forget one it is told its words again, and the
trigger works them out from the message (`MESSAGE_TERMS`). Whoever changes how words are found must make the index anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, text

from conversation_engine.infra.db.base import IdType
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.words.messages import said_in, words_and_stems

INDEX: Final = "message_fts"
LAST_POSITION: Final = 16_383
"""PostgreSQL counts no further."""
MOST_POSITIONS: Final = 255


MESSAGE_TERMS: Final = "message_terms_of"
"""A function that every connection to SQLite knows: of a message's content, its format, and its readers' numbers."""


def message_terms_of(content: str, content_format: str, readers: str) -> str:
    """What is in FTS5 of a message that these may read."""
    return _joined(readers.split(), *words_and_stems(said_in(content, content_format)))


def create_index(tx: Tx) -> None:
    """Make what no model can say."""
    for statement in _CREATE[tx.dialect.name]:
        tx.execute(text(statement))


def drop_index(tx: Tx) -> None:
    """Undo `create_index`."""
    for statement in _DROP[tx.dialect.name]:
        tx.execute(text(statement))


class Terms(NamedTuple):
    """What a message is found by."""

    number: int
    readers: Sequence[int]
    words: Sequence[str]
    stems: Sequence[str]


def put(tx: Tx, found: Sequence[Terms]) -> None:
    """Put words into FTS5. Nothing to do on PostgreSQL, where `kept_terms` are in the index."""
    if found and tx.dialect.name == "sqlite":
        rows = [(one.number, _joined(map(str, one.readers), one.words, one.stems)) for one in found]
        tx.exec_driver_sql("INSERT INTO message_fts(rowid, terms) VALUES (?, ?)", rows)


def kept_terms(tx: Tx, found: Terms) -> str:
    """What a row of `message_terms` keeps: on PostgreSQL the words, on SQLite who may find them."""
    _, readers, words, stems = found
    if tx.dialect.name == "sqlite":
        return " ".join(map(str, readers))
    places: dict[str, list[str]] = {}
    for reader in readers:
        for place, word in enumerate(words, start=1):
            places.setdefault(_word(reader, word), []).append(str(min(place, LAST_POSITION)))
    own = [f"'{term}':{','.join(at[:MOST_POSITIONS])}" for term, at in places.items()]
    return " ".join([*own, *(f"'{_stem(reader, stem)}'" for reader in readers for stem in dict.fromkeys(stems))])


def _word(reader: int | str, word: str) -> str:
    return f"{reader}_{word}"


def _stem(reader: int | str, stem: str) -> str:
    return f"{reader}__{stem}"


def _joined(readers: Iterable[str], words: Sequence[str], stems: Sequence[str]) -> str:
    """Of letters, digits and `_` only."""
    numbers = list(readers)
    own = [_word(reader, word) for reader in numbers for word in words]
    return " ".join([*own, *(_stem(reader, stem) for reader in numbers for stem in stems)])


def search_text(tx: Tx, reader: int, parts: Sequence[tuple[str, Sequence[str]]]) -> str:
    """The search that asks for all these parts: `("word", [stem])`, `("prefix", [word])` or `("phrase", words)`."""
    quote, near, either, both, beginning = _GRAMMAR[tx.dialect.name]
    asked = []
    for kind, words in parts:
        own = [quote.format(_word(reader, word)) for word in words]
        if kind == "word":
            own = [either.join([*own, quote.format(_stem(reader, words[0]))])]
        asked.append(f"({near.join(own)}{beginning if kind == 'prefix' else ''})")
    return both.join(asked)


def find(
    tx: Tx,
    asked: str,
    *,
    reader: tuple[str, str],
    is_best_first: bool,
    filters: Mapping[str, Any],
    after: tuple[int, int] | None,
    count: int,
) -> list[tuple[int, int]]:
    """Numbers of messages and scores, in order, behind `after`. One statement, on PostgreSQL two.

    `reader` is a column of `conversations` and what it must say. `filters` may have `role`, `type`, `persona_id`,
    `conversation_id`, `first` and `last`: numbers of the first and behind the last.
    """
    column, who = reader
    if column not in ("owner_id", "supervisor_id"):
        raise ValueError(column)
    conditions = "".join(f" AND {_FILTERS[name]}" for name in filters)
    values = {**filters, "asked": asked, "who": who, "most": count}
    if after is not None:
        values |= {"after_score": after[0], "after_number": after[1]}
    found = _statement(tx, column, conditions, is_best_first=is_best_first, is_after=after is not None)
    if (
        tx.dialect.name == "postgresql"
    ):  # a plan for any words is a bad one for most: 80 ms, and 8 with one of their own
        tx.exec_driver_sql("SET LOCAL plan_cache_mode = force_custom_plan")
    if ":*" in asked and not is_best_first:  # PostgreSQL's
        found = found.replace(_BY_NUMBER, _BY_GIN)
    statement = text(found)
    ids = [name for name in ("persona_id", "conversation_id") if name in filters]
    statement = statement.bindparams(*(bindparam(name, type_=IdType) for name in ids))
    return [(row.number, row.score) for row in tx.execute(statement, values)]


def count_gone(tx: Tx) -> int:
    """How many messages were deleted whose words may still stand on pages of FTS5."""
    if tx.dialect.name != "sqlite":
        return 0
    return int(tx.exec_driver_sql("SELECT messages FROM message_fts_gone").scalar_one())


def forget_gone(tx: Tx, count: int) -> None:
    """So many of them have been wiped."""
    tx.exec_driver_sql("UPDATE message_fts_gone SET messages = max(0, messages - ?)", (count,))


def _statement(tx: Tx, column: str, conditions: str, *, is_best_first: bool, is_after: bool) -> str:
    dialect = tx.dialect.name
    score = _SCORE[dialect] if is_best_first else "0"
    inner = _FIND[dialect].format(score=score, column=column, conditions=conditions)
    if is_best_first:
        behind = " WHERE (score, number) < (:after_score, :after_number)" if is_after else ""
        return f"SELECT number, score FROM ({inner}) AS found{behind} ORDER BY score DESC, number DESC LIMIT :most"
    behind = f" AND {_NUMBER[dialect]} < :after_number" if is_after else ""
    return f"{inner}{behind} ORDER BY {_NUMBER[dialect]} DESC LIMIT :most"


_GRAMMAR: Final = {
    # A term, next to, or, and, a beginning.
    "sqlite": ('"{}"', " + ", " OR ", " AND ", " *"),
    "postgresql": ("'{}'", " <-> ", " | ", " & ", ":*"),
}
_NUMBER: Final = {"sqlite": "message_fts.rowid", "postgresql": "t.number"}
_BY_NUMBER: Final = "ORDER BY t.number DESC"
_BY_GIN: Final = "ORDER BY t.number + 0 DESC"
"""The same order, from no index. PostgreSQL takes a beginning to be in one message of fifty, and would look among
everybody's for it, from the newest on: a second beside a million messages, where GIN takes ten milliseconds."""
_SCORE: Final = {
    "sqlite": "CAST(-1000000 * message_fts.rank AS INTEGER)",
    "postgresql": "CAST(1000000 * ts_rank(t.terms, CAST(:asked AS tsquery), 1) AS integer)",
}
_FILTERS: Final = {
    "role": "m.role = :role",
    "type": "c.type = :type",
    "persona_id": "c.persona_id = :persona_id",
    "conversation_id": "c.id = :conversation_id",
    "first": "t.number >= :first",
    "last": "t.number < :last",
}
_FIND: Final = {
    # CROSS: the index first, then the rows that it names.
    "sqlite": """
        SELECT message_fts.rowid AS number, {score} AS score FROM message_fts
        CROSS JOIN message_terms AS t ON t.number = message_fts.rowid
        CROSS JOIN messages AS m ON m.id = t.message_id
        CROSS JOIN conversations AS c ON c.id = m.conversation_id
        WHERE message_fts MATCH :asked AND c.{column} = :who{conditions}
    """,
    "postgresql": """
        SELECT t.number, {score} AS score FROM message_terms AS t
        JOIN messages AS m ON m.id = t.message_id JOIN conversations AS c ON c.id = m.conversation_id
        WHERE t.terms @@ CAST(:asked AS tsquery) AND c.{column} = :who{conditions}
    """,
}
_CREATE: Final = {
    "sqlite": (
        "CREATE VIRTUAL TABLE message_fts USING fts5(terms, content='', tokenize=\"ascii tokenchars '_'\")",
        "CREATE TABLE message_fts_gone (messages INTEGER NOT NULL)",
        "INSERT INTO message_fts_gone VALUES (0)",
        "CREATE TRIGGER message_terms_forgotten BEFORE DELETE ON messages "
        "WHEN EXISTS (SELECT 1 FROM message_terms WHERE message_id = old.id) BEGIN "
        "INSERT INTO message_fts(message_fts, rowid, terms) "
        f"SELECT 'delete', number, {MESSAGE_TERMS}(old.content, old.content_format, terms) "
        "FROM message_terms WHERE message_id = old.id; "
        "UPDATE message_fts_gone SET messages = messages + 1; END",
    ),
    # Without `fastupdate` a search never has to read through what was written lately.
    "postgresql": ("CREATE INDEX ix_message_terms_words ON message_terms USING gin (terms) WITH (fastupdate = off)",),
}
_DROP: Final = {
    "sqlite": (
        "DROP TRIGGER message_terms_forgotten",
        "DROP TABLE message_fts",
        "DROP TABLE message_fts_gone",
    ),
    "postgresql": ("DROP INDEX ix_message_terms_words",),
}
