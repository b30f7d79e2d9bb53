"""A student's conversation, to read: each turn with its tokens and cost, and what was thought of it."""

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Json
from conversation_engine.entrypoints.ui.downloads import downloads
from conversation_engine.entrypoints.ui.opinions import show_opinion
from conversation_engine.entrypoints.ui.talk.sources import sources
from conversation_engine.entrypoints.ui.words import ago, as_markdown, count, lasting, money, text_of, title_of


def page() -> None:
    """The conversation that `?id=` names. The API puts the look on record."""
    api, conversation_id = visitor.api(), st.query_params.get("id")
    if not conversation_id:
        visitor.go("review")
        return
    cursor = st.query_params.get("cursor")
    found = api.get(f"/review/conversations/{conversation_id}", limit=100, cursor=cursor)
    st.title(f"{found['user_id']} with {title_of(found)}", anchor=False)
    took = lasting(found["created_at"], found["ended_at"] or found["last_message_at"])
    with st.container(horizontal=True):
        st.metric("Began", ago(found["created_at"]))
        st.metric("Lasted", took)
        st.metric("Tokens", f"{found['total_tokens']:,}")
        st.metric("Cost", money(found["total_cost"]))
    path = f"/review/conversations/{conversation_id}/export"
    downloads(api, path, name=f"conversation-{conversation_id}")
    for opinion in api.get(f"/conversations/{conversation_id}/feedback")["items"]:
        if opinion["message_id"] is None:
            show_opinion(opinion)
    for said in found["messages"]:
        _message(said, is_of_client=found["persona_id"] is not None)
    if not found["messages"]:
        st.caption("Nothing was said.")
    if found["next"] and st.button("Further", type="tertiary"):
        visitor.go("read", id=conversation_id, cursor=found["next"])


def _message(said: Json, *, is_of_client: bool) -> None:
    is_student = said["role"] == "user"
    with st.container(key=f"{'mine' if is_student else 'theirs'}-{said['id']}", gap="xsmall"):
        with st.chat_message("user" if is_student else "assistant"):
            st.markdown(as_markdown(text_of(said["content"]), is_typed=is_student))
        facts = [f"{said['sequence_number']}"]
        if said["token_count"] is not None:
            facts.append(count(said["token_count"], "token"))
        if said["cost"] is not None:
            facts.append(money(said["cost"]))
        if said["status"] != "complete":
            facts.append(said["status"])
        st.caption(" · ".join(facts), text_alignment="right" if is_student else "left")
        if not is_student:
            sources(visitor.api(), said, is_of_client=is_of_client)


if __name__ == "__main__":
    page()
