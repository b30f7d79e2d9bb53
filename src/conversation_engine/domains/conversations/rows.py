"""Rows as the words of this domain."""

from typing import Any

from conversation_engine.domains.conversations.types import BusyPolicy, Conversation, ConversationStatus
from conversation_engine.domains.llm.types import Sampling
from conversation_engine.kernel.windows import WindowOptions


def conversation_of(row: Any) -> Conversation:
    """The conversation of a row with every column."""
    return Conversation(
        id=row.id,
        owner_id=row.owner_id,
        type=row.type,
        title=row.title,
        status=ConversationStatus(row.status),
        system_prompt=row.system_prompt,
        model=row.model,
        on_busy=BusyPolicy(row.on_busy) if row.on_busy else None,
        persona_id=row.persona_id,
        persona_version=row.persona_version,
        supervisor_id=row.supervisor_id,
        sampling=Sampling.from_json(row.sampling) if row.sampling else None,
        collection_ids=tuple(row.collection_ids or ()),
        has_loans=row.has_loans,
        metadata=row.metadata,
        message_count=row.message_count,
        last_sequence=row.last_sequence,
        active_leaf_id=row.active_leaf_id,
        is_branched=row.is_branched,
        window=WindowOptions.from_json(row.window),
        window_start=row.window_start,
        summarized_through=row.summarized_through,
        words_through=row.words_through,
        has_pins=row.has_pins,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost=row.cost,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_message_at=row.last_message_at,
        ended_at=row.ended_at,
    )
