"""From the engine's values to what an embedding product is given, and from its ids to ours. Pure."""

from copy import deepcopy
from dataclasses import fields

from conversation_engine.dialogue.types import (
    ConversationDetailDTO,
    ConversationMessageDTO,
    ConversationSummaryDTO,
    Id,
    LLMRequestMetadata,
)
from conversation_engine.domains.conversations.types import Conversation, ConversationStatus, Message, MessageRole
from conversation_engine.domains.llm.types import Attempt, UsageSource
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import ConversationId, TurnId, UserId, parse_id


def conversation_id_of(value: Id) -> ConversationId:
    """`value` as we write it. Raises InvalidIdError when it is not a UUID."""
    return ConversationId(parse_id(value))


def user_id_of(value: Id) -> UserId:
    """`value` as we write it: a user id is any text, or a UUID."""
    return UserId(str(value))


def status_of(value: str) -> ConversationStatus:
    """The status of that name. Raises InvalidInputError for any other word."""
    try:
        return ConversationStatus(value)
    except ValueError as error:
        raise InvalidInputError(
            f"{value!r} is no status of a conversation. Use one of: {', '.join(ConversationStatus)}.", field="status"
        ) from error


def role_of(value: str) -> MessageRole:
    """The role of that name. Raises InvalidInputError for any other word."""
    try:
        return MessageRole(value)
    except ValueError as error:
        raise InvalidInputError(
            f"{value!r} is no role of a message. Use one of: {', '.join(MessageRole)}.", field="role"
        ) from error


def summary_of(conversation: Conversation) -> ConversationSummaryDTO:
    """A conversation without its messages."""
    return ConversationSummaryDTO(
        id=conversation.id,
        user_id=conversation.owner_id,
        conversation_type=conversation.type,
        title=conversation.title,
        status=conversation.status,
        system_prompt=conversation.system_prompt,
        model=conversation.model,
        metadata=deepcopy(conversation.metadata),
        message_count=conversation.message_count,
        input_tokens=conversation.input_tokens,
        output_tokens=conversation.output_tokens,
        total_tokens=conversation.input_tokens + conversation.output_tokens,
        total_cost=conversation.cost,
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
        last_message_at=conversation.last_message_at,
        ended_at=conversation.ended_at,
    )


def detail_of(summary: ConversationSummaryDTO, messages: list[ConversationMessageDTO]) -> ConversationDetailDTO:
    """The same with its messages."""
    values = {field.name: getattr(summary, field.name) for field in fields(summary)}
    return ConversationDetailDTO(**values, messages=tuple(messages))


def message_of(message: Message, *, owner_id: UserId) -> ConversationMessageDTO:
    """One utterance."""
    return ConversationMessageDTO(
        id=message.id,
        conversation_id=message.conversation_id,
        user_id=owner_id,
        role=message.role,
        content=deepcopy(message.content),
        sequence_number=message.sequence_number,
        status=message.status,
        token_count=message.token_count,
        cost=message.cost,
        turn_id=message.turn_id,
        llm_request_id=message.llm_request_id,
        metadata=deepcopy(message.metadata),
        created_at=message.created_at,
    )


def request_metadata_of(attempt: Attempt, *, turn_id: TurnId) -> LLMRequestMetadata:
    """A model call. Our own estimates are left out: what is given is what the provider reported."""
    usage = attempt.usage if attempt.usage and attempt.usage.source is UsageSource.PROVIDER else None
    return LLMRequestMetadata(
        llm_request_id=attempt.id,
        turn_id=turn_id,
        provider=attempt.provider,
        model=attempt.model,
        input_tokens=usage.input_tokens if usage else None,
        cached_tokens=usage.cached_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        cache_write_tokens=usage.cache_write_tokens if usage else None,
        reasoning_tokens=usage.reasoning_tokens if usage else None,
        cost=attempt.cost if usage else None,
        latency_ms=attempt.latency_ms,
        finish_reason=attempt.finish_reason,
    )
