"""Export and erasure over HTTP."""

from typing import Annotated

from fastapi import APIRouter

from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.once import NOT_KEPT, OnceRoute
from conversation_engine.infra.web.paths import ConversationPath, UserPath
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import ConversationId, UserId
from conversation_engine.kernel.people import Principal
from conversation_engine.people.records.schemas import (
    ConversationErasedOut,
    ConversationErasureIn,
    ErasedOut,
    ErasureIn,
    ExportOut,
)
from conversation_engine.people.records.service import RecordService

router = APIRouter(tags=["records"], route_class=OnceRoute)


Records = Annotated[RecordService, service_of(RecordService)]


@router.get("/account/export")
async def export_own(caller: Caller, records: Records) -> ExportOut:
    """Everything that is kept about you."""
    return await _export(caller, caller.user_id, records)


@router.post("/account/erase", dependencies=[NOT_KEPT])
async def erase_own(body: ErasureIn, caller: Caller, records: Records) -> ErasedOut:
    """Forget you, everywhere, for good. `confirm` is your user id (`GET /auth/me`)."""
    return await _erase(caller, caller.user_id, body, records)


@router.get("/users/{user_id}/export")
async def export_user(user_id: UserPath, caller: Caller, records: Records) -> ExportOut:
    """Everything that is kept about somebody. For admins."""
    return await _export(caller, user_id, records)


@router.post("/users/{user_id}/erase", dependencies=[NOT_KEPT])
async def erase_user(user_id: UserPath, body: ErasureIn, caller: Caller, records: Records) -> ErasedOut:
    """Forget somebody, everywhere, for good. For admins; `confirm` repeats the id."""
    return await _erase(caller, user_id, body, records)


@router.post("/conversations/{conversation_id}/erase", dependencies=[NOT_KEPT])
async def erase_conversation(
    conversation_id: ConversationPath, body: ConversationErasureIn, caller: Caller, records: Records
) -> ConversationErasedOut:
    """Forget a conversation of yours, everywhere, for good; the answer is a receipt. `confirm` repeats its id."""
    _check_sure(body, conversation_id)
    return ConversationErasedOut.of(await records.erase_conversation(caller, conversation_id))


@router.post("/review/conversations/{conversation_id}/erase", dependencies=[NOT_KEPT])
async def erase_anybodys(
    conversation_id: ConversationPath, body: ConversationErasureIn, caller: Caller, records: Records
) -> ConversationErasedOut:
    """The same with whosever it is. For admins."""
    _check_sure(body, conversation_id)
    return ConversationErasedOut.of(await records.erase_anybodys(caller, conversation_id))


def _check_sure(body: ConversationErasureIn, conversation_id: ConversationId) -> None:
    if body.confirm != conversation_id:
        raise InvalidInputError("To make sure, `confirm` must be the conversation's id.", field="confirm")


async def _export(caller: Principal, user_id: UserId, records: RecordService) -> ExportOut:
    exported_at, rows = await records.export(caller, user_id)
    return ExportOut(user_id=user_id, exported_at=exported_at, tables=rows)


async def _erase(caller: Principal, user_id: UserId, body: ErasureIn, records: RecordService) -> ErasedOut:
    if body.confirm != user_id:
        raise InvalidInputError("To make sure, `confirm` must be the user's id.", field="confirm")
    erased = await records.erase(caller, user_id)
    return ErasedOut(user_id=erased.user_id, rows=erased.rows)
