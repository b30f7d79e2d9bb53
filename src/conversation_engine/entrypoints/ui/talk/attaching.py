"""Documents in which the answers of a conversation are looked up."""

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Api, ApiError, Json
from conversation_engine.entrypoints.ui.collections import choose, readable


def attaching(api: Api, conversation: Json) -> None:
    """A button that opens the choice; it says how many are chosen."""
    chosen = conversation["collection_ids"]
    label = f"Documents ({len(chosen)})" if chosen else "Documents"
    if st.button(label, key="attach", icon=":material/attach_file:"):
        _choice(api, conversation)


@st.dialog("Look answers up in documents")
def _choice(api: Api, conversation: Json) -> None:
    found = readable(api)
    if not found:
        st.write("There are no documents yet. Add some, then come back.")
        if st.button("Go to Documents", type="primary"):
            visitor.go("documents")
        return
    key = f"attached-{conversation['id']}"
    choose("Collections", found, conversation["collection_ids"], key=key)
    st.caption("Every answer here is looked up in them first, and names the passages that it comes from.")
    if st.button("Save", type="primary", key="attach-save", on_click=_save, args=(conversation["id"], key)):
        st.rerun()


def _save(conversation_id: str, key: str) -> None:
    ids = st.session_state[key]
    try:
        visitor.api().put(f"/conversations/{conversation_id}/collections", {"collection_ids": ids})
    except ApiError as error:
        visitor.notice("error", error.detail)
