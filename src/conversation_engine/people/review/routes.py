"""`/review` over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from conversation_engine.domains.conversations.schemas import ConversationOut, ConversationPage, MessageOut
from conversation_engine.domains.conversations.types import ConversationStatus
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.paths import ConversationPath
from conversation_engine.kernel.ids import PersonaId, UserId, parse_id
from conversation_engine.people.review.schemas import LiveTurn, LiveTurns, ReviewedConversation
from conversation_engine.people.review.service import ReviewService

router = APIRouter(prefix="/review", tags=["review"])


Review = Annotated[ReviewService, service_of(ReviewService)]
Limit = Annotated[int, Query(ge=1, le=200)]
CursorQuery = Annotated[str | None, Query(max_length=300, description="`next` or `previous` of an earlier page.")]


@router.get("/conversations")
async def list_conversations(
    caller: Caller,
    review: Review,
    *,
    student_id: Annotated[str | None, Query(max_length=255)] = None,
    client_id: str | None = None,
    status: Annotated[ConversationStatus | None, Query(description="`active`: what is going on now.")] = None,
    cursor: CursorQuery = None,
    limit: Limit = 50,
) -> ConversationPage:
    """For teachers the sessions of students with their clients, for admins all conversations; newest first."""
    page = await review.list_of(
        caller,
        student_id=None if student_id is None else UserId(student_id),
        client_id=None if client_id is None else PersonaId(parse_id(client_id)),
        status=status,
        cursor=cursor,
        limit=limit,
    )
    items = [ConversationOut.of(item) for item in page.items]
    return ConversationPage(items=items, next=page.next, previous=page.previous)


@router.get("/conversations/{conversation_id}")
async def read_conversation(
    conversation_id: ConversationPath,
    caller: Caller,
    review: Review,
    *,
    cursor: CursorQuery = None,
    limit: Limit = 100,
    newest_first: bool = False,
) -> ReviewedConversation:
    """A conversation with its messages. The look is put on record."""
    conversation, page = await review.read(
        caller, conversation_id, cursor=cursor, limit=limit, newest_first=newest_first
    )
    return ReviewedConversation(
        **ConversationOut.of(conversation).model_dump(),
        messages=[MessageOut.of(message) for message in page.items],
        next=page.next,
        previous=page.previous,
    )


@router.get("/turns")
async def list_live_turns(caller: Caller, review: Review, limit: Limit = 100) -> LiveTurns:
    """Everybody's turns that run or wait in line, oldest first. For admins."""
    return LiveTurns(items=[LiveTurn.of(turn) for turn in await review.live_turns(caller, limit=limit)])
