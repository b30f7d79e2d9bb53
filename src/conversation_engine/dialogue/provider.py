"""The public provider: what consumers may rely on, and where they get it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, Unpack, runtime_checkable

from conversation_engine.dialogue.service import ConversationEngineService
from conversation_engine.dialogue.types import (
    ConversationDetailDTO,
    ConversationMessageDTO,
    ConversationSummaryDTO,
    Id,
    LLMRequestMetadata,
    SamplingOptions,
)
from conversation_engine.domains.context.questions.types import Understanding
from conversation_engine.domains.conversations.types import Content
from conversation_engine.domains.llm.types import LLMMessage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.kernel.paging import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationSession:
    """A started engine and the user it is used for."""

    engine: ConversationEngine
    user_id: Id


@runtime_checkable
class ConversationEngineProvider(Protocol):
    """What a product does with conversations. `ConversationEngineService` says what each verb promises."""

    async def create_conversation(
        self,
        *,
        user_id: Id | None = None,
        conversation_type: str = "general",
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        system_prompt: str | None = None,
        model: str | None = None,
    ) -> ConversationSummaryDTO: ...

    async def get_conversation(self, conversation_id: Id, *, user_id: Id | None = None) -> ConversationSummaryDTO: ...

    async def get_conversation_detail(
        self, conversation_id: Id, *, limit: int | None = None, user_id: Id | None = None
    ) -> ConversationDetailDTO: ...

    async def list_conversations(
        self,
        *,
        user_id: Id | None = None,
        conversation_type: str | None = None,
        status: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[ConversationSummaryDTO]: ...

    async def update_title(
        self, conversation_id: Id, title: str, *, user_id: Id | None = None
    ) -> ConversationSummaryDTO: ...

    async def update_metadata(
        self, conversation_id: Id, metadata: Mapping[str, Any] | None, *, user_id: Id | None = None
    ) -> ConversationSummaryDTO: ...

    async def update_status(
        self, conversation_id: Id, status: str, *, user_id: Id | None = None
    ) -> ConversationSummaryDTO: ...

    async def end_conversation(self, conversation_id: Id, *, user_id: Id | None = None) -> ConversationSummaryDTO: ...

    async def delete_conversation(self, conversation_id: Id, *, user_id: Id | None = None) -> None: ...

    async def record_user_message(
        self,
        conversation_id: Id,
        content: Content,
        *,
        metadata: Mapping[str, Any] | None = None,
        user_id: Id | None = None,
    ) -> ConversationMessageDTO: ...

    async def record_system_message(
        self,
        conversation_id: Id,
        content: Content,
        *,
        metadata: Mapping[str, Any] | None = None,
        user_id: Id | None = None,
    ) -> ConversationMessageDTO: ...

    async def record_assistant_message(
        self,
        conversation_id: Id,
        content: Content,
        *,
        token_count: int | None = None,
        cost: Decimal | None = None,
        llm_request_id: Id | None = None,
        metadata: Mapping[str, Any] | None = None,
        user_id: Id | None = None,
    ) -> ConversationMessageDTO: ...

    async def get_message_history(
        self,
        conversation_id: Id,
        *,
        limit: int | None = None,
        role: str | None = None,
        after: int | None = None,
        before: int | None = None,
        user_id: Id | None = None,
    ) -> list[ConversationMessageDTO]: ...

    async def analyze_follow_up(
        self, conversation_id: Id, query: str, *, user_id: Id | None = None
    ) -> Understanding: ...

    async def build_llm_context(
        self,
        conversation_id: Id,
        *,
        system_prompt: str | None = None,
        limit: int | None = None,
        model: str | None = None,
        user_id: Id | None = None,
    ) -> list[LLMMessage]: ...

    async def generate_assistant_response(
        self,
        conversation_id: Id,
        *,
        system_prompt: str | None = None,
        model: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        user_id: Id | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> tuple[ConversationMessageDTO, LLMRequestMetadata]: ...


def conversation_engine_provider(session: ConversationSession | ConversationEngine) -> ConversationEngineProvider:
    """The concrete service over `session`.

    Given a `ConversationSession` (an engine and a user) it acts for that user alone; given a `ConversationEngine` every
    call names its user: `user_id=…`. The engine must be started; the service need not be closed. Not a SQLAlchemy
    session: the engine owns its transactions.
    """
    if isinstance(session, ConversationSession):
        return ConversationEngineService(session.engine, user_id=session.user_id)
    return ConversationEngineService(session)
