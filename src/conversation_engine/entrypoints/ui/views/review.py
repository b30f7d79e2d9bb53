"""Conversations of students, for those who look after them."""

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Json
from conversation_engine.entrypoints.ui.words import ago, count, money, title_of


def page() -> None:
    """For teachers the sessions with their clients, for admins everything."""
    api = visitor.api()
    st.title("Conversations of students", anchor=False)
    names = {one["id"]: one["profile"]["name"] for one in api.get("/personas", limit=200)["items"]}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        options = ["", *names]
        asked = st.query_params.get("client", "")
        client = st.selectbox(
            "Client",
            options,
            options.index(asked) if asked in options else 0,
            format_func=lambda one: names.get(one, "All clients"),
            key="review-client",
        )
        student = st.text_input("Student", key="review-student", placeholder="user id")
        state = st.selectbox("State", ["all", "active", "completed"], key="review-state", format_func=str.capitalize)
    found = api.get(
        "/review/conversations",
        client_id=client or None,
        student_id=student.strip() or None,
        status=None if state == "all" else state,
        cursor=st.query_params.get("cursor"),
        limit=25,
    )
    if not found["items"]:
        with st.container(border=True, key="empty-review"):
            st.write("Nobody has talked here yet. Share a client with your students, and what they say appears here.")
    for conversation in found["items"]:
        _row(conversation, names)
    if found["next"] and st.button("Older", type="tertiary"):
        visitor.go("review", cursor=found["next"], **({"client": client} if client else {}))


def _row(conversation: Json, names: dict[str, str]) -> None:
    row = st.container(border=True, key=f"row-{conversation['id']}")
    with row.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(gap="xsmall", width="content"):
            st.markdown(f"**{conversation['user_id']}** with {title_of(conversation, names)}")
            st.caption(
                f"{ago(conversation['last_message_at'] or conversation['created_at'])} · "
                f"{count(conversation['message_count'], 'message')} · "
                f"{count(conversation['total_tokens'], 'token')} · {money(conversation['total_cost'])} · "
                f"{'going on' if conversation['status'] == 'active' else 'ended'}"
            )
        if st.button("Read", key=f"read-{conversation['id']}"):
            visitor.go("read", id=conversation["id"])


if __name__ == "__main__":
    page()
