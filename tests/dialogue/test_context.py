"""The current conversation of a task."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from conversation_engine import ConversationContext, ConversationEngineService, EngineError, current_conversation
from conversation_engine.dialogue.context import activate, find_current_conversation


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind of database: nothing here depends on it."""
    return f"sqlite:///{tmp_path / 'test.db'}"


class TestCurrentConversation:
    def context(self, conversation_id: str, service: ConversationEngineService) -> ConversationContext:
        return ConversationContext(service=service, conversation_id=conversation_id, user_id="ada")

    def test_outside_a_session_there_is_none(self) -> None:
        assert find_current_conversation() is None
        with pytest.raises(EngineError, match="@conversation_session") as raised:
            current_conversation()
        assert raised.value.code == "no_conversation"

    def test_the_innermost_wins_and_the_outer_one_returns(self, service: ConversationEngineService) -> None:
        with activate(self.context("outer", service)) as outer:
            with activate(self.context("inner", service)) as inner:
                assert current_conversation() is inner
            assert current_conversation() is outer
        assert find_current_conversation() is None

    def test_it_is_put_back_after_an_error(self, service: ConversationEngineService) -> None:
        with pytest.raises(RuntimeError), activate(self.context("a", service)):
            raise RuntimeError
        assert find_current_conversation() is None

    async def test_fifty_tasks_at_once_never_see_each_others(self, service: ConversationEngineService) -> None:
        async def talk(name: str) -> list[Any]:
            with activate(self.context(name, service)):
                seen = []
                for _ in range(5):
                    await asyncio.sleep(0)
                    seen.append(current_conversation().conversation_id)
                return seen

        names = [f"conversation {number}" for number in range(50)]
        assert await asyncio.gather(*map(talk, names)) == [[name] * 5 for name in names]
        assert find_current_conversation() is None
