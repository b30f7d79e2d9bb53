"""`/sessions` over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from conversation_engine.domains.conversations.schemas import ConversationOut, ConversationPage, MessageOut
from conversation_engine.domains.conversations.types import ConversationStatus
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.once import OnceRoute, RequestOnce
from conversation_engine.infra.web.paths import ConversationPath
from conversation_engine.infra.web.rate_class import SAYS_SOMETHING
from conversation_engine.kernel.ids import PersonaId, parse_id
from conversation_engine.people.sessions.schemas import ActiveSession, SaidIn, SessionIn
from conversation_engine.people.sessions.service import SessionService

router = APIRouter(prefix="/sessions", tags=["sessions"], route_class=OnceRoute)


Sessions = Annotated[SessionService, service_of(SessionService)]
Limit = Annotated[int, Query(ge=1, le=200)]
CursorQuery = Annotated[str | None, Query(max_length=300, description="`next` or `previous` of an earlier page.")]


@router.post("", status_code=201)
async def start_conversation(body: SessionIn, caller: Caller, sessions: Sessions, once: RequestOnce) -> ConversationOut:
    """Begin a session with a client; 409 `session_active` with its id while one is active.

    To talk with replies as they are said: `POST /conversations/{id}/turns` with the session's id.
    """
    client_id = PersonaId(parse_id(body.client_id))
    return ConversationOut.of(await sessions.start_conversation(caller, client_id, once=once))


@router.get("")
async def list_sessions(
    caller: Caller,
    sessions: Sessions,
    *,
    client_id: str | None = None,
    status: ConversationStatus | None = None,
    cursor: CursorQuery = None,
    limit: Limit = 50,
) -> ConversationPage:
    """Your sessions, newest first."""
    client = None if client_id is None else PersonaId(parse_id(client_id))
    page = await sessions.list_of(caller, client_id=client, status=status, cursor=cursor, limit=limit)
    items = [ConversationOut.of(item) for item in page.items]
    return ConversationPage(items=items, next=page.next, previous=page.previous)


@router.get("/active")
async def get_active_session(client_id: str, caller: Caller, sessions: Sessions) -> ActiveSession:
    """Your active session with a client, if there is one."""
    found = await sessions.get_active_session(caller, PersonaId(parse_id(client_id)))
    return ActiveSession(session=ConversationOut.of(found) if found else None)


@router.post("/{session_id}/messages", status_code=201)
async def send_message(
    session_id: ConversationPath, body: SaidIn, *, caller: Caller, sessions: Sessions, once: RequestOnce
) -> MessageOut:
    """Say something; have it answered by `POST …/response`."""
    return MessageOut.of(await sessions.send_message(session_id, body.content, caller, once=once))


@router.post("/{session_id}/response", status_code=201, openapi_extra=SAYS_SOMETHING)
async def get_ai_response(
    session_id: ConversationPath, caller: Caller, sessions: Sessions, once: RequestOnce
) -> MessageOut:
    """Have the client answer what was said last, and wait for it."""
    return MessageOut.of(await sessions.get_ai_response(session_id, caller, once=once))


@router.post("/{session_id}/end")
async def end_conversation(
    session_id: ConversationPath, caller: Caller, sessions: Sessions, once: RequestOnce
) -> ConversationOut:
    """Complete it: it keeps its history and takes no more messages. Idempotent."""
    return ConversationOut.of(await sessions.end_conversation(session_id, caller, once=once))
