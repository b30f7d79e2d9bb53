"""The end of a conversation: asked for, summed up, and judged."""

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Api, ApiError, Json
from conversation_engine.entrypoints.ui.talk.transcript import Transcript
from conversation_engine.entrypoints.ui.words import count, lasting, money, text_of


@st.dialog("End this session?")
def confirm(conversation: Json) -> None:
    """Ask before it is over."""
    st.write("You can read it again whenever you like, but nothing can be added.")
    with st.container(horizontal=True):
        if st.button("End it", type="primary", key="end-now"):
            try:
                visitor.api().post(f"/conversations/{conversation['id']}/end")
            except ApiError as error:
                st.error(error.detail)
            else:
                st.rerun()
        if st.button("Go on talking", type="tertiary"):
            st.rerun()


def ended(api: Api, transcript: Transcript) -> None:
    """The summary and the form."""
    conversation = transcript.conversation
    st.space("small")
    with st.container(border=True, key="card-summary"):
        st.subheader("This session has ended", anchor=False)
        _summary(transcript)
    _opinion(api, transcript)
    with st.container(horizontal=True):
        if conversation["persona_id"] and st.button("Talk with them again", type="primary"):
            visitor.go("practise")
        if st.button("Your history", type="tertiary"):
            visitor.go("history")


def _summary(transcript: Transcript) -> None:
    conversation, messages = transcript.conversation, transcript.messages
    mine = [text_of(said["content"]) for said in messages if said["role"] == "user"]
    words = sum(len(text.split()) for text in mine)
    questions = sum(text.count("?") for text in mine)
    took = lasting(conversation["created_at"], conversation["ended_at"] or conversation["updated_at"])
    with st.container(horizontal=True):
        st.metric("It lasted", took)
        st.metric("You said", count(len(mine), "message"))
        st.metric("It cost", money(conversation["total_cost"]))
    average = f", {round(words / len(mine))} words each" if mine else ""
    st.caption(f"You wrote {count(words, 'word')}{average}, and asked {count(questions, 'question')}.")


def _opinion(api: Api, transcript: Transcript) -> None:
    path = f"/conversations/{transcript.id}/feedback"
    given = _mine(api.get(path)["items"])
    with st.form(f"opinion-{transcript.id}", border=True):
        st.subheader("How was it?", anchor=False)
        stars = st.feedback("stars", key="rating", default=given["rating"] - 1 if given and given["rating"] else None)
        helped = st.text_area("What helped?", given["helped"] if given else "", key="helped", height="content")
        hindered = st.text_area("What did not?", given["hindered"] if given else "", key="hindered", height="content")
        label = "Change it" if given else "Send feedback"
        is_sent = st.form_submit_button(label, type="primary")
    if given and not is_sent:
        st.caption("Thank you. Your feedback is with your teacher; you can change it here.")
    if is_sent:
        if stars is None and not helped.strip() and not hindered.strip():
            st.warning("Choose some stars or write a few words first.")
            return
        rating = None if stars is None else stars + 1
        api.put(path, {"rating": rating, "helped": helped.strip(), "hindered": hindered.strip()})
        visitor.notice("success", "Thank you. Your feedback is with your teacher.")
        st.rerun()


def _mine(items: list[Json]) -> Json | None:
    """The visitor's own opinion of the conversation as a whole."""
    author = visitor.me()["user_id"]
    return next((item for item in items if item["author_id"] == author and item["message_id"] is None), None)
