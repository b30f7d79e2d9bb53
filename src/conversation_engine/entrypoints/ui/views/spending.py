"""What was spent, on what, by whom; and what may be."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Api, ApiError, Json
from conversation_engine.entrypoints.ui.words import ago, count, money

SCOPES: Final = ("user", "role", "persona", "conversation", "global")
PERIODS: Final = ("day", "month", "total")
ALERT: Final = 0.8


def page() -> None:
    """Tokens and cost over time, by model and by user; budgets."""
    api = visitor.api()
    with st.container(key="wide"):
        st.title("Spending", anchor=False)
    days = st.segmented_control("Period", [7, 30, 90], default=30, format_func="{} days".format, key="spending-days")
    start = (datetime.now(UTC) - timedelta(days=days or 30)).date().isoformat()

    def asked(by: str) -> Json:
        report: Json = api.get("/stats/cost", everybody=True, by=by, limit=100, **{"from": start})
        return report

    by_day = asked("day")
    _total(by_day["total"])
    if not by_day["rows"]:
        with st.container(border=True, key="empty-spending"):
            st.write("No model was asked in this time.")
    else:
        _over_time(by_day["rows"])
        left, right = st.columns(2, gap="medium")
        with left:
            _ranked("By model", asked("model")["rows"])
        with right:
            _ranked("By person", asked("user")["rows"])
    _budgets(api)


def _total(total: Json) -> None:
    with st.container(horizontal=True):
        st.metric("Cost", money(total["cost"]), border=True)
        st.metric("Model calls", f"{total['calls']:,}", border=True)
        st.metric("Tokens read", f"{total['input_tokens']:,}", border=True)
        st.metric("Tokens written", f"{total['output_tokens']:,}", border=True)
    if total["unpriced_calls"]:
        st.caption(f"{count(total['unpriced_calls'], 'call')} of unknown price are not in the cost.")


def _over_time(rows: list[Json]) -> None:
    days = [row["key"] for row in rows]
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, key="card-tokens"):
        st.subheader("Tokens a day", anchor=False)
        tokens = {"day": days, "read": [row["input_tokens"] for row in rows]}
        tokens["written"] = [row["output_tokens"] for row in rows]
        st.bar_chart(tokens, x="day", y=["read", "written"], height=240, x_label="", y_label="")
    with right, st.container(border=True, key="card-cost"):
        st.subheader("Dollars a day", anchor=False)
        cost = {"day": days, "cost": [float(row["cost"]) for row in rows]}
        if not any(cost["cost"]):
            st.caption("Nothing was charged in this time.")
            return
        st.bar_chart(cost, x="day", y="cost", height=240, x_label="", y_label="")


def _ranked(title: str, rows: list[Json]) -> None:
    with st.container(border=True, key=f"card-{title}"):
        st.subheader(title, anchor=False)
        for row in rows[:10]:
            tokens = row["input_tokens"] + row["output_tokens"]
            st.markdown(f"**{row['key']}** · {money(row['cost'])}")
            st.caption(f"{count(row['calls'], 'call')} · {count(tokens, 'token')}")


def _budgets(api: Api) -> None:
    st.header("Budgets", anchor=False)
    budgets = api.get("/budgets", limit=100)["items"]
    for budget in budgets:
        _budget(api, budget)
    if not budgets:
        with st.container(border=True, key="empty-budgets"):
            st.write("Nothing bounds what may be spent, but what the server's settings say. Set a budget below.")
    with st.expander("Set a budget"):
        _new_budget(api)
    _alerts(api)


def _alerts(api: Api) -> None:
    alerts = api.get("/budgets/alerts", limit=20)["items"]
    if not alerts:
        return
    with st.container(border=True, key="card-alerts"):
        st.subheader("Alerts", anchor=False)
        for alert in alerts:
            whom = "everybody together" if alert["scope"] == "global" else f"{alert['scope']} {alert['subject']}"
            what = "was refused a turn" if alert["kind"] == "budget.refused" else f"has used {alert['percent']} %"
            undelivered = " · the webhook has not taken it" if alert["error_code"] and not alert["delivered_at"] else ""
            st.markdown(f"**{whom}** {what}")
            st.caption(f"{ago(alert['at'])} · a {alert['period']} ({alert['period_name']}){undelivered}")


def _budget(api: Api, budget: Json) -> None:
    with st.container(border=True, key=f"row-budget-{budget['id']}"):
        whom = "everybody together" if budget["scope"] == "global" else f"{budget['scope']} {budget['subject']}"
        each = budget["subject"] == "*" and budget["scope"] != "global"
        st.markdown(f"**{'each ' + budget['scope'] if each else whom}**, a {budget['period']}")
        used = [
            (f"{money(budget['spent_dollars'])} of {money(budget['dollars'])}", _part(budget, "dollars")),
            (f"{budget['spent_tokens']:,} of {budget['tokens'] or 0:,} tokens", _part(budget, "tokens")),
        ]
        for words, part in used:
            if part is not None:
                st.progress(min(1.0, part), text=f"{words}{' · nearly used up' if part >= ALERT else ''}")
        if st.button("Remove", key=f"remove-{budget['id']}", type="tertiary"):
            api.delete(f"/budgets/{budget['id']}")
            st.rerun()


def _part(budget: Json, kind: str) -> float | None:
    bound = budget[kind]
    if bound is None:
        return None
    spent = Decimal(str(budget[f"spent_{kind}"])) + Decimal(str(budget[f"reserved_{kind}"]))
    return float(spent / Decimal(str(bound))) if Decimal(str(bound)) else 1.0


def _new_budget(api: Api) -> None:
    with st.form("budget", border=False):
        scope = st.selectbox("For", SCOPES)
        subject = st.text_input("Whom", placeholder="an id, a role, or * for each")
        period = st.selectbox("In a", PERIODS)
        dollars = st.number_input("Dollars", 0.0, None, None, key="budget-dollars")
        tokens = st.number_input("Tokens", 0, None, None, key="budget-tokens")
        is_sent = st.form_submit_button("Set", type="primary")
    if is_sent:
        body: Json = {"scope": scope, "period": period, "tokens": None if tokens is None else int(tokens)}
        body |= {"dollars": None if dollars is None else str(dollars)}
        body |= {"subject": subject.strip()} if subject.strip() and scope != "global" else {}
        try:
            api.put("/budgets", body)
        except ApiError as error:
            st.error(error.detail)
        else:
            st.rerun()


if __name__ == "__main__":
    page()
