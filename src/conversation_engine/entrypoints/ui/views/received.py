"""Feedback on one's clients."""

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.opinions import show_opinion


def page() -> None:
    """What students think of sessions with one's clients, newest first."""
    found = visitor.api().get("/review/feedback", limit=50, cursor=st.query_params.get("cursor"))
    st.title("Feedback", anchor=False)
    ratings = [item["rating"] for item in found["items"] if item["rating"]]
    if ratings:
        st.metric("On average", f"{sum(ratings) / len(ratings):.1f} of 5", help="Of the feedback on this page.")
    if not found["items"]:
        with st.container(border=True, key="empty-feedback"):
            st.write("No feedback yet. Students are asked for it when they end a session.")
    for opinion in found["items"]:
        show_opinion(opinion)
        if st.button("Read the conversation", key=f"of-{opinion['id']}", type="tertiary"):
            visitor.go("read", id=opinion["conversation_id"])
    if found["next"] and st.button("Older", type="tertiary"):
        visitor.go("received", cursor=found["next"])


if __name__ == "__main__":
    page()
