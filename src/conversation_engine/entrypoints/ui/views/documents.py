"""Files in which answers are looked up."""

from collections.abc import Mapping
from typing import Final, Literal

import streamlit as st

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Api, ApiError, Json
from conversation_engine.entrypoints.ui.collections import readable
from conversation_engine.entrypoints.ui.words import ago, count, size

LOOK_SECONDS: Final = 2.0
USUAL: Final = "My documents"
KINDS: Final = ("pdf", "md", "txt", "html", "htm")
BUSY: Final = frozenset({"uploading", "queued", "processing"})
STATES: Final[Mapping[str, tuple[str, Literal["gray", "primary", "green", "red"]]]] = {
    "uploading": ("Arriving", "gray"),
    "queued": ("Waiting to be read", "gray"),
    "processing": ("Being read", "primary"),
    "ready": ("Ready", "green"),
    "failed": ("Could not be read", "red"),
}


def page() -> None:
    """Upload, watch it being read, ask, remove."""
    api = visitor.api()
    st.title("Documents", anchor=False)
    st.caption("Ask about what is in them: answers name the passages that they come from.")
    _upload(api)
    documents = api.get("/documents", limit=100)["items"]
    if not documents:
        with st.container(border=True, key="empty-documents"):
            st.write("No documents yet. Choose PDF, Markdown, HTML or text files above; reading one takes seconds.")
        return
    is_any_ready = any(document["status"] == "ready" for document in documents)
    if is_any_ready and st.button("Ask about them", type="primary", icon=":material/chat:"):
        _ask(api, documents)
    is_busy = any(document["status"] in BUSY for document in documents)
    (_watched if is_busy else _listed)()


def _upload(api: Api) -> None:
    own = {one["name"]: one for one in readable(api) if one["owner_id"] == visitor.me()["user_id"]}
    with st.form("upload", border=True, clear_on_submit=True):
        files = st.file_uploader("Files", type=list(KINDS), accept_multiple_files=True, label_visibility="collapsed")
        name = st.selectbox(
            "Collection",
            list(own) or [USUAL],
            accept_new_options=True,
            help="Documents that are searched together. Write a new name to begin another one.",
        )
        is_sent = st.form_submit_button("Add to your documents", type="primary")
    if not is_sent:
        return
    if not files:
        st.warning("Choose a file first.")
        return
    with st.spinner(f"Storing {count(len(files), 'file')}…"):
        try:
            home = own.get(name or USUAL) or api.post("/collections", {"name": name or USUAL})
            uploads = [(file.name, file.getvalue(), file.type) for file in files]
            api.upload("/documents", uploads, {"collection_id": home["id"]})
        except ApiError as error:
            st.error(error.detail)


@st.fragment(run_every=LOOK_SECONDS)
def _watched() -> None:
    """As long as something is being read."""
    if not _listed():
        st.rerun()


def _listed() -> bool:
    """Every document; whether one is still being read."""
    api = visitor.api()
    documents = api.get("/documents", limit=100)["items"]
    names = {one["id"]: one["name"] for one in readable(api)}
    for document in documents:
        _row(api, document, names.get(document["collection_id"], ""))
    return any(document["status"] in BUSY for document in documents)


def _row(api: Api, document: Json, collection: str) -> None:
    row = st.container(border=True, key=f"row-{document['id']}")
    with row.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(gap="xsmall", width="content"):
            st.markdown(f"**{document['name']}**")
            pages = f"{count(document['page_count'], 'page')} · " if document["page_count"] else ""
            passages = count(document["chunk_count"], "passage")
            st.caption(
                f"{collection} · {size(document['size_bytes'])} · {pages}{passages} · {ago(document['created_at'])}"
            )
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            word, color = STATES[document["status"]]
            st.badge(word, color=color)
            if st.button("Remove", key=f"remove-{document['id']}", type="tertiary"):
                api.delete(f"/documents/{document['id']}")
                st.rerun(scope="app")
    if document["error"]:
        row.error(document["error"]["detail"])
    elif document["status"] == "processing" and document["chunk_count"]:
        done = document["embedded_count"] / document["chunk_count"]
        row.progress(done, text="It can be asked by its words already.")


def _ask(api: Api, documents: list[Json]) -> None:
    conversation = api.post("/conversations", {"conversation_type": "rag_query"})
    collections = sorted({document["collection_id"] for document in documents})
    api.put(f"/conversations/{conversation['id']}/collections", {"collection_ids": collections})
    visitor.go("talk", id=conversation["id"])


if __name__ == "__main__":
    page()
