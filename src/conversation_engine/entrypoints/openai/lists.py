"""Lists as the dialect pages them: after an item, so many, in either order."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel

from conversation_engine.entrypoints.openai.errors import BadFieldError

Order = Literal["asc", "desc"]


class Items(BaseModel):
    """A page of items."""

    object: Literal["list"] = "list"
    data: Sequence[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool

    @staticmethod
    def of(data: Sequence[dict[str, Any]], *, has_more: bool) -> "Items":
        """A page and whether there is another."""
        first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
        return Items(data=data, first_id=first, last_id=last, has_more=has_more)


def listed(items: Sequence[dict[str, Any]], *, after: str | None, limit: int) -> Items:
    """A page of a short list. Raises BadFieldError where `after` is none of them."""
    start = 0
    if after is not None:
        ids = [item["id"] for item in items]
        if after not in ids:
            raise BadFieldError("after", "`after` is not the id of an item of this list.")
        start = ids.index(after) + 1
    page = items[start : start + limit]
    return Items.of(page, has_more=len(items) > start + limit)
