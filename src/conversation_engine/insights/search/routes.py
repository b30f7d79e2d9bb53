"""`/conversations/search` over HTTP."""

from typing import Annotated, Literal

from fastapi import Query

from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.room import Room
from conversation_engine.insights.cost.period import instant_of
from conversation_engine.insights.search.schemas import HitPage
from conversation_engine.insights.search.service import SearchService
from conversation_engine.insights.search.types import MOST_HITS, Order, SearchFilter, Whose
from conversation_engine.kernel.ids import ConversationId, PersonaId, UserId

router = Room("/conversations/search", tags=["conversations"])

Search = Annotated[SearchService, service_of(SearchService)]
SOUGHT = Query(
    max_length=200, description='Words, "phrases" and beginnings of words*; a message must have all of them.'
)
FROM = Query(alias="from", description="Said since: a day (UTC), or an instant with a time zone.")
TO = Query(alias="to", description="Said before: as `from`.")


@router.get("")
async def search_conversations(
    caller: Caller,
    search: Search,
    *,
    q: Annotated[str, SOUGHT],
    whose: Annotated[Whose, Query(description="`clients`: sessions with your clients, for teachers.")] = Whose.ME,
    user_id: Annotated[str | None, Query(description="Somebody else's: for admins.")] = None,
    sort: Order = Order.NEWEST,
    role: Literal["user", "assistant", "system"] | None = None,
    conversation_type: Annotated[str | None, Query(max_length=50)] = None,
    client_id: Annotated[str | None, Query(description="Sessions with this client.")] = None,
    conversation_id: Annotated[str | None, Query(description="Only in this conversation.")] = None,
    start: Annotated[str | None, FROM] = None,
    end: Annotated[str | None, TO] = None,
    cursor: Annotated[str | None, Query(max_length=300, description="`next` of an earlier page.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_HITS)] = 20,
) -> HitPage:
    """Find messages by what they say, in all of your conversations. What was said a moment ago is found, too."""
    wanted = SearchFilter(
        role=role,
        type=conversation_type,
        client_id=None if client_id is None else PersonaId(client_id),
        conversation_id=None if conversation_id is None else ConversationId(conversation_id),
        start=None if start is None else instant_of(start),
        end=None if end is None else instant_of(end),
    )
    somebody = None if user_id is None else UserId(user_id)
    found = await search.search(
        caller, q, wanted, whose=whose, user_id=somebody, order=sort, cursor=cursor, limit=limit
    )
    return HitPage.of(found)
