"""The `response` object: a turn, as the dialect tells of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from conversation_engine.entrypoints.openai.error_shape import CODES
from conversation_engine.entrypoints.openai.failures import reason_of
from conversation_engine.entrypoints.openai.formats import text_format
from conversation_engine.entrypoints.openai.ids import CONVERSATION, RESPONSE, shown
from conversation_engine.entrypoints.openai.items import output_items
from conversation_engine.entrypoints.openai.tools import told_of
from conversation_engine.turns.schemas import usage_of
from conversation_engine.turns.types import Turn, TurnDetail, TurnState

_STATUSES: Final[Mapping[TurnState, str]] = {
    TurnState.QUEUED: "queued",
    TurnState.RUNNING: "in_progress",
    TurnState.COMPLETED: "completed",
    TurnState.FAILED: "failed",
    TurnState.CANCELLED: "cancelled",
    TurnState.INTERRUPTED: "incomplete",
}
_CUT: Final[Mapping[str, str]] = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why a model ended before it had finished, in its service's words and in the dialect's."""


def running(turn: Turn, *, is_stored: bool = True, state: TurnState = TurnState.RUNNING) -> dict[str, Any]:
    """The response as it was while the turn ran, or waited in line."""
    as_it_was = replace(turn, state=state, error=None, finished_at=None)
    return response_of(TurnDetail(turn=as_it_was, reply=None, attempts=()), is_stored=is_stored)


def response_of(detail: TurnDetail, *, is_stored: bool = True) -> dict[str, Any]:
    """The response object. `is_stored` false: one that nobody can ask for again, in no conversation."""
    turn, kept = detail.turn, detail.turn.reply_metadata.get("response", {})
    status, cut = _ended(detail)
    sampling = turn.sampling
    failure = reason_of(turn) if status == "failed" else None
    return {
        "id": shown(RESPONSE, turn.id),
        "object": "response",
        "created_at": int(turn.created_at.timestamp()),
        "completed_at": int(turn.finished_at.timestamp()) if turn.finished_at and status == "completed" else None,
        "status": status,
        "background": bool(kept.get("background")),
        "conversation": {"id": shown(CONVERSATION, turn.conversation_id)} if is_stored else None,
        "error": {"code": CODES.get(failure.code, failure.code), "message": failure.detail} if failure else None,
        "incomplete_details": {"reason": cut} if cut else None,
        "instructions": turn.system_prompt,
        "max_output_tokens": sampling.reply_limit_tokens,
        "max_tool_calls": None,
        "metadata": kept.get("metadata") or {},
        "model": turn.model,
        "output": _output(detail, status),
        "previous_response_id": kept.get("previous_response_id"),
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": is_stored,
        "temperature": 1.0 if sampling.temperature is None else sampling.temperature,
        "text": {"format": text_format(sampling.response_format), "verbosity": "medium"},
        **told_of(sampling.tools),
        "top_logprobs": 0,
        "top_p": 1.0 if sampling.top_p is None else sampling.top_p,
        "truncation": kept.get("truncation") or "auto",
        "usage": _usage(detail),
        "user": None,
    }


def item_status(detail: TurnDetail) -> str:
    """Of the message that the turn has said."""
    return "completed" if _ended(detail)[0] == "completed" else "incomplete"


def _ended(detail: TurnDetail) -> tuple[str, str | None]:
    """The status, and why it is incomplete if it is."""
    turn = detail.turn
    if turn.state is TurnState.INTERRUPTED:
        return "incomplete", "interrupted"
    finish = detail.attempts[-1].finish_reason if detail.attempts else None
    cut = _CUT.get(finish or "")
    if turn.state is TurnState.COMPLETED and cut is not None:
        return "incomplete", cut
    return _STATUSES[turn.state], None


def _output(detail: TurnDetail, status: str) -> list[dict[str, Any]]:
    if detail.reply is None:
        return []
    item = "completed" if status == "completed" else "incomplete"
    return output_items(detail.reply.id, detail.reply.content, status=item)


def _usage(detail: TurnDetail) -> dict[str, Any] | None:
    used = usage_of(detail.attempts)
    if used is None:
        return None
    return {
        "input_tokens": used.input_tokens,
        "input_tokens_details": {
            "cached_tokens": used.cached_tokens,
            "cache_write_tokens": used.cache_write_tokens,
        },
        "output_tokens": used.output_tokens,
        "output_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
        "total_tokens": used.input_tokens + used.output_tokens,
    }
