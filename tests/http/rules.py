"""Who may do what, route by route: the table that `test_walk.py` walks. A route that is not here fails the walk."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.http.world import EVERYBODY, PROFILE

Route = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who is let in to a route, how the others are refused, and a body that it takes."""

    allowed: frozenset[str]
    refused_as: frozenset[str] = frozenset()
    """Codes that the others may hear, all of them 403."""
    missing_as: str | None = None
    """The code for ids of nothing, a 404; `None`: the route has no id that can be missing."""
    entitled: frozenset[str] = frozenset()
    """Whose answers may hold what Ada and Tess wrote; for routes that everybody may call."""
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    """Both may name ids of the world: `{persona_id}`."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Which of the world's ids a name in the path stands for, where it is not the one of that name."""
    answer: int | None = None
    """What those who are let in hear, where it is not a success."""


OWNER = frozenset({"ada"})
TEACHERS = frozenset({"tess", "theo", "root"})
CLIENT_OWNERS = frozenset({"tess", "root"})
ROLE = frozenset({"role_forbidden"})
OF_SESSION = {"conversation_id": "session_id", "message_id": "greeting_id"}


def conversation(body: Any = None) -> Rule:
    """A thing inside a conversation: for its owner alone, whatever the others' roles."""
    return Rule(
        allowed=OWNER,
        refused_as=frozenset({"conversation_forbidden"}),
        missing_as="conversation_not_found",
        entitled=OWNER,
        body=body,
    )


def chat(body: Any = None) -> Rule:
    """A conversation by its id as a chat's name; a name of nothing is one of the caller's own, yet to be used."""
    return Rule(allowed=OWNER, refused_as=frozenset({"conversation_forbidden"}), entitled=OWNER, body=body)


def response() -> Rule:
    """A turn by its own id: for its owner alone."""
    return Rule(
        allowed=OWNER,
        refused_as=frozenset({"conversation_forbidden"}),
        missing_as="turn_not_found",
        entitled=OWNER,
    )


def persona(body: Any = None) -> Rule:
    """A thing of one client: for its teacher and admins."""
    return Rule(
        allowed=CLIENT_OWNERS,
        refused_as=ROLE | {"persona_forbidden"},
        missing_as="persona_not_found",
        entitled=CLIENT_OWNERS,
        body=body,
    )


def admin(body: Any = None, *, missing_as: str | None = None) -> Rule:
    """A thing of the installation: for admins."""
    return Rule(allowed=frozenset({"root"}), refused_as=ROLE, missing_as=missing_as, body=body)


def account(body: Any = None) -> Rule:
    """Somebody's account: for admins."""
    return Rule(
        allowed=frozenset({"root"}),
        refused_as=ROLE,
        missing_as="user_not_found",
        entitled=frozenset({"root"}),
        body=body,
    )


def own(kind: str, body: Any = None, *, answer: int | None = None) -> Rule:
    """A collection or a document that Ada did not share: for her alone, whatever the others' roles."""
    return Rule(
        allowed=OWNER,
        refused_as=frozenset({f"{kind}_forbidden"}),
        missing_as=f"{kind}_not_found",
        entitled=OWNER,
        body=body,
        answer=answer,
    )


def read_along() -> Rule:
    """A session for those who look after it: the client's teacher and admins."""
    return Rule(
        allowed=CLIENT_OWNERS,
        refused_as=ROLE | {"conversation_forbidden"},
        missing_as="conversation_not_found",
        entitled=CLIENT_OWNERS,
        aliases=OF_SESSION,
    )


def judged(body: Any = None) -> Rule:
    """Feedback on a session: for its student, the client's teacher and admins."""
    who = OWNER | CLIENT_OWNERS
    return Rule(
        allowed=who,
        refused_as=frozenset({"conversation_forbidden"}),
        missing_as="conversation_not_found",
        entitled=who,
        body=body,
        aliases=OF_SESSION,
    )


OPEN: frozenset[Route] = frozenset(
    {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics"), ("GET", "/shared/{secret}")}
)
"""Beside these only `/docs` and `/openapi.json` need no token of a user's. `/metrics` has a rule of its own, which
`test_metrics.py` tries; what is behind `/shared/…` is for whoever has the link, as `test_shares.py` says."""

DOORS: Mapping[Route, Any] = {
    ("POST", "/auth/token"): {"login": "ada", "password": "x"},
    ("POST", "/auth/refresh"): {"refresh_token": "x"},
    ("POST", "/auth/link"): {"code": "x"},
}
"""Where people come in, and a body with nothing true in it."""

RULES: Mapping[Route, Rule] = {
    ("POST", "/conversations"): Rule(allowed=EVERYBODY, body={}),
    ("GET", "/conversations"): Rule(allowed=EVERYBODY, entitled=OWNER),
    ("GET", "/conversations/{conversation_id}"): conversation(),
    ("PATCH", "/conversations/{conversation_id}"): conversation({"title": "Mine now"}),
    ("DELETE", "/conversations/{conversation_id}"): conversation(),
    ("PUT", "/conversations/{conversation_id}/title"): conversation({"title": "Mine now"}),
    ("POST", "/conversations/{conversation_id}/end"): conversation(),
    ("GET", "/conversations/{conversation_id}/messages"): conversation(),
    ("POST", "/conversations/{conversation_id}/messages"): conversation({"role": "user", "content": "Mine now"}),
    ("GET", "/conversations/{conversation_id}/path"): conversation(),
    ("GET", "/conversations/{conversation_id}/messages/{message_id}/siblings"): conversation(),
    ("POST", "/conversations/{conversation_id}/messages/{message_id}/choose"): conversation(),
    ("POST", "/conversations/{conversation_id}/messages/{message_id}/fork"): conversation(),
    ("POST", "/conversations/{conversation_id}/messages/{message_id}/edit"): conversation({"content": "Mine now"}),
    ("POST", "/conversations/{conversation_id}/messages/{message_id}/regenerate"): conversation(),
    ("DELETE", "/conversations/{conversation_id}/messages/{message_id}"): conversation(),
    ("PUT", "/conversations/{conversation_id}/messages/{message_id}/pin"): conversation(),
    ("DELETE", "/conversations/{conversation_id}/messages/{message_id}/pin"): conversation(),
    ("POST", "/conversations/{conversation_id}/turns"): conversation({"content": "Mine now"}),
    ("GET", "/conversations/{conversation_id}/turns"): conversation(),
    ("GET", "/conversations/{conversation_id}/turns/{turn_id}"): conversation(),
    ("GET", "/conversations/{conversation_id}/turns/{turn_id}/events"): conversation(),
    ("POST", "/conversations/{conversation_id}/turns/{turn_id}/cancel"): conversation(),
    ("GET", "/conversations/{conversation_id}/turns/{turn_id}/manifest"): conversation(),
    ("GET", "/conversations/{conversation_id}/context"): conversation(),
    ("GET", "/conversations/{conversation_id}/topics"): conversation(),
    ("POST", "/query"): conversation({"query": "Mine now", "session_id": "{conversation_id}"}),
    ("POST", "/documents"): Rule(allowed=EVERYBODY, answer=422),  # it takes a form with files
    ("GET", "/documents"): Rule(allowed=EVERYBODY, entitled=OWNER),
    ("GET", "/documents/{document_id}"): own("document"),
    ("DELETE", "/documents/{document_id}"): own("document"),
    ("GET", "/documents/{document_id}/passages/{ordinal}"): own("document", answer=404),  # it may not be read yet
    ("POST", "/collections"): Rule(allowed=EVERYBODY, body={"name": "Mine"}),
    ("GET", "/collections"): Rule(allowed=EVERYBODY, entitled=OWNER),
    ("GET", "/collections/{collection_id}"): own("collection"),
    ("PATCH", "/collections/{collection_id}"): own("collection", {"name": "Mine now"}),
    ("DELETE", "/collections/{collection_id}"): own("collection"),
    ("POST", "/rag/search"): Rule(allowed=EVERYBODY, entitled=OWNER, body={"query": "xylograph quokka"}),
    ("POST", "/rag/query"): Rule(allowed=EVERYBODY, entitled=OWNER, body={"query": "platypus"}),
    ("POST", "/rag/conversation/{conversation_id}/query"): conversation({"query": "Mine now"}),
    ("PUT", "/conversations/{conversation_id}/collections"): conversation({"collection_ids": []}),
    ("GET", "/limits"): Rule(allowed=EVERYBODY),
    ("GET", "/limits/refusals"): admin(),
    ("GET", "/models"): Rule(allowed=EVERYBODY),
    ("POST", "/models/{model}/test"): Rule(allowed=frozenset({"root"}), refused_as=ROLE),
    ("GET", "/budgets"): admin(),
    ("PUT", "/budgets"): admin({"scope": "user", "subject": "nobody", "period": "day", "tokens": 1}),
    ("GET", "/budgets/alerts"): admin(),
    ("GET", "/budgets/{budget_id}"): admin(missing_as="budget_not_found"),
    ("DELETE", "/budgets/{budget_id}"): admin(missing_as="budget_not_found"),
    ("POST", "/personas"): Rule(allowed=TEACHERS, refused_as=ROLE, entitled=EVERYBODY, body=PROFILE),
    ("GET", "/personas"): Rule(allowed=TEACHERS, refused_as=ROLE, entitled=CLIENT_OWNERS),
    ("POST", "/personas/preview"): Rule(allowed=TEACHERS, refused_as=ROLE, entitled=EVERYBODY, body=PROFILE),
    ("GET", "/personas/{persona_id}"): persona(),
    ("PUT", "/personas/{persona_id}"): persona({"profile": {"name": "Mine now"}}),
    ("GET", "/personas/{persona_id}/versions"): persona(),
    ("GET", "/personas/{persona_id}/prompt"): persona(),
    ("POST", "/personas/{persona_id}/archive"): persona(),
    ("POST", "/personas/{persona_id}/restore"): persona(),
    ("GET", "/personas/{persona_id}/shares"): persona(),
    ("PUT", "/personas/{persona_id}/shares"): persona({"everyone": True}),
    ("GET", "/clients"): Rule(allowed=EVERYBODY, entitled=frozenset({"ada", "tess"})),
    ("GET", "/clients/{persona_id}"): Rule(
        allowed=frozenset({"ada", "tess", "root"}),
        refused_as=frozenset({"persona_forbidden"}),
        missing_as="persona_not_found",
        entitled=frozenset({"ada", "tess", "root"}),
    ),
    ("GET", "/prompt-templates"): Rule(allowed=EVERYBODY),
    ("GET", "/prompt-templates/{name}"): Rule(allowed=EVERYBODY, missing_as="template_not_found"),
    ("POST", "/prompt-templates/{name}/render"): Rule(
        allowed=EVERYBODY,
        missing_as="template_not_found",
        body={"variables": {"subject": "law", "level": "beginner"}},
    ),
    ("POST", "/auth/logout"): Rule(allowed=EVERYBODY),
    ("GET", "/auth/me"): Rule(allowed=EVERYBODY),
    ("PUT", "/auth/password"): Rule(
        allowed=EVERYBODY, answer=401, body={"old": "x", "new": "a long enough one"}
    ),  # nobody here has one
    ("POST", "/users"): Rule(allowed=frozenset({"root"}), refused_as=ROLE, body={"login": "dan"}),
    ("GET", "/users"): Rule(allowed=frozenset({"root"}), refused_as=ROLE, entitled=frozenset({"root"})),
    ("GET", "/users/{user_id}"): account(),
    ("PATCH", "/users/{user_id}"): account({"name": "Dan"}),
    ("PUT", "/users/{user_id}/password"): account({"password": "a long enough one"}),
    ("POST", "/users/{user_id}/link"): account(),
    ("POST", "/users/{user_id}/logout"): account(),
    ("GET", "/audit"): Rule(allowed=frozenset({"root"}), refused_as=ROLE),
    ("GET", "/stats/cost"): Rule(allowed=EVERYBODY),
    ("GET", "/conversations/search"): Rule(allowed=EVERYBODY, entitled=OWNER, query={"q": "xylograph"}),
    ("GET", "/conversations/stats/overview"): Rule(allowed=EVERYBODY),
    ("GET", "/conversations/stats/activity"): Rule(allowed=EVERYBODY),
    ("GET", "/conversations/stats/engagement"): Rule(allowed=EVERYBODY),
    ("GET", "/conversations/stats/performance"): Rule(allowed=EVERYBODY),
    ("GET", "/stats/failures"): admin(),
    ("GET", "/stats/pace"): admin(),
    ("POST", "/sessions"): Rule(allowed=EVERYBODY, body={"client_id": "{open_client_id}"}, entitled=EVERYBODY),
    ("GET", "/sessions"): Rule(allowed=EVERYBODY, entitled=OWNER),
    ("GET", "/sessions/active"): Rule(allowed=EVERYBODY, query={"client_id": "{persona_id}"}, entitled=OWNER),
    ("POST", "/sessions/{session_id}/messages"): conversation({"content": "Mine now"}),
    ("POST", "/sessions/{session_id}/response"): conversation(),
    ("POST", "/sessions/{session_id}/end"): conversation(),
    ("GET", "/review/conversations"): Rule(allowed=TEACHERS, refused_as=ROLE, entitled=CLIENT_OWNERS),
    ("GET", "/review/conversations/{conversation_id}"): read_along(),
    ("GET", "/review/turns"): Rule(allowed=frozenset({"root"}), refused_as=ROLE),
    ("GET", "/review/feedback"): Rule(allowed=TEACHERS, refused_as=ROLE, entitled=CLIENT_OWNERS),
    ("PUT", "/conversations/{conversation_id}/feedback"): judged({"helped": "quokka"}),
    ("GET", "/conversations/{conversation_id}/feedback"): judged(),
    ("DELETE", "/conversations/{conversation_id}/feedback"): judged(),
    ("PUT", "/conversations/{conversation_id}/messages/{message_id}/feedback"): judged({"rating": 1}),
    ("DELETE", "/conversations/{conversation_id}/messages/{message_id}/feedback"): judged(),
    ("POST", "/conversations/{conversation_id}/shares"): conversation({"mode": "live"}),
    ("GET", "/conversations/{conversation_id}/shares"): conversation(),
    ("DELETE", "/conversations/{conversation_id}/shares/{share_id}"): conversation(),
    ("GET", "/conversations/{conversation_id}/export"): conversation(),
    ("POST", "/conversations/{conversation_id}/erase"): conversation({"confirm": "{conversation_id}"}),
    ("POST", "/review/conversations/{conversation_id}/erase"): admin(
        {"confirm": "{conversation_id}"}, missing_as="conversation_not_found"
    ),
    ("GET", "/review/conversations/{conversation_id}/export"): read_along(),
    ("GET", "/account/export/conversations"): Rule(allowed=EVERYBODY, entitled=OWNER),
    ("POST", "/account/import"): Rule(allowed=EVERYBODY, body={"conversations": []}),
    ("GET", "/account/export"): Rule(allowed=EVERYBODY, entitled=frozenset({"ada", "tess"})),
    ("POST", "/account/erase"): Rule(allowed=EVERYBODY, answer=422, body={"confirm": "not me"}),
    ("GET", "/v1/models"): Rule(allowed=EVERYBODY),
    ("GET", "/v1/models/{model}"): Rule(allowed=EVERYBODY),
    ("POST", "/v1/chat/completions"): conversation(
        {
            "model": "scripted/test",
            "messages": [{"role": "user", "content": "Mine now"}],
            "conversation": "{conversation_id}",
        }
    ),
    ("POST", "/v1/responses"): conversation(
        {"model": "scripted/test", "input": "Mine now", "conversation": "{conversation_id}"}
    ),
    ("POST", "/v1/responses/input_tokens"): conversation({"input": "Mine now", "conversation": "{conversation_id}"}),
    ("GET", "/v1/responses/{response_id}"): response(),
    ("DELETE", "/v1/responses/{response_id}"): response(),
    ("POST", "/v1/responses/{response_id}/cancel"): response(),
    ("GET", "/v1/responses/{response_id}/input_items"): response(),
    ("POST", "/v1/embeddings"): Rule(allowed=EVERYBODY, body={"model": "x", "input": "x"}, answer=503),  # none here
    ("POST", "/v1/conversations"): Rule(allowed=EVERYBODY, body={}),
    ("GET", "/v1/conversations"): Rule(allowed=EVERYBODY, entitled=OWNER),
    ("GET", "/v1/conversations/{conversation_id}"): conversation(),
    ("POST", "/v1/conversations/{conversation_id}"): conversation({"metadata": {"a": "b"}}),
    ("DELETE", "/v1/conversations/{conversation_id}"): conversation(),
    ("POST", "/v1/conversations/{conversation_id}/items"): conversation(
        {"items": [{"role": "user", "content": "Mine now"}]}
    ),
    ("GET", "/v1/conversations/{conversation_id}/items"): conversation(),
    ("GET", "/v1/conversations/{conversation_id}/items/{item_id}"): conversation(),
    ("DELETE", "/v1/conversations/{conversation_id}/items/{item_id}"): conversation(),
    ("POST", "/api/chat"): chat(
        {"id": "{conversation_id}", "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "x"}]}]}
    ),
    ("GET", "/api/chat/{chat}"): chat(),
    ("GET", "/api/chat/{chat}/stream"): chat(),
    ("POST", "/api/chat/{chat}/stop"): chat(),
    ("GET", "/users/{user_id}/export"): account(),
    ("POST", "/users/{user_id}/erase"): account({"confirm": "{user_id}"}),
}
