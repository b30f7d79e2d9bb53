"""Model calls that failed, and the turns behind them."""

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Json
from conversation_engine.entrypoints.ui.words import ago


def page() -> None:
    """Newest first, with a search."""
    st.title("Errors", anchor=False)
    search = st.text_input("Search", key="failure-search", placeholder="code, cause, model or user id").strip()
    cursor = st.query_params.get("cursor")
    found = visitor.api().get("/stats/failures", search=search or None, cursor=cursor, limit=25)
    if not found["items"]:
        with st.container(border=True, key="empty-failures"):
            st.write("Nothing was found." if search else "No model call has failed.")
    for failed in found["items"]:
        _row(failed)
    if found["next"] and st.button("Older", type="tertiary"):
        visitor.go("failures", cursor=found["next"])


def _row(failed: Json) -> None:
    with st.container(border=True, key=f"row-{failed['id']}", gap="xsmall"):
        st.markdown(f"**{failed['code']}** · {failed['model']}")
        if failed["cause"]:
            st.code(failed["cause"], language=None, wrap_lines=True)
        st.caption(
            f"{ago(failed['at'])} · {failed['user_id']} · try {failed['attempt']} · "
            f"after {failed['latency_ms']:,} ms · turn {failed['turn_id']}"
        )
        if st.button("Read the conversation", key=f"of-{failed['id']}", type="tertiary"):
            visitor.go("read", id=failed["conversation_id"])


if __name__ == "__main__":
    page()
