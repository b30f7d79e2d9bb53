"""Conversations as files, for the visitor to keep."""

from collections.abc import Callable
from typing import Final

import streamlit as st

from conversation_engine.entrypoints.ui.api import Api

FORMS: Final = (
    ("Page to read (HTML)", "html", "html", "text/html"),
    ("Text (Markdown)", "markdown", "md", "text/markdown"),
    ("Everything (JSON)", "json", "json", "application/json"),
    ("Training data (JSONL)", "jsonl", "jsonl", "application/jsonl"),
)


def downloads(api: Api, path: str, *, name: str, label: str = "Download") -> None:
    """A button that offers what `path` gives, in each form; nothing is fetched before one is chosen."""
    with st.popover(label, icon=":material/download:", key=f"download-{name}"):
        for words, form, ending, media_type in FORMS:
            st.download_button(
                words,
                _fetching(api, path, form),
                file_name=f"{name}.{ending}",
                mime=media_type,
                on_click="ignore",
                key=f"download-{name}-{form}",
                type="tertiary",
            )


def _fetching(api: Api, path: str, form: str) -> Callable[[], bytes]:
    return lambda: api.download(path, format=form)
