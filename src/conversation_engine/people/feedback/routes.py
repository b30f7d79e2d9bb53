"""Feedback over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.once import OnceRoute
from conversation_engine.infra.web.paths import ConversationPath, MessagePath
from conversation_engine.people.feedback.schemas import FeedbackOut, FeedbackPage, OpinionIn
from conversation_engine.people.feedback.service import FeedbackDesk

router = APIRouter(tags=["feedback"], route_class=OnceRoute)


Desk = Annotated[FeedbackDesk, service_of(FeedbackDesk)]
Limit = Annotated[int, Query(ge=1, le=200)]
CursorQuery = Annotated[str | None, Query(max_length=300, description="`next` or `previous` of an earlier page.")]


@router.put("/conversations/{conversation_id}/feedback")
async def judge_conversation(
    conversation_id: ConversationPath, body: OpinionIn, caller: Caller, desk: Desk
) -> FeedbackOut:
    """Say what you think of a conversation as a whole, in place of what you said before.

    For its owner, its client's teacher and admins, as all feedback on it.
    """
    return FeedbackOut.of(await desk.give(caller, conversation_id, None, body.opinion()))


@router.put("/conversations/{conversation_id}/messages/{message_id}/feedback")
async def judge_message(
    conversation_id: ConversationPath, message_id: MessagePath, *, body: OpinionIn, caller: Caller, desk: Desk
) -> FeedbackOut:
    """Say what you think of one message."""
    return FeedbackOut.of(await desk.give(caller, conversation_id, message_id, body.opinion()))


@router.delete("/conversations/{conversation_id}/feedback", status_code=204)
async def unjudge_conversation(conversation_id: ConversationPath, caller: Caller, desk: Desk) -> None:
    """Take back what you said of the conversation as a whole. Idempotent."""
    await desk.take_back(caller, conversation_id, None)


@router.delete("/conversations/{conversation_id}/messages/{message_id}/feedback", status_code=204)
async def unjudge_message(
    conversation_id: ConversationPath, message_id: MessagePath, caller: Caller, desk: Desk
) -> None:
    """Take back what you said of one message. Idempotent."""
    await desk.take_back(caller, conversation_id, message_id)


@router.get("/conversations/{conversation_id}/feedback")
async def list_feedback(
    conversation_id: ConversationPath, caller: Caller, desk: Desk, *, cursor: CursorQuery = None, limit: Limit = 50
) -> FeedbackPage:
    """What everybody thinks of a conversation and its messages, newest first."""
    page = await desk.list_of(caller, conversation_id, cursor=cursor, limit=limit)
    return FeedbackPage(items=[FeedbackOut.of(item) for item in page.items], next=page.next, previous=page.previous)


@router.get("/review/feedback")
async def list_received(caller: Caller, desk: Desk, *, cursor: CursorQuery = None, limit: Limit = 50) -> FeedbackPage:
    """For teachers what is thought of sessions with their clients, for admins everything; newest first."""
    page = await desk.received(caller, cursor=cursor, limit=limit)
    return FeedbackPage(items=[FeedbackOut.of(item) for item in page.items], next=page.next, previous=page.previous)
