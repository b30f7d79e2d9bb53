"""What goes on: for oneself, for a teacher's clients, for everybody."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Json
from conversation_engine.entrypoints.ui.words import count, money
from conversation_engine.kernel.people import Role

WHOSE: Final[Mapping[str, str]] = {"Mine": "me", "My clients'": "clients", "Everybody's": "everybody"}
CHOICES: Final[Mapping[Role, int]] = {Role.STUDENT: 1, Role.TEACHER: 2, Role.ADMIN: 3}
"""How many of these somebody may choose from."""
TIMES: Final = (("under_1s", "< 1 s"), ("under_3s", "1-3 s"), ("under_10s", "3-10 s"), ("under_30s", "10-30 s"))


def page() -> None:
    """Numbers of all conversations, then of a period: by day, engagement, how well it went."""
    with st.container(key="wide"):
        st.title("Statistics", anchor=False)
    with st.container(horizontal=True):
        whose = _whose()
        days = st.segmented_control("Period", [7, 30, 90], default=30, format_func="{} days".format, key="stats-days")
    start = (datetime.now(UTC) - timedelta(days=(days or 30) - 1)).date().isoformat()

    def asked(view: str, **query: str) -> Json:
        found: Json = visitor.api().get(f"/conversations/stats/{view}", whose=whose, **query)
        return found

    overview = asked("overview")
    _overview(overview)
    if not overview["total_conversations"]:
        with st.container(border=True, key="empty-statistics"):
            st.write("There are no conversations yet.")
        return
    _activity(asked("activity", **{"from": start})["days"])
    engagement, performance = (asked(view, **{"from": start}) for view in ("engagement", "performance"))
    left, right = st.columns(2, gap="medium")
    with left:
        _engagement(engagement)
        _feedback(engagement["feedback"])
        _types(overview["types"])
    with right:
        _times(performance)
        _searches(performance["searches"], performance["caches"])
        _errors(performance["errors"])


def _whose() -> str:
    choices = list(WHOSE)[: CHOICES[visitor.role()]]
    if len(choices) == 1:
        return WHOSE[choices[0]]
    chosen = st.segmented_control("Whose", choices, default=choices[-1], key="stats-whose")
    return WHOSE[chosen or choices[-1]]


def _overview(overview: Json) -> None:
    with st.container(horizontal=True):
        st.metric("Conversations", f"{overview['total_conversations']:,}", border=True)
        st.metric("Messages", f"{overview['total_messages']:,}", border=True)
        st.metric("Tokens", f"{overview['total_tokens']:,}", border=True)
        st.metric("Cost", money(overview["total_cost"]), border=True)


def _activity(days: list[Json]) -> None:
    names = [day["day"][5:] for day in days]  # a period is less than a year
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, key="card-said"):
        st.subheader("Messages a day", anchor=False)
        said = {"day": names, "people": [day["user_messages"] for day in days]}
        said["models"] = [day["replies"] for day in days]
        st.bar_chart(said, x="day", y=["people", "models"], height=220, x_label="", y_label="")
    with right, st.container(border=True, key="card-begun"):
        st.subheader("Conversations a day", anchor=False)
        talks = {"day": names, "begun": [day["started"] for day in days]}
        talks["active"] = [day["conversations"] for day in days]
        st.line_chart(talks, x="day", y=["begun", "active"], height=220, x_label="", y_label="")


def _engagement(engagement: Json) -> None:
    with st.container(border=True, key="card-engagement"):
        st.subheader("Coming back", anchor=False)
        people, returned = engagement["people"], engagement["returned"]
        st.markdown(f"**{count(people, 'person', 'people')}** said something, {returned} on more than one day")
        _facts(
            ("days a person", engagement["active_days_per_person"]),
            ("conversations a person", engagement["conversations_per_person"]),
            ("messages of theirs a conversation", engagement["messages_per_conversation"]),
        )
        st.caption("Length of all conversations, in messages")
        lengths = engagement["lengths"]
        st.bar_chart(
            {"messages": list(lengths), "conversations": list(lengths.values())},
            x="messages",
            y="conversations",
            height=180,
            x_label="",
            y_label="",
            sort=False,
        )


def _feedback(feedback: Json) -> None:
    with st.container(border=True, key="card-feedback"):
        st.subheader("Feedback", anchor=False)
        if not feedback["count"]:
            st.caption("Nobody has said what they think.")
            return
        st.markdown(f"**{feedback['up']}** thumbs up, **{feedback['down']}** down")
        _facts(("stars of five on average", feedback["average_rating"]))


def _types(types: Json) -> None:
    with st.container(border=True, key="card-types"):
        st.subheader("By type", anchor=False)
        for name, group in types.items():
            st.markdown(f"**{name}** · {count(group['conversations'], 'conversation')}")
            st.caption(f"{count(group['messages'], 'message')} · {money(group['cost'])}")


def _times(performance: Json) -> None:
    calls = performance["model_calls"]
    with st.container(border=True, key="card-times"):
        st.subheader("How long models took", anchor=False)
        if not calls["calls"]:
            st.caption("No model was asked.")
            return
        st.markdown(f"**{calls['average_ms'] / 1000:.2f} s** on average")
        first = calls["average_first_token_ms"]
        if first is not None:
            st.caption(f"first word after {first / 1000:.2f} s")
        names = [label for _, label in TIMES]
        st.bar_chart(
            {"took": [*names, "longer"], "calls": [*(calls[key] for key, _ in TIMES), calls["longer"]]},
            x="took",
            y="calls",
            height=180,
            x_label="",
            y_label="",
            sort=False,
        )


def _searches(searches: Json, caches: Json) -> None:
    with st.container(border=True, key="card-searches"):
        st.subheader("Searches and caches", anchor=False)
        if searches["count"]:
            st.markdown(f"**{count(searches['count'], 'search', 'searches')}** of documents")
            st.caption(f"{searches['found']} found something · {searches['cited']} were cited")
        share = caches["cached_token_share"]
        st.caption("Nothing was read yet." if share is None else f"{share:.0%} of all tokens read came from a cache")


def _errors(errors: Json) -> None:
    with st.container(border=True, key="card-errors"):
        st.subheader("What went wrong", anchor=False)
        st.markdown(f"**{count(errors['failed_calls'], 'failed call')}**, {errors['cancelled_calls']} cancelled")
        for code, number in errors["codes"].items():
            st.caption(f"{code} · {number}")


def _facts(*facts: tuple[str, float | None]) -> None:
    told = [f"{value:,.1f} {name}" for name, value in facts if value is not None]
    if told:
        st.caption(" · ".join(told))


if __name__ == "__main__":
    page()
