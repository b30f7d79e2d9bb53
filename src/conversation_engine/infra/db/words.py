"""Finding messages by their words: all that either database needs for it.

Messages are learned in the background, many at a time, when somebody may want to find them; a turn writes nothing here.
(Fed by a trigger at each message, FTS5 cost a turn a quarter more CPU, even where nobody ever looked.) SQLite has a
contentless FTS5 table, whose row ids are a range for each conversation (`number << 32 | sequence_number`). PostgreSQL
has lists of sequence numbers by conversation and word, newest last: of a word that is everywhere a few rows are read,
where a GIN index reads all postings (106 ms for a window of 100,000 messages, 14 for one of 100). Both stem English.
Triggers forget what is deleted, at once.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import Integer, String, column, text
from sqlalchemy.sql.elements import ColumnClause

from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.prepared import Prepared

INDEXED_CHARACTERS: Final = 20_000
"""Of one message: what comes after them is not found, and costs nothing."""


LONGEST_WORD: Final = 40
"""Longer ones are no words."""


class Place(NamedTuple):
    """Where a message is."""

    conversation_id: str
    sequence_number: int


def create_index(tx: Tx) -> None:
    """Make the tables and triggers."""
    for statement in _CREATE[tx.dialect.name]:
        tx.execute(text(statement))


def drop_index(tx: Tx) -> None:
    """Undo `create_index`."""
    for statement in _DROP[tx.dialect.name]:
        tx.execute(text(statement))


def learn(tx: Tx, conversation_id: str, *, through: int) -> None:
    """Let a conversation's messages up to sequence number `through` be found. Idempotent; O(those not known yet)."""
    for statement in _LEARN[tx.dialect.name]:
        tx.execute(text(statement), {"conversation": _id(tx, conversation_id), "through": through})


def numbers_in_conversation(
    tx: Tx, words: Sequence[str], *, conversation_id: str, before: int, most: int
) -> list[list[int]]:
    """For each word the sequence numbers, below `before`, of at most `most` messages that have it. One statement.

    `words` are letters and digits only, at least one. Which `most` is the database's choice: a word that reaches it
    says little.
    """
    search = _for_each(_ONE_CONVERSATION[tx.dialect.name], len(words), _NUMBERS)
    values = {"conversation": _id(tx, conversation_id), "before": before, "most": most}
    found: list[list[int]] = [[] for _ in words]
    for word, numbers in search.all(tx, values | _named(words)):
        if numbers:
            found[word] = [int(number) for number in numbers.split(",")]
    return found


def places_of_owner(
    tx: Tx, words: Sequence[str], *, owner_id: str, but_conversation_id: str, most: int
) -> list[list[Place]]:
    """The same in all other conversations of this owner. On SQLite a frequent word costs what all owners said of it."""
    search = _for_each(_ALL_OF_OWNER[tx.dialect.name], len(words), _PLACES)
    values = {"owner": owner_id, "conversation": _id(tx, but_conversation_id), "most": most}
    found: list[list[Place]] = [[] for _ in words]
    for word, conversation, number in search.all(tx, values | _named(words)):
        found[word].append(Place(str(UUID(str(conversation))), number))
    return found


_NUMBERS: Final = (column("word", Integer), column("numbers", String))
_PLACES: Final = (column("word", Integer), column("conversation", String), column("number", Integer))


@cache
def _for_each(one: str, words: int, columns: tuple[ColumnClause[object], ...]) -> Prepared:
    whole = " UNION ALL ".join(one.replace("{word}", str(place)) for place in range(words))
    return Prepared(text(whole).columns(*columns))


def _named(words: Sequence[str]) -> dict[str, str]:
    return {f"word{place}": word for place, word in enumerate(words)}


def _id(tx: Tx, value: str) -> str:
    return value.replace("-", "") if tx.dialect.name == "sqlite" else value


_FORGET = f"""
    INSERT INTO message_words (message_words, rowid, content)
    SELECT 'delete', number << 32 | old.sequence_number, substr(old.content, 1, {INDEXED_CHARACTERS})
    FROM message_words_rooms WHERE conversation_id = old.conversation_id AND through >= old.sequence_number;
"""
_LEARN: Final = {
    "sqlite": (
        "INSERT OR IGNORE INTO message_words_rooms (conversation_id, through) VALUES (:conversation, 0)",
        f"""
        INSERT INTO message_words (rowid, content)
        SELECT r.number << 32 | m.sequence_number, substr(m.content, 1, {INDEXED_CHARACTERS})
        FROM message_words_rooms AS r JOIN messages AS m ON m.conversation_id = r.conversation_id
        WHERE r.conversation_id = :conversation
        AND m.sequence_number > r.through AND m.sequence_number <= :through
        """,
        "UPDATE message_words_rooms SET through = max(through, :through) WHERE conversation_id = :conversation",
    ),
    "postgresql": (
        f"""
        INSERT INTO message_words (conversation_id, word, last, numbers)
        SELECT conversation_id, word, max(sequence_number), array_agg(sequence_number ORDER BY sequence_number)
        FROM messages,
            unnest(tsvector_to_array(to_tsvector('pg_catalog.english', left(content, {INDEXED_CHARACTERS})))) AS word
        WHERE conversation_id = CAST(:conversation AS uuid) AND length(word) <= {LONGEST_WORD}
        AND sequence_number <= :through AND sequence_number > (
            SELECT words_through FROM conversations WHERE id = CAST(:conversation AS uuid)
        )
        GROUP BY conversation_id, word
        ON CONFLICT DO NOTHING
        """,
    ),
}
_CREATE: Final = {
    "sqlite": (
        "CREATE TABLE message_words_rooms "
        "(number INTEGER PRIMARY KEY, conversation_id CHAR(32) NOT NULL UNIQUE, through INTEGER NOT NULL)",
        "CREATE VIRTUAL TABLE message_words USING fts5"
        "(content, content='', detail=none, columnsize=0, tokenize='porter unicode61 remove_diacritics 2')",
        f"CREATE TRIGGER message_words_gone AFTER DELETE ON messages BEGIN {_FORGET} END",
        # After the cascade, whose triggers need the room.
        "CREATE TRIGGER message_words_closed AFTER DELETE ON conversations BEGIN "
        "DELETE FROM message_words_rooms WHERE conversation_id = old.id; END",
    ),
    "postgresql": (
        "CREATE TABLE message_words (conversation_id uuid NOT NULL REFERENCES conversations ON DELETE CASCADE, "
        "word text NOT NULL, last integer NOT NULL, numbers integer[] NOT NULL, "
        "PRIMARY KEY (conversation_id, word, last))",
        # A conversation that is deleted takes its lists along; its messages need not be taken out of them one by one.
        f"""
        CREATE FUNCTION message_words_forget() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            known tsvector := to_tsvector('pg_catalog.english', left(old.content, {INDEXED_CHARACTERS}));
            said text[] := tsvector_to_array(known);
        BEGIN
            IF EXISTS (
                SELECT 1 FROM conversations WHERE id = old.conversation_id AND words_through >= old.sequence_number
            ) THEN
                UPDATE message_words SET numbers = array_remove(numbers, old.sequence_number)
                WHERE conversation_id = old.conversation_id AND word = ANY(said) AND last >= old.sequence_number;
                DELETE FROM message_words
                WHERE conversation_id = old.conversation_id AND word = ANY(said) AND cardinality(numbers) = 0;
            END IF;
            RETURN NULL;
        END $$
        """,
        "CREATE TRIGGER message_words_gone AFTER DELETE ON messages "
        "FOR EACH ROW EXECUTE FUNCTION message_words_forget()",
    ),
}
_DROP: Final = {
    "sqlite": (
        *(f"DROP TRIGGER message_words_{name}" for name in ("gone", "closed")),
        "DROP TABLE message_words",
        "DROP TABLE message_words_rooms",
    ),
    "postgresql": (
        "DROP TRIGGER IF EXISTS message_words_gone ON messages",
        "DROP FUNCTION IF EXISTS message_words_forget",
        "DROP TABLE message_words",
    ),
}
_STEM = "(tsvector_to_array(to_tsvector('pg_catalog.english', :word{word})))[1]"
_ONE_CONVERSATION: Final = {
    "sqlite": """
        SELECT {word} AS word, group_concat(number) AS numbers FROM (
            SELECT rowid & 4294967295 AS number FROM message_words
            WHERE message_words MATCH :word{word}
            AND rowid > (SELECT number << 32 FROM message_words_rooms WHERE conversation_id = :conversation)
            AND rowid < (SELECT number << 32 | :before FROM message_words_rooms WHERE conversation_id = :conversation)
            LIMIT :most)
    """,
    "postgresql": f"""
        SELECT {{word}} AS word, string_agg(number::text, ',') AS numbers FROM (SELECT number FROM (
            SELECT unnest(numbers) AS number FROM message_words
            WHERE conversation_id = CAST(:conversation AS uuid) AND word = {_STEM} ORDER BY last DESC
        ) AS said WHERE number < :before LIMIT :most) AS w{{word}}
    """,
}
_ALL_OF_OWNER: Final = {
    "sqlite": """
        SELECT * FROM (SELECT {word} AS word, r.conversation_id, w.rowid & 4294967295 AS number FROM message_words AS w
            JOIN message_words_rooms AS r ON r.number = w.rowid >> 32
            JOIN conversations AS c ON c.id = r.conversation_id
            WHERE w.message_words MATCH :word{word} AND c.owner_id = :owner AND c.id <> :conversation
            LIMIT :most)
    """,
    "postgresql": f"""
        SELECT * FROM (
            SELECT {{word}} AS word, w.conversation_id, unnest(w.numbers) AS number
            FROM conversations AS c JOIN message_words AS w ON w.conversation_id = c.id
            WHERE c.owner_id = :owner AND c.id <> CAST(:conversation AS uuid) AND w.word = {_STEM}
            LIMIT :most) AS w{{word}}
    """,
}
