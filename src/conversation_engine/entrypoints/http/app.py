"""The application: one engine behind HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from functools import cache
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.telemetry import TelemetryConfig
from starlette.routing import Route

import conversation_engine.entrypoints.http.errors as problems
from conversation_engine.domains.conversations.items.service import ItemService
from conversation_engine.domains.conversations.pins.service import PinService
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.limits.rates import RateLimiter
from conversation_engine.domains.limits.refusals.service import RefusalBook
from conversation_engine.domains.limits.service import BudgetService
from conversation_engine.domains.llm.embeddings.service import EmbeddingService
from conversation_engine.domains.llm.ports import ModelProvider
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.personas.service import PersonaService
from conversation_engine.domains.retrieval.service import RetrievalService
from conversation_engine.domains.users.authentication import Authenticator
from conversation_engine.domains.users.errors import SecretRequiredError
from conversation_engine.domains.users.revocations import Revocations
from conversation_engine.domains.users.service import AccountService
from conversation_engine.domains.users.sign_in.service import SignInService
from conversation_engine.engine.dialects import Dialects
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_external_identity, make_sign_ins, make_tokens, rate_rules
from conversation_engine.entrypoints.http import docs, health, metrics
from conversation_engine.entrypoints.http.description.api import Api
from conversation_engine.entrypoints.http.metrics import RequestMeter
from conversation_engine.entrypoints.http.middleware import (
    BodyLimit,
    CrashGuard,
    LoopbackOnly,
    RequestId,
    TrailingSlash,
)
from conversation_engine.entrypoints.http.rates import RATE_LIMITED, count_request
from conversation_engine.entrypoints.http.routers import DIALECTS, FREQUENT_ROUTERS, OPEN_ROUTERS, ROUTERS
from conversation_engine.entrypoints.http.stopping import on_stop_signal
from conversation_engine.entrypoints.http.tuning import tune
from conversation_engine.entrypoints.openai.error_shape import ErrorShape
from conversation_engine.entrypoints.ui.mount import PREFIX as PAGES_PREFIX
from conversation_engine.entrypoints.ui.mount import WebPages
from conversation_engine.entrypoints.widget import pages as widget
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.idempotency.answers import AnswerBook
from conversation_engine.infra.idempotency.ledger import IdempotencyLedger
from conversation_engine.infra.web.access import AUTHENTICATED
from conversation_engine.infra.web.problems import RESPONSE
from conversation_engine.insights.calls.service import CallService
from conversation_engine.insights.cost.service import CostService
from conversation_engine.insights.search.service import SearchService
from conversation_engine.insights.statistics.service import StatisticsService
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.people.feedback.service import FeedbackDesk
from conversation_engine.people.moves.importing.service import ImportService
from conversation_engine.people.moves.service import ExportService
from conversation_engine.people.records.service import RecordService
from conversation_engine.people.review.service import ReviewService
from conversation_engine.people.sessions.service import SessionService
from conversation_engine.people.shares.service import ShareDesk
from conversation_engine.turns.answers.service import AnswerService
from conversation_engine.turns.checks.service import ModelCheckService
from conversation_engine.turns.passing.service import PassingService
from conversation_engine.turns.questions import QuestionService
from conversation_engine.turns.rag.service import RagService
from conversation_engine.turns.service import TurnService

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})

NO_TELEMETRY: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""The framework's own would tell paths, queries and messages of exceptions, which hold what people said."""

DESCRIPTION = """
Conversations with language models that are durable, streamed, counted and resumable.

Sign in with a bearer token: `convo token` prints one on the local machine.
"""


def create_app(settings: Settings | None = None, *, providers: Mapping[str, ModelProvider] | None = None) -> FastAPI:
    """Build the service. Nothing is opened before its lifespan starts.

    Raises SecretRequiredError when it would listen beyond loopback without CE_SECRET, WeakSecretError when that
    secret is short.
    """
    settings = settings or Settings()
    if settings.host not in LOOPBACK_HOSTS and not settings.secret:
        raise SecretRequiredError(settings.host)
    tokens = make_tokens(settings, SystemClock())

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with ConversationEngine(settings, providers=providers) as engine:
            sign_ins = make_sign_ins(engine.accounts, tokens, engine.audit, database=engine.database, settings=settings)
            other = make_external_identity(engine.database, engine.audit, settings=settings, clock=engine.clock)
            app.state.authenticate = Authenticator(tokens, engine.accounts.revocations, other)
            keys = IdempotencyLedger(engine.database, clock=engine.clock, hours=settings.idempotency_hours)
            app.state.answer_once = AnswerBook(keys).answer
            app.state.count_request = count_request if rate_rules(settings) else None
            app.state.key_salt = tokens.derived("idempotency keys")
            app.state.services = {**_services(engine), SignInService: sign_ins}
            app.state.is_database_ready = engine.is_database_ready
            app.state.helpers_standing = engine.helpers_standing
            app.state.meter = engine.meter
            app.state.request_meter = RequestMeter(engine.metrics, app.router.routes, engine.tracer)
            tune()
            warming = asyncio.create_task(engine.warm_up())
            await engine.accounts.revocations.start()
            with on_stop_signal(engine.turns.begin_stop):
                async with pages.lifespan():
                    yield
            await engine.accounts.revocations.aclose()
            warming.cancel()
            await asyncio.wait([warming])

    app = Api(
        title="Conversation Engine",
        version="0.1.0",
        description=DESCRIPTION,
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/", "description": "This server."}],
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry=NO_TELEMETRY,
        redirect_slashes=False,  # see TrailingSlash; a redirect would also repeat the Host header that was sent
    )
    pages = WebPages(app, api_url=settings.ui_api_url)
    app.state.authenticate = Authenticator(tokens, Revocations.none())
    app.state.metrics_token = settings.metrics_token and settings.metrics_token.get_secret_value()
    problems.install(app)
    docs.install(app)
    _add_middleware(app, settings)
    app.router.routes.extend(_api(is_limited=bool(rate_rules(settings))).routes)
    app.router.routes.extend(widget.routes(settings.cors_origins))
    app.router.routes.append(Route(PAGES_PREFIX, endpoint=pages))  # a mount does not match its own root
    app.mount(PAGES_PREFIX, pages)
    return app


@cache
def _api(*, is_limited: bool) -> APIRouter:
    """Every route of the API, made once: a hundred routes and what they depend on take longer than most requests."""
    api = APIRouter()
    before = [AUTHENTICATED, RATE_LIMITED] if is_limited else [AUTHENTICATED]
    for router in (*FREQUENT_ROUTERS, *DIALECTS, *ROUTERS):
        api.include_router(router, dependencies=before, responses={"default": {**RESPONSE}})
    for router in OPEN_ROUTERS:
        api.include_router(router, responses={"default": {**RESPONSE}})
    api.include_router(health.router)
    api.include_router(metrics.router)
    return api


def _services(engine: ConversationEngine) -> dict[type, object]:
    """What routes are served by: see `service_of`."""
    return {
        AccountService: engine.accounts,
        AuditLog: engine.audit,
        ConversationService: engine.conversations,
        LlmService: engine.llm,
        ModelCheckService: engine.checks,
        EmbeddingService: engine.embeddings,
        PinService: engine.pins,
        PersonaService: engine.personas,
        SessionService: engine.sessions,
        ReviewService: engine.review,
        FeedbackDesk: engine.feedback,
        RecordService: engine.records,
        ShareDesk: engine.shares,
        ExportService: engine.exports,
        ImportService: engine.imports,
        BudgetService: engine.budgets,
        RateLimiter: engine.rates,
        RefusalBook: engine.refusals,
        TurnService: engine.turns,
        Dialects: engine.dialects,
        PassingService: engine.dialects.passing,
        ItemService: engine.dialects.items,
        AnswerService: engine.dialects.answers,
        QuestionService: engine.questions,
        CostService: engine.costs,
        CallService: engine.calls,
        StatisticsService: engine.insights.statistics,
        SearchService: engine.insights.search,
        RetrievalService: engine.retrieval,
        RagService: engine.rag,
    }


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last one added is the first to see a request."""
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, **_cross_origin(settings.cors_origins))
    app.add_middleware(BodyLimit, limit_bytes=settings.body_limit_bytes, upload_limit_bytes=settings.upload_limit_bytes)
    app.add_middleware(CrashGuard)
    if not settings.secret:
        app.add_middleware(LoopbackOnly)
    app.add_middleware(ErrorShape)
    app.add_middleware(RequestId)
    app.add_middleware(TrailingSlash)


def _cross_origin(origins: list[str]) -> dict[str, Any]:
    """What pages of these origins may do. Never with cookies: there are none, and tokens are sent on purpose."""
    return {
        "allow_origins": origins,
        "allow_methods": ["GET", "POST", "PUT", "PATCH", "DELETE"],
        "allow_headers": ["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-Request-ID"],
        "expose_headers": ["Location", "Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-ID"],
        "max_age": 600,
    }
