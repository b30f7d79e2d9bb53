"""The one list of routers."""

from conversation_engine.domains.conversations.pins.routes import router as pins
from conversation_engine.domains.conversations.routes import router as conversations
from conversation_engine.domains.limits.routes import router as limits
from conversation_engine.domains.llm.routes import router as models
from conversation_engine.domains.personas.routes import router as personas
from conversation_engine.domains.retrieval.routes import router as retrieval
from conversation_engine.domains.users.routes import open_router as sign_in
from conversation_engine.domains.users.routes import router as users
from conversation_engine.entrypoints.ai_sdk.routes import router as ai_sdk
from conversation_engine.entrypoints.openai.routes import routers as openai
from conversation_engine.insights.calls.routes import router as calls
from conversation_engine.insights.cost.routes import router as cost
from conversation_engine.insights.search.routes import router as search
from conversation_engine.insights.statistics.routes import router as statistics
from conversation_engine.people.feedback.routes import router as feedback
from conversation_engine.people.moves.routes import router as moves
from conversation_engine.people.records.routes import router as records
from conversation_engine.people.review.routes import router as review
from conversation_engine.people.sessions.routes import router as sessions
from conversation_engine.people.shares.routes import open_router as shared
from conversation_engine.people.shares.routes import router as shares
from conversation_engine.turns.checks.routes import router as model_checks
from conversation_engine.turns.rag.routes import router as rag
from conversation_engine.turns.routes import queries
from conversation_engine.turns.routes import router as turns

OPEN_ROUTERS = (sign_in, shared)
"""Where people come in, and what was shared by a link: these need no token."""
FREQUENT_ROUTERS = (turns, search, conversations, pins, queries, ai_sdk)
"""First, because routes are looked through in order, and a turn is what is asked for most.
`/conversations/search` stands before `/conversations/{conversation_id}`.
"""
DIALECTS = openai
"""Other languages for the same things: their failures have their own form."""
ROUTERS = (
    personas,
    retrieval,
    rag,
    limits,
    cost,
    calls,
    statistics,
    models,
    model_checks,
    users,
    sessions,
    review,
    feedback,
    shares,
    records,
    moves,
)
