"""Lists as the dialect pages them: after an item, so many, in either order."""

from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, TypeAdapter

from conversation_engine.entrypoints.openai.errors import BadFieldError
from conversation_engine.entrypoints.openai.ids import message_id_of, place_of
from conversation_engine.entrypoints.openai.item_shapes import Item

Order = Literal["asc", "desc"]
_ITEMS: Final[TypeAdapter[Sequence[Item]]] = TypeAdapter(Sequence[Item])


class Items(BaseModel):
    """A page of items."""

    object: Literal["list"] = "list"
    data: Sequence[Item]
    first_id: str | None
    last_id: str | None
    has_more: bool

    @staticmethod
    def of(data: Sequence[dict[str, Any]], *, has_more: bool) -> "Items":
        """A page and whether there is another."""
        first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
        items = _ITEMS.validate_python(data)
        return Items(data=items, first_id=first, last_id=last, has_more=has_more)


def page_of(items: Sequence[dict[str, Any]], *, after: str | None, limit: int, has_more: bool) -> Items:
    """A page of `items`, which begin with all that are of the message of `after`."""
    at = None if after is None else (message_id_of(after), place_of(after))
    places = [(message_id_of(item["id"]), place_of(item["id"])) for item in items]
    rest = items[places.index(at) + 1 :] if at in places else items
    return Items.of(rest[:limit], has_more=has_more or len(rest) > limit)


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
