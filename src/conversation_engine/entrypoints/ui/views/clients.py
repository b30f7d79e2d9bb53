"""A teacher's clients."""

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Api, Json
from conversation_engine.entrypoints.ui.starting import open_session
from conversation_engine.entrypoints.ui.words import ago, count, first_words


def page() -> None:
    """One's own clients and those that others share, with what can be done with each."""
    api = visitor.api()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.title("Clients", anchor=False, width="content")
        if st.button("New client", type="primary", icon=":material/person_add:"):
            visitor.go("client")
    is_archived = st.segmented_control(
        "Show", ["In use", "Archived"], default="In use", key="client-state", label_visibility="collapsed"
    )
    status = "archived" if is_archived == "Archived" else "active"
    found = api.get("/personas", status=status, limit=100)["items"]
    if not found:
        _nobody(is_archived=status == "archived")
    for persona in found:
        _row(api, persona)


def _row(api: Api, persona: Json) -> None:
    profile = persona["profile"]
    is_mine = persona["owner_id"] == visitor.me()["user_id"] or visitor.role() == "admin"
    with st.container(border=True, key=f"row-{persona['id']}"):
        age = f", {profile['age']}" if profile["age"] else ""
        st.subheader(f"{profile['name']}{age}", anchor=False)
        st.write(first_words(profile["context"] or profile["background"] or "Nothing is written about them yet.", 180))
        owner = "yours" if persona["owner_id"] == visitor.me()["user_id"] else f"of {persona['owner_id']}"
        st.caption(f"{owner} · {count(persona['newest_version'], 'version')} · changed {ago(persona['updated_at'])}")
        with st.container(horizontal=True):
            if persona["status"] == "active" and st.button("Try", key=f"try-{persona['id']}", icon=":material/chat:"):
                open_session(api, persona["id"])
            if is_mine and st.button("Edit", key=f"edit-{persona['id']}", icon=":material/edit:"):
                visitor.go("client", id=persona["id"])
            if st.button("Conversations", key=f"read-{persona['id']}", icon=":material/menu_book:"):
                visitor.go("review", client=persona["id"])


def _nobody(*, is_archived: bool) -> None:
    with st.container(border=True, key="empty-clients"):
        if is_archived:
            st.write("Nobody is archived.")
            return
        st.subheader("Nobody yet", anchor=False)
        st.write(
            "Write down who somebody is, what brings them here and how they talk. You see at once what the model is "
            "told, and can talk with them before any student does."
        )
        if st.button("Make your first client", type="primary", icon=":material/person_add:"):
            visitor.go("client")


if __name__ == "__main__":
    page()
