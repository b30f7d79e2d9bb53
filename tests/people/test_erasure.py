"""Gone means gone: no row, page, log or index has what was said; and the receipt says how much it was."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from conversation_engine.domains.conversations.errors import ConversationForbiddenError, ConversationNotFoundError
from conversation_engine.domains.conversations.types import ConversationFilter, NewConversation
from conversation_engine.domains.conversations.words.service import WordService
from conversation_engine.domains.feedback.types import Opinion
from conversation_engine.domains.limits.types import BudgetKey, BudgetPeriod, BudgetScope, Cap
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.metadata import schema
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.audit.types import AuditFilter
from conversation_engine.infra.db.scrubbing import full_text_tables
from conversation_engine.infra.jobs.types import NewJob
from conversation_engine.kernel.ids import ConversationId
from conversation_engine.kernel.people import RoleForbiddenError
from conversation_engine.people.records.repo import of_conversation, walk
from conversation_engine.testing import FakeClock, ScriptedModel
from conversation_engine.testing.scripted import Pause, Say
from conversation_engine.turns.types import NewTurn
from tests.conftest import OpenEngine
from tests.people.scenes import ADA, BOB, ROOT, TESS
from tests.people.test_records import rows_of

MARKER = "Zanzibarian xylophones quarrel"
WORDS = ("Zanzibar", "zanzibar", "xylophon", "quarrel")


async def talk(engine: ConversationEngine, *, turns: int = 2, kind: str = "general") -> ConversationId:
    """A conversation of Ada's in which the marker is everywhere something may be written."""
    new = NewConversation(owner_id=ADA.user_id, title=MARKER, type=kind, system_prompt=MARKER, metadata={"a": MARKER})
    conversation = await engine.conversations.create(new)
    key = BudgetKey(scope=BudgetScope.CONVERSATION, subject=conversation.id, period=BudgetPeriod.TOTAL)
    await engine.budgets.put(ROOT, key, Cap(tokens=100_000))
    for number in range(turns):
        said = NewTurn(conversation_id=conversation.id, owner_id=ADA.user_id, content=f"{MARKER} {number}")
        detail = await engine.turns.wait(await engine.turns.submit(said))
        assert detail.reply is not None
    await engine.feedback.give(ADA, conversation.id, detail.reply.id, Opinion(helped=MARKER))
    known = await engine.conversations.get(conversation.id, owner_id=ADA.user_id)
    await engine.database.write(lambda tx: WordService().learn(tx, known, through=known.last_sequence))
    return conversation.id


def traces(settings: Settings) -> list[str]:
    """Words of the marker that the database's files still hold."""
    path = Path(settings.resolved_database_url.removeprefix("sqlite:///"))
    raw = b"".join(file.read_bytes() for file in path.parent.glob(path.name + "*"))
    return [word for word in WORDS if word.encode() in raw]


class TestConversation:
    async def test_nothing_of_it_is_left_and_the_receipt_counts_it(
        self, open_engine: OpenEngine, settings: Settings
    ) -> None:
        engine = await open_engine(ScriptedModel(), jobs_at_once=0)
        other = await engine.conversations.create(NewConversation(owner_id=ADA.user_id, title="stays"))
        gone = await talk(engine)
        work = NewJob(kind="summary", key=gone, payload={})
        named = NewJob(kind="else", key="x", payload={"conversation": gone, "text": MARKER})
        await engine.database.write(lambda tx: [engine.jobs.enqueue(tx, one) for one in (work, named)])
        is_sqlite = "sqlite" in settings.resolved_database_url
        assert not is_sqlite or traces(settings) == list(WORDS)
        erased = await engine.records.erase_conversation(ADA, gone)
        assert erased.rows == {
            "conversations": 1,
            "messages": 4,
            "turns": 2,
            "llm_requests": 2,
            "feedback": 1,
            "budgets": 1,
            "budget_accounts": 1,
            "ledger": 2,
            "jobs": 2,
        } | {name: count for name, count in erased.rows.items() if name not in KNOWN}
        for name, rows in (await engine.database.read(rows_of)).items():
            told = json.dumps(rows, default=str, ensure_ascii=False)
            assert MARKER not in told, name
            if name not in ("llm_requests", "audit_events"):
                assert gone not in told, name
        await engine.jobs.work_off("wipe_traces")
        assert not is_sqlite or traces(settings) == []
        [kept] = (await engine.conversations.list_of(ADA.user_id, ConversationFilter())).items
        assert kept == other
        [event] = (await engine.audit.list_of(ROOT, AuditFilter(action="conversation.erased"))).items
        assert (event.deed.actor_id, event.deed.details["rows"]["messages"]) == ("ada", 4)
        with pytest.raises(ConversationNotFoundError):
            await engine.records.erase_conversation(ADA, gone)

    async def test_it_is_its_owners_or_an_admins_and_ends_what_runs(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([Say("one"), Pause(20), Say("two")]))
        new = await engine.conversations.create(NewConversation(owner_id=ADA.user_id))
        for stranger in (BOB, TESS, ROOT):
            with pytest.raises(ConversationForbiddenError):
                await engine.records.erase_conversation(stranger, new.id)
        with pytest.raises(RoleForbiddenError):
            await engine.records.erase_anybodys(TESS, new.id)
        turn = await engine.turns.submit(NewTurn(conversation_id=new.id, owner_id=ADA.user_id, content="go on"))
        async with asyncio.timeout(10):
            erased = await engine.records.erase_anybodys(ROOT, new.id)
        assert erased.rows["turns"] == 1
        assert turn.id not in [live.id for live in await engine.turns.list_live()]


KNOWN = {
    "conversations",
    "messages",
    "turns",
    "llm_requests",
    "feedback",
    "budgets",
    "budget_accounts",
    "ledger",
    "jobs",
}


class TestUser:
    async def test_the_file_forgets_them_too(self, open_engine: OpenEngine, settings: Settings) -> None:
        if "sqlite" not in settings.resolved_database_url:
            pytest.skip("PostgreSQL's pages are its own; vacuum wipes them")
        engine = await open_engine(ScriptedModel(), jobs_at_once=0)
        await talk(engine)
        await engine.records.erase(ADA, ADA.user_id)
        await engine.jobs.work_off("wipe_traces")
        assert traces(settings) == []

    async def test_every_full_text_index_is_wiped(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        found = await engine.database.read(full_text_tables)
        assert list(found) == [] or {"chunk_fts", "message_words"} <= set(found)


class TestRetention:
    async def test_what_is_older_than_its_type_may_be_goes(self, settings: Settings) -> None:
        clock = FakeClock()
        days = {"practice": 30.0, "*": 365.0}
        changed = settings.model_copy(update={"retention_days": days, "jobs_at_once": 0})
        async with ConversationEngine(changed, providers={"scripted": ScriptedModel()}, clock=clock) as engine:
            kept = await engine.conversations.create(NewConversation(owner_id=ADA.user_id, type="general"))
            await talk(engine, turns=1, kind="practice")
            clock.advance(seconds=timedelta(days=31).total_seconds())
            assert (await engine.retention.sweep(is_tried_only=True)).conversations == 1
            assert (await engine.retention.sweep({"practice": 400.0})).conversations == 0
            swept = await engine.retention.sweep()
            assert (swept.conversations, swept.rows["messages"]) == (1, 2)
            assert [
                one.id for one in (await engine.conversations.list_of(ADA.user_id, ConversationFilter())).items
            ] == [kept.id]
            clock.advance(seconds=timedelta(days=335).total_seconds())
            assert (await engine.retention.sweep()).conversations == 1
            assert (await engine.retention.sweep()).conversations == 0

    async def test_the_worker_does_it_where_there_are_rules(self, settings: Settings) -> None:
        clock = FakeClock()
        async with ConversationEngine(settings, providers={"scripted": ScriptedModel()}, clock=clock) as engine:
            await engine.conversations.create(NewConversation(owner_id=ADA.user_id))
        clock.advance(seconds=timedelta(days=2).total_seconds())
        changed = settings.model_copy(update={"retention_days": {"*": 1.0}})
        async with ConversationEngine(changed, providers={"scripted": ScriptedModel()}, clock=clock) as engine:
            async with asyncio.timeout(10):
                while (await engine.conversations.list_of(ADA.user_id, ConversationFilter())).items:
                    await asyncio.sleep(0.01)


class TestTheTables:
    def test_whatever_names_a_conversation_goes_with_it(self) -> None:
        """By its column, or by hanging on something that goes; or it stays on purpose."""
        some = ConversationId("00000000-0000-7000-8000-000000000000")
        gone = {table.name for table, _ in walk(lambda table, known: of_conversation(table, some, known))}
        for table in schema().sorted_tables:
            named = [
                key for key in table.foreign_keys if key.column.table.name in ("conversations", "messages", "turns")
            ]
            assert not named or table.name in gone, table.name
