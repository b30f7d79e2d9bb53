"""The provider that consumers depend on."""

import inspect

from conversation_engine import (
    ConversationEngine,
    ConversationEngineProvider,
    ConversationEngineService,
    ConversationSession,
    conversation_engine_provider,
)


class TestConversationEngineProvider:
    """Acceptance: Public provider returns the concrete service while respecting the module protocol."""

    def test_it_returns_the_concrete_service(self, engine: ConversationEngine) -> None:
        provided = conversation_engine_provider(ConversationSession(engine=engine, user_id="ada"))
        assert type(provided) is ConversationEngineService
        assert isinstance(provided, ConversationEngineProvider)
        assert provided.user_id == "ada"

    async def test_over_a_bare_engine_every_call_names_its_user(self, engine: ConversationEngine) -> None:
        provided = conversation_engine_provider(engine)
        assert (await provided.create_conversation(user_id="ada")).user_id == "ada"

    def test_the_protocol_is_the_service_to_the_letter(self) -> None:
        verbs = [name for name in vars(ConversationEngineProvider) if not name.startswith("_")]
        offered = [
            name
            for name, member in vars(ConversationEngineService).items()
            if inspect.iscoroutinefunction(member) and not name.startswith("_")
        ]
        assert sorted(verbs) == sorted(offered)
        for verb in verbs:
            wanted = inspect.signature(getattr(ConversationEngineProvider, verb))
            assert inspect.signature(getattr(ConversationEngineService, verb)) == wanted, verb
