"""Whom one can talk with."""

from collections.abc import Mapping
from typing import Final, Literal

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Api, Json
from conversation_engine.entrypoints.ui.starting import open_session
from conversation_engine.entrypoints.ui.words import ago, count, first_words
from conversation_engine.kernel.people import Role

DIFFICULTY: Final[Mapping[str, tuple[str, Literal["green", "orange", "red"]]]] = {
    "easy": ("Easy", "green"),
    "medium": ("Medium", "orange"),
    "hard": ("Hard", "red"),
}


def page() -> None:
    """Clients as cards, and a conversation without one."""
    api = visitor.api()
    clients = api.get("/clients", limit=200)["items"]
    active = {item["persona_id"]: item for item in api.get("/sessions", status="active", limit=200)["items"]}
    st.title("Who would you like to talk with?", anchor=False)
    if clients:
        st.caption("Pick somebody. You can stop at any time and go on later.")
        for index in range(0, len(clients), 2):
            for column, client in zip(st.columns(2, gap="medium"), clients[index : index + 2], strict=False):
                with column:
                    _card(api, client, active.get(client["id"]))
    else:
        _nobody()
    st.space("small")
    _freely(api)


def _card(api: Api, client: Json, session: Json | None) -> None:
    with st.container(border=True, key=f"card-{client['id']}", height="stretch"):
        st.subheader(_name(client), anchor=False)
        word, color = DIFFICULTY[client["difficulty"]]
        with st.container(horizontal=True, gap="small"):
            st.badge(word, color=color)
            if client["language"]:
                st.badge(client["language"], color="gray", icon=":material/language:")
            if session:
                st.badge("Going on", color="primary", icon=":material/schedule:")
        st.write(first_words(client["context"] or "Nothing is known beforehand.", 220))
        if session:
            said = count(session["message_count"], "message")
            st.caption(f"{said}, last {ago(session['last_message_at'] or session['created_at'])}")
        label, icon = ("Go on", "play_arrow") if session else ("Start", "chat")
        if st.button(label, key=f"start-{client['id']}", type="primary", icon=f":material/{icon}:", width="stretch"):
            if session:
                visitor.go("talk", id=session["id"])
            open_session(api, client["id"])


def _name(client: Json) -> str:
    return f"{client['name']}, {client['age']}" if client["age"] else str(client["name"])


def _nobody() -> None:
    with st.container(border=True, key="empty-clients"):
        if visitor.role() is Role.STUDENT:
            st.subheader("Nobody is here yet", anchor=False)
            st.write(
                "Your teacher has not shared a client with you so far. As soon as that happens, they appear here. "
                "Until then you can talk freely."
            )
            return
        st.subheader("Make your first client", anchor=False)
        st.write(
            "A client is somebody whom the model plays: a person with a past, a manner and a wish. Students practise "
            "with them, and you read along."
        )
        if st.button("New client", type="primary", icon=":material/person_add:"):
            visitor.go("client")


def _freely(api: Api) -> None:
    with st.container(border=True, key="card-free"):
        st.subheader("Just talk", anchor=False)
        st.write("A conversation with the assistant, about anything.")
        if st.button("New conversation", key="start-free", icon=":material/add:", width="stretch"):
            visitor.go("talk", id=api.post("/conversations", {})["id"])


if __name__ == "__main__":
    page()
