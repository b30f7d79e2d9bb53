"""Links to a conversation: made, listed and taken back."""

from typing import Final
from urllib.parse import urlsplit

import streamlit as st

from conversation_engine.entrypoints.ui.api import Api, ApiError, Json
from conversation_engine.entrypoints.ui.words import instant

MODES: Final = {"What was said until now": "snapshot", "Whatever is said from now on, too": "live"}
DAYS: Final = {"a day": 1, "a week": 7, "a month": 30, "a year": 365}


def sharing(api: Api, conversation_id: str) -> None:
    """A button that offers a link to whoever may read along without signing in."""
    with st.popover("Share", icon=":material/share:", key=f"share-{conversation_id}"):
        st.caption("Whoever has the link can read, without signing in. Nobody can write.")
        with st.form(f"share-form-{conversation_id}", border=False):
            mode = st.radio("Show", list(MODES), key="share-mode")
            days = st.selectbox("For", list(DAYS), index=1, key="share-days")
            is_nameless = st.checkbox("Without the title and my name", key="share-nameless")
            is_sent = st.form_submit_button("Make a link", type="primary")
        if is_sent:
            _make(api, conversation_id, {"mode": MODES[mode], "days": DAYS[days], "has_names": not is_nameless})
        for share in api.get(f"/conversations/{conversation_id}/shares")["items"]:
            _link(api, conversation_id, share)


def _make(api: Api, conversation_id: str, body: Json) -> None:
    try:
        made = api.post(f"/conversations/{conversation_id}/shares", body)
    except ApiError as error:
        st.error(error.detail)
        return
    here = urlsplit(str(st.context.url or ""))
    st.code(
        f"{here.scheme}://{here.netloc}{made['path']}" if here.netloc else made["path"], language=None, wrap_lines=True
    )
    st.caption("Copy it now: it is not shown again.")


def _link(api: Api, conversation_id: str, share: Json) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        until = instant(share["expires_at"])
        kind = "live" if share["mode"] == "live" else "as it was"
        st.caption(f"A link, {kind}, until {until:%-d %B}" if until else "A link", width="content")
        if st.button("Take back", key=f"revoke-{share['id']}", type="tertiary"):
            api.delete(f"/conversations/{conversation_id}/shares/{share['id']}")
            st.rerun()
