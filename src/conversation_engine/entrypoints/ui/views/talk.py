"""A conversation: what was said, the reply as it comes, and what one can do with both.

What is shown is read from the API in every run, so that a reload, a second tab or another server shows the same; a
turn that runs is found there and its reply followed from the first word on.
"""

from typing import Final

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Api, ApiError, Json
from conversation_engine.entrypoints.ui.copying import listen
from conversation_engine.entrypoints.ui.downloads import downloads
from conversation_engine.entrypoints.ui.replies import follow
from conversation_engine.entrypoints.ui.sharing import sharing
from conversation_engine.entrypoints.ui.talk import acts, end
from conversation_engine.entrypoints.ui.talk.attaching import attaching
from conversation_engine.entrypoints.ui.talk.transcript import Transcript, load
from conversation_engine.entrypoints.ui.words import as_markdown, count, money, title_of

THINKING: Final = '<span class="thinking" role="status" aria-label="Thinking"><i></i><i></i><i></i></span>'
CURSOR: Final = " ▍"
WATCH_SECONDS: Final = 4.0
"""How soon a tab notices what another tab of the same person said."""


def page() -> None:
    """The conversation that `?id=` names."""
    conversation_id = st.query_params.get("id")
    if not conversation_id:
        visitor.go("practise")
        return
    api = visitor.api()
    transcript = load(api, conversation_id, older=st.session_state.get(f"older-{conversation_id}", 0))
    listen()
    _head(api, transcript)
    _said(api, transcript)
    if not transcript.is_active:
        end.ended(api, transcript)
        return
    _unsent(transcript)
    _bottom(transcript)
    if transcript.running is not None:
        _answer(api, transcript, transcript.running)
    else:
        _watch(conversation_id, transcript.newest_turn_id)


def _head(api: Api, transcript: Transcript) -> None:
    conversation = transcript.conversation
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="talk-head"):
        with st.container(gap="xsmall", width="content"):
            st.subheader(title_of(conversation), anchor=False)
            st.caption(
                f"{count(conversation['message_count'], 'message')} · "
                f"{count(conversation['total_tokens'], 'token')} · {money(conversation['total_cost'])}"
            )
        with st.container(horizontal=True, width="content"):
            if transcript.is_active and not conversation["persona_id"]:
                attaching(api, conversation)
            sharing(api, transcript.id)
            downloads(api, f"/conversations/{transcript.id}/export", name=f"conversation-{transcript.id}")
            if transcript.is_active and st.button("End session", key="end-session", icon=":material/flag:"):
                end.confirm(conversation)


def _said(api: Api, transcript: Transcript) -> None:
    if transcript.has_older and st.button("Earlier messages", type="tertiary", icon=":material/expand_less:"):
        name = f"older-{transcript.id}"
        st.session_state[name] = st.session_state.get(name, 0) + 1
        st.rerun()
    if not transcript.messages and transcript.running is None:
        with st.container(key="empty-talk", border=True):
            st.write("Nothing is said yet. Write something below; Enter sends it, Shift and Enter begins a new line.")
    for message in transcript.messages:
        acts.message(api, transcript, message)
    problem = transcript.failure
    if problem:
        with st.container(key="failed-turn"):
            st.error(problem["detail"], icon=":material/error:")
            st.button("Try again", on_click=acts.again, args=(transcript.id, problem["message_id"]))


def _bottom(transcript: Transcript) -> None:
    with st.bottom:
        if transcript.running is not None:
            with st.container(horizontal=True, horizontal_alignment="center"):
                st.button(
                    "Stop",
                    key="stop",
                    icon=":material/stop_circle:",
                    on_click=_stop,
                    args=(transcript.id, transcript.running["id"]),
                )
        st.chat_input(
            f"Say something to {transcript.partner}",
            key="draft",
            on_submit=_say,
            args=(transcript.id,),
            max_chars=20_000,
        )


def _say(conversation_id: str) -> None:
    text = st.session_state["draft"]
    if text and text.strip():
        acts.start(conversation_id, f"/conversations/{conversation_id}/turns", {"content": text})


def _stop(conversation_id: str, turn_id: str) -> None:
    try:
        visitor.api().post(f"/conversations/{conversation_id}/turns/{turn_id}/cancel")
    except ApiError as error:
        visitor.notice("error", error.detail)


def _answer(api: Api, transcript: Transcript, turn: Json) -> None:
    """Show the reply as it comes, then the page as it is with it."""
    with st.container(key=f"theirs-{turn['id']}"), st.chat_message("assistant"):
        place = st.empty()
        place.html(THINKING)
        shown = ""
        for reply in follow(api, transcript.id, turn["id"]):
            if reply.text != shown:
                shown = reply.text
                place.markdown(as_markdown(shown) + CURSOR)
            _ = st.session_state.get("stop")  # here Streamlit may break off this run: a press of Stop, a tab that goes
    st.rerun()


def _unsent(transcript: Transcript) -> None:
    """What could not be sent is shown until it is sent or put away."""
    unsent = st.session_state.get("unsent")
    if unsent is None or unsent["conversation_id"] != transcript.id:
        return
    with st.container(key="unsent", border=True):
        st.error(unsent["problem"], icon=":material/error:")
        st.markdown(f"> {unsent['body'].get('content') or 'Another reply'}")
        with st.container(horizontal=True):
            st.button("Send again", type="primary", on_click=acts.send_again)
            st.button("Put it away", type="tertiary", on_click=acts.put_away)


@st.fragment(run_every=WATCH_SECONDS)
def _watch(conversation_id: str, known: str | None) -> None:
    """Run the page again when another tab or program says something here."""
    try:
        turns = visitor.api().get(f"/conversations/{conversation_id}/turns", limit=1)["items"]
    except ApiError:
        return  # the next look may find it; what is shown stays
    if turns and turns[0]["id"] != known:
        st.rerun()


if __name__ == "__main__":
    page()
