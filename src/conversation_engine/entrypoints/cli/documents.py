"""`convo documents`: what is searched."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from conversation_engine.entrypoints.cli.configuration import load_settings
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role

if TYPE_CHECKING:
    from conversation_engine.domains.retrieval.service import RetrievalService
    from conversation_engine.domains.retrieval.types import CollectionId, Document

app = typer.Typer(help="The documents that are searched.", no_args_is_help=True)
ENDINGS: Final = (".txt", ".text", ".md", ".markdown", ".html", ".htm", ".pdf")
LOOK_SECONDS: Final = 0.2
User = Annotated[str, typer.Option(help="Whose documents.")]


@app.command("add")
def add(
    paths: Annotated[list[Path], typer.Argument(help="Files, and folders to look through for text, Markdown, …")],
    user: User = "local",
    collection: Annotated[str | None, typer.Option(help="Name of the collection; made if need be.")] = None,
) -> None:
    """Add files, and wait until each can be searched. Exit code 65 if one of them cannot be read."""
    files = list(_files(paths))
    failed = asyncio.run(_add(files, caller=_caller(user), collection=collection))
    for document in failed:
        typer.secho(f"{document.name}: {document.error.detail if document.error else ''}", fg="red", err=True)
    if failed:
        raise typer.Exit(65)


@app.command("list")
def list_documents(user: User = "local") -> None:
    """List documents: id, status, passages, name."""
    for document in asyncio.run(_list(_caller(user))):
        code = f" ({document.error.code})" if document.error else ""
        print(f"{document.id}  {document.status.value}{code}  {document.chunk_count}  {document.name}")


@app.command("delete")
def delete(
    document_ids: Annotated[list[str], typer.Argument(help="Ids, as `convo documents list` prints them.")],
    user: User = "local",
) -> None:
    """Delete documents with all that is searched of them."""
    asyncio.run(_delete(document_ids, _caller(user)))


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(one for one in path.rglob("*") if one.is_file() and one.suffix.lower() in ENDINGS)
        elif path.is_file():
            yield path
        else:
            raise InvalidInputError(f"There is no file {path}.", field="paths")


def _caller(user: str) -> Principal:
    return Principal(user_id=UserId(user), role=Role.ADMIN)


async def _add(files: list[Path], *, caller: Principal, collection: str | None) -> "list[Document]":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from conversation_engine.engine.engine import ConversationEngine

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    async with ConversationEngine(load_settings().model_copy(update={"jobs_at_once": 2})) as engine:
        retrieval = engine.retrieval
        collection_id = await _collection(retrieval, collection, caller)
        with Progress(*columns) as progress:
            stored, ready = progress.add_task("stored", total=len(files)), progress.add_task("ready", total=len(files))
            documents = []
            for path in files:
                documents.append(await _store(retrieval, path, collection_id, caller))
                progress.advance(stored)
            failed = []
            for document in documents:
                done = await _ended(retrieval, document, caller)
                progress.advance(ready)
                failed += [done] if done.error else []
            return failed


async def _collection(retrieval: "RetrievalService", name: str | None, caller: Principal) -> "CollectionId | None":
    from conversation_engine.domains.retrieval.types import NewCollection

    if name is None:
        return None
    cursor = None
    while True:
        page = await retrieval.list_collections(caller=caller, cursor=cursor, limit=200)
        for one in page.items:
            if one.name == name and one.owner_id == caller.user_id:
                return one.id
        if (cursor := page.next) is None:
            return (await retrieval.create_collection(NewCollection(name=name), caller=caller)).id


async def _store(
    retrieval: "RetrievalService", path: Path, collection_id: "CollectionId | None", caller: Principal
) -> "Document":
    from conversation_engine.domains.retrieval.types import NewDocument

    limit = retrieval.settings.document_limit_bytes
    content = await asyncio.to_thread(_beginning, path, limit + 1)
    new = NewDocument(name=path.name, content=content[:limit], collection_id=collection_id, is_cut=len(content) > limit)
    return (await retrieval.add(new, caller=caller)).document


def _beginning(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


async def _ended(retrieval: "RetrievalService", document: "Document", caller: Principal) -> "Document":
    """The document when nothing more will happen to it."""
    while document.status.value not in ("ready", "failed"):
        await asyncio.sleep(LOOK_SECONDS)
        document = await retrieval.get(document.id, caller=caller)
    return document


async def _list(caller: Principal) -> "list[Document]":
    from conversation_engine.domains.retrieval.types import DocumentFilter
    from conversation_engine.engine.engine import ConversationEngine

    async with ConversationEngine(load_settings().model_copy(update={"jobs_at_once": 0})) as engine:
        documents: list[Document] = []
        cursor = None
        while True:
            page = await engine.retrieval.list_of(DocumentFilter(), caller=caller, cursor=cursor, limit=200)
            documents += page.items
            if (cursor := page.next) is None:
                return documents


async def _delete(document_ids: list[str], caller: Principal) -> None:
    from conversation_engine.engine.engine import ConversationEngine

    async with ConversationEngine(load_settings()) as engine:
        for document_id in document_ids:
            await engine.retrieval.delete(document_id, caller=caller)
        await engine.jobs.drain()
