"""A body for every route that takes one, as somebody would send it."""

from collections.abc import Mapping
from typing import Any, Final

_ID: Final = "01890a5d-ac96-774b-bcce-b302099a8057"
_TURN: Final = {"content": "What is a lease?", "max_tokens": 200}
_QUESTION: Final = {"query": "How long is the notice period?", "collection_ids": [_ID]}
_OPINION: Final = {"rating": 1, "helped": "It gave an example."}
_PROFILE: Final = {"name": "Maria", "context": "First interview", "opening_line": "Good morning."}
_RESPONSE: Final = {"model": "local", "input": "What is a lease?", "stream": False}
_ERASURE: Final = {"confirm": "ada"}

BODIES: Final[Mapping[str, Any]] = {
    "POST /conversations/{conversation_id}/turns": _TURN,
    "POST /conversations/{conversation_id}/messages/{message_id}/edit": _TURN,
    "POST /conversations/{conversation_id}/messages/{message_id}/regenerate": {"temperature": 0.9},
    "POST /conversations": {
        "title": "Leases",
        "system_prompt": "You are a patient teacher.",
        "metadata": {"lesson": 3},
    },
    "PATCH /conversations/{conversation_id}": {"title": "Leases and rents"},
    "PUT /conversations/{conversation_id}/title": {"title": "Leases and rents"},
    "POST /conversations/{conversation_id}/messages": {"role": "user", "content": "I rent a flat."},
    "POST /query": {"query": "How does that compare to last year?", "session_id": _ID},
    "POST /v1/responses": _RESPONSE,
    "POST /v1/responses/input_tokens": {"model": "local", "input": "What is a lease?"},
    "POST /v1/chat/completions": {"model": "local", "messages": [{"role": "user", "content": "What is a lease?"}]},
    "POST /v1/conversations": {"metadata": {"topic": "leases"}},
    "POST /v1/conversations/{conversation_id}": {"metadata": {"topic": "rents"}},
    "POST /v1/conversations/{conversation_id}/items": {"items": [{"role": "user", "content": "I rent a flat."}]},
    "POST /v1/embeddings": {"model": "local", "input": ["A lease is a contract."]},
    "POST /personas": _PROFILE,
    "POST /personas/preview": _PROFILE,
    "PUT /personas/{persona_id}": {"profile": _PROFILE},
    "PUT /personas/{persona_id}/shares": {"user_ids": ["ada"]},
    "POST /prompt-templates/{name}/render": {"variables": {"subject": "law", "level": "beginner"}},
    "POST /collections": {"name": "Contracts"},
    "PATCH /collections/{collection_id}": {"name": "Old contracts"},
    "POST /rag/search": _QUESTION,
    "POST /rag/query": _QUESTION,
    "POST /rag/conversation/{conversation_id}/query": {"query": "How long is the notice period?"},
    "PUT /conversations/{conversation_id}/collections": {"collection_ids": [_ID]},
    "PUT /budgets": {"scope": "user", "subject": "ada", "period": "month", "dollars": "5.00"},
    "PUT /auth/password": {"old": "correct horse battery", "new": "staple of a long one"},
    "POST /users": {"login": "carol", "name": "Carol"},
    "PATCH /users/{user_id}": {"name": "Carol B."},
    "PUT /users/{user_id}/password": {"password": "staple of a long one"},
    "POST /sessions": {"client_id": _ID},
    "POST /sessions/{session_id}/messages": {"content": "Good morning, Maria."},
    "PUT /conversations/{conversation_id}/feedback": _OPINION,
    "PUT /conversations/{conversation_id}/messages/{message_id}/feedback": _OPINION,
    "POST /conversations/{conversation_id}/shares": {"mode": "live", "days": 30, "has_names": False},
    "POST /account/erase": _ERASURE,
    "POST /users/{user_id}/erase": _ERASURE,
    "POST /conversations/{conversation_id}/erase": {"confirm": _ID},
    "POST /review/conversations/{conversation_id}/erase": {"confirm": _ID},
    "POST /account/import": {"conversations": []},
    "POST /api/chat": {
        "id": "greeting-7f3a",
        "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "What is a lease?"}]}],
        "trigger": "submit-message",
    },
    "POST /auth/token": {"login": "carol", "password": "staple of a long one"},
    "POST /auth/refresh": {"refresh_token": "from an earlier sign-in"},
    "POST /auth/link": {"code": "from a one-time link"},
}
