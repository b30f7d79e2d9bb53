"""Conversation Engine: the stateful layer between a product and its language models.

Everything that an embedding product needs; what is not listed here may change without notice. Names are imported when
they are first used (PEP 562): the whole engine takes most of a second, and a program that needs an error class, a
type, or a subpackage should not wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conversation_engine.dialogue.base_conversation import BaseConversation
    from conversation_engine.dialogue.context import ConversationContext, current_conversation
    from conversation_engine.dialogue.conversation_manager import ConversationManager
    from conversation_engine.dialogue.decorator import conversation_session
    from conversation_engine.dialogue.errors import GenerationFailedError
    from conversation_engine.dialogue.provider import (
        ConversationEngineProvider,
        ConversationSession,
        conversation_engine_provider,
    )
    from conversation_engine.dialogue.rates import rate_limited
    from conversation_engine.dialogue.service import ConversationEngineService
    from conversation_engine.dialogue.types import (
        ConversationDetailDTO,
        ConversationMessageDTO,
        ConversationSummaryDTO,
        LLMRequestMetadata,
        SamplingOptions,
    )
    from conversation_engine.domains.context.questions.talk import Said
    from conversation_engine.domains.context.questions.types import FollowUp, Understanding
    from conversation_engine.domains.conversations.types import (
        BEGINNING,
        Conversation,
        ConversationFilter,
        ConversationStatus,
        Message,
        MessageRole,
        MessageStatus,
        NewConversation,
    )
    from conversation_engine.domains.limits.errors import RateLimitedError
    from conversation_engine.domains.llm.errors import ModelError
    from conversation_engine.domains.llm.ports import ModelProvider
    from conversation_engine.domains.llm.types import (
        LLMMessage,
        ModelEvent,
        ModelRequest,
        ReplyFinished,
        Sampling,
        TextDelta,
        TokenUsage,
    )
    from conversation_engine.engine.engine import ConversationEngine
    from conversation_engine.engine.settings import Settings
    from conversation_engine.kernel.errors import EngineError, Kind
    from conversation_engine.kernel.ids import ConversationId, MessageId, TurnId, UserId
    from conversation_engine.kernel.paging import Page
    from conversation_engine.kernel.windows import RecallScope, TooLongPolicy, WindowOptions, WindowStrategy
    from conversation_engine.turns.types import (
        CallBegun,
        CallDelta,
        Heartbeat,
        NewTurn,
        ReplyDelta,
        Turn,
        TurnDetail,
        TurnEnded,
        TurnError,
        TurnEvent,
        TurnStarted,
        TurnState,
    )

__all__ = [
    "BEGINNING",
    "BaseConversation",
    "CallBegun",
    "CallDelta",
    "Conversation",
    "ConversationContext",
    "ConversationDetailDTO",
    "ConversationEngine",
    "ConversationEngineProvider",
    "ConversationEngineService",
    "ConversationFilter",
    "ConversationId",
    "ConversationManager",
    "ConversationMessageDTO",
    "ConversationSession",
    "ConversationStatus",
    "ConversationSummaryDTO",
    "EngineError",
    "FollowUp",
    "GenerationFailedError",
    "Heartbeat",
    "Kind",
    "LLMMessage",
    "LLMRequestMetadata",
    "Message",
    "MessageId",
    "MessageRole",
    "MessageStatus",
    "ModelError",
    "ModelEvent",
    "ModelProvider",
    "ModelRequest",
    "NewConversation",
    "NewTurn",
    "Page",
    "RateLimitedError",
    "RecallScope",
    "ReplyDelta",
    "ReplyFinished",
    "Said",
    "Sampling",
    "SamplingOptions",
    "Settings",
    "TextDelta",
    "TokenUsage",
    "TooLongPolicy",
    "Turn",
    "TurnDetail",
    "TurnEnded",
    "TurnError",
    "TurnEvent",
    "TurnId",
    "TurnStarted",
    "TurnState",
    "Understanding",
    "UserId",
    "WindowOptions",
    "WindowStrategy",
    "conversation_engine_provider",
    "conversation_session",
    "current_conversation",
    "rate_limited",
]

_NAMES_BY_HOME = {
    "dialogue.base_conversation": ("BaseConversation",),
    "dialogue.context": ("ConversationContext", "current_conversation"),
    "dialogue.conversation_manager": ("ConversationManager",),
    "dialogue.decorator": ("conversation_session",),
    "dialogue.errors": ("GenerationFailedError",),
    "dialogue.provider": ("ConversationEngineProvider", "ConversationSession", "conversation_engine_provider"),
    "dialogue.rates": ("rate_limited",),
    "dialogue.service": ("ConversationEngineService",),
    "dialogue.types": (
        "ConversationDetailDTO",
        "ConversationMessageDTO",
        "ConversationSummaryDTO",
        "LLMRequestMetadata",
        "SamplingOptions",
    ),
    "domains.context.questions.talk": ("Said",),
    "domains.context.questions.types": ("FollowUp", "Understanding"),
    "domains.conversations.types": (
        "BEGINNING",
        "Conversation",
        "ConversationFilter",
        "ConversationStatus",
        "Message",
        "MessageRole",
        "MessageStatus",
        "NewConversation",
    ),
    "domains.limits.errors": ("RateLimitedError",),
    "domains.llm.errors": ("ModelError",),
    "domains.llm.ports": ("ModelProvider",),
    "domains.llm.types": (
        "LLMMessage",
        "ModelEvent",
        "ModelRequest",
        "ReplyFinished",
        "Sampling",
        "TextDelta",
        "TokenUsage",
    ),
    "engine.engine": ("ConversationEngine",),
    "engine.settings": ("Settings",),
    "kernel.errors": ("EngineError", "Kind"),
    "kernel.ids": ("ConversationId", "MessageId", "TurnId", "UserId"),
    "kernel.paging": ("Page",),
    "kernel.windows": ("RecallScope", "TooLongPolicy", "WindowOptions", "WindowStrategy"),
    "turns.types": (
        "CallBegun",
        "CallDelta",
        "Heartbeat",
        "NewTurn",
        "ReplyDelta",
        "Turn",
        "TurnDetail",
        "TurnEnded",
        "TurnError",
        "TurnEvent",
        "TurnStarted",
        "TurnState",
    ),
}
"""The imports above again, for the interpreter; `tests/test_public_api.py` compares the two."""
_HOMES = {name: f"{__name__}.{home}" for home, names in _NAMES_BY_HOME.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
