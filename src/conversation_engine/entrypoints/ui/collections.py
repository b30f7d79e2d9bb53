"""Collections of documents, to choose from."""

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Api, Json
from conversation_engine.entrypoints.ui.words import count

MOST = 200


def readable(api: Api) -> list[Json]:
    """Your own and the shared ones, newest first."""
    found: list[Json] = api.get("/collections", limit=MOST)["items"]
    return found


def choose(label: str, found: list[Json], chosen: list[str], *, key: str, help_text: str | None = None) -> list[str]:
    """Ids of those that somebody picks; what is chosen and not to be read stays one of them."""
    names = {one["id"]: _name(one) for one in found}
    names |= {one: "Somebody else's documents" for one in chosen if one not in names}
    return st.multiselect(
        label,
        list(names),
        [one for one in names if one in chosen],
        format_func=lambda one: names[one],
        key=key,
        help=help_text,
        placeholder="None",
    )


def _name(collection: Json) -> str:
    of = "" if collection["owner_id"] == visitor.me()["user_id"] else ", shared"
    return f"{collection['name']} ({count(collection['document_count'], 'document')}{of})"
