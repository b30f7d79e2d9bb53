"""`convo search`: what was said, in the configured database."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from conversation_engine.entrypoints.cli.stats import with_insights
from conversation_engine.insights.search.types import MOST_HITS, Order
from conversation_engine.kernel.ids import UserId

if TYPE_CHECKING:
    from conversation_engine.engine.insights import Insights
    from conversation_engine.insights.search.schemas import HitPage


def search(
    words: Annotated[list[str], typer.Argument(help='Words, "phrases" and beginnings of words*.')],
    *,
    user: Annotated[str, typer.Option(help="Whose conversations.")] = "local",
    sort: Annotated[Order, typer.Option(help="Which come first.")] = Order.NEWEST,
    cursor: Annotated[str | None, typer.Option(help="Go on behind an earlier page.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_HITS, help="Most messages.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print what GET /conversations/search answers.")] = False,
) -> None:
    """Find messages by what they say. A message must have all that is sought."""
    page = asyncio.run(with_insights(lambda insights: _search(insights, words, user, (sort, cursor, limit))))
    print(page.model_dump_json(indent=2) if as_json else "\n".join(_lines(page)))


async def _search(insights: "Insights", words: list[str], user: str, how: tuple[Order, str | None, int]) -> "HitPage":
    from conversation_engine.insights.search.schemas import HitPage
    from conversation_engine.kernel.people import Principal, Role

    # The shell took the quotes away: what came as one word with spaces in it was one.
    query = " ".join(f'"{word}"' if " " in word else word for word in words)
    caller = Principal(user_id=UserId(user), role=Role.ADMIN)
    order, cursor, limit = how
    return HitPage.of(await insights.search.search(caller, query, order=order, cursor=cursor, limit=limit))


def _lines(page: "HitPage") -> Iterator[str]:
    from conversation_engine.entrypoints.cli.chat_reply import harmless

    for hit in page.items:
        title = "" if hit.title is None else f" · {harmless(hit.title)}"
        yield f"{hit.created_at:%Y-%m-%d %H:%M} {hit.role} in {hit.conversation_id}{title}"
        yield f"    {harmless(' '.join(hit.snippet.split()))}"
    if not page.items:
        yield "Nothing was found."
    if page.next:
        yield f"There is more: --cursor {page.next}"
