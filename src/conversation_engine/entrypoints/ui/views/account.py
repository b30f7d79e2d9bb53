"""Who one is, what one may still do, and the way out."""

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.words import count, money


def page() -> None:
    """The visitor's name, spending of 30 days, and signing out."""
    api, me = visitor.api(), visitor.me()
    st.title(visitor.name(), anchor=False)
    st.caption(f"Signed in as {me['role']}.")
    total = api.get("/stats/cost")["total"]
    with st.container(horizontal=True):
        st.metric("Model calls in 30 days", f"{total['calls']:,}", border=True)
        st.metric("Tokens", f"{total['input_tokens'] + total['output_tokens']:,}", border=True)
        st.metric("Cost", money(total["cost"]), border=True)
    _limits(api.get("/limits"))
    st.space("small")
    st.link_button("Sign out", "/ui/leave", icon=":material/logout:")


def _limits(limits: dict[str, list[dict[str, object]]]) -> None:
    for rate in limits["rates"]:
        st.caption(f"{rate['counts']}: {rate['remaining']} of {rate['limit']} left in {rate['period_seconds']} s")
    for budget in limits["budgets"]:
        left = [money(budget["left_dollars"])] if budget["left_dollars"] is not None else []
        tokens = budget["left_tokens"]
        left += [count(tokens, "token")] if isinstance(tokens, int) else []
        st.caption(f"Budget of this {budget['period']}: {' and '.join(left)} left")


if __name__ == "__main__":
    page()
