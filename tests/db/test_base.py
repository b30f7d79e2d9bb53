"""Column types that mean the same on both databases."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Table, func, insert, select

from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.base import IdType, JsonType, MoneyType, UtcDateTime
from conversation_engine.infra.db.database import Database
from conversation_engine.infra.db.opening import open_database
from conversation_engine.infra.ids import new_id

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=zones)  # noqa: DTZ001 - drawn with a zone
picodollars = st.integers(-(2**63), 2**63 - 1)
storable_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | storable_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(storable_text, inner, max_size=4),
    max_leaves=12,
)
for_a_moment = hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

samples = Table(
    "samples",
    MetaData(),
    Column("id", IdType, primary_key=True),
    Column("at", UtcDateTime()),
    Column("cost", MoneyType()),
    Column("document", JsonType),
)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = open_database(settings.resolved_database_url, settings)
    await database.write(samples.create)
    yield database
    await database.aclose()


async def round_trip(database: Database, **values: Any) -> Any:
    """What comes back of one value."""
    row_id, [column] = new_id(), values

    def work(tx: Any) -> Any:
        tx.execute(insert(samples), {"id": row_id, **values})
        return tx.scalar(select(samples.c[column]).where(samples.c.id == row_id))

    return await database.write(work)


class TestUtcDateTime:
    @for_a_moment
    @given(at=instants)
    async def test_an_instant_comes_back_exact_and_in_utc(self, database: Database, at: datetime) -> None:
        stored = await round_trip(database, at=at)
        assert stored == at
        assert stored.tzinfo is UTC

    async def test_a_time_without_a_zone_is_refused(self, database: Database) -> None:
        with pytest.raises(Exception, match=r"zone"):
            await round_trip(database, at=datetime(2026, 1, 1))  # noqa: DTZ001 - the point

    async def test_instants_compare_in_order_of_time(self, database: Database) -> None:
        early = datetime(2026, 1, 1, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=9)))
        late = datetime(2026, 1, 1, 15, tzinfo=UTC)
        for at in (late, early):
            await round_trip(database, at=at)
        query = select(samples.c.at).order_by(samples.c.at)
        assert await database.read(lambda tx: list(tx.scalars(query))) == [early, late]


class TestMoneyType:
    @for_a_moment
    @given(amount=picodollars.map(lambda n: Decimal(n).scaleb(-12)))
    async def test_dollars_come_back_exact(self, database: Database, amount: Decimal) -> None:
        assert await round_trip(database, cost=amount) == amount

    async def test_the_database_sums_exactly(self, database: Database) -> None:
        def work(tx: Any) -> Any:
            tx.execute(insert(samples), [{"id": new_id(), "cost": Decimal("0.1")} for _ in range(10)])
            return tx.scalar(select(func.sum(samples.c.cost, type_=MoneyType())))

        assert await database.write(work) == Decimal(1)


class TestJsonType:
    @for_a_moment
    @given(document=documents.filter(lambda document: document is not None))
    async def test_a_document_comes_back_equal(self, database: Database, document: Any) -> None:
        assert await round_trip(database, document=document) == document

    async def test_none_is_null(self, database: Database) -> None:
        await round_trip(database, document=None)
        query = select(samples.c.id).where(samples.c.document.is_(None))
        assert len(await database.read(lambda tx: tx.execute(query).all())) == 1


class TestIdType:
    async def test_an_id_is_a_canonical_string(self, database: Database) -> None:
        row_id = new_id()
        await database.write(lambda tx: tx.execute(insert(samples), {"id": row_id}))
        assert await database.read(lambda tx: tx.scalar(select(samples.c.id))) == row_id
