"""Turns under budgets: nothing is spent beyond a cap, and nothing stays promised."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import pytest

from conversation_engine.domains.conversations.types import BusyPolicy, Conversation, NewConversation
from conversation_engine.domains.limits.errors import OverBudgetError, UnknownPriceError
from conversation_engine.domains.limits.types import Budget, BudgetKey, BudgetPeriod, BudgetScope, Cap
from conversation_engine.domains.llm.settings import PriceSetting
from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.once import Once
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import FakeClock, Say, ScriptedModel
from conversation_engine.turns.types import NewTurn, Turn, TurnState
from tests.conftest import OpenEngine, until
from tests.turns.conftest import OpenStale
from tests.turns.scenes import ADA, ToldModel, Watcher, answered, ask, begin, count, messages_of, rows
from tests.turns.test_repo import STATEMENTS_OF_A_TURN, WITHOUT_CHORES, counted, until_quiet

ROOT = Principal(user_id=UserId("root"), role=Role.ADMIN)
MARIA, TOM = "01890a5d-ac96-774b-bcce-b302099a8001", "01890a5d-ac96-774b-bcce-b302099a8002"
USAGE = TokenUsage(input_tokens=10, cached_tokens=0, output_tokens=20)
PRICE = {"scripted/test": PriceSetting(input=Decimal(1), output=Decimal(2))}
COST = Decimal("0.00005")
"""Of a call that used USAGE."""
SHORT = {"reply_limit_tokens": 40, "model_prices": PRICE}


async def bound(
    engine: ConversationEngine,
    scope: BudgetScope = BudgetScope.USER,
    subject: str = ADA,
    *,
    period: BudgetPeriod = BudgetPeriod.DAY,
    dollars: str | None = None,
    tokens: int | None = None,
) -> Budget:
    """Set a budget."""
    cap = Cap(dollars=None if dollars is None else Decimal(dollars), tokens=tokens)
    return await engine.budgets.put(ROOT, BudgetKey(scope=scope, subject=subject, period=period), cap)


async def accounts(engine: ConversationEngine) -> Sequence[dict[str, Any]]:
    return await rows(engine, "SELECT * FROM budget_accounts ORDER BY scope, subject")


async def check_books(engine: ConversationEngine) -> tuple[int, int]:
    """Nothing is promised any more, and the books say what the turns' calls say: tokens and picodollars spent."""
    [open_entries] = await rows(engine, "SELECT count(*) AS n FROM ledger WHERE settled_at IS NULL")
    assert open_entries["n"] == 0
    for account in await accounts(engine):
        assert (account["reserved_tokens"], account["reserved_dollars"]) == (0, 0)
        ledger = (
            "SELECT COALESCE(sum(tokens), 0) AS t, COALESCE(sum(dollars), 0) AS d FROM ledger WHERE account_id = :id"
        )
        [entries] = await rows(engine, ledger, id=account["id"])
        assert (account["spent_tokens"], account["spent_dollars"]) == (entries["t"], entries["d"])
    [calls] = await rows(
        engine,
        "SELECT COALESCE(sum(input_tokens + output_tokens), 0) AS t, COALESCE(sum(cost), 0) AS d FROM llm_requests",
    )
    return int(calls["t"]), int(calls["d"])


@pytest.fixture
async def engine(open_engine: OpenEngine) -> ConversationEngine:
    return await open_engine(ScriptedModel(usage=USAGE), **SHORT)


class TestReserve:
    async def test_over_budget_nothing_is_stored_and_no_model_is_called(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel(usage=USAGE)
        engine = await open_engine(model, **SHORT)
        conversation = await begin(engine)
        await bound(engine, tokens=30)
        with pytest.raises(OverBudgetError) as refused:
            await ask(engine, conversation.id)
        assert (await count(engine, "messages"), await count(engine, "turns"), len(model.requests)) == (0, 0, 0)
        assert await count(engine, "ledger") == 0
        facts = refused.value.facts
        assert (facts["scope"], facts["period"], facts["left_tokens"], facts["left_dollars"]) == (
            "user",
            "day",
            30,
            None,
        )
        assert str(facts["renews_at"]).endswith("T00:00:00+00:00")
        assert "30 tokens is left" in refused.value.detail

    async def test_the_most_that_a_call_can_cost_is_promised_while_it_runs(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model, **SHORT)
        await bound(engine, tokens=1000, dollars="1")
        turn = await ask(engine, (await begin(engine)).id, "How many tokens are these?")
        [account] = await accounts(engine)
        assert 40 < account["reserved_tokens"] < 100
        assert account["spent_tokens"] == 0
        model.finish()
        await answered(engine, turn)
        await check_books(engine)

    async def test_it_settles_for_what_was_used(self, engine: ConversationEngine) -> None:
        await bound(engine, tokens=1000, dollars="1")
        for _ in range(3):
            await answered(engine, await ask(engine, (await begin(engine)).id))
        [standing] = await engine.budgets.look(ADA, Role.STUDENT)
        assert (standing.balance.spent.tokens, standing.balance.spent.dollars) == (90, 3 * COST)
        assert (standing.left.tokens, standing.left.dollars) == (910, 1 - 3 * COST)
        tokens, picodollars = await check_books(engine)
        assert (tokens, picodollars) == (90, int(3 * COST * 10**12))

    async def test_money_and_tokens_bound_each_for_itself(self, engine: ConversationEngine) -> None:
        conversation = await begin(engine)
        for cap in ({"dollars": "0.00001"}, {"tokens": 10}, {"tokens": 10**6, "dollars": "0"}):
            await bound(engine, **cap)  # type: ignore[arg-type]
            with pytest.raises(OverBudgetError):
                await ask(engine, conversation.id)
        await bound(engine, tokens=10**6, dollars="1")
        assert (await answered(engine, await ask(engine, conversation.id))).turn.state is TurnState.COMPLETED

    async def test_a_refusal_comes_before_another_turn_is_interrupted(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model, **SHORT)
        conversation = await begin(engine)
        running = await ask(engine, conversation.id)
        await bound(engine, tokens=1)
        with pytest.raises(OverBudgetError):
            await ask(engine, conversation.id, "no, wait", on_busy=BusyPolicy.INTERRUPT)
        model.finish()
        assert (await answered(engine, running)).turn.state is TurnState.COMPLETED

    async def test_a_repetition_is_promised_and_charged_once(self, engine: ConversationEngine) -> None:
        await bound(engine, tokens=100)
        conversation = await begin(engine)
        for _ in range(5):
            turn = await ask(engine, conversation.id, once=Once.of("key", conversation.id))
            await answered(engine, turn)
        assert (await count(engine, "ledger"), (await accounts(engine))[0]["spent_tokens"]) == (1, 30)

    async def test_a_long_conversation_promises_at_most_a_window(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(usage=USAGE), **SHORT, model_context_tokens=600)
        conversation = await begin(engine)
        for number in range(70):
            await answered(engine, await ask(engine, conversation.id, f"question {number}, and a few words more"))
        await bound(engine, tokens=599)
        with pytest.raises(OverBudgetError):
            await ask(engine, conversation.id)
        await bound(engine, tokens=600)
        assert (await answered(engine, await ask(engine, conversation.id))).turn.state is TurnState.COMPLETED

    async def test_a_conversation_of_many_short_messages_promises_their_sum(self, engine: ConversationEngine) -> None:
        """Its window holds 128,000 tokens; what was said comes to a few thousand."""
        conversation = await begin(engine)
        for _ in range(40):
            await answered(engine, await ask(engine, conversation.id))
        await bound(engine, tokens=10_000)
        assert (await answered(engine, await ask(engine, conversation.id))).turn.state is TurnState.COMPLETED


class TestScopes:
    @pytest.mark.parametrize(
        ("scope", "subject"),
        [
            (BudgetScope.GLOBAL, "*"),
            (BudgetScope.ROLE, "student"),
            (BudgetScope.USER, "ada"),
            (BudgetScope.USER, "*"),
            (BudgetScope.PERSONA, MARIA),
            (BudgetScope.CONVERSATION, "*"),
        ],
    )
    async def test_each_bounds_what_is_charged_to_it(
        self, engine: ConversationEngine, scope: BudgetScope, subject: str
    ) -> None:
        conversation = await begin(engine, persona_id=MARIA, persona_version=1, metadata={"persona_id": TOM})
        await bound(engine, scope, subject, tokens=1)
        with pytest.raises(OverBudgetError) as refused:
            await ask(engine, conversation.id, role=Role.STUDENT)
        assert refused.value.facts["scope"] == scope.value

    @pytest.mark.parametrize(
        ("scope", "subject"),
        [
            (BudgetScope.ROLE, "teacher"),
            (BudgetScope.USER, "bob"),
            (BudgetScope.PERSONA, MARIA),
            (BudgetScope.CONVERSATION, "01890a5d-ac96-774b-bcce-b302099a8057"),
        ],
    )
    async def test_it_bounds_nobody_else(self, engine: ConversationEngine, scope: BudgetScope, subject: str) -> None:
        conversation = await begin(engine, persona_id=TOM, persona_version=1, metadata={"persona_id": MARIA})
        await bound(engine, scope, subject, tokens=1)
        detail = await answered(engine, await ask(engine, conversation.id, role=Role.STUDENT))
        assert detail.turn.state is TurnState.COMPLETED
        assert await count(engine, "ledger") == 0

    async def test_all_that_apply_are_charged(self, engine: ConversationEngine) -> None:
        await bound(engine, BudgetScope.GLOBAL, tokens=1000)
        await bound(engine, BudgetScope.USER, period=BudgetPeriod.MONTH, tokens=1000)
        await bound(engine, BudgetScope.USER, period=BudgetPeriod.TOTAL, tokens=1000)
        await answered(engine, await ask(engine, (await begin(engine)).id))
        assert [account["spent_tokens"] for account in await accounts(engine)] == [30, 30, 30]
        await check_books(engine)

    async def test_ones_own_budget_stands_in_for_that_of_each(self, engine: ConversationEngine) -> None:
        await bound(engine, BudgetScope.USER, "*", tokens=1)
        await bound(engine, BudgetScope.USER, ADA, tokens=1000)
        assert (await answered(engine, await ask(engine, (await begin(engine)).id))).turn.state is TurnState.COMPLETED

    async def test_each_user_has_the_budget_of_each_for_themselves(self, engine: ConversationEngine) -> None:
        await bound(engine, BudgetScope.USER, "*", tokens=100)
        for name in ("ada", "bob"):
            owner = UserId(name)
            conversation = await engine.conversations.create(NewConversation(owner_id=owner))
            new = NewTurn(conversation_id=conversation.id, owner_id=owner, content="hi")
            await answered(engine, await engine.turns.submit(new))
        assert [account["spent_tokens"] for account in await accounts(engine)] == [30, 30]

    async def test_the_settings_hold_where_none_was_set(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(usage=USAGE), **SHORT, budgets="user day 1 tokens; global day $5")
        conversation = await begin(engine)
        with pytest.raises(OverBudgetError):
            await ask(engine, conversation.id)
        await bound(engine, BudgetScope.USER, "*", tokens=1000)
        assert (await answered(engine, await ask(engine, conversation.id))).turn.state is TurnState.COMPLETED


class TestUnknownPrice:
    async def test_a_budget_in_money_refuses_it(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(usage=USAGE))
        await bound(engine, dollars="100")
        with pytest.raises(UnknownPriceError):
            await ask(engine, (await begin(engine)).id)
        assert await count(engine, "messages") == 0

    async def test_or_lets_it_pass_and_counts_its_tokens(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(usage=USAGE), budget_unknown_price="allow")
        await bound(engine, dollars="100", tokens=10**6)
        await answered(engine, await ask(engine, (await begin(engine)).id))
        [account] = await accounts(engine)
        assert (account["spent_dollars"], account["spent_tokens"]) == (0, 30)

    async def test_a_budget_in_tokens_does_not_ask_for_it(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(usage=USAGE))
        await bound(engine, tokens=10**6)
        assert (await answered(engine, await ask(engine, (await begin(engine)).id))).turn.state is TurnState.COMPLETED


class TestPeriods:
    async def test_a_day_begins_anew_at_midnight_and_a_month_with_the_first(self, settings: Settings) -> None:
        clock = FakeClock()  # 2026-01-01
        changed = settings.model_copy(update={**SHORT, "model_context_tokens": 256})
        async with ConversationEngine(
            changed, providers={"scripted": ScriptedModel(usage=USAGE)}, clock=clock
        ) as engine:
            await bound(engine, tokens=70)
            await bound(engine, period=BudgetPeriod.MONTH, tokens=130)

            async def may_ask() -> bool:
                try:
                    await answered(engine, await ask(engine, (await begin(engine)).id))
                except OverBudgetError as error:
                    facts.append((error.facts["period"], error.facts["renews_at"]))
                    return False
                return True

            facts: list[tuple[object, object]] = []
            assert [await may_ask() for _ in range(2)] == [True, False]
            clock.advance(seconds=86_400)
            assert [await may_ask() for _ in range(2)] == [True, False]
            clock.advance(seconds=86_400)
            assert [await may_ask() for _ in range(2)] == [True, False]  # 90 of 130 tokens are spent this month
            clock.advance(seconds=29 * 86_400)
            assert await may_ask()
            assert facts == [
                ("day", "2026-01-02T00:00:00+00:00"),
                ("day", "2026-01-03T00:00:00+00:00"),
                ("day", "2026-01-04T00:00:00+00:00"),
            ]
            await check_books(engine)


class TestFallback:
    async def test_the_dearest_of_the_models_that_may_answer_is_promised(self, open_engine: OpenEngine) -> None:
        dear = PRICE | {"scripted/dear": PriceSetting(input=Decimal(10), output=Decimal(20))}
        models = {"model_prices": dear, "reply_limit_tokens": 40}
        plain = await open_engine(ScriptedModel(usage=USAGE), **models)
        await bound(plain, dollars="1")
        backed = await open_engine(ScriptedModel(usage=USAGE), **models, fallback_models=["scripted/dear"])
        promised = []
        for engine in (plain, backed):
            await answered(engine, await ask(engine, (await begin(engine)).id))
            [entry] = await rows(plain, "SELECT reserved_dollars FROM ledger ORDER BY created_at DESC LIMIT 1")
            promised.append(entry["reserved_dollars"])
        assert promised[1] == 10 * promised[0]

    async def test_a_reply_that_may_be_begun_anew_is_promised_twice(self, open_engine: OpenEngine) -> None:
        for how, calls in (("keep", 1), ("retry", 2)):
            engine = await open_engine(ScriptedModel(usage=USAGE), **SHORT, on_broken_reply=how)
            await bound(engine, BudgetScope.CONVERSATION, "*", tokens=10_000)
            await answered(engine, await ask(engine, (await begin(engine)).id))
            [entry] = await rows(engine, "SELECT reserved_tokens FROM ledger ORDER BY created_at DESC LIMIT 1")
            assert entry["reserved_tokens"] == calls * 60


class TestEnds:
    """However a turn ends, what it promised is settled."""

    @pytest.fixture
    async def told(self, open_engine: OpenEngine) -> tuple[ConversationEngine, ToldModel, Turn]:
        """A turn that has said something and goes on, under a budget."""
        model = ToldModel()
        engine = await open_engine(model, **SHORT)
        await bound(engine, tokens=1000, dollars="1")
        turn = await ask(engine, (await begin(engine)).id)
        watcher = Watcher(engine, turn)
        model.say("so far")
        await watcher.has_seen("so far")
        return engine, model, turn

    async def test_cancelled_with_what_was_said_until_then(
        self, told: tuple[ConversationEngine, ToldModel, Turn]
    ) -> None:
        engine, _, turn = told
        await engine.turns.cancel(turn.conversation_id, turn.id, owner_id=ADA)
        tokens, picodollars = await check_books(engine)
        [account] = await accounts(engine)
        assert (account["spent_tokens"], account["spent_dollars"]) == (tokens, picodollars)
        assert tokens > 0

    async def test_with_its_conversation_deleted_it_has_cost_what_it_has_cost(
        self, told: tuple[ConversationEngine, ToldModel, Turn]
    ) -> None:
        engine, model, turn = told
        await engine.conversations.delete(turn.conversation_id, owner_id=ADA)
        model.finish()
        await _settled(engine)
        [account] = await accounts(engine)
        tokens, picodollars = await check_books(engine)
        assert (account["spent_tokens"], account["spent_dollars"]) == (tokens, picodollars)
        assert tokens > 0

    async def test_by_a_process_that_died_another_settles_it(
        self, open_stale: OpenStale, open_engine: OpenEngine
    ) -> None:
        model = ToldModel()
        stale = await open_stale(model, **SHORT)
        await bound(stale, tokens=1000)
        turn = await ask(stale, (await begin(stale)).id)
        engine = await open_engine(**SHORT)
        await _settled(engine)
        detail = await engine.turns.get(turn.conversation_id, turn.id, owner_id=ADA)
        assert detail.turn.state is TurnState.INTERRUPTED
        await check_books(engine)

    async def test_deleted_and_its_process_dead_it_is_released_by_another(
        self, open_stale: OpenStale, open_engine: OpenEngine
    ) -> None:
        model = ToldModel()
        stale = await open_stale(model, **SHORT)
        await bound(stale, tokens=1000)
        turn = await ask(stale, (await begin(stale)).id)
        await stale.conversations.delete(turn.conversation_id, owner_id=ADA)
        engine = await open_engine(**SHORT, lease_seconds=0.1, sweep_seconds=0.1)
        await _settled(engine)
        await check_books(engine)

    async def test_deleted_while_it_is_still_being_answered_it_is_not_released_before_its_end(
        self, settings: Settings
    ) -> None:
        """A long reply outlives many leases: whoever deletes its conversation pays for it all the same."""
        model, clock = ToldModel(), FakeClock()
        changed = settings.model_copy(update={**SHORT, **WITHOUT_CHORES, "lease_seconds": 30.0})
        async with AsyncExitStack() as stack:
            engine, other = [
                await stack.enter_async_context(ConversationEngine(changed, providers={"scripted": model}, clock=clock))
                for _ in range(2)
            ]
            await bound(engine, tokens=1000, dollars="1")
            await bound(other, tokens=1000, dollars="1")
            turn = await ask(engine, (await begin(engine)).id)
            watcher = Watcher(engine, turn)
            model.say("so far")
            await watcher.has_seen("so far")
            await watcher.leave()
            clock.advance(seconds=20 * changed.lease_seconds)
            await engine.conversations.delete(turn.conversation_id, owner_id=ADA)
            for process in (engine, other):
                await process.turns._runner._sweep()
            model.finish()
            await until(lambda: engine.turns._runner.find(turn.id) is None)
            [account] = await accounts(engine)
            tokens, picodollars = await check_books(engine)
            assert (account["spent_tokens"], account["spent_dollars"]) == (tokens, picodollars)
            assert tokens > 0


async def _settled(engine: ConversationEngine) -> None:
    async with asyncio.timeout(10):
        while (await rows(engine, "SELECT count(*) AS n FROM ledger WHERE settled_at IS NULL"))[0]["n"]:
            await asyncio.sleep(0.02)


class TestLine:
    async def test_who_cannot_pay_is_refused_at_once(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model, **SHORT)
        conversation = await begin(engine)
        running = await ask(engine, conversation.id)
        await bound(engine, tokens=30)
        with pytest.raises(OverBudgetError):
            await ask(engine, conversation.id, "next", on_busy=BusyPolicy.QUEUE)
        assert await count(engine, "turns") == 1
        model.finish()
        await answered(engine, running)

    async def test_who_waits_promises_nothing_until_it_starts(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model, **SHORT)
        await bound(engine, tokens=1000)
        conversation = await begin(engine)
        running = await ask(engine, conversation.id)
        waiting = await ask(engine, conversation.id, "next", on_busy=BusyPolicy.QUEUE)
        assert await count(engine, "ledger") == 1
        model.finish()
        model.finish()
        for turn in (running, waiting):
            assert (await answered(engine, turn)).turn.state is TurnState.COMPLETED
        assert await count(engine, "ledger") == 2
        await check_books(engine)

    async def test_who_cannot_pay_any_more_ends_unsaid(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model, **SHORT)
        await bound(engine, tokens=1000)
        conversation = await begin(engine)
        running = await ask(engine, conversation.id)
        waiting = await ask(engine, conversation.id, "next", on_busy=BusyPolicy.QUEUE)
        await bound(engine, tokens=1)
        model.say("yes")
        model.finish()
        await answered(engine, running)
        detail = await answered(engine, waiting)
        assert detail.turn.error is not None
        assert (detail.turn.state, detail.turn.error.code) == (TurnState.FAILED, "over_budget")
        assert [message.content for message in await messages_of(engine, conversation.id)] == ["hi", "yes"]
        await check_books(engine)


class TestWindow:
    async def test_one_larger_than_was_expected_is_covered_or_never_shown(self, engine: ConversationEngine) -> None:
        """Evidence and summaries may be added to a window after the turn was admitted."""
        conversation = await begin(engine)
        await bound(engine, tokens=1000)
        spending = engine.turns._runner._spending
        run = await _admitted(engine, conversation)
        await engine.database.write(lambda tx: spending.cover_window(tx, run, input_tokens=500))
        assert (await accounts(engine))[0]["reserved_tokens"] == 540
        with pytest.raises(OverBudgetError):
            await engine.database.write(lambda tx: spending.cover_window(tx, run, input_tokens=961))
        await engine.database.write(lambda tx: spending.settle(tx, run.turn.id, ()))
        await check_books(engine)


async def _admitted(engine: ConversationEngine, conversation: Conversation) -> Any:
    new = NewTurn(conversation_id=conversation.id, owner_id=ADA, content="hi")
    admission = await engine.turns._admit(new, lease=engine.turns._runner.lease, policy=BusyPolicy.REJECT)
    assert admission.run is not None
    return admission.run


class TestRaces:
    async def test_two_hundred_at_one_cap_spend_no_more_than_it_has(self, open_engine: OpenEngine) -> None:
        replicas = [await open_engine(ScriptedModel(usage=USAGE), **SHORT) for _ in range(2)]
        cap = 1500
        await bound(replicas[0], BudgetScope.GLOBAL, tokens=cap)
        await replicas[1].budgets._refresh()
        conversations = [await begin(replicas[0]) for _ in range(200)]

        async def try_one(number: int) -> bool:
            engine = replicas[number % 2]
            try:
                await engine.turns.wait(await ask(engine, conversations[number].id))
            except OverBudgetError:
                return False
            return True

        let_in = sum(await asyncio.gather(*map(try_one, range(len(conversations)))))
        tokens, _ = await check_books(replicas[0])
        [account] = await accounts(replicas[0])
        assert account["spent_tokens"] == tokens == let_in * 30 <= cap
        assert let_in >= cap // 70  # as many fit at once, even if each promise is settled last
        assert await count(replicas[0], "turns") == let_in

    async def test_a_budget_counts_at_once_where_it_was_set_and_soon_elsewhere(self, open_engine: OpenEngine) -> None:
        here, there = [
            await open_engine(ScriptedModel(usage=USAGE), **SHORT, budget_refresh_seconds=0.05) for _ in range(2)
        ]
        conversation = await begin(here)
        await bound(here, tokens=1)
        with pytest.raises(OverBudgetError):
            await ask(here, conversation.id)
        await until(lambda: there.budgets.may_be_any)
        with pytest.raises(OverBudgetError):
            await ask(there, conversation.id)


class TestStatements:
    @pytest.fixture
    async def quiet(self, open_engine: OpenEngine) -> ConversationEngine:
        script = [[Say("a reply")]] * 9
        engine = await open_engine(ScriptedModel(*script, usage=USAGE), **SHORT, **WITHOUT_CHORES)
        await until_quiet(engine)
        return engine

    async def test_somebody_elses_budget_costs_none(self, quiet: ConversationEngine) -> None:
        await bound(quiet, BudgetScope.USER, "bob", tokens=1)
        await until_quiet(quiet)  # every process looks at the new budget
        conversation = await begin(quiet)
        with counted(quiet) as seen:
            await answered(quiet, await ask(quiet, conversation.id))
        assert seen == STATEMENTS_OF_A_TURN

    async def test_a_budget_costs_two_and_one_to_reserve_and_one_and_one_to_settle(
        self, quiet: ConversationEngine
    ) -> None:
        await bound(quiet, tokens=10_000)
        await until_quiet(quiet)
        conversation = await begin(quiet)
        await answered(quiet, await ask(quiet, conversation.id))
        with counted(quiet) as seen:
            await answered(quiet, await ask(quiet, conversation.id))
        assert seen == STATEMENTS_OF_A_TURN | {
            "SELECT budgets": 1,
            "UPDATE budget_accounts": 2,
            "INSERT INTO ledger": 1,
            "UPDATE ledger": 1,
        }
