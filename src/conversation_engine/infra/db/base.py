"""The schema's root and the column types that mean the same on both databases."""

import sys
from array import array
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    REAL,
    BigInteger,
    DateTime,
    Dialect,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

from conversation_engine.kernel.money import from_picodollars, to_picodollars


class Base(DeclarativeBase):
    """Parent of every `…Model`; its metadata is the schema that migrations are compared with."""

    __table__: ClassVar[Table]
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware instant: `timestamptz` on PostgreSQL, UTC text on SQLite (which has no time zones).

    The text is the one that SQLAlchemy writes, by a quarter of its Python; a turn writes and reads two dozen.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:
        return _utc_text if dialect.name == "sqlite" else _in_utc

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return _from_utc_text if dialect.name == "sqlite" else _in_utc


def _in_utc(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError(f"{value!r} names no instant: it has no time zone")
    return value.astimezone(UTC)


def _utc_text(value: datetime | None) -> str | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError(f"{value!r} names no instant: it has no time zone")
    return value.astimezone(UTC).isoformat(" ", "microseconds")[:-6]


def _from_utc_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value + "+00:00")


class MoneyType(TypeDecorator[Decimal]):
    """Dollars as `Decimal`, kept as whole picodollars: exact, and summable by either database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else to_picodollars(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else from_picodollars(int(value))


JsonType = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""A JSON document; `None` is SQL NULL."""


class CanonicalUuid(Uuid[Any]):
    """A UUID, a canonical string in Python: `uuid` on PostgreSQL, 32 hex digits on SQLite.

    SQLAlchemy's own reads those digits by way of `uuid.UUID`, 20 times slower; a turn reads dozens.
    """

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        if dialect.supports_native_uuid:
            return super().result_processor(dialect, coltype)  # type: ignore[no-untyped-call]
        return _with_hyphens


def _with_hyphens(value: str | None) -> str | None:
    if value is None:
        return None
    return f"{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}"


IdType: Uuid[Any] = CanonicalUuid(as_uuid=False)

RowNumber = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database gives out, growing; SQLite does so for INTEGER alone."""

TermsType = Text().with_variant(TSVECTOR(), "postgresql")
"""What a text is found by: words for FTS5 on SQLite, a `tsvector` on PostgreSQL."""


class VectorType(TypeDecorator[bytes]):
    """Little-endian 32-bit floats: bytes on SQLite, `real[]` on PostgreSQL, which needs no extension to store it."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        postgres: TypeEngine[Any] = ARRAY(REAL)
        return dialect.type_descriptor(postgres if dialect.name == "postgresql" else LargeBinary())

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "postgresql":
            return value
        return _floats(value).tolist()

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        if value is None or isinstance(value, bytes):
            return value
        floats = array("f", value)
        if sys.byteorder == "big":
            floats.byteswap()
        return floats.tobytes()


def _floats(value: bytes) -> "array[float]":
    floats = array("f", value)
    if sys.byteorder == "big":
        floats.byteswap()
    return floats
