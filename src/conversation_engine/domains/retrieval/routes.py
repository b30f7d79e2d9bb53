"""`/documents`, `/collections` and `/rag/search` over HTTP."""

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from conversation_engine.domains.retrieval.schemas import (
    CollectionChange,
    CollectionIn,
    CollectionOut,
    CollectionPage,
    DocumentOut,
    DocumentPage,
    PassageOut,
    SearchIn,
    SearchOut,
    UploadedOut,
    UploadsOut,
)
from conversation_engine.domains.retrieval.service import RetrievalService
from conversation_engine.domains.retrieval.types import (
    CollectionId,
    DocumentFilter,
    DocumentStatus,
    NewCollection,
    NewDocument,
    SearchRequest,
    Uploaded,
)
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.once import OnceRoute
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import parse_id
from conversation_engine.kernel.people import Principal
from conversation_engine.kernel.text import storable

MOST_FILES: Final = 100
router = APIRouter(tags=["documents"], route_class=OnceRoute)
Retrieval = Annotated[RetrievalService, service_of(RetrievalService)]
Limit = Annotated[int, Query(ge=1, le=200)]

_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "collection_id": {"type": "string", "description": "Unset: your own `My documents`."},
                        "metadata": {"type": "string", "description": "A JSON object, kept with each document."},
                    },
                }
            }
        },
    }
}


@router.post("/documents", status_code=202, openapi_extra=_FORM)
async def upload_documents(request: Request, caller: Caller, retrieval: Retrieval) -> UploadsOut:
    """Upload files (text, Markdown, HTML, PDF); they are read in the background.

    A file that cannot be read does not keep the others: its document says why. The same file again is the same
    document. Poll `GET /documents/{id}` until its status is `ready` or `failed`.
    """
    try:
        form = await request.form(max_files=MOST_FILES, max_fields=10)
    except HTTPException as error:
        raise InvalidInputError("The body is no form with files. Send multipart/form-data.", field="files") from error
    try:
        uploads = await _stored(form, caller, retrieval)
    finally:
        await form.close()
    return UploadsOut(documents=[UploadedOut.of_upload(uploaded) for uploaded in uploads])


@router.get("/documents")
async def list_documents(
    caller: Caller,
    retrieval: Retrieval,
    *,
    collection_id: str | None = None,
    status: DocumentStatus | None = None,
    cursor: str | None = None,
    limit: Limit = 50,
) -> DocumentPage:
    """Your documents, or those of a collection, newest first."""
    wanted = DocumentFilter(
        collection_id=None if collection_id is None else CollectionId(parse_id(collection_id)), status=status
    )
    page = await retrieval.list_of(wanted, caller=caller, cursor=cursor, limit=limit)
    items = [DocumentOut.of(document) for document in page.items]
    return DocumentPage(items=items, next=page.next, previous=page.previous)


@router.get("/documents/{document_id}")
async def get_document(document_id: str, caller: Caller, retrieval: Retrieval) -> DocumentOut:
    """One document and how far it is."""
    return DocumentOut.of(await retrieval.get(document_id, caller=caller))


@router.delete("/documents/{document_id}", status_code=204)
async def delete_document(document_id: str, caller: Caller, retrieval: Retrieval) -> None:
    """Remove a document with its passages and vectors."""
    await retrieval.delete(document_id, caller=caller)


@router.get("/documents/{document_id}/passages/{ordinal}")
async def get_passage(document_id: str, ordinal: int, caller: Caller, retrieval: Retrieval) -> PassageOut:
    """Open a source: a passage and what stands around it. `id` of a search result is `document_id:ordinal`."""
    if not 0 <= ordinal < 2**31:
        raise InvalidInputError("`ordinal` is a passage's place in its document, from 0 on.", field="ordinal")
    return PassageOut.of(await retrieval.passage(document_id, ordinal, caller=caller))


@router.post("/collections", status_code=201)
async def create_collection(body: CollectionIn, caller: Caller, retrieval: Retrieval) -> CollectionOut:
    """Make a collection; teachers and administrators may share it with everybody."""
    new = NewCollection(name=body.name, is_shared=body.is_shared, metadata=body.metadata)
    return CollectionOut.of(await retrieval.create_collection(new, caller=caller))


@router.get("/collections")
async def list_collections(
    caller: Caller, retrieval: Retrieval, *, cursor: str | None = None, limit: Limit = 50
) -> CollectionPage:
    """Your collections and the shared ones, newest first."""
    page = await retrieval.list_collections(caller=caller, cursor=cursor, limit=limit)
    items = [CollectionOut.of(collection) for collection in page.items]
    return CollectionPage(items=items, next=page.next, previous=page.previous)


@router.get("/collections/{collection_id}")
async def get_collection(collection_id: str, caller: Caller, retrieval: Retrieval) -> CollectionOut:
    """One collection."""
    return CollectionOut.of(await retrieval.get_collection(collection_id, caller=caller))


@router.patch("/collections/{collection_id}")
async def change_collection(
    collection_id: str, body: CollectionChange, caller: Caller, retrieval: Retrieval
) -> CollectionOut:
    """Change its name, metadata, or whether it is shared."""
    changed = await retrieval.change_collection(
        collection_id, caller=caller, name=body.name, is_shared=body.is_shared, metadata=body.metadata
    )
    return CollectionOut.of(changed)


@router.delete("/collections/{collection_id}", status_code=204)
async def delete_collection(collection_id: str, caller: Caller, retrieval: Retrieval) -> None:
    """Remove a collection with all its documents."""
    await retrieval.delete_collection(collection_id, caller=caller)


@router.post("/rag/search")
async def search(body: SearchIn, caller: Caller, retrieval: Retrieval) -> SearchOut:
    """Passages of documents that answer a question, best first: by words, by meaning, or both."""
    request = SearchRequest(
        caller=caller,
        query=body.query,
        strategy=body.strategy,
        top_k=body.top_k,
        collection_ids=_ids(body.collection_ids),
        metadata=body.filters,
    )
    return SearchOut.of(await retrieval.search(request))


def _ids(ids: list[str] | None) -> list[CollectionId] | None:
    return None if ids is None else [CollectionId(parse_id(one)) for one in ids]


async def _stored(form: FormData, caller: Principal, retrieval: RetrievalService) -> list[Uploaded]:
    files = [file for _, file in form.multi_items() if isinstance(file, UploadFile)]
    if not files:
        raise InvalidInputError("There is no file in the form. Send some as `files`.", field="files")
    collection_id, metadata, limit = _collection_in(form), _metadata_in(form), retrieval.settings.document_limit_bytes
    uploads = []
    for file in files:
        content = await file.read(limit + 1)
        new = NewDocument(
            name=storable(file.filename or "unnamed").strip()[-255:] or "unnamed",
            content=content[:limit],
            collection_id=collection_id,
            metadata=metadata,
            is_cut=len(content) > limit,
        )
        uploads.append(await retrieval.add(new, caller=caller))
    return uploads


def _collection_in(form: FormData) -> CollectionId | None:
    value = form.get("collection_id")
    return CollectionId(parse_id(value)) if isinstance(value, str) and value else None


def _metadata_in(form: FormData) -> dict[str, Any]:
    value = form.get("metadata")
    if not isinstance(value, str) or not value:
        return {}
    try:
        metadata = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError("`metadata` is not JSON.", field="metadata") from error
    if not isinstance(metadata, dict):
        raise InvalidInputError('`metadata` is a JSON object, such as {"year": 2026}.', field="metadata")
    return metadata
