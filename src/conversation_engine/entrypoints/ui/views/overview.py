"""What goes on now: turns, sessions, how models do."""

from collections import Counter
from typing import Final

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Api, Json
from conversation_engine.entrypoints.ui.words import ago, count, money, title_of

LOOK_SECONDS: Final = 15.0
"""Each look at everybody's turns is put on record."""
UNUSABLE: Final = {
    "no_key": "has no key",
    "not_installed": "is not installed",
    "circuit_open": "failed too often; it is left alone for a while",
}


def page() -> None:
    """Live turns, active sessions, speed and health of models."""
    with st.container(key="wide"):
        st.title("Overview", anchor=False)
    _now()
    api = visitor.api()
    _pace(api)
    _refused(api)
    _health(api)


@st.fragment(run_every=LOOK_SECONDS)
def _now() -> None:
    api = visitor.api()
    turns = api.get("/review/turns", limit=100)["items"]
    active = api.get("/review/conversations", status="active", limit=20)["items"]
    today = api.get("/stats/cost", everybody=True, by="user")["total"]
    with st.container(horizontal=True):
        running = sum(turn["state"] == "running" for turn in turns)
        st.metric("Turns running", running, border=True)
        st.metric("Turns waiting", len(turns) - running, border=True)
        st.metric("Model calls, 30 days", f"{today['calls']:,}", border=True)
        st.metric("Cost, 30 days", money(today["cost"]), border=True)
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, key="card-turns", height="stretch"):
        st.subheader("Being answered", anchor=False)
        for turn in turns:
            st.markdown(f"**{turn['user_id']}** · {turn['model']}")
            st.caption(f"{turn['state']}, {ago(turn['created_at'])}")
        if not turns:
            st.caption("Nobody waits for an answer at the moment.")
    with right, st.container(border=True, key="card-active", height="stretch"):
        st.subheader("Going on", anchor=False)
        for conversation in active[:8]:
            _active(conversation)
        if not active:
            st.caption("No conversation is going on.")
    st.caption("Looked at every 15 seconds.")


def _active(conversation: Json) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(gap=None, width="content"):
            st.markdown(f"**{conversation['user_id']}** · {title_of(conversation)}")
            st.caption(ago(conversation["last_message_at"] or conversation["created_at"]))
        if st.button("Read", key=f"active-{conversation['id']}", type="tertiary"):
            visitor.go("read", id=conversation["id"])


def _pace(api: Api) -> None:
    paces = api.get("/stats/pace")["items"]
    with st.container(border=True, key="card-pace"):
        st.subheader("Speed in the last 24 hours", anchor=False)
        if not paces:
            st.caption("No model was asked.")
        for pace in paces:
            failed = f" · {pace['failed']} failed" if pace["failed"] else ""
            st.markdown(f"**{pace['model']}** · {pace['calls']:,} calls{failed}")
            st.caption(f"first word {_duration(pace['first_token_ms'])} · whole reply {_duration(pace['latency_ms'])}")


def _duration(milliseconds: Json | None) -> str:
    if milliseconds is None:
        return "unknown"
    return f"{milliseconds['median'] / 1000:.2f} s, one in twenty over {milliseconds['slow'] / 1000:.2f} s"


def _refused(api: Api) -> None:
    found = api.get("/limits/refusals", days=7)
    with st.container(border=True, key="card-refused"):
        st.subheader("Asked too often, in the last 7 days", anchor=False)
        if not found["hours"]:
            st.caption("Nobody was refused for asking too often.")
            return
        days: Counter[tuple[str, str]] = Counter()
        for one in found["hours"]:
            days[one["hour"][:10], one["rule"]] += one["refused"]
        refused = {"day": [day for day, _ in days], "rule": [rule for _, rule in days], "refused": list(days.values())}
        st.bar_chart(refused, x="day", y="refused", color="rule", height=200, x_label="", y_label="")
        for person in found["people"][:10]:
            whom = "others" if person["user_id"] == "*" else person["user_id"]
            st.markdown(f"**{whom}** was refused {count(person['refused'], 'time')}")
            st.caption(f"{person['rule']} · last {ago(person['last_at'])}")


def _health(api: Api) -> None:
    models = api.get("/models")["items"]
    with st.container(border=True, key="card-models"):
        st.subheader("Models", anchor=False)
        for model in models:
            _model(api, model)


def _model(api: Api, model: Json) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(gap=None, width="content"):
            default = " · the default" if model["is_default"] else ""
            st.markdown(f"**{model['id']}**{default}")
            reason = UNUSABLE.get(model["unusable_reason"] or "", model["unusable_reason"])
            st.caption("can be asked" if model["is_usable"] else str(reason))
        if model["is_usable"] and st.button("Test", key=f"test-{model['id']}", type="tertiary"):
            with st.spinner("Asking it for a word…"):
                check = api.post(f"/models/{model['id']}/test")
            (st.success if check["ok"] else st.error)(f"{check['detail']} ({check['latency_ms']} ms)")


if __name__ == "__main__":
    page()
