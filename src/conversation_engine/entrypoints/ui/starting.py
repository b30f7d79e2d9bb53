"""Begins to talk with a client, or goes on."""

from conversation_engine.entrypoints.ui import visitor
from conversation_engine.entrypoints.ui.api import Api, ApiError


def open_session(api: Api, client_id: str) -> None:
    """Show the visitor's session with this client; there is at most one, whichever tab began it."""
    try:
        session_id = api.post("/sessions", {"client_id": client_id})["id"]
    except ApiError as error:
        session_id = error.facts.get("conversation_id")
        if error.code != "session_active" or not session_id:
            raise
    visitor.go("talk", id=session_id)
