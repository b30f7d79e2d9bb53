"""Model calls whose process died, or was thought dead: what they came to is on record, once."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from conversation_engine.domains.limits.types import BudgetScope
from conversation_engine.domains.llm.errors import ProcessLostError, StreamCutError
from conversation_engine.domains.llm.types import AttemptStatus, UsageSource
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.testing import Fail, Pause, Say, ScriptedModel
from conversation_engine.turns.repo import TurnRepo
from conversation_engine.turns.types import Turn, TurnDetail, TurnState
from tests.conftest import OpenEngine, until
from tests.insights.test_sums import check_sums
from tests.turns.conftest import OpenStale
from tests.turns.scenes import ADA, ToldModel, Watcher, answered, ask, begin, rows
from tests.turns.test_recovery import has_ended
from tests.turns.test_spending import SHORT, USAGE, accounts, bound, check_books

ALONE = {**SHORT, "sweep_seconds": 3600}
"""The test says when dead turns are looked for."""


async def lose(open_stale: OpenStale, model: Any, *, said: str, **changes: Any) -> tuple[ConversationEngine, Turn]:
    """A turn under a budget of a process that is thought dead, where `said` was shown."""
    stale = await open_stale(model, **ALONE, **changes)
    await bound(stale, BudgetScope.GLOBAL, tokens=1000, dollars="1")
    turn = await ask(stale, (await begin(stale)).id, "What is a prime number?")
    watcher = Watcher(stale, turn)
    if said and isinstance(model, ToldModel):
        model.say(said)
    await until(lambda: model.calls > 0 if isinstance(model, ToldModel) else bool(model.requests))
    await watcher.has_seen(said)
    await watcher.leave()
    return stale, turn


async def recovered(engine: ConversationEngine, turn: Turn) -> TurnDetail:
    """How the turn ends when somebody looks for dead ones."""
    await engine.turns._runner._sweep()
    return await answered(engine, turn)


async def check(engine: ConversationEngine) -> None:
    """Totals, reports, ledger and account are the sum of the calls, to the last digit."""
    tokens, picodollars = await check_books(engine)
    for account in await accounts(engine):
        assert (account["spent_tokens"], account["spent_dollars"]) == (tokens, picodollars)
    await check_sums(engine)


class TestOfADeadProcess:
    @pytest.mark.parametrize("said", ["", "a number with two divisors"])
    async def test_it_is_on_record_as_far_as_anybody_can_tell(
        self, open_stale: OpenStale, open_engine: OpenEngine, said: str
    ) -> None:
        _, turn = await lose(open_stale, ToldModel(), said=said)
        engine = await open_engine(ScriptedModel(), **ALONE)
        detail = await recovered(engine, turn)
        [call] = detail.attempts
        assert (call.status, call.error_code) == (AttemptStatus.FAILED, ProcessLostError.code)
        assert (call.provider, call.model) == ("scripted", "test")
        assert call.usage is not None
        assert call.usage.source is UsageSource.ESTIMATED
        assert call.usage.input_tokens > 5
        assert (call.usage.output_tokens > 0) == bool(said)
        assert call.cost == (call.usage.input_tokens + 2 * call.usage.output_tokens) * Decimal("0.000001")
        assert call.created_at == turn.created_at
        assert detail == await engine.turns.get(turn.conversation_id, turn.id, owner_id=ADA)
        manifest = await engine.turns.manifest(turn.conversation_id, turn.id, owner_id=ADA)
        assert manifest is not None
        assert manifest["assembled_again"]
        await check(engine)

    async def test_many_who_find_it_record_it_once(self, open_stale: OpenStale, open_engine: OpenEngine) -> None:
        _, turn = await lose(open_stale, ToldModel(), said="so far")
        engines = [await open_engine(ScriptedModel(), **ALONE) for _ in range(3)]
        recovery = engines[0].turns._runner._recovery
        remains = await recovery._look(turn)
        await asyncio.gather(*(engine.turns._runner._sweep() for engine in engines))
        assert await has_ended(engines[0], turn.id) == "interrupted"
        await recovery._end(turn, remains, lease=None)  # and one who comes too late
        assert len(await rows(engines[0], "SELECT id FROM llm_requests")) == 1
        await check(engines[0])

    async def test_asked_again_both_calls_are_paid(self, open_stale: OpenStale, open_engine: OpenEngine) -> None:
        _, turn = await lose(open_stale, ToldModel(), said="so far")
        engine = await open_engine(ScriptedModel(usage=USAGE), **ALONE, recovery="retry")
        detail = await recovered(engine, turn)
        assert (detail.turn.state, detail.turn.attempt) == (TurnState.COMPLETED, 2)
        assert [call.attempt for call in detail.attempts] == [1, 2]
        assert [call.error_code for call in detail.attempts] == [ProcessLostError.code, None]
        assert detail.reply is not None
        assert detail.reply.llm_request_id == detail.attempts[-1].id
        await check(engine)

    async def test_it_is_not_asked_again_where_no_budget_covers_both(
        self, open_stale: OpenStale, open_engine: OpenEngine
    ) -> None:
        stale, turn = await lose(open_stale, ToldModel(), said="so far")
        [account] = await accounts(stale)
        await bound(stale, BudgetScope.GLOBAL, tokens=account["reserved_tokens"], dollars="1")
        lower = f"UPDATE ledger SET cap_tokens = {account['reserved_tokens']}"  # as if it had been so from the start
        await stale.database.write(lambda tx: tx.exec_driver_sql(lower))
        model = ScriptedModel(usage=USAGE)
        engine = await open_engine(model, **ALONE, recovery="retry")
        detail = await recovered(engine, turn)
        assert (detail.turn.state, len(detail.attempts), model.requests) == (TurnState.INTERRUPTED, 1, [])
        await check(engine)

    async def test_the_broken_call_before_it_is_on_record_too(
        self, open_stale: OpenStale, open_engine: OpenEngine
    ) -> None:
        """A reply that was begun anew after the model broke off, in a process that then died."""
        model = ScriptedModel([Say("one two"), Fail(StreamCutError())], [Say("three"), Pause(60)])
        _, turn = await lose(open_stale, model, said="", on_broken_reply="retry")
        await until(lambda: len(model.requests) == 2)
        engine = await open_engine(ScriptedModel(), **ALONE)
        detail = await recovered(engine, turn)
        assert [call.attempt for call in detail.attempts] == [1, 2]
        assert [call.error_code for call in detail.attempts] == [StreamCutError.code, ProcessLostError.code]
        await check(engine)


class TestOfALivingOne:
    """It had lost its lease without knowing: what it says is the truth."""

    @pytest.mark.parametrize("mode", ["interrupt", "retry"])
    async def test_what_it_came_to_takes_the_place_of_the_estimate(
        self, open_stale: OpenStale, open_engine: OpenEngine, mode: str
    ) -> None:
        model = ScriptedModel([Say("a number"), Pause(0.5), Say(" like 7")], usage=USAGE)
        stale, turn = await lose(open_stale, model, said="a number")
        engine = await open_engine(ScriptedModel(usage=USAGE), **ALONE, recovery=mode)
        detail = await recovered(engine, turn)
        stale.turns._runner._reply_log._on_lost = lambda _: None  # nobody tells it: it hears the model out
        await until(lambda: stale.turns._runner.find(turn.id) is None)
        after = await engine.turns.get(turn.conversation_id, turn.id, owner_id=ADA)
        assert (after.turn, after.reply) == (detail.turn, detail.reply)
        assert [call.id for call in after.attempts] == [call.id for call in detail.attempts]
        assert [call.usage for call in after.attempts] == [USAGE] * len(detail.attempts)
        await check(engine)

    async def test_before_anybody_has_ended_its_turn_it_is_not_estimated(self, open_stale: OpenStale) -> None:
        model = ToldModel()
        engine, turn = await lose(open_stale, model, said="so far")
        recovery, lease = engine.turns._runner._recovery, engine.turns._runner.lease()
        remains = await recovery._look(turn)
        claim = replace(lease, holder=recovery._holder)
        await engine.database.write(lambda tx: TurnRepo().start(tx, turn, lease=claim))
        model.finish()
        await until(lambda: engine.turns._runner.find(turn.id) is None)
        await recovery._end(turn, remains, lease=None)
        detail = await engine.turns.get(turn.conversation_id, turn.id, owner_id=ADA)
        assert (detail.turn.state, [call.error_code for call in detail.attempts]) == (TurnState.INTERRUPTED, [None])
        await check(engine)

    async def test_it_is_paid_once_where_its_conversation_is_deleted(
        self, open_stale: OpenStale, open_engine: OpenEngine
    ) -> None:
        model = ToldModel()
        stale, turn = await lose(open_stale, model, said="so far")
        engine = await open_engine(ScriptedModel(), **ALONE)
        await recovered(engine, turn)
        await engine.conversations.delete(turn.conversation_id, owner_id=ADA)
        model.finish()
        await until(lambda: stale.turns._runner.find(turn.id) is None)
        [call] = await rows(engine, "SELECT * FROM llm_requests")
        assert (call["error_code"], call["error_cause"], call["status"]) == (None, None, "completed")
        await check(engine)

    async def test_who_has_told_already_changes_nothing(self, open_engine: OpenEngine) -> None:
        """A commit that was reported as failed although it had happened is tried again."""
        engine = await open_engine(ScriptedModel(usage=USAGE), **ALONE)
        await bound(engine, BudgetScope.GLOBAL, tokens=1000)
        detail = await answered(engine, await ask(engine, (await begin(engine)).id))
        books = engine.turns._runner._recovery._books
        for _ in range(2):
            await engine.database.write(lambda tx: books.tell_late(tx, detail.turn, detail.attempts))
        assert len(await rows(engine, "SELECT id FROM llm_requests")) == 1
        await check(engine)
