"""From what people chose to what is done."""

from conversation_engine.domains.context.settings import ContextSettings
from conversation_engine.domains.context.types import Choice
from conversation_engine.kernel.windows import RecallScope, WindowOptions, WindowStrategy

_WITH_SUMMARY = (WindowStrategy.AUTO, WindowStrategy.SUMMARIZE)
_WITH_RECALL = (WindowStrategy.AUTO, WindowStrategy.RECALL)


def choose(settings: ContextSettings, conversation_type: str, options: WindowOptions) -> Choice:
    """`options`, and where they leave something open the settings, those for this type of conversation first."""
    strategy = options.strategy or settings.window_strategy_by_type.get(conversation_type) or settings.window_strategy
    is_recalling = strategy in _WITH_RECALL and settings.recall_limit_messages > 0
    scope = RecallScope(options.recall_scope or settings.recall_scope)
    is_last = strategy is WindowStrategy.LAST_MESSAGES
    return Choice(
        strategy=strategy,
        most_messages=(options.last_messages or settings.window_last_messages) if is_last else None,
        budget_tokens=options.budget_tokens or settings.window_budget_tokens,
        too_long=options.too_long or settings.window_too_long,
        keep_share=settings.window_keep_share,
        uses_summary=strategy in _WITH_SUMMARY,
        recall_scope=scope if is_recalling else None,
        recall_messages=settings.recall_limit_messages,
        recall_share=settings.recall_share if is_recalling else 0.0,
    )
