"""Sessions for code that does not await: a script, a notebook, a web framework of the waiting kind."""

import weakref
from collections.abc import Mapping
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from conversation_engine.dialogue.conversion import role_of
from conversation_engine.dialogue.service import ConversationEngineService
from conversation_engine.dialogue.types import ConversationMessageDTO, Id
from conversation_engine.domains.conversations.types import Content
from conversation_engine.domains.llm.ports import ModelProvider
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.loop_thread import LoopThread
from conversation_engine.kernel.errors import InvalidInputError

CONTEXT_WINDOW = 5
"""Messages."""


class ConversationManager:
    """Creates sessions, keeps what is said in them, and tells follow-ups from new questions.

    ```python
    manager = ConversationManager()
    session_id = manager.create_session()
    manager.add_message(session_id, "user", "What was click rate last month?")
    manager.analyze_follow_up(session_id, "How does that compare to the ES market?")["is_follow_up"]
    ```

    The same conversations as everywhere else: a session is one, and its id is the conversation's. Every method waits:
    async code uses `ConversationEngineService`. It runs an engine on a thread of its own until `close`, the end of its
    `with` block, or its own end. Safe to use from several threads.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        user_id: Id = "local",
        providers: Mapping[str, ModelProvider] | None = None,
    ) -> None:
        """`settings` say where conversations are kept (`None`: as the environment says); `user_id` whose they are."""
        self._loop = LoopThread(name="conversation-manager", is_daemon=True)
        self._loop.__enter__()
        try:
            engine = self._loop.run(_started(settings, providers))
        except BaseException:
            self._loop.__exit__(None, None, None)
            raise
        self._service = ConversationEngineService(engine, user_id=user_id)
        self._end = weakref.finalize(self, _ended, self._loop, engine)

    def create_session(self, *, conversation_type: str = "general", title: str | None = None) -> str:
        """Start an empty session; its id."""
        created = self._service.create_conversation(conversation_type=conversation_type, title=title)
        return self._loop.run(created).id

    def add_message(
        self, session_id: Id, role: str, content: Content, metadata: Mapping[str, Any] | None = None
    ) -> ConversationMessageDTO:
        """Write what was said: text, or a JSON document. `role` is `user`, `assistant` or `system`. Durable on return.

        Raises ConversationNotFoundError and ConversationForbiddenError, as all that takes a session does.
        """
        record = {
            "user": self._service.record_user_message,
            "assistant": self._service.record_assistant_message,
            "system": self._service.record_system_message,
        }[role_of(role).value]
        return self._loop.run(record(session_id, content, metadata=metadata))

    def get_context(self, session_id: Id, window: int = CONTEXT_WINDOW) -> list[ConversationMessageDTO]:
        """The newest `window` messages, oldest first."""
        if window < 1:
            raise InvalidInputError(f"`window` is {window}; it must be 1 or more.", field="window")
        return self._loop.run(self._service.get_message_history(session_id, limit=window))

    def analyze_follow_up(self, session_id: Id, query: str, window: int = CONTEXT_WINDOW) -> dict[str, Any]:
        """Whether `query` leans on what was said, and on what.

        `is_follow_up`, `confidence` (0.5 to 1), `leans_on` (a sequence number), `previous_topic`, `standalone` (the
        question with what it leaves out), `intent`, and `context_messages`: the newest `window`, as dicts.
        """
        found = self._loop.run(self._service.analyze_follow_up(session_id, query))
        follow_up = found.follow_up
        return {
            "is_follow_up": follow_up.is_follow_up,
            "confidence": follow_up.confidence,
            "leans_on": follow_up.leans_on,
            "previous_topic": follow_up.previous_topic,
            "standalone": found.standalone,
            "intent": found.intent,
            "context_messages": [asdict(message) for message in self.get_context(session_id, window)],
        }

    def close(self) -> None:
        """Let go of the engine and its thread. Idempotent."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


async def _started(settings: Settings | None, providers: Mapping[str, ModelProvider] | None) -> ConversationEngine:
    engine = ConversationEngine(settings, providers=providers)
    try:
        await engine.start()
    except BaseException:
        await engine.aclose()
        raise
    return engine


def _ended(loop: LoopThread, engine: ConversationEngine) -> None:
    try:
        loop.run(engine.aclose())
    finally:
        loop.__exit__(None, None, None)
