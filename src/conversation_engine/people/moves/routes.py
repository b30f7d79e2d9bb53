"""Conversations as files over HTTP."""

from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.once import OnceRoute
from conversation_engine.infra.web.paths import ConversationPath
from conversation_engine.people.moves.importing.service import ImportService
from conversation_engine.people.moves.schemas import ConversationFile, ImportReportOut
from conversation_engine.people.moves.service import ExportService
from conversation_engine.people.moves.types import Export
from conversation_engine.people.moves.words import ExportForm

router = APIRouter(tags=["moves"], route_class=OnceRoute)

Exports = Annotated[ExportService, service_of(ExportService)]
Imports = Annotated[ImportService, service_of(ImportService)]
Form = Annotated[ExportForm, Query(alias="format", description="`json` has everything and can be brought in again.")]
_TEXT: Final = {"schema": {"type": "string"}}
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "model": ConversationFile,
        "description": "The file.",
        "content": {"application/jsonl": _TEXT, "text/markdown": _TEXT, "text/html": _TEXT},
    }
}
_UPLOAD: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"description": "The file as it is: ours, or another product's."}}},
    }
}
IN_MEMORY_BYTES: Final = 1_048_576
"""Of an upload; what is more waits in a file without a name."""


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


@router.post("/account/import", openapi_extra=_UPLOAD)
async def import_conversations(request: Request, caller: Caller, imports: Imports) -> ImportReportOut:
    """Bring in conversations from a JSON file: our own, ChatGPT's, Claude's or LibreChat's; the file is the body.

    What cannot be taken is told by its position and the rest goes in. The same file again adds nothing.
    """
    with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as file:
        async for chunk in request.stream():
            file.write(chunk)
        file.seek(0)
        return ImportReportOut.of(await imports.bring_in(caller.user_id, file))


def _sent(export: Export) -> StreamingResponse:
    headers = {"content-disposition": f'attachment; filename="{export.name}"'}
    return StreamingResponse(export.pieces, media_type=export.media_type, headers=headers)
