"""The base class of conversations that a product writes."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Unpack

from conversation_engine.dialogue.context import current_conversation
from conversation_engine.dialogue.prompts import prompt_of
from conversation_engine.dialogue.types import (
    ConversationMessageDTO,
    Id,
    LLMRequestMetadata,
    SamplingOptions,
)
from conversation_engine.domains.conversations.types import Content
from conversation_engine.domains.llm.types import LLMMessage
from conversation_engine.engine.engine import ConversationEngine


class BaseConversation:
    """A kind of conversation: subclass it and mark its methods with `@conversation_session`.

    ```python
    class Tutor(BaseConversation):
        conversation_type = "tutoring"
        system_prompt = "You are a patient teacher."

        @conversation_session
        async def ask(self, question: str, *, conversation_id: str | None = None) -> str:
            await self.record_user_message(question)
            reply, _ = await self.generate_assistant_response()
            return str(reply.content)
    ```

    The helpers act on the current conversation and raise NoConversationError outside a session. An instance keeps
    nothing about a conversation: one may serve any number of tasks at once.
    """

    conversation_type: str = "general"
    title: str | None = None
    """Title of the conversations it starts."""
    model: str | None = None
    """The model of the conversations it starts; `None` means the engine's default."""
    system_prompt: str | None = None
    """What the model is told first. Or, in its place:"""
    system_prompt_file: str | Path | None = None
    """A UTF-8 file that holds it; a relative path starts at the folder of the class's module."""
    engine: ConversationEngine | None = None
    user_id: Id | None = None

    def __init__(self, engine: ConversationEngine | None = None, *, user_id: Id | None = None) -> None:
        """`engine`: a started one (without it each session opens its own). `user_id`: whose conversations these are."""
        if engine is not None:
            self.engine = engine
        if user_id is not None:
            self.user_id = user_id

    @property
    def conversation_id(self) -> str:
        """The current conversation's id."""
        return current_conversation().conversation_id

    def load_system_prompt(self) -> str | None:
        """What the model is told first, read again for every session. Override it to make a prompt on the spot.

        Raises PromptUnreadableError.
        """
        return prompt_of(self)

    async def record_user_message(
        self, content: Content, *, metadata: Mapping[str, Any] | None = None
    ) -> ConversationMessageDTO:
        """Write what the user said."""
        here = current_conversation()
        return await here.service.record_user_message(here.conversation_id, content, metadata=metadata)

    async def record_system_message(
        self, content: Content, *, metadata: Mapping[str, Any] | None = None
    ) -> ConversationMessageDTO:
        """Write a note to the model."""
        here = current_conversation()
        return await here.service.record_system_message(here.conversation_id, content, metadata=metadata)

    async def record_assistant_message(
        self,
        content: Content,
        *,
        token_count: int | None = None,
        cost: Decimal | None = None,
        llm_request_id: Id | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> ConversationMessageDTO:
        """Write a reply that was made elsewhere."""
        here = current_conversation()
        return await here.service.record_assistant_message(
            here.conversation_id,
            content,
            token_count=token_count,
            cost=cost,
            llm_request_id=llm_request_id,
            metadata=metadata,
        )

    async def get_message_history(self, *, limit: int | None = None) -> list[ConversationMessageDTO]:
        """What was said, oldest first; `limit` keeps the newest."""
        here = current_conversation()
        return await here.service.get_message_history(here.conversation_id, limit=limit)

    async def build_llm_context(
        self, *, system_prompt: str | None = None, limit: int | None = None
    ) -> list[LLMMessage]:
        """What the model would be shown now, this class's prompt first."""
        here = current_conversation()
        prompt = here.system_prompt if system_prompt is None else system_prompt
        return await here.service.build_llm_context(here.conversation_id, system_prompt=prompt, limit=limit)

    async def generate_assistant_response(
        self,
        *,
        system_prompt: str | None = None,
        model: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> tuple[ConversationMessageDTO, LLMRequestMetadata]:
        """Have the model answer, with this class's prompt unless `system_prompt` is given.

        Raises what `ConversationEngineService.generate_assistant_response` raises.
        """
        here = current_conversation()
        return await here.service.generate_assistant_response(
            here.conversation_id,
            system_prompt=here.system_prompt if system_prompt is None else system_prompt,
            model=model,
            metadata=metadata,
            **sampling,
        )
