"""Sharing over HTTP."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse

from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.once import NOT_KEPT, OnceRoute
from conversation_engine.infra.web.paths import ConversationPath
from conversation_engine.people.shares.errors import ShareNotFoundError
from conversation_engine.people.shares.page import HEADERS, nowhere, page
from conversation_engine.people.shares.schemas import MadeShare, ShareIn, ShareList, ShareOut
from conversation_engine.people.shares.service import ShareDesk

router = APIRouter(prefix="/conversations/{conversation_id}/shares", tags=["sharing"], route_class=OnceRoute)
open_router = APIRouter(prefix="/shared", tags=["sharing"])
LONGEST_SECRET: Final = 100

Desk = Annotated[ShareDesk, service_of(ShareDesk)]


@router.post("", status_code=201, dependencies=[NOT_KEPT])
async def share_conversation(conversation_id: ConversationPath, body: ShareIn, caller: Caller, desk: Desk) -> MadeShare:
    """Make a link by which anybody who has it may read along without signing in. Its address is told only once."""
    return MadeShare.made(*await desk.share(caller, conversation_id, body.new()))


@router.get("")
async def list_shares(conversation_id: ConversationPath, caller: Caller, desk: Desk) -> ShareList:
    """Links that lead here now, newest first, without their addresses."""
    return ShareList(items=[ShareOut.of(share) for share in await desk.list_of(caller, conversation_id)])


@router.delete("/{share_id}", status_code=204)
async def revoke_share(conversation_id: ConversationPath, share_id: str, caller: Caller, desk: Desk) -> None:
    """Take a link back: it leads nowhere from now on. Idempotent."""
    await desk.revoke(caller, conversation_id, share_id)


@open_router.get(
    "/{secret}",
    response_class=HTMLResponse,
    responses={404: {"description": "A page that says that there is nothing.", "content": {"text/html": {}}}},
)
async def read_shared(
    secret: Annotated[str, Path(description="What the link ends with.")],
    desk: Desk,
    after: Annotated[int, Query(ge=0, lt=2**31, description="Where the page before ended.")] = 0,
) -> HTMLResponse:
    """A shared conversation as a page, for whoever has the link. 404 for one that leads nowhere (any more)."""
    try:
        if len(secret) > LONGEST_SECRET:
            raise ShareNotFoundError
        return HTMLResponse(page(await desk.open(secret, after=after)), headers=HEADERS)
    except ShareNotFoundError:
        return HTMLResponse(nowhere(), status_code=404, headers=HEADERS)
