"""What one talked about before."""

from collections.abc import Mapping
from typing import Final, Literal

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import ApiError, Json
from conversation_engine.entrypoints.ui.arrivals import arrivals
from conversation_engine.entrypoints.ui.downloads import downloads
from conversation_engine.entrypoints.ui.words import ago, count, marked, money, title_of

STATES: Final[Mapping[str, tuple[str, Literal["primary", "gray"]]]] = {
    "active": ("Going on", "primary"),
    "completed": ("Ended", "gray"),
    "archived": ("Archived", "gray"),
}


def page() -> None:
    """All conversations of the visitor, newest first, a page at a time."""
    st.title("History", anchor=False)
    query = st.text_input("Search", placeholder='Words, "phrases" or beginnings*', key="history-search").strip()
    if query:
        _search(query)
        return
    wanted = st.segmented_control(
        "Show", ["All", "Going on", "Ended"], default="All", label_visibility="collapsed", key="history-state"
    )
    status = {"Going on": "active", "Ended": "completed"}.get(wanted or "All")
    arrivals(visitor.api())
    found = visitor.api().get("/conversations", status=status, cursor=st.query_params.get("cursor"), limit=20)
    if not found["items"]:
        _nothing(is_filtered=status is not None)
    for conversation in found["items"]:
        _row(conversation)
    if found["items"]:
        downloads(visitor.api(), "/account/export/conversations", name="conversations", label="Download everything")
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        for label, cursor in (("Newer", found["previous"]), ("Older", found["next"])):
            if cursor and st.button(label, key=f"history-{label}", type="tertiary"):
                visitor.go("history", cursor=cursor)


def _search(query: str) -> None:
    """Messages that say it, newest first or best first."""
    sort = st.segmented_control(
        "Order", ["Newest", "Best"], default="Newest", label_visibility="collapsed", key="history-order"
    )
    try:
        found = visitor.api().get("/conversations/search", q=query, sort=(sort or "Newest").lower(), limit=50)
    except ApiError as error:
        st.error(error.detail)
        return
    for hit in found["items"]:
        with st.container(border=True, key=f"hit-{hit['message_id']}"):
            st.markdown(marked(hit["snippet"], hit["highlights"]))
            with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                who = "You" if hit["role"] == "user" else "Reply"
                st.caption(f"{who} · {ago(hit['created_at'])} · {hit['title'] or 'Conversation'}", width="content")
                if st.button("Open", key=f"found-{hit['message_id']}", type="tertiary"):
                    visitor.go("talk", id=hit["conversation_id"])
    if not found["items"]:
        st.caption("Nothing that you talked about says this.")
    if found["next"]:
        st.caption("These are the first 50. Say more to find less.")


def _row(conversation: Json) -> None:
    row = st.container(border=True, key=f"row-{conversation['id']}")
    with row.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(gap="xsmall", width="content"):
            st.markdown(f"**{title_of(conversation)}**")
            st.caption(_facts(conversation))
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            word, color = STATES[conversation["status"]]
            st.badge(word, color=color)
            label = "Go on" if conversation["status"] == "active" else "Read"
            if st.button(label, key=f"open-{conversation['id']}"):
                visitor.go("talk", id=conversation["id"])


def _facts(conversation: Json) -> str:
    return " · ".join(
        [
            ago(conversation["last_message_at"] or conversation["created_at"]),
            count(conversation["message_count"], "message"),
            count(conversation["total_tokens"], "token"),
            money(conversation["total_cost"]),
        ]
    )


def _nothing(*, is_filtered: bool) -> None:
    with st.container(border=True, key="empty-history"):
        if is_filtered:
            st.write("None of your conversations is in this state.")
            return
        st.subheader("Nothing here yet", anchor=False)
        st.write("What you talk about is kept here, so that you can read it again and go on where you stopped.")
        if st.button("Start a conversation", type="primary"):
            visitor.go("practise")


if __name__ == "__main__":
    page()
