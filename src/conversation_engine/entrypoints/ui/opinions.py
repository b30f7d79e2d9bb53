"""What somebody thinks of a conversation, as a card."""

import streamlit as st

from conversation_engine.entrypoints.ui.api import Json
from conversation_engine.entrypoints.ui.words import ago

MOST_STARS = 5


def show_opinion(opinion: Json, *, link: str | None = None) -> None:
    """Stars, what helped and what did not."""
    with st.container(border=True, key=f"row-opinion-{opinion['id']}", gap="xsmall"):
        rating = opinion["rating"]
        stars = f"{'★' * rating}{'☆' * (MOST_STARS - rating)}" if rating else (opinion["verdict"] or "In words")
        st.markdown(f"**{stars}**  {opinion['author_id']}")
        for label, text in (("Helped", opinion["helped"]), ("Did not help", opinion["hindered"])):
            if text:
                st.markdown(f"**{label}:** {text}")
        st.caption(ago(opinion["updated_at"]) + (f" · {link}" if link else ""))
