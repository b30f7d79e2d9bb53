"""The same with the real small model."""

from pathlib import Path

import pytest

from conversation_engine import ConversationEngine, ConversationEngineService, Settings

pytestmark = pytest.mark.local_model


async def test_a_real_reply_with_its_tokens_and_its_cost(tmp_path: Path) -> None:
    """Acceptance: Generating an assistant reply […] records the message with token/cost metadata"""
    async with ConversationEngine(Settings(data_dir=tmp_path)) as engine:
        service = ConversationEngineService(engine, user_id="ada")
        conversation = await service.create_conversation(title="Hello")
        await service.record_user_message(conversation.id, "Say hello.")
        reply, request = await service.generate_assistant_response(
            conversation.id, system_prompt="You are brief.", reply_limit_tokens=16, temperature=0
        )
        assert str(reply.content).strip()
        assert request.provider == "local"
        assert request.input_tokens is not None
        assert request.input_tokens > 0
        assert reply.token_count == request.output_tokens
        assert reply.token_count is not None
        assert 1 <= reply.token_count <= 16
        assert reply.cost == 0
        assert reply.metadata == {"provider": "local", "model": request.model}
        after = await service.get_conversation(conversation.id)
        assert after.total_tokens == request.input_tokens + reply.token_count
