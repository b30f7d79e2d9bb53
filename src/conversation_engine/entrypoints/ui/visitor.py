"""Who looks at the page, and what stays with their tab between two runs of a script."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from conversation_engine.entrypoints.ui.api import Api, Json, Line, SignedOutError
from conversation_engine.entrypoints.ui.mount import API_HEADER, SESSION_HEADER
from conversation_engine.kernel.people import Role


@st.cache_resource(show_spinner=False)
def _shared_line() -> Line:
    return Line().__enter__()


def api() -> Api:
    """The API for this tab. Raises SignedOutError for a browser without a sign-in."""
    if "api" not in st.session_state:
        headers: Mapping[str, str] = st.context.headers
        session = headers.get(SESSION_HEADER, "")
        if not session:
            raise SignedOutError
        st.session_state["api"] = Api(_shared_line(), base_url=headers[API_HEADER], session=session)
    known: Api = st.session_state["api"]
    return known


def me() -> Json:
    """Who that is."""
    if "me" not in st.session_state:
        st.session_state["me"] = api().get("/auth/me")
    known: Json = st.session_state["me"]
    return known


def role() -> Role:
    """What they may do."""
    return Role(me()["role"])


def name() -> str:
    """What to call them."""
    account = me()["account"]
    return str(account["name"] or account["login"]) if account else str(me()["user_id"])


def go(page: str, **query: str) -> None:
    """Show another page: `practise`, `talk`, …"""
    st.switch_page(st.session_state["pages"][page], query_params=query)


def notice(kind: str, sentence: str) -> None:
    """Say something at the top of the next page."""
    st.session_state["notice"] = (kind, sentence)


def show_notice() -> None:
    """What was to be said, once."""
    found: Any = st.session_state.pop("notice", None)
    if found:
        kind, sentence = found
        {"error": st.error, "success": st.success}[kind](sentence)
