"""One client: a form, and beside it what the model will be told."""

from typing import Any, Final

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Api, ApiError, Json
from conversation_engine.entrypoints.ui.collections import choose, readable
from conversation_engine.entrypoints.ui.starting import open_session

DIFFICULTIES: Final = ("easy", "medium", "hard")
EMPTY: Final[Json] = {"name": "", "difficulty": "medium", "sampling": {}}
LISTS: Final = (
    ("personality_traits", "Traits", "proud\ndry humour"),
    ("behaviour_patterns", "What they do again and again", "answers questions with questions"),
    ("goals", "What they want", "to be told that she does enough"),
    ("boundaries", "What they do not talk about", "her divorce"),
)


def page() -> None:
    """Make a client, or edit the one that `?id=` names."""
    api = visitor.api()
    persona_id = st.query_params.get("id")
    persona = api.get(f"/personas/{persona_id}") if persona_id else None
    profile = persona["profile"] if persona else EMPTY
    st.title(profile["name"] or "New client", anchor=False)
    with st.container(key="wide"):
        form, preview = st.columns([1.15, 1], gap="large")
    with form:
        written = _form(profile, key=persona_id or "new")
        written["collection_ids"] = _documents(api, profile, key=persona_id or "new")
        written |= _model(profile, key=persona_id or "new")
        _buttons(api, persona, written)
    with preview, st.container(border=True, key="card-preview"):
        _preview(api, written)
    if persona:
        _shares(api, persona)


def _form(profile: Json, *, key: str) -> Json:
    """What is written now; every change is a new look at the preview."""

    def text(field: str, label: str, example: str = "", *, is_long: bool = False) -> str:
        write = st.text_area if is_long else st.text_input
        value: str = write(label, profile.get(field) or "", key=f"{field}-{key}", placeholder=example)
        return value.strip()

    name = text("name", "Name", "Maria Keller")
    left, middle, right = st.columns(3)
    with left:
        age = st.number_input("Age", 0, 120, profile.get("age") or None, key=f"age-{key}", placeholder="47")
    with middle:
        language = text("language", "Language", "English")
    with right:
        at = DIFFICULTIES.index(profile["difficulty"])
        difficulty = st.selectbox("Difficulty", DIFFICULTIES, at, format_func=str.capitalize, key=f"difficulty-{key}")
    context = text("context", "Why they are here (students are told this)", "Her doctor sent her.", is_long=True)
    background = text("background", "Life so far", "Nurse for twenty years.", is_long=True)
    style = text("communication_style", "How they talk", "Short sentences.", is_long=True)
    opening = text("opening_line", "What they say first", "Good morning. I do not have much time.")
    lists = {field: _lines(profile, field, label, example, key=key) for field, label, example in LISTS}
    return {
        "name": name,
        "age": None if age is None else int(age),
        "language": language,
        "difficulty": difficulty,
        "context": context,
        "background": background,
        "communication_style": style,
        "opening_line": opening,
        **lists,
    }


def _lines(profile: Json, field: str, label: str, example: str, *, key: str) -> list[str]:
    known = "\n".join(profile.get(field) or [])
    written = st.text_area(f"{label}, one on each line", known, key=f"{field}-{key}", placeholder=example)
    return [line.strip() for line in written.splitlines() if line.strip()]


def _documents(api: Api, profile: Json, *, key: str) -> list[str]:
    known = profile.get("collection_ids") or []
    found = readable(api)
    if not found and not known:
        st.caption("Documents can be what they know: a case file, a diary. Add some on the page Documents, then here.")
        return []
    return choose(
        "Documents that they know",
        found,
        known,
        key=f"collections-{key}",
        help_text="They answer from these. Students cannot open or search them.",
    )


def _model(profile: Json, *, key: str) -> Json:
    sampling = dict(profile.get("sampling") or {})
    with st.expander("Which model plays them"):
        known = profile.get("model") or ""
        model = st.text_input("Model", known, key=f"model-{key}", placeholder="the server's default")
        warmth = st.number_input("Temperature", 0.0, 2.0, sampling.get("temperature"), 0.1, key=f"temperature-{key}")
        longest = st.number_input("Longest reply, in tokens", 1, None, sampling.get("max_tokens"), key=f"longest-{key}")
    sampling |= {"temperature": warmth, "max_tokens": None if longest is None else int(longest)}
    return {"model": model.strip() or None, "sampling": {name: value for name, value in sampling.items() if value}}


def _buttons(api: Api, persona: Json | None, written: Json) -> None:
    is_changed = persona is None or _is_changed(persona["profile"], written)
    with st.container(horizontal=True, key="client-buttons"):
        if st.button("Save", type="primary", icon=":material/check:", disabled=not written["name"]):
            _save(api, persona, written)
        if persona and st.button("Try it now", icon=":material/chat:", disabled=is_changed):
            open_session(api, persona["id"])
        if persona:
            verb = "restore" if persona["status"] == "archived" else "archive"
            if st.button(verb.capitalize(), type="tertiary"):
                api.post(f"/personas/{persona['id']}/{verb}")
                visitor.go("clients")
    if not written["name"]:
        st.caption("A name is all that is needed to save.")


def _is_changed(profile: Json, written: Json) -> bool:
    return any((profile[name] or None) != (value or None) for name, value in written.items() if name != "sampling")


def _save(api: Api, persona: Json | None, written: Json) -> None:
    try:
        if persona is None:
            made: Json = api.post("/personas", written)
            visitor.notice("success", f"{written['name']} is saved. Try them now, then share them below.")
            visitor.go("client", id=made["id"])
        else:
            api.put(f"/personas/{persona['id']}", {"profile": written, "based_on": persona["newest_version"]})
            visitor.notice("success", "Saved. Conversations that have begun keep the version they began with.")
            st.rerun()
    except ApiError as error:
        st.error(error.detail)


def _preview(api: Api, written: Json) -> None:
    st.subheader("What the model is told", anchor=False)
    try:
        prompt: Any = api.post("/personas/preview", {**written, "name": written["name"] or "…"})["system_prompt"]
    except ApiError as error:
        st.warning(error.detail)
        return
    st.caption("It changes as you write.")
    with st.container(height=620, border=False):
        st.markdown(prompt)


def _shares(api: Api, persona: Json) -> None:
    shares = api.get(f"/personas/{persona['id']}/shares")
    with st.container(border=True, key="card-shares"):
        st.subheader("Who may talk with them", anchor=False)
        everyone = st.toggle("Everybody", shares["everyone"], key=f"everyone-{persona['id']}")
        people = st.text_area(
            "Or only these people, one user id on each line",
            "\n".join(shares["user_ids"]),
            disabled=everyone,
            key=f"shares-{persona['id']}",
        )
        if st.button("Share"):
            ids = [line.strip() for line in people.splitlines() if line.strip()]
            api.put(f"/personas/{persona['id']}/shares", {"everyone": everyone, "user_ids": ids})
            st.toast("Shared.")


if __name__ == "__main__":
    page()
