"""Conversations as files over HTTP."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.paths import ConversationPath
from conversation_engine.people.moves.schemas import ConversationFile
from conversation_engine.people.moves.service import ExportService
from conversation_engine.people.moves.types import Export
from conversation_engine.people.moves.words import ExportForm

router = APIRouter(tags=["moves"])

Exports = Annotated[ExportService, service_of(ExportService)]
Form = Annotated[ExportForm, Query(alias="format", description="`json` has everything and can be brought in again.")]
_TEXT: Final = {"schema": {"type": "string"}}
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "model": ConversationFile,
        "description": "The file.",
        "content": {"application/jsonl": _TEXT, "text/markdown": _TEXT, "text/html": _TEXT},
    }
}


@router.get("/conversations/{conversation_id}/export", response_class=StreamingResponse, responses=_FILE)
async def export_conversation(
    conversation_id: ConversationPath, caller: Caller, exports: Exports, form: Form = ExportForm.JSON
) -> StreamingResponse:
    """One of your conversations as a file. See docs/moves.md for the forms."""
    return _sent(await exports.of_conversation(caller, conversation_id, form))


@router.get("/review/conversations/{conversation_id}/export", response_class=StreamingResponse, responses=_FILE)
async def export_reviewed(
    conversation_id: ConversationPath, caller: Caller, exports: Exports, form: Form = ExportForm.JSON
) -> StreamingResponse:
    """A conversation that you look after as a file. That is put on record."""
    return _sent(await exports.of_reviewed(caller, conversation_id, form))


@router.get("/account/export/conversations", response_class=StreamingResponse, responses=_FILE)
async def export_all(caller: Caller, exports: Exports, form: Form = ExportForm.JSON) -> StreamingResponse:
    """All your conversations as one file, newest first."""
    return _sent(exports.of_owner(caller.user_id, form))


def _sent(export: Export) -> StreamingResponse:
    headers = {"content-disposition": f'attachment; filename="{export.name}"'}
    return StreamingResponse(export.pieces, media_type=export.media_type, headers=headers)
