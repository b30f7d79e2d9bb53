"""Accounts and what they may do."""

from typing import Final

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Api, ApiError, Json
from conversation_engine.entrypoints.ui.words import ago

ROLES: Final = ("student", "teacher", "admin")


def page() -> None:
    """Every account; another role, a link to sign in, closing; and a new one."""
    api = visitor.api()
    st.title("People", anchor=False)
    with st.expander("Add somebody"):
        _new(api)
    found = api.get("/users", cursor=st.query_params.get("cursor"), limit=50)
    if not found["items"]:
        with st.container(border=True, key="empty-users"):
            st.write("There are no accounts yet. On this machine nobody needs one; for a school, add people above.")
    for user in found["items"]:
        _row(api, user)
    if found["next"] and st.button("Further", type="tertiary"):
        visitor.go("users", cursor=found["next"])


def _row(api: Api, user: Json) -> None:
    path, key = f"/users/{user['id']}", user["id"]
    with st.container(border=True, key=f"row-user-{key}"):
        closed = "" if user["is_active"] else " · closed"
        st.markdown(f"**{user['name'] or user['login']}** · {user['login'] or user['issuer']}{closed}")
        st.caption(f"last signed in {ago(user['last_sign_in_at'])}")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            at = ROLES.index(user["role"])
            role = st.selectbox("Role", ROLES, at, key=f"role-{key}", label_visibility="collapsed", width=140)
            if role != user["role"] and st.button("Change role", key=f"change-{key}", type="primary"):
                _do(api, path, {"role": role})
            if user["is_active"] and st.button("Sign-in link", key=f"link-{key}"):
                st.code(api.post(f"{path}/link")["url"], language=None, wrap_lines=True)
                st.caption("It works once. Give it to nobody else.")
            label = "Close" if user["is_active"] else "Open again"
            if st.button(label, key=f"close-{key}", type="tertiary"):
                _do(api, path, {"is_active": not user["is_active"]})


def _do(api: Api, path: str, change: Json) -> None:
    try:
        api.patch(path, change)
    except ApiError as error:
        st.error(error.detail)
    else:
        st.rerun()


def _new(api: Api) -> None:
    with st.form("new-user", border=False, clear_on_submit=True):
        login = st.text_input("Name to sign in with")
        name = st.text_input("Name that others see")
        role = st.selectbox("Role", ROLES)
        is_sent = st.form_submit_button("Add", type="primary")
    if is_sent:
        try:
            made = api.post("/users", {"login": login, "name": name, "role": role})
            link = api.post(f"/users/{made['id']}/link")["url"]
        except ApiError as error:
            st.error(error.detail)
        else:
            st.success("Added. This link signs them in, once:")
            st.code(link, language=None, wrap_lines=True)


if __name__ == "__main__":
    page()
