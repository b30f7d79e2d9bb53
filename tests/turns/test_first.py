from conversation_engine.domains.conversations.types import NewConversation
from conversation_engine.testing import Say, ScriptedModel
from conversation_engine.turns.types import NewTurn, TurnState
from tests.conftest import OpenEngine

class TestSubmit:
    async def test_the_reply_is_stored(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([Say("Hel"), Say("lo")]))
        c = await engine.conversations.create(NewConversation(owner_id="ada"))
        turn = await engine.turns.submit(NewTurn(conversation_id=c.id, owner_id="ada", content="hi"))
        detail = await engine.turns.wait(turn)
        assert detail.turn.state is TurnState.COMPLETED
        assert detail.reply and detail.reply.content == "Hello"
