"""Rolling summaries: made in the background, in time, once, and never in a turn's way."""

import asyncio
from collections.abc import AsyncGenerator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from conversation_engine.domains.conversations.types import MessageRole, NewMessage
from conversation_engine.domains.llm.errors import BadModelRequestError, ModelError, OverloadedError
from conversation_engine.domains.llm.settings import PriceSetting
from conversation_engine.domains.llm.types import ModelEvent, ModelRequest, ReplyFinished, TextDelta, TokenUsage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import ConversationId, MessageId
from conversation_engine.kernel.windows import WindowOptions, WindowStrategy
from conversation_engine.turns.types import TurnState
from tests.conftest import OpenEngine
from tests.turns.scenes import ADA, answered, ask, begin, count, rows
from tests.turns.test_spending import bound, check_books

SMALL = {
    "model_context_tokens": 512,
    "reply_limit_tokens": 64,
    "recall_limit_messages": 0,
    "summary_limit_tokens": 60,
    "summary_model": "scripted/minutes",
    "retry_count": 0,
    "window_keep_share": 0.6,  # what leaves the window is read in one part
}
USAGE = TokenUsage(input_tokens=100, cached_tokens=0, output_tokens=10)


class Secretary:
    """Answers briefly; as the model `minutes` it gives what it was told to, and then numbered minutes."""

    name = "scripted"

    def __init__(self, *answers: str | ModelError) -> None:
        self._answers = list(answers)
        self.asked: list[ModelRequest] = []
        """For minutes."""
        self.shown: list[list[str]] = []
        """Of the conversation, for each reply."""
        self.stops_short = False
        """Says half of the minutes, and then nothing any more."""
        self.has_begun = asyncio.Event()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        if request.model != "minutes":
            self.shown.append([message.content for message in request.messages])
            yield TextDelta(text="I see, go on.")
        else:
            self.asked.append(request)
            number = f"Minutes number {len(self.asked)}: all that matters."
            answer = self._answers.pop(0) if self._answers else number
            if isinstance(answer, ModelError):
                raise answer
            if answer:
                yield TextDelta(text=answer)
            if self.stops_short:
                self.has_begun.set()
                await asyncio.sleep(60)
        yield ReplyFinished(finish_reason="stop", usage=USAGE)

    async def warm_up(self) -> None:
        return None

    async def aclose(self) -> None:
        return None


async def talk(engine: ConversationEngine, conversation_id: ConversationId, turns: int, *, drain: bool = True) -> None:
    for number in range(turns):
        detail = await answered(engine, await ask(engine, conversation_id, f"question {number} about tides and moons"))
        assert detail.turn.state is TurnState.COMPLETED
        if drain:
            await asyncio.sleep(0.01)
            await engine.jobs.drain(seconds=20)


async def summaries(engine: ConversationEngine) -> list[dict[str, Any]]:
    return await rows(engine, "SELECT * FROM summaries ORDER BY last_sequence")


class TestSummaries:
    async def test_stand_for_what_is_left_out_and_build_on_each_other(self, open_engine: OpenEngine) -> None:
        secretary = Secretary()
        engine = await open_engine(secretary, **SMALL)
        conversation = await begin(engine)
        await talk(engine, conversation.id, 45)
        made = await summaries(engine)
        assert len(made) >= 2
        assert [row["first_sequence"] for row in made] == [1] * len(made)
        assert "Minutes number 1" in secretary.asked[1].messages[-1].content
        window = await engine.turns.preview(conversation.id, owner_id=ADA, query="And now?")
        summary, dropped, sent = (window.manifest[name] for name in ("summary", "dropped", "sent"))
        assert summary["last"] == dropped["last"] == sent["first"] - 1
        assert window.messages[0].text.endswith("all that matters.")
        assert await count(engine, "messages") == 90

    async def test_are_ready_before_they_are_needed_and_change_the_beginning_once(
        self, open_engine: OpenEngine
    ) -> None:
        secretary = Secretary()
        engine = await open_engine(secretary, **SMALL)
        conversation = await begin(engine, system_prompt="Be a good listener.")
        await talk(engine, conversation.id, 45)
        heads = [shown[1] for shown in secretary.shown]
        changes = sum(after != before for before, after in pairwise(heads))
        assert changes == len(set(heads)) - 1 >= 2
        assert all("Minutes" in head for head in heads[-10:])

    async def test_cost_what_they_cost(self, open_engine: OpenEngine) -> None:
        secretary = Secretary()
        engine = await open_engine(secretary, **SMALL)
        conversation = await begin(engine)
        await talk(engine, conversation.id, 20)
        calls = await rows(engine, "SELECT * FROM llm_requests WHERE model = 'minutes'")
        assert len(calls) == len(secretary.asked) > 0
        [made, *_] = await summaries(engine)
        assert str(made["llm_request_id"]).replace("-", "") in {str(call["id"]).replace("-", "") for call in calls}
        stored = await engine.conversations.get(conversation.id, owner_id=ADA)
        assert stored.input_tokens == 100 * (20 + len(calls))

    async def test_are_paid_from_the_budgets_of_the_owner(self, open_engine: OpenEngine) -> None:
        secretary = Secretary()
        engine = await open_engine(secretary, **SMALL)
        await bound(engine, tokens=1_000_000)
        conversation = await begin(engine)
        await talk(engine, conversation.id, 20)
        assert secretary.asked
        spent, _ = await check_books(engine)
        [account] = await rows(engine, "SELECT * FROM budget_accounts")
        assert account["spent_tokens"] == spent == 110 * (20 + len(secretary.asked))

    async def test_are_not_made_where_no_budget_covers_them_and_the_reason_is_on_record(
        self, open_engine: OpenEngine
    ) -> None:
        secretary = Secretary()
        free, dear = ({"input": Decimal(dollars), "output": Decimal(dollars)} for dollars in (0, 1000))
        prices = {"scripted/test": PriceSetting(**free), "scripted/minutes": PriceSetting(**dear)}
        engine = await open_engine(secretary, **SMALL, model_prices=prices)
        await bound(engine, dollars="0.01")
        conversation = await begin(engine)
        await talk(engine, conversation.id, 20)
        assert not secretary.asked
        assert {(row["text"], row["error_code"]) for row in await summaries(engine)} == {("", "over_budget")}
        await check_books(engine)

    async def test_are_not_made_where_nobody_wants_them(self, open_engine: OpenEngine) -> None:
        secretary = Secretary()
        engine = await open_engine(secretary, **SMALL | {"summary_model": None})
        plain = await begin(engine)
        await talk(engine, plain.id, 25)
        other = await open_engine(secretary, **SMALL)
        budget = await begin(other, window=WindowOptions(strategy=WindowStrategy.TOKEN_BUDGET))
        await talk(other, budget.id, 25)
        assert not secretary.asked

    async def test_go_with_a_message_that_they_cover(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(Secretary(), **SMALL)
        conversation = await begin(engine)
        await talk(engine, conversation.id, 25)
        assert await summaries(engine)
        page = await engine.conversations.list_messages(conversation.id, owner_id=ADA, limit=3)
        await engine.turns.delete_message(conversation.id, page.items[2].id, owner_id=ADA)
        assert await summaries(engine) == []
        assert len((await engine.turns.preview(conversation.id, owner_id=ADA, query="q")).messages) == 3

    async def test_go_with_their_conversation(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(Secretary(), **SMALL)
        conversation = await begin(engine)
        await talk(engine, conversation.id, 25)
        await engine.conversations.delete(conversation.id, owner_id=ADA)
        assert await count(engine, "summaries") == 0

    async def test_of_a_branch_are_not_shown_on_another(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(Secretary(), **SMALL)
        conversation = await begin(engine)
        await talk(engine, conversation.id, 25)
        [covered, *_] = await summaries(engine)
        page = await engine.conversations.list_messages(conversation.id, owner_id=ADA, limit=4)
        side = NewMessage(
            id=MessageId(new_id()), role=MessageRole.USER, content="elsewhere", parent_id=page.items[1].id
        )
        await engine.conversations.add_message(conversation.id, side, owner_id=ADA)
        assert covered["last_sequence"] > 2
        window = await engine.turns.preview(conversation.id, owner_id=ADA, query="q")
        assert window.manifest["summary"] is None
        assert len(window.messages) == 4


class TestBadAnswers:
    async def test_empty_ones_are_asked_for_once_more(self, open_engine: OpenEngine) -> None:
        secretary = Secretary("", "Minutes at the second try, for once.")
        engine = await open_engine(secretary, **SMALL)
        conversation = await begin(engine)
        await talk(engine, conversation.id, 14)
        [made, *_] = await summaries(engine)
        first, second = secretary.asked[:2]
        assert first.messages == second.messages
        assert made["text"] == "Minutes at the second try, for once."

    async def test_that_stay_bad_leave_the_window_without_and_are_not_asked_for_at_every_turn(
        self, open_engine: OpenEngine
    ) -> None:
        secretary = Secretary("", BadModelRequestError("no"))
        engine = await open_engine(secretary, **SMALL)
        conversation = await begin(engine)
        await talk(engine, conversation.id, 16)
        failed, *rest = await summaries(engine)
        assert failed["text"] == ""
        assert failed["error_code"] == "model_bad_request"
        assert len(secretary.asked) <= 2 + 3 * len(rest) < 10  # a later block may take two calls, having two to sum up

    async def test_that_are_too_long_are_cut_at_a_sentence(self, open_engine: OpenEngine) -> None:
        secretary = Secretary("This sentence has quite a few words in it. " * 200)
        engine = await open_engine(secretary, **SMALL)
        conversation = await begin(engine)
        await talk(engine, conversation.id, 14)
        [made, *_] = await summaries(engine)
        assert 0 < made["token_count"] <= 60
        assert made["text"].endswith("in it.")

    async def test_a_model_that_is_away_is_asked_again_later_and_turns_go_on(self, open_engine: OpenEngine) -> None:
        secretary = Secretary(*[OverloadedError("busy")] * 2)
        engine = await open_engine(secretary, **SMALL)
        conversation = await begin(engine)
        await talk(engine, conversation.id, 14, drain=False)
        await engine.jobs.drain(seconds=30)
        assert (await summaries(engine))[0]["text"]
        assert await count(engine, "jobs") == 0


class TestProcesses:
    async def test_many_of_them_make_one(self, open_engine: OpenEngine) -> None:
        secretary = Secretary()
        engines = [await open_engine(secretary, **SMALL) for _ in range(3)]
        conversation = await begin(engines[0])
        for number in range(45):
            engine = engines[number % 3]
            await answered(engine, await ask(engine, conversation.id, f"question {number} about tides and moons"))
        await asyncio.sleep(0.05)
        await engines[0].jobs.drain(seconds=20)
        lasts = [row["last_sequence"] for row in await summaries(engines[0])]
        assert len(lasts) == len(set(lasts)) == len(secretary.asked)

    async def test_one_that_is_stopped_in_the_middle_keeps_no_half_of_it(self, open_engine: OpenEngine) -> None:
        secretary = Secretary()
        secretary.stops_short = True
        leaving = await open_engine(secretary, **SMALL)
        await bound(leaving, tokens=1_000_000)
        conversation = await begin(leaving)
        await talk(leaving, conversation.id, 14, drain=False)
        async with asyncio.timeout(10):
            await secretary.has_begun.wait()
        await leaving.jobs.aclose()
        assert await summaries(leaving) == []
        await check_books(leaving)
        secretary.stops_short = False
        heir = await open_engine(secretary, **SMALL)
        await heir.jobs.drain(seconds=20)
        assert [row["error_code"] for row in await summaries(heir)] == [None]

    async def test_one_that_left_before_it_was_made_leaves_it_to_the_next(self, open_engine: OpenEngine) -> None:
        secretary = Secretary()
        away = await open_engine(secretary, **SMALL | {"jobs_at_once": 0})
        conversation = await begin(away)
        await talk(away, conversation.id, 14, drain=False)
        assert not secretary.asked
        heir = await open_engine(secretary, **SMALL)
        await heir.jobs.drain(seconds=20)
        assert len(await summaries(heir)) == 1


@pytest.mark.local_model
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # what it says is the same on the other
class TestWithTheSmallModel:
    async def test_a_summary_is_produced_and_bounded(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(
            summary_model="conversation",
            summary_limit_tokens=120,
            window_budget_tokens=600,
            reply_limit_tokens=40,
        )
        conversation = await begin(engine, model="local", system_prompt="Answer in one short sentence.")
        for question in (
            "My name is Ada and I sail a boat called Wren.",
            "What are tides?",
            "And what is a spring tide?",
        ):
            said = NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content=f"{question} " * 5)
            await engine.conversations.add_message(conversation.id, said, owner_id=ADA)
            reply = NewMessage(
                id=MessageId(new_id()), role=MessageRole.ASSISTANT, content="It depends on the moon. " * 12
            )
            await engine.conversations.add_message(conversation.id, reply, owner_id=ADA)
        async with asyncio.timeout(90):
            await engine.turns.wait(await ask(engine, conversation.id, "Thank you. Where do I sail?"))
        await asyncio.sleep(0.05)
        await engine.jobs.drain(seconds=90)
        [made] = await summaries(engine)
        print("summary by the small model:", made["text"])
        assert made["text"]
        assert made["token_count"] <= 120
