"""Conversations for a product that embeds the engine."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import Any, Unpack

from conversation_engine.dialogue.conversion import (
    conversation_id_of,
    detail_of,
    message_of,
    request_metadata_of,
    role_of,
    status_of,
    summary_of,
    user_id_of,
)
from conversation_engine.dialogue.errors import GenerationFailedError, UserRequiredError
from conversation_engine.dialogue.types import (
    ConversationDetailDTO,
    ConversationMessageDTO,
    ConversationSummaryDTO,
    Id,
    LLMRequestMetadata,
    SamplingOptions,
)
from conversation_engine.domains.context.errors import NothingToAnswerError
from conversation_engine.domains.context.questions.types import Understanding
from conversation_engine.domains.conversations.types import (
    MOST_PER_PAGE,
    Content,
    ConversationFilter,
    Message,
    MessageRole,
    NewConversation,
    NewMessage,
    Usage,
)
from conversation_engine.domains.llm.types import LLMMessage, Sampling
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import ConversationId, LlmRequestId, MessageId, UserId, parse_id
from conversation_engine.kernel.paging import Cursor, Page
from conversation_engine.turns.types import NewTurn, TurnDetail, TurnState


class ConversationEngineService:
    """Everything a product does with conversations, over a started engine.

    Whose conversations: `user_id=…` on every call, or once with `for_user("ada")`; a service that is bound to a user
    refuses to act for another. Without either, UserRequiredError. Ids are taken as `uuid.UUID` or as text and given
    back as text. Every method that takes a conversation id raises InvalidIdError, ConversationNotFoundError for an
    unknown one and ConversationForbiddenError for another user's.

    A service holds no state of its own: make as many as you like, use them from as many tasks as you like.
    """

    def __init__(self, engine: ConversationEngine, *, user_id: Id | None = None) -> None:
        self.engine = engine
        self.user_id = None if user_id is None else user_id_of(user_id)
        """The user this service is bound to."""

    def for_user(self, user_id: Id) -> "ConversationEngineService":
        """The same, bound to a user."""
        return ConversationEngineService(self.engine, user_id=self._owner(user_id))

    async def create_conversation(
        self,
        *,
        user_id: Id | None = None,
        conversation_type: str = "general",
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        system_prompt: str | None = None,
        model: str | None = None,
    ) -> ConversationSummaryDTO:
        """Start an empty conversation. `metadata` is copied; `None` means `{}`. One short transaction."""
        new = NewConversation(
            owner_id=self._owner(user_id),
            type=conversation_type,
            title=title,
            system_prompt=system_prompt,
            model=model,
            metadata=metadata,
        )
        return summary_of(await self.engine.conversations.create(new))

    async def get_conversation(self, conversation_id: Id, *, user_id: Id | None = None) -> ConversationSummaryDTO:
        """One conversation, without its messages."""
        found = await self.engine.conversations.get(conversation_id_of(conversation_id), owner_id=self._owner(user_id))
        return summary_of(found)

    async def get_conversation_detail(
        self, conversation_id: Id, *, limit: int | None = None, user_id: Id | None = None
    ) -> ConversationDetailDTO:
        """One conversation with its messages, oldest first; `limit` keeps the newest. O(n) in messages given."""
        summary = await self.get_conversation(conversation_id, user_id=user_id)
        messages = await self.get_message_history(conversation_id, limit=limit, user_id=user_id)
        return detail_of(summary, messages)

    async def list_conversations(
        self,
        *,
        user_id: Id | None = None,
        conversation_type: str | None = None,
        status: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[ConversationSummaryDTO]:
        """A page of the user's conversations, newest first; `cursor` is `next` or `previous` of another page."""
        wanted = ConversationFilter(
            type=conversation_type,
            status=None if status is None else status_of(status),
        )
        page = await self.engine.conversations.list_of(self._owner(user_id), wanted, cursor=cursor, limit=limit)
        return Page(items=[summary_of(row) for row in page.items], next=page.next, previous=page.previous)

    async def update_title(
        self, conversation_id: Id, title: str, *, user_id: Id | None = None
    ) -> ConversationSummaryDTO:
        """Give it a title."""
        changed = await self.engine.conversations.rename(
            conversation_id_of(conversation_id), title, owner_id=self._owner(user_id)
        )
        return summary_of(changed)

    async def update_metadata(
        self, conversation_id: Id, metadata: Mapping[str, Any] | None, *, user_id: Id | None = None
    ) -> ConversationSummaryDTO:
        """Replace its metadata by a copy of `metadata`."""
        changed = await self.engine.conversations.set_metadata(
            conversation_id_of(conversation_id), metadata, owner_id=self._owner(user_id)
        )
        return summary_of(changed)

    async def update_status(
        self, conversation_id: Id, status: str, *, user_id: Id | None = None
    ) -> ConversationSummaryDTO:
        """Make it `active`, `completed` or `archived`; only an active one takes messages. Idempotent."""
        changed = await self.engine.conversations.set_status(
            conversation_id_of(conversation_id), status_of(status), owner_id=self._owner(user_id)
        )
        return summary_of(changed)

    async def end_conversation(self, conversation_id: Id, *, user_id: Id | None = None) -> ConversationSummaryDTO:
        """Complete it: it keeps its history and takes no more messages. Idempotent."""
        return await self.update_status(conversation_id, "completed", user_id=user_id)

    async def delete_conversation(self, conversation_id: Id, *, user_id: Id | None = None) -> None:
        """Remove it with everything said in it. A second call raises ConversationNotFoundError."""
        await self.engine.conversations.delete(conversation_id_of(conversation_id), owner_id=self._owner(user_id))

    async def record_user_message(
        self,
        conversation_id: Id,
        content: Content,
        *,
        metadata: Mapping[str, Any] | None = None,
        user_id: Id | None = None,
    ) -> ConversationMessageDTO:
        """Write what the user said, as the next message. Nobody answers before you ask for it. One transaction."""
        message = _new_message(MessageRole.USER, content, metadata)
        return await self._record(conversation_id, message, user_id=user_id)

    async def record_system_message(
        self,
        conversation_id: Id,
        content: Content,
        *,
        metadata: Mapping[str, Any] | None = None,
        user_id: Id | None = None,
    ) -> ConversationMessageDTO:
        """Write a note to the model, as the next message: it is shown in its place from now on. One transaction."""
        message = _new_message(MessageRole.SYSTEM, content, metadata)
        return await self._record(conversation_id, message, user_id=user_id)

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
    ) -> ConversationMessageDTO:
        """Write a reply that was made elsewhere, as the next message. One transaction.

        `token_count` and `cost` (US dollars) also go on record as a model call made elsewhere, and are added to the
        conversation's totals; not so with `llm_request_id`, which names a call of this engine: it is there already.
        """
        message = _new_message(
            MessageRole.ASSISTANT,
            content,
            metadata,
            token_count=token_count,
            cost=cost,
            llm_request_id=None if llm_request_id is None else LlmRequestId(parse_id(llm_request_id)),
        )
        is_known = llm_request_id is not None or (token_count is None and cost is None)
        usage = None if is_known else Usage(output_tokens=token_count or 0, cost=cost or Decimal(0))
        return await self._record(conversation_id, message, user_id=user_id, usage=usage)

    async def get_message_history(
        self,
        conversation_id: Id,
        *,
        limit: int | None = None,
        role: str | None = None,
        after: int | None = None,
        before: int | None = None,
        user_id: Id | None = None,
    ) -> list[ConversationMessageDTO]:
        """Messages, oldest first: the newest `limit` of those that fit, all of them without a limit.

        `role` is `user`, `assistant` or `system`; `after` and `before` are sequence numbers, exclusive.
        Two statements per 200 messages looked at.
        """
        if limit is not None and limit < 1:
            raise InvalidInputError(f"`limit` is {limit}; it must be 1 or more.", field="limit")
        wanted = None if role is None else role_of(role)
        owner_id = self._owner(user_id)
        page_size = min(limit or MOST_PER_PAGE, MOST_PER_PAGE) if wanted is None else MOST_PER_PAGE
        found: list[ConversationMessageDTO] = []
        newest_first = self._newest_first(
            conversation_id_of(conversation_id), owner_id=owner_id, before=before, page_size=page_size
        )
        async with aclosing(newest_first) as messages:
            async for message in messages:
                if after is not None and message.sequence_number <= after:
                    break
                if wanted is None or message.role is wanted:
                    found.append(message_of(message, owner_id=owner_id))
                if len(found) == limit:
                    break
        found.reverse()
        return found

    async def analyze_follow_up(self, conversation_id: Id, query: str, *, user_id: Id | None = None) -> Understanding:
        """Whether `query`, which nobody has said yet, leans on what was said there, and what it means then.

        Two statements and some milliseconds; a model call more where `CE_UNDERSTANDING_MODEL` is set.
        """
        where = conversation_id_of(conversation_id)
        return await self.engine.questions.analyze_follow_up(where, query, owner_id=self._owner(user_id))

    async def build_llm_context(
        self,
        conversation_id: Id,
        *,
        system_prompt: str | None = None,
        limit: int | None = None,
        model: str | None = None,
        user_id: Id | None = None,
    ) -> list[LLMMessage]:
        """What the model would be shown now: the system prompt, then the conversation in its order.

        The same as `generate_assistant_response` would send: the newest messages that fit the model. `system_prompt`
        stands in for the conversation's own (empty: none at all); `limit` keeps at most that many of the newest
        messages. No model is called; an empty conversation gives the prompt alone. Raises MessageTooLongError.
        """
        if limit is not None and limit < 0:
            raise InvalidInputError(f"`limit` is {limit}; it must be 0 or more.", field="limit")
        where, owner_id = conversation_id_of(conversation_id), self._owner(user_id)
        try:
            window = await self.engine.turns.preview(where, owner_id=owner_id, model=model, system_prompt=system_prompt)
        except NothingToAnswerError:
            return await self._prompt_alone(where, system_prompt, owner_id=owner_id)
        shown = [LLMMessage(role=message.role, content=message.text) for message in window.messages]
        first = 0 if window.manifest["system"] is None else 1
        start = first if limit is None else max(first, len(shown) - limit)
        return shown[:first] + shown[start:]

    async def generate_assistant_response(
        self,
        conversation_id: Id,
        *,
        system_prompt: str | None = None,
        model: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        user_id: Id | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> tuple[ConversationMessageDTO, LLMRequestMetadata]:
        """Have the model answer what is there; gives the stored reply and the model call behind it.

        A durable turn, with one model call: if your task is cancelled meanwhile the reply is still finished and
        stored. `system_prompt` stands in for the conversation's own, this once (empty: none at all). `metadata` is
        copied and merged with `provider` and `model`, which win.

        Raises GenerationFailedError when no whole reply came, TurnInProgressError while another one is being made,
        ConversationNotActiveError, UnknownModelError, ShuttingDownError; ConversationNotFoundError also when the
        conversation is deleted meanwhile.
        """
        turn = await self.engine.turns.submit(
            NewTurn(
                conversation_id=conversation_id_of(conversation_id),
                owner_id=self._owner(user_id),
                content=None,
                model=model,
                system_prompt=system_prompt,
                sampling=Sampling(**sampling),
                reply_metadata=metadata or {},
            )
        )
        return _generated(await self.engine.turns.wait(turn))

    # ── inside ──

    def _owner(self, user_id: Id | None) -> UserId:
        if user_id is None:
            if self.user_id is None:
                raise UserRequiredError
            return self.user_id
        given = user_id_of(user_id)
        if self.user_id is not None and given != self.user_id:
            raise InvalidInputError(
                "This service is bound to another user. Bind a service to each user: for_user(…) of an unbound one.",
                field="user_id",
            )
        return given

    async def _record(
        self, conversation_id: Id, message: NewMessage, *, user_id: Id | None, usage: Usage | None = None
    ) -> ConversationMessageDTO:
        owner_id = self._owner(user_id)
        written = await self.engine.conversations.add_message(
            conversation_id_of(conversation_id), message, owner_id=owner_id, usage=usage
        )
        return message_of(written, owner_id=owner_id)

    async def _newest_first(
        self, conversation_id: ConversationId, *, owner_id: UserId, before: int | None, page_size: int
    ) -> AsyncGenerator[Message, None]:
        cursor = None if before is None else Cursor(key=(before,)).encode()
        while True:
            page = await self.engine.conversations.list_messages(
                conversation_id, owner_id=owner_id, cursor=cursor, limit=page_size, newest_first=True
            )
            for message in page.items:
                yield message
            if page.next is None:
                return
            cursor = page.next

    async def _prompt_alone(
        self, conversation_id: ConversationId, system_prompt: str | None, *, owner_id: UserId
    ) -> list[LLMMessage]:
        if system_prompt is None:
            conversation = await self.engine.conversations.get(conversation_id, owner_id=owner_id)
            system_prompt = conversation.system_prompt
        return [LLMMessage(role="system", content=system_prompt)] if system_prompt else []


def _new_message(role: MessageRole, content: Content, metadata: Mapping[str, Any] | None, **values: Any) -> NewMessage:
    return NewMessage(id=MessageId(new_id()), role=role, content=content, metadata=metadata or {}, **values)


def _generated(detail: TurnDetail) -> tuple[ConversationMessageDTO, LLMRequestMetadata]:
    turn = detail.turn
    reply = None if detail.reply is None else message_of(detail.reply, owner_id=turn.owner_id)
    if turn.state is not TurnState.COMPLETED or reply is None:
        raise GenerationFailedError(turn, reply=reply)
    return reply, request_metadata_of(detail.attempts[-1], turn_id=turn.id)
