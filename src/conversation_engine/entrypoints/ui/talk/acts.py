"""A message and what can be done with it: copy, edit, another reply, another version."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Api, ApiError, Json
from conversation_engine.entrypoints.ui.copying import copy_button
from conversation_engine.entrypoints.ui.talk.sources import sources
from conversation_engine.entrypoints.ui.talk.transcript import Transcript
from conversation_engine.entrypoints.ui.words import as_markdown, text_of

CUT = {
    "cancelled": "You stopped this reply.",
    "interrupted": "This reply was cut off. What was said of it is kept.",
    "failed": "This reply broke off. What was said of it is kept.",
}


def message(api: Api, transcript: Transcript, said: Json) -> None:
    """One message of the active path."""
    if said["role"] == "system":
        return
    is_mine = said["role"] == "user"
    if is_mine and st.session_state.get("editing") == said["id"] and transcript.is_active:
        _editor(transcript, said)
        return
    with st.container(key=f"{'mine' if is_mine else 'theirs'}-{said['id']}", gap="xsmall"):
        with st.chat_message("user" if is_mine else "assistant"):
            st.markdown(as_markdown(text_of(said["content"]), is_typed=is_mine))
        if said["status"] == "partial":
            cut = CUT.get(transcript.state_of(said["turn_id"]) or "", "This is the beginning of a reply.")
            st.caption(cut)
        elif said["status"] == "fallback":
            st.caption("No model could answer; this was said in its place.")
        if not is_mine:
            is_of_client = bool(transcript.conversation["persona_id"])
            own = transcript.conversation["collection_ids"] if is_of_client else None
            sources(api, said, is_of_client=is_of_client, among=own)
        _acts(transcript, said, is_mine=is_mine)


def start(conversation_id: str, path: str, body: Json, *, key: str | None = None) -> None:
    """Have something answered. What could not be sent is kept on the page, with the reason."""
    key = key or str(uuid4())
    try:
        visitor.api().begin(path, {**body, "on_busy": "queue"}, key=key)
    except ApiError as error:
        st.session_state["unsent"] = {
            "conversation_id": conversation_id,
            "path": path,
            "body": body,
            "key": key,
            "problem": error.detail,
        }
    else:
        st.session_state.pop("unsent", None)
        st.session_state.pop("editing", None)


def send_again() -> None:
    """Try once more what could not be sent; the same key, so that it is never said twice."""
    unsent: Any = st.session_state.pop("unsent", None)
    if unsent:
        start(unsent["conversation_id"], unsent["path"], unsent["body"], key=unsent["key"])


def put_away() -> None:
    """Forget what could not be sent."""
    st.session_state.pop("unsent", None)


def again(conversation_id: str, message_id: str) -> None:
    """Another reply, in place of one or to a message that has none."""
    start(conversation_id, f"/conversations/{conversation_id}/messages/{message_id}/regenerate", {})


def _acts(transcript: Transcript, said: Json, *, is_mine: bool) -> None:
    is_free = transcript.is_active and transcript.running is None
    is_last = transcript.messages[-1]["id"] == said["id"]
    with st.container(
        key=f"acts-{said['id']}",
        horizontal=True,
        gap="xsmall",
        vertical_alignment="center",
        horizontal_alignment="right" if is_mine else "left",
    ):
        copy_button(text_of(said["content"]))
        if is_mine and is_free:
            _button("Edit", said, _edit, said["id"])
        if not is_mine and is_free and is_last and said["parent_id"] and said["turn_id"]:
            _button("Another reply", said, again, transcript.id, said["id"])
        if is_free:
            _choice(transcript, said)


def _choice(transcript: Transcript, said: Json) -> None:
    versions = transcript.versions.get(said["id"], [])
    if not versions:
        return
    here = versions.index(said["id"])
    if here > 0:
        _button("Version before", said, _choose, transcript.id, versions[here - 1])
    st.caption(f"{here + 1} of {len(versions)}", width="content")
    if here + 1 < len(versions):
        _button("Next version", said, _choose, transcript.id, versions[here + 1])


def _button(label: str, said: Json, act: Callable[..., None], *arguments: str) -> None:
    st.button(label, key=f"{label}-{said['id']}", type="tertiary", on_click=act, args=arguments)


def _choose(conversation_id: str, message_id: str) -> None:
    try:
        visitor.api().post(f"/conversations/{conversation_id}/messages/{message_id}/choose")
    except ApiError as error:
        visitor.notice("error", error.detail)


def _edit(message_id: str | None) -> None:
    st.session_state["editing"] = message_id


def _editor(transcript: Transcript, said: Json) -> None:
    with st.container(key=f"editor-{said['id']}", border=True):
        text = st.text_area("Your message", text_of(said["content"]), key=f"edited-{said['id']}", height="content")
        with st.container(horizontal=True):
            path = f"/conversations/{transcript.id}/messages/{said['id']}/edit"
            st.button(
                "Send",
                key="send-edit",
                type="primary",
                disabled=not text.strip(),
                on_click=start,
                args=(transcript.id, path, {"content": text}),
            )
            st.button("Cancel", key="cancel-edit", type="tertiary", on_click=_edit, args=(None,))
        st.caption("What was said before stays as a version beside this one.")
