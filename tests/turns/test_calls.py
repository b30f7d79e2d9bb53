"""Replies that call tools: durable as they grow, on both databases, and whole after a crash."""

from conversation_engine.domains.conversations.types import MessageStatus
from conversation_engine.domains.llm.parts import Text, ToolCall, parts_of
from conversation_engine.domains.llm.tools import FunctionTool, Toolbox
from conversation_engine.domains.llm.transcript import opening
from conversation_engine.domains.llm.types import Sampling
from conversation_engine.testing import Call, Say, ScriptedModel
from conversation_engine.turns.types import CallBegun, CallDelta, ReplyDelta, TurnEnded, TurnStarted
from tests.conftest import OpenEngine
from tests.turns.conftest import OpenStale
from tests.turns.scenes import ADA, ToldModel, ask, begin
from tests.turns.test_recovery import has_ended

WITH_TOOLS = Sampling(tools=Toolbox(functions=(FunctionTool(name="weather"),)))
CUT = ToolCall(id="c1", name="weather", arguments='{"city":"Os')


class TestCrash:
    async def test_a_call_that_was_cut_is_kept_as_it_was_shown(
        self, open_stale: OpenStale, open_engine: OpenEngine
    ) -> None:
        model = ToldModel()
        stale = await open_stale(model)
        turn = await ask(stale, (await begin(stale)).id, sampling=WITH_TOOLS)
        shown: list[object] = []
        model.say("Well. ", opening("c1", "weather"), '{"city":', '"Os')
        async for event in stale.turns.follow(turn):
            shown.append(event)
            if isinstance(event, CallDelta) and event.text.endswith("Os"):
                break
        engine = await open_engine(ScriptedModel([Say("Never mind.")]))
        assert await has_ended(engine, turn.id) == "interrupted"
        found = await engine.turns.find(turn.conversation_id, turn.id, owner_id=ADA)
        told = [event async for event in engine.turns.follow(found)]
        assert "".join(one.text for one in told if isinstance(one, CallDelta)) == CUT.arguments
        ended = told[-1]
        assert isinstance(ended, TurnEnded)
        reply = ended.detail.reply
        assert reply
        assert reply.status is MessageStatus.PARTIAL
        parts = parts_of(reply.content)
        assert parts
        assert parts.items == (Text("Well. "), CUT)
        assert ended.offset == max(event.offset for event in shown if isinstance(event, CallDelta))
        window = await engine.turns.preview(turn.conversation_id, owner_id=ADA, query="And?")
        assert [message.text for message in window.messages][1:] == ["Well. ", "And?"]


class TestFollow:
    async def test_goes_on_after_any_offset(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([Say("Well."), Call("weather", ("{", "}")), Say("So.")]))
        turn = await ask(engine, (await begin(engine)).id, sampling=WITH_TOOLS)
        await engine.turns.wait(turn)
        found = await engine.turns.find(turn.conversation_id, turn.id, owner_id=ADA)
        whole = [event async for event in engine.turns.follow(found)]
        assert [type(event) for event in whole] == [
            TurnStarted,
            ReplyDelta,
            CallBegun,
            CallDelta,
            ReplyDelta,
            TurnEnded,
        ]
        deltas = [event for event in whole if isinstance(event, ReplyDelta | CallBegun | CallDelta)]
        for at, delta in enumerate(deltas):
            rest = [event async for event in engine.turns.follow(found, after=delta.offset)]
            assert rest[1:-1] == deltas[at + 1 :]
            assert rest[0] == TurnStarted(turn=found, offset=delta.offset)
        [middle] = [e async for e in engine.turns.follow(found, after=3) if isinstance(e, ReplyDelta) and e.offset == 5]
        assert middle.text == "l."
