"""Questions read by a model, and what becomes of its mistakes."""

import json

import pytest
from sqlalchemy import text

from conversation_engine.domains.context.questions import asking
from conversation_engine.domains.context.questions.talk import Said, Talk
from conversation_engine.domains.conversations.errors import ConversationNotFoundError
from conversation_engine.domains.conversations.types import BEGINNING, MessageRole, NewConversation, NewMessage
from conversation_engine.domains.limits.types import BudgetScope
from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.domains.llm.settings import PriceSetting
from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import ConversationId, MessageId
from conversation_engine.kernel.people import Role
from conversation_engine.testing import Fail, Pause, Say, ScriptedModel
from conversation_engine.turns.types import NewTurn
from tests.conftest import OpenEngine
from tests.turns.scenes import ADA, count, rows
from tests.turns.test_spending import bound, check_books
from tests.turns.test_titles import DEAR


class TestParse:
    labels = ("lookup", "comparison")

    def test_what_was_asked_for(self) -> None:
        answer = {"follow_up": True, "confidence": 0.9, "standalone": " Where are volcanoes? ", "intent": "lookup"}
        found = asking.parse(f"Sure!\n```json\n{json.dumps(answer)}\n```", "Where?", self.labels)
        assert found == asking.Reading(
            is_follow_up=True, confidence=0.9, standalone="Where are volcanoes?", intent="lookup"
        )

    @pytest.mark.parametrize(
        "answer", ["", "yes", "{", "{}", '{"follow_up": "yes"}', "[true]", '{"follow_up": null}', "}{", "[" * 100_000]
    )
    def test_what_is_no_answer(self, answer: str) -> None:
        assert asking.parse(answer, "Where?", self.labels) is None

    @pytest.mark.parametrize(
        ("part", "value", "becomes"),
        [
            ("confidence", 7, 1.0),
            ("confidence", -1, 0.5),
            ("confidence", True, 0.5),
            ("confidence", "high", 0.5),
            ("standalone", "", "Where?"),
            ("standalone", "x" * 2000, "Where?"),
            ("standalone", ["a"], "Where?"),
            ("intent", "made up", None),
            ("intent", {"a": 1}, None),
        ],
    )
    def test_what_is_odd_is_not_believed(self, part: str, value: object, becomes: object) -> None:
        found = asking.parse(json.dumps({"follow_up": True, part: value}), "Where?", self.labels)
        assert getattr(found, part) == becomes

    def test_the_question_is_shown_behind_what_was_said(self) -> None:
        shown = asking.material("Where?", Talk.of([Said(1, "user", "What is\na volcano?")]))
        assert shown.startswith("user: What is a volcano?\n")
        assert "Newest question: Where?" in shown
        assert '"lookup" or "comparison" or null' in asking.instructions(self.labels)


VERDICT = {"follow_up": True, "confidence": 0.9, "standalone": "Where are shield volcanoes found?", "intent": "lookup"}


async def talk_of(engine: ConversationEngine) -> ConversationId:
    conversation = await engine.conversations.create(NewConversation(owner_id=ADA))
    for role, said in ((MessageRole.USER, "What is a shield volcano?"), (MessageRole.ASSISTANT, "A broad one.")):
        message = NewMessage(id=MessageId(new_id()), role=role, content=said)
        await engine.conversations.add_message(conversation.id, message, owner_id=ADA)
    return conversation.id


class TestWithAModel:
    async def test_it_decides_and_what_it_cost_is_on_record(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel(usage=TokenUsage(input_tokens=50, cached_tokens=0, output_tokens=7))
        model.then(Say(json.dumps(VERDICT)))
        engine = await open_engine(model, understanding_model="scripted/reader")
        talk = await talk_of(engine)
        found = await engine.questions.analyze_follow_up(talk, "Where are they found?", owner_id=ADA)
        assert found.follow_up.decided_by == "model"
        assert found.follow_up.confidence == 0.9
        assert found.follow_up.leans_on == 1
        assert (found.standalone, found.intent) == (VERDICT["standalone"], "lookup")
        conversation = await engine.conversations.get(talk, owner_id=ADA)
        assert (conversation.input_tokens, conversation.output_tokens) == (50, 7)
        assert conversation.message_count == 2

    async def test_a_first_question_needs_none(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel()
        engine = await open_engine(model, understanding_model="scripted/reader")
        conversation = await engine.conversations.create(NewConversation(owner_id=ADA))
        await engine.questions.analyze_follow_up(conversation.id, "What is bebop?", owner_id=ADA)
        assert model.requests == []

    @pytest.mark.parametrize(
        "script", [(Say("I would rather not."),), (Fail(OverloadedError("busy")),), (Pause(seconds=30),)]
    )
    async def test_where_it_does_not_help_the_rules_decide(
        self, open_engine: OpenEngine, script: tuple[Say | Fail | Pause, ...]
    ) -> None:
        model = ScriptedModel()
        model.then(*script)
        engine = await open_engine(model, understanding_model="conversation", understanding_timeout_seconds=0.05)
        talk = await talk_of(engine)
        found = await engine.questions.analyze_follow_up(talk, "Where are they found?", owner_id=ADA)
        assert found.follow_up.decided_by == "rules"
        assert found.follow_up.is_follow_up

    async def test_an_unknown_model_is_no_reason_to_fail(self, open_engine: OpenEngine) -> None:
        """The conversation's own, of a service that was there when it began."""
        engine = await open_engine(ScriptedModel(), understanding_model="conversation")
        talk = await talk_of(engine)
        gone = text("UPDATE conversations SET model = 'nobody/nothing'")
        await engine.database.write(lambda tx: tx.execute(gone))
        found = await engine.questions.analyze_follow_up(talk, "Where are they?", owner_id=ADA)
        assert found.follow_up.decided_by == "rules"


class TestWhatItCosts:
    async def test_is_paid_from_the_budgets_of_who_asks(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel(usage=TokenUsage(input_tokens=50, cached_tokens=0, output_tokens=7))
        model.then(Say(json.dumps(VERDICT)))
        engine = await open_engine(model, understanding_model="scripted/reader")
        await bound(engine, tokens=100_000)
        await bound(engine, BudgetScope.ROLE, "student", tokens=100_000)
        talk = await talk_of(engine)
        new = NewTurn(conversation_id=talk, owner_id=ADA, content=None, role=Role.STUDENT)
        asked = await engine.questions.ask(new, "Where are they found?")
        await engine.turns.wait(asked.turn)
        assert asked.understanding.follow_up.decided_by == "model"
        spent, _ = await check_books(engine)
        assert spent == 2 * 57
        assert {row["spent_tokens"] for row in await rows(engine, "SELECT * FROM budget_accounts")} == {spent}

    @pytest.mark.parametrize("prices", [DEAR, {}])
    async def test_where_no_budget_covers_it_the_rules_decide(
        self, open_engine: OpenEngine, prices: dict[str, PriceSetting]
    ) -> None:
        model = ScriptedModel()
        engine = await open_engine(model, understanding_model="scripted/reader", model_prices=prices)
        await bound(engine, dollars="0.01")
        found = await engine.questions.analyze_follow_up(await talk_of(engine), "Where are they found?", owner_id=ADA)
        assert found.follow_up.decided_by == "rules"
        assert (len(model.requests), await count(engine, "ledger")) == (0, 0)


class TestAsk:
    async def test_a_conversation_that_is_deleted_is_not_found(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        talk = await talk_of(engine)
        await engine.conversations.delete(talk, owner_id=ADA)
        with pytest.raises(ConversationNotFoundError):
            await engine.questions.ask(NewTurn(conversation_id=talk, owner_id=ADA, content=None), "And then?")

    async def test_json_that_was_said_is_read_too(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        conversation = await engine.conversations.create(NewConversation(owner_id=ADA))
        message = NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content={"ask": "What is bebop?"})
        await engine.conversations.add_message(conversation.id, message, owner_id=ADA)
        found = await engine.questions.analyze_follow_up(conversation.id, "Who invented it?", owner_id=ADA)
        assert found.follow_up.is_follow_up
        assert "bebop" in found.standalone

    async def test_branches_do_not_hear_each_other(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        talk = await talk_of(engine)
        first = (await engine.conversations.list_messages(talk, owner_id=ADA)).items[0]
        other = NewMessage(
            id=MessageId(new_id()), role=MessageRole.USER, content="Tell me about bebop.", parent_id=BEGINNING
        )
        await engine.conversations.add_message(talk, other, owner_id=ADA)
        found = await engine.questions.analyze_follow_up(talk, "Who invented it?", owner_id=ADA)
        assert [one.text for one in found.follow_up.context] == ["Tell me about bebop."]
        await engine.conversations.choose(talk, first.id, owner_id=ADA)
        found = await engine.questions.analyze_follow_up(talk, "Who invented it?", owner_id=ADA)
        assert [one.text for one in found.follow_up.context] == ["What is a shield volcano?", "A broad one."]
