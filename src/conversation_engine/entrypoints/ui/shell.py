"""What is around every page: the look, the way in, the menu, and failures in words."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import ApiError, SignedOutError
from conversation_engine.kernel.people import Role

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

HERE: Final = Path(__file__).parent
VIEWS: Final = HERE / "views"
"""Not `pages`: Streamlit would run the files of a folder with that name by itself, without us around them."""
STYLE: Final = HERE / "style.css"
MARK: Final = HERE / "mark.svg"
EVERYBODY: Final = frozenset(Role)
ADMINS: Final = frozenset({Role.ADMIN})
TEACHERS: Final = frozenset({Role.TEACHER, Role.ADMIN})


class Entry(NamedTuple):
    """A page, and for whom it is in the menu."""

    name: str
    title: str
    icon: str
    roles: frozenset[Role] = EVERYBODY
    is_in_menu: bool = True
    section: str = ""
    """Under which word it stands in the menu; empty: by itself."""


ENTRIES: Final = (
    Entry("practise", "Practise", "forum"),
    Entry("history", "History", "history"),
    Entry("documents", "Documents", "description"),
    Entry("statistics", "Statistics", "bar_chart"),
    Entry("clients", "Clients", "groups", TEACHERS),
    Entry("review", "Conversations", "menu_book", TEACHERS),
    Entry("received", "Feedback", "reviews", TEACHERS),
    Entry("overview", "Overview", "monitoring", ADMINS, section="Operate"),
    Entry("spending", "Spending", "payments", ADMINS, section="Operate"),
    Entry("failures", "Errors", "error", ADMINS, section="Operate"),
    Entry("users", "People", "manage_accounts", ADMINS, section="Operate"),
    Entry("account", "You", "person"),
    Entry("client", "Client", "person_edit", TEACHERS, is_in_menu=False),
    Entry("read", "Transcript", "menu_book", TEACHERS, is_in_menu=False),
    Entry("talk", "Conversation", "chat", is_in_menu=False),
)


def run() -> None:
    """Show the page that was asked for."""
    st.set_page_config(page_title="Conversation Engine", page_icon=str(MARK), layout="centered")
    st.logo(str(MARK), size="medium")
    st.html(STYLE)
    try:
        page = st.navigation(_menu(ENTRIES, visitor.role()), position="top")
        visitor.show_notice()
        page.run()
    except SignedOutError as error:
        _signed_out(error)
    except ApiError as error:
        _failed(error)


def _menu(entries: Iterable[Entry], role: Role) -> "dict[str, list[StreamlitPage]]":
    allowed = [entry for entry in entries if role in entry.roles]
    pages = {entry.name: _page(entry) for entry in allowed}
    st.session_state["pages"] = pages
    sections: dict[str, list[StreamlitPage]] = {}
    for entry in allowed:
        sections.setdefault(entry.section, []).append(pages[entry.name])
    return sections


def _page(entry: Entry) -> "StreamlitPage":
    return st.Page(
        VIEWS / f"{entry.name}.py",
        title=entry.title,
        icon=f":material/{entry.icon}:",
        url_path=entry.name,
        default=entry.name == "practise",
        visibility="visible" if entry.is_in_menu else "hidden",
    )


def _signed_out(error: SignedOutError) -> None:
    for name in ("api", "me"):
        st.session_state.pop(name, None)
    with st.container(key="card-signed-out", border=True):
        st.subheader("See you again", anchor=False)
        st.write(error.detail)
        st.link_button("Sign in", "/ui/enter", type="primary")


def _failed(error: ApiError) -> None:
    st.error(error.detail, icon=":material/cloud_off:" if error.code == "unreachable" else ":material/error:")
    with st.container(horizontal=True):
        if st.button("Try again", type="primary", icon=":material/refresh:"):
            st.rerun()
        if st.button("Back to the start", type="tertiary") and "pages" in st.session_state:
            visitor.go("practise")
