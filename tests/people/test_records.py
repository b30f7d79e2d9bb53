"""Export and erasure: looked for in every column of every table."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from conversation_engine.domains.feedback.types import Opinion
from conversation_engine.domains.limits.types import BudgetKey, BudgetPeriod, BudgetScope, Cap
from conversation_engine.domains.personas.types import ClientProfile
from conversation_engine.domains.users.errors import LastAdminError, UserNotFoundError
from conversation_engine.domains.users.types import NewUser
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.metadata import schema
from conversation_engine.engine.wiring import make_sign_ins, make_tokens
from conversation_engine.infra.audit.types import AuditFilter
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.once import Once
from conversation_engine.kernel.people import Principal, Role, RoleForbiddenError
from conversation_engine.people.records.repo import NOBODY
from conversation_engine.turns.types import NewTurn
from tests.conftest import OpenEngine
from tests.people.scenes import ADA, ROOT, TESS, client_of
from tests.turns.scenes import ToldModel

MARKS = ("Ada Lovelace", "what ada said", "ada@home")


async def fill(engine: ConversationEngine, model: ToldModel) -> Principal:
    """A student with something in every table that can hold something of theirs."""
    user = await engine.accounts.create(ROOT, NewUser(login="ada@home", name="Ada Lovelace", password="correct horse"))
    ada = Principal(user_id=user.id, role=Role.STUDENT)
    for scope, subject in ((BudgetScope.USER, user.id), (BudgetScope.USER, "other")):
        key = BudgetKey(scope=scope, subject=subject, period=BudgetPeriod.DAY)
        await engine.budgets.put(ROOT, key, Cap(tokens=100_000))
    persona = await client_of(engine)
    await engine.personas.share(TESS, persona.id, [user.id])
    session = await engine.sessions.start_conversation(ada, persona.id, once=Once.of("k", "x"))
    model.say("I hear you.")
    model.finish()
    turn = await engine.turns.submit(
        NewTurn(conversation_id=session.id, owner_id=ada.user_id, role=ada.role, content="what ada said")
    )
    detail = await engine.turns.wait(turn)
    assert detail.reply is not None
    await engine.feedback.give(ada, session.id, detail.reply.id, Opinion(helped="what ada said"))
    await engine.review.read(TESS, session.id)
    tokens = make_tokens(engine.settings, engine.clock)
    sign_ins = make_sign_ins(engine.accounts, tokens, engine.audit, database=engine.database, settings=engine.settings)
    await sign_ins.open_for(ada)
    return ada


def rows_of(tx: Tx) -> dict[str, list[dict[str, Any]]]:
    return {
        table.name: [dict(row) for row in tx.execute(select(*table.c)).mappings()] for table in schema().sorted_tables
    }


class TestTheTables:
    def test_every_table_is_somebodys_or_nobodys_on_purpose(self) -> None:
        """A new table either says whose its rows are, or hangs on one that does, or has a reason here."""
        nobodys = {
            "jobs": "work on its way; what names the user in its payload is removed",
            "outbox": "events on their way; the same",
            "revoked_sign_ins": "random ids for 15 minutes",
            "used_links": "random ids for 15 minutes",
            "warehouse_changes": "ids of what has changed: that something is gone has to be told to the warehouse",
            "sign_in_tries": "keyed hashes for 15 minutes",
        }
        named = {"users", "budgets", "budget_accounts", "ledger", "audit_events"}
        for table in schema().sorted_tables:
            hangs = any(key.ondelete == "CASCADE" for key in table.foreign_keys)
            assert "owner_id" in table.c or hangs or table.name in named | set(nobodys), table.name


class TestExport:
    async def test_it_has_everything_and_no_secret(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        ada = await fill(engine, model)
        _, rows = await engine.records.export(ada, ada.user_id)
        assert {name for name, found in rows.items() if found} >= {
            "users",
            "conversations",
            "messages",
            "turns",
            "llm_requests",
            "idempotency_keys",
            "feedback",
            "persona_shares",
            "budgets",
            "budget_accounts",
            "ledger",
            "audit_events",
        }
        text = json.dumps(rows, default=str)
        assert "what ada said" in text
        assert "argon2" not in text
        assert "password_hash" not in text
        assert "You play a person" not in text, "the client's instructions are its teacher's"
        assert [row["id"] for row in rows["users"]] == [ada.user_id]

    async def test_it_has_nothing_of_others(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        ada = await fill(engine, model)
        await engine.personas.create(TESS, ClientProfile(name="Xaver"))
        _, rows = await engine.records.export(TESS, TESS.user_id)
        assert {row["owner_id"] for row in rows["personas"]} == {"tess"}
        assert len(rows["persona_versions"]) == 2
        assert not rows["messages"]
        assert ada.user_id not in json.dumps({k: v for k, v in rows.items() if k not in ("audit_events",)}, default=str)

    async def test_for_oneself_and_for_admins(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        ada = await fill(engine, model)
        for refused in (engine.records.export(TESS, ada.user_id), engine.records.erase(TESS, ada.user_id)):
            with pytest.raises(RoleForbiddenError):
                await refused
        await engine.records.export(ROOT, ada.user_id)
        [event] = (await engine.audit.list_of(ROOT, AuditFilter(action="user.exported"))).items
        assert (event.deed.actor_id, event.deed.subject_id) == ("root", ada.user_id)


class TestErase:
    async def test_nothing_of_them_is_left_in_any_column_of_any_table(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        ada = await fill(engine, model)
        before = await engine.database.read(rows_of)
        full = [name for name, rows in before.items() if ada.user_id in json.dumps(rows, default=str)]
        assert len(full) >= 12, full
        erased = await engine.records.erase(ada, ada.user_id)
        assert erased.rows["messages"] == 3
        after = await engine.database.read(rows_of)
        for name, rows in after.items():
            for row in rows:
                told = json.dumps(row, default=str, ensure_ascii=False)
                assert not [mark for mark in (*MARKS, ada.user_id) if mark in told], (name, told)

    async def test_what_is_others_stays_as_it_was(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        ada = await fill(engine, model)
        bobs = await engine.sessions.start_conversation(
            Principal(user_id=UserId("bob"), role=Role.STUDENT), (await client_of(engine)).id
        )
        await engine.records.erase(ROOT, ada.user_id)
        assert await engine.conversations.get(bobs.id, owner_id=UserId("bob")) == bobs
        assert len((await engine.review.list_of(TESS)).items) == 1

    async def test_what_was_spent_stays_as_nobodys(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        ada = await fill(engine, model)
        spent = (await engine.database.read(rows_of))["llm_requests"]
        await engine.records.erase(ROOT, ada.user_id)
        left = (await engine.database.read(rows_of))["llm_requests"]
        assert [row["output_tokens"] for row in left] == [row["output_tokens"] for row in spent]
        assert {row["owner_id"] for row in left} == {NOBODY}

    async def test_a_turn_that_runs_is_cancelled_first(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        ada = await fill(engine, model)
        [session] = (await engine.sessions.list_of(ada)).items
        turn = await engine.turns.submit(NewTurn(conversation_id=session.id, owner_id=ada.user_id, content="more"))
        await engine.records.erase(ROOT, ada.user_id)
        assert await engine.turns.list_live() == []
        assert turn.id not in json.dumps((await engine.database.read(rows_of))["turns"], default=str)

    async def test_students_of_an_erased_teacher_keep_what_they_said(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        ada = await fill(engine, model)
        await engine.records.erase(ROOT, TESS.user_id)
        [session] = (await engine.sessions.list_of(ada)).items
        assert (session.status, session.supervisor_id, session.system_prompt) == ("completed", None, None)
        assert session.message_count == 3
        assert "tess" not in json.dumps(await engine.database.read(rows_of), default=str)

    async def test_it_is_on_record_without_a_name(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        ada = await fill(engine, model)
        await engine.records.erase(ada, ada.user_id)
        [event] = (await engine.audit.list_of(ROOT, AuditFilter(action="user.erased"))).items
        assert (event.deed.actor_id, event.deed.subject_id) == (None, None)

    async def test_nobody_is_nobody_and_the_last_admin_stays(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        for who in (ADA.user_id, UserId("nobody")):
            with pytest.raises(UserNotFoundError):
                await engine.records.erase(ROOT, who)
            with pytest.raises(UserNotFoundError):
                await engine.records.export(ROOT, who)
        only = await engine.accounts.create(ROOT, NewUser(login="only", role=Role.ADMIN))
        with pytest.raises(LastAdminError):
            await engine.records.erase(ROOT, only.id)
