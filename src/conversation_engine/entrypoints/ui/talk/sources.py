"""The passages that a reply names, to be opened under it."""

from collections.abc import Container

import streamlit as st

from conversation_engine.entrypoints.ui.api import Api, ApiError, Json


def sources(api: Api, said: Json, *, is_of_client: bool = False, among: Container[str] | None = None) -> None:
    """A button for each passage that the model was shown; those that the reply names come first.

    `among`: of these collections only. What a client knows is not for who practises with them, and a client names no
    passages.
    """
    metadata = said["metadata"]
    cited = set(metadata.get("citations") or ())
    shown = [
        found
        for found in metadata.get("search_results") or ()
        if found.get("number") is not None and (among is None or found["collection_id"] in among)
    ]
    if not shown:
        return
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key=f"sources-{said['id']}"):
        st.caption("What they knew" if is_of_client else "Sources", width="content")
        for found in sorted(shown, key=lambda found: (found["number"] not in cited, found["number"])):
            label = f"[{found['number']}]{'' if is_of_client or found['number'] in cited else ' not named'}"
            if st.button(label, key=f"source-{said['id']}-{found['number']}", type="tertiary"):
                _open(api, str(found["id"]))


@st.dialog("Source", width="large")
def _open(api: Api, passage_id: str) -> None:
    document_id, _, ordinal = passage_id.rpartition(":")
    try:
        passage = api.get(f"/documents/{document_id}/passages/{ordinal}")
    except ApiError as error:
        st.warning(error.detail)
        return
    page = f", page {passage['page']}" if passage["page"] else ""
    st.markdown(f"**{passage['document_name']}**{page}")
    if passage["heading"]:
        st.caption(passage["heading"])
    for text, is_it in ((passage["before"], False), (passage["text"], True), (passage["after"], False)):
        if text:
            (st.info if is_it else st.caption)(text)
    if st.button("Close"):
        st.rerun()
