"""Knobs of the window."""

from pydantic import BaseModel, Field

from conversation_engine.kernel.windows import RecallScope, TooLongPolicy, WindowStrategy


class ContextSettings(BaseModel):
    """What a model is shown, unless a conversation or a request chooses otherwise."""

    window_strategy: WindowStrategy = Field(
        WindowStrategy.AUTO,
        description="What a model is shown of a long conversation: `auto`, `last_messages`, `token_budget`, "
        "`summarize` or `recall`; docs/context.md tells them apart.",
    )
    window_strategy_by_type: dict[str, WindowStrategy] = Field(
        {}, description='The same for one type of conversation, as JSON: `{"support": "summarize"}`.'
    )
    window_last_messages: int = Field(
        5, ge=1, description="How many messages `last_messages` shows, the newest included."
    )
    window_budget_tokens: int | None = Field(
        None, ge=64, description="Most tokens of a prompt; unset: as many as the model can read beside its reply."
    )
    window_keep_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of a full window that stays when old messages are left out. Less means longer common "
        "prefixes for the provider's prompt cache and less to read for the model.",
    )
    window_too_long: TooLongPolicy = Field(
        TooLongPolicy.ERROR,
        description="A message that alone is longer than the model can read: `error` refuses it, `cut` shows its "
        "beginning and its end.",
    )
    summary_model: str | None = Field(
        None,
        description="Which model makes summaries of what no longer fits, in the background: a model's name, or "
        "`conversation` for each conversation's own. Unset: none are made.",
    )
    summary_at_share: float = Field(
        0.75, gt=0, lt=1, description="How full a window is when the next summary is made, so that it is ready in time."
    )
    summary_limit_tokens: int = Field(400, ge=20, description="Longest summary, in tokens.")
    recall_limit_messages: int = Field(3, ge=0, description="Most older messages recalled for one question; 0: none.")
    recall_share: float = Field(
        0.02,
        ge=0,
        le=0.5,
        description="Share of the prompt's budget that recalled messages may take; 150 tokens in any case. They change "
        "from turn to turn, so no prompt cache reuses them.",
    )
    recall_scope: RecallScope = Field(
        RecallScope.CONVERSATION,
        description="Where older messages are looked for: in the same `conversation`, or in all of the `user`'s.",
    )
