"""Conversations from files, brought in by the visitor."""

from typing import Final

import streamlit as st

from conversation_engine.entrypoints.ui.api import Api, ApiError, Json
from conversation_engine.entrypoints.ui.words import count

MOST_PROBLEMS: Final = 20
"""That are shown."""


def arrivals(api: Api) -> None:
    """A form that takes a file, and says what came of it. Put it before what lists conversations."""
    with st.expander("Bring in conversations", icon=":material/upload:", key="arrivals"):
        st.caption("Files of this program, or what ChatGPT, Claude or LibreChat gave you as JSON.")
        with st.form("arrivals-form", border=False, clear_on_submit=True):
            file = st.file_uploader("File", type=["json"], label_visibility="collapsed", key="arrivals-file")
            is_sent = st.form_submit_button("Bring in", type="primary")
        if is_sent and file is None:
            st.warning("Choose a file first.")
        elif is_sent and file is not None:
            _bring_in(api, file.getvalue())


def _bring_in(api: Api, file: bytes) -> None:
    with st.spinner("Reading it…"):
        try:
            report = api.send("/account/import", file)
        except ApiError as error:
            st.error(error.detail)
            return
    for problem in report["problems"][:MOST_PROBLEMS]:
        where = f"{problem['position']}: " if problem["position"] else ""
        st.text(f"{where}{problem['detail']}")
    (st.warning if report["lost_count"] else st.success)(_told(report))


def _told(report: Json) -> str:
    told = [f"{count(report['conversations_added'], 'conversation')} added"]
    if report["conversations_extended"]:
        told.append(f"{report['conversations_extended']} extended")
    if report["conversations_known"]:
        told.append(f"{report['conversations_known']} known already")
    if report["lost_count"]:
        told.append(f"{count(report['lost_count'], 'thing')} left out")
    return ", ".join(told) + "."
