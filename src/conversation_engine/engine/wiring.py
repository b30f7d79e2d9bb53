"""Chooses every implementation."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from conversation_engine.domains.context.questions.reader import QuestionReader
from conversation_engine.domains.context.questions.senses import load_senses
from conversation_engine.domains.context.questions.weights import load_weights
from conversation_engine.domains.context.service import SummaryService
from conversation_engine.domains.conversations.pins.service import PinService
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.sessions.service import SessionStore
from conversation_engine.domains.conversations.words.service import WordService
from conversation_engine.domains.feedback.service import FeedbackService
from conversation_engine.domains.limits.rates import DEFAULT_RULES, OFF, RateLimiter, RateRule, parse_rules
from conversation_engine.domains.limits.refusals.service import RefusalBook
from conversation_engine.domains.limits.service import BudgetService
from conversation_engine.domains.llm.catalog import Family, ModelCatalog, Service
from conversation_engine.domains.llm.embeddings.ports import Embedder, EmbeddingBooks
from conversation_engine.domains.llm.embeddings.service import EmbeddingService
from conversation_engine.domains.llm.known_models import LOCAL_FACTS
from conversation_engine.domains.llm.ports import ModelProvider
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.settings import ProviderSetting
from conversation_engine.domains.llm.slots import FairSlots
from conversation_engine.domains.llm.types import ModelPrice
from conversation_engine.domains.personas.service import PersonaService
from conversation_engine.domains.retrieval.service import RetrievalService
from conversation_engine.domains.users.errors import BadIdentityError
from conversation_engine.domains.users.external.keys import HttpKeySource, PublicKeys
from conversation_engine.domains.users.external.service import ExternalIdentity
from conversation_engine.domains.users.passwords import Passwords
from conversation_engine.domains.users.secret import local_secret
from conversation_engine.domains.users.service import AccountService
from conversation_engine.domains.users.sign_in.service import SignInService
from conversation_engine.domains.users.tokens import TokenService
from conversation_engine.engine.dialects import token_counter
from conversation_engine.engine.hosted import hosted_family, hosted_services, models_by_setting
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.db.database import Database
from conversation_engine.infra.db.opening import backend_of
from conversation_engine.infra.idempotency.ledger import IdempotencyLedger
from conversation_engine.infra.jobs.service import JobQueue
from conversation_engine.infra.observability.metrics import Metrics
from conversation_engine.infra.observability.recording import SILENCE, Recorder
from conversation_engine.infra.observability.tracing import NO_TRACES, Tracer
from conversation_engine.infra.rates.failover import FailoverWindows
from conversation_engine.infra.rates.memory import MemoryWindows
from conversation_engine.infra.rates.ports import RateWindows
from conversation_engine.infra.signals.local import LocalSignals
from conversation_engine.infra.signals.ports import Signals
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.people import Role
from conversation_engine.people.feedback.service import FeedbackDesk
from conversation_engine.people.records.retention.service import RetentionService
from conversation_engine.people.records.service import RecordService
from conversation_engine.people.review.service import ReviewService
from conversation_engine.people.sessions.service import SessionService
from conversation_engine.people.shares.service import ShareDesk
from conversation_engine.turns.learning import WordLearner
from conversation_engine.turns.ports import Chores
from conversation_engine.turns.resolving import StandaloneQuestions
from conversation_engine.turns.sensing import QuestionSenses
from conversation_engine.turns.service import TurnService
from conversation_engine.turns.side_calls import SideCalls
from conversation_engine.turns.steps.assemble import AssembleStep
from conversation_engine.turns.steps.retrieve import RetrieveStep
from conversation_engine.turns.summarizing import JOB_KIND as SUMMARY_JOB
from conversation_engine.turns.summarizing import SummaryKeeper
from conversation_engine.turns.titles import JOB_KIND as TITLE_JOB
from conversation_engine.turns.titles import TitleMaker


class PeopleParts(Protocol):
    """What the room `people` is made from."""

    database: Database
    clock: Clock
    audit: AuditLog
    conversations: ConversationService
    personas: PersonaService
    turns: TurnService
    accounts: AccountService
    jobs: JobQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The doors of the room `people`."""

    sessions: SessionService
    review: ReviewService
    feedback: FeedbackDesk
    records: RecordService
    retention: RetentionService
    shares: ShareDesk


def make_catalog(settings: Settings, extra: Mapping[str, ModelProvider]) -> ModelCatalog:
    """The configured models, and `extra` providers by family name."""
    from conversation_engine.domains.llm.providers.anthropic_messages import AnthropicProvider
    from conversation_engine.domains.llm.providers.local.provider import LocalProvider
    from conversation_engine.domains.llm.providers.local.weights import missing_for_local
    from conversation_engine.domains.llm.providers.openai_chat import OpenAIChatProvider
    from conversation_engine.domains.llm.wire import EndpointOptions, ServiceClient

    def client() -> ServiceClient:
        return ServiceClient(settings)

    def provider_of(name: str, setting: ProviderSetting) -> ModelProvider:
        key = setting.api_key.get_secret_value() if setting.api_key else None
        options = EndpointOptions(
            key_header=setting.key_header,
            headers={header: value.get_secret_value() for header, value in setting.headers.items()},
            query=setting.query,
        )
        if setting.kind == "anthropic":
            return AnthropicProvider(client(), name=name, base_url=setting.base_url, api_key=key, options=options)
        return OpenAIChatProvider(
            client(),
            name=name,
            base_url=setting.base_url,
            api_key=key,
            options=options,
            reply_limit_field=setting.reply_limit_field,
        )

    local = LocalProvider(
        ServiceClient(settings, keeps_connections=False),
        slots=settings.local_model_slots,
        threads=settings.local_model_threads or max(1, ((os.cpu_count() or 2) - 1) // settings.workers),
    )
    families = {
        "local": Family(
            provider=local,
            context_tokens=local.context_tokens,
            only_model=local.model_name,
            is_free=True,
            facts={local.model_name: LOCAL_FACTS},
            service=Service(address="", key_setting="", has_key=True, needs_key=False, missing=missing_for_local),
            slots=FairSlots(settings.local_model_slots, wait_seconds=settings.provider_wait_seconds),
        ),
    }
    for name, setting in hosted_services(settings).items():
        families[name] = hosted_family(settings, name, setting, provider_of(name, setting))
    for name, provider in extra.items():
        slots = FairSlots(settings.provider_concurrency, wait_seconds=settings.provider_wait_seconds)
        families[name] = Family(provider=provider, context_tokens=settings.model_context_tokens, slots=slots)
    own_prices = {name: ModelPrice(**price.model_dump()) for name, price in settings.model_prices.items()}
    return ModelCatalog(families, default=settings.default_model, own_prices=own_prices)


def make_signals(settings: Settings) -> Signals:
    """Through Valkey where one is configured, through PostgreSQL where that is the store, else in memory.

    Raises InvalidInputError for an address that is none; connects to nothing.
    """
    if settings.valkey_url is not None:
        from conversation_engine.infra.signals.valkey import valkey_signals

        return valkey_signals(settings.valkey_url)
    if backend_of(settings.resolved_database_url) == "postgresql":
        from conversation_engine.infra.signals.postgres import postgres_signals

        return postgres_signals(settings.resolved_database_url)
    return LocalSignals()


def rate_rules(settings: Settings) -> Sequence[RateRule]:
    """As CE_RATE_LIMITS says; unset: the defaults on a server for others (it has a secret), none on a laptop.

    Raises BadRateRuleError.
    """
    if settings.rate_limits is not None:
        return parse_rules(settings.rate_limits)
    return parse_rules(DEFAULT_RULES if settings.secret else OFF)


class RateParts(Protocol):
    """What rates are made from: an engine."""

    settings: Settings
    database: Database
    clock: Clock
    metrics: Metrics


def make_rates(engine: RateParts) -> tuple[RateLimiter, RefusalBook]:
    """Counts in Valkey where one is configured, and in memory while it is away; else in memory. Connects to nothing."""
    settings, clock = engine.settings, engine.clock
    windows: RateWindows = MemoryWindows(clock)
    rules = rate_rules(settings)
    if settings.valkey_url is not None:
        from conversation_engine.infra.valkey.rates import ValkeyWindows

        windows = FailoverWindows(ValkeyWindows(settings.valkey_url), windows, clock=clock)
    refusals = RefusalBook(engine.database, clock=clock)
    return RateLimiter(windows, rules, recorder=engine.metrics, on_refused=refusals.note), refusals


def make_llm(
    settings: Settings,
    catalog: ModelCatalog,
    clock: Clock,
    recorder: Recorder = SILENCE,
    *,
    tracer: Tracer = NO_TRACES,
) -> LlmService:
    """The door to models. Raises BadModelSettingError where a setting names a service that there is not."""
    for setting, name in models_by_setting(settings):
        catalog.check_setting(setting, name)
    return LlmService(catalog, clock=clock, settings=settings, recorder=recorder, tracer=tracer)


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePath:
    """The doors to what is said."""

    conversations: ConversationService
    pins: PinService
    turns: TurnService
    side_calls: SideCalls
    reader: QuestionReader
    senses: QuestionSenses


def make_turns(
    database: Database,
    llm: LlmService,
    *,
    settings: Settings,
    clock: Clock,
    signals: Signals,
    rates: RateLimiter,
    budgets: BudgetService,
    retrieval: RetrievalService,
    jobs: JobQueue,
    embeddings: EmbeddingService,
    recorder: Recorder,
    tracer: Tracer,
) -> "WritePath":
    """The write path over one database."""
    ledger = IdempotencyLedger(database, clock=clock, hours=settings.idempotency_hours)
    conversations = ConversationService(database, clock=clock, settings=settings, ledger=ledger, llm=llm)
    pins = PinService(conversations=conversations, clock=clock, settings=settings, ledger=ledger)
    reader, senses = make_reader(settings), QuestionSenses(embeddings, load_senses())
    calls = _make_side_calls(
        database, llm, conversations=conversations, budgets=budgets, rates=rates, clock=clock, settings=settings
    )
    chores = _make_chores(
        database,
        llm,
        conversations=conversations,
        settings=settings,
        clock=clock,
        calls=calls,
        jobs=jobs,
        reader=reader,
    )
    summaries, words = SummaryService(), WordService()
    assemble = AssembleStep(
        database, conversations=conversations, pins=pins, summaries=summaries, words=words, llm=llm, settings=settings
    )
    turns = TurnService(
        database,
        conversations=conversations,
        llm=llm,
        clock=clock,
        settings=settings,
        ledger=ledger,
        signals=signals,
        budgets=budgets,
        retrieve=RetrieveStep(retrieval, resolver=StandaloneQuestions(reader, senses), clock=clock, tracer=tracer),
        assemble=assemble,
        chores=chores,
        on_used=token_counter(rates) if rates.counts_tokens else None,
        recorder=recorder,
        tracer=tracer,
    )
    return WritePath(
        conversations=conversations, pins=pins, turns=turns, side_calls=calls, reader=reader, senses=senses
    )


def _make_side_calls(
    database: Database,
    llm: LlmService,
    *,
    conversations: ConversationService,
    budgets: BudgetService,
    rates: RateLimiter,
    clock: Clock,
    settings: Settings,
) -> SideCalls:
    """The books of calls beside replies."""
    return SideCalls(
        database,
        conversations=conversations,
        llm=llm,
        budgets=budgets,
        clock=clock,
        lease_seconds=settings.lease_seconds,
        on_tokens=rates.add_tokens,
    )


def _make_chores(
    database: Database,
    llm: LlmService,
    *,
    conversations: ConversationService,
    settings: Settings,
    clock: Clock,
    calls: SideCalls,
    jobs: JobQueue,
    reader: QuestionReader,
) -> Chores:
    """What is done after a turn; `jobs` is told who does it."""
    keeper = SummaryKeeper(
        database,
        conversations=conversations,
        summaries=SummaryService(),
        llm=llm,
        jobs=jobs,
        clock=clock,
        settings=settings,
        calls=calls,
    )
    learner = WordLearner(database, conversations=conversations, words=WordService())
    titles = TitleMaker(
        database,
        conversations=conversations,
        llm=llm,
        jobs=jobs,
        calls=calls,
        topics=reader.topics,
        settings=settings,
    )
    if settings.summary_model is not None:
        jobs.register(SUMMARY_JOB, keeper)
    if titles.model is not None:
        jobs.register(TITLE_JOB, titles)
    return Chores(keepers=(keeper, titles, learner), calls=calls, title_for=titles.at_once)


def make_reader(settings: Settings) -> QuestionReader:
    """Understands questions. Reads what was learnt: a few milliseconds."""
    return QuestionReader(load_weights(), intents=settings.intents)


def make_people(engine: PeopleParts, *, settings: Settings) -> People:
    """What people do across domains."""
    database, clock, audit = engine.database, engine.clock, engine.audit
    store = SessionStore(database, conversations=engine.conversations, clock=clock)
    records = RecordService(
        database, accounts=engine.accounts, turns=engine.turns, jobs=engine.jobs, audit=audit, clock=clock
    )
    return People(
        sessions=SessionService(
            database,
            sessions=store,
            conversations=engine.conversations,
            personas=engine.personas,
            turns=engine.turns,
            ledger=IdempotencyLedger(database, clock=clock, hours=settings.idempotency_hours),
        ),
        review=ReviewService(database, sessions=store, turns=engine.turns, audit=audit),
        feedback=FeedbackDesk(
            database,
            conversations=engine.conversations,
            sessions=store,
            feedback=FeedbackService(database, clock=clock),
            audit=audit,
        ),
        records=records,
        retention=RetentionService(
            database,
            records=records,
            jobs=engine.jobs,
            clock=clock,
            days=settings.retention_days,
            is_at_work=settings.jobs_at_once > 0,
        ),
        shares=ShareDesk(
            database,
            conversations=engine.conversations,
            accounts=engine.accounts,
            audit=audit,
            clock=clock,
            settings=settings,
        ),
    )


def make_accounts(database: Database, audit: AuditLog, *, settings: Settings, clock: Clock) -> AccountService:
    """Users and their roles."""
    return AccountService(database, clock=clock, settings=settings, passwords=Passwords(), audit=audit)


def make_tokens(settings: Settings, clock: Clock) -> TokenService:
    """Signs with CE_SECRET, or with the laptop's own secret where none is set. Raises WeakSecretError."""
    return TokenService(
        secret=_secret(settings),
        accepted_secrets=[secret.get_secret_value() for secret in settings.accepted_secrets],
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        clock=clock,
    )


def make_sign_ins(
    accounts: AccountService, tokens: TokenService, audit: AuditLog, *, database: Database, settings: Settings
) -> SignInService:
    """Signing in with passwords and one-time links."""
    return SignInService(
        database,
        clock=accounts.clock,
        settings=settings,
        tokens=tokens,
        passwords=accounts.passwords,
        revocations=accounts.revocations,
        audit=audit,
        key=hashlib.sha256(f"sign-in tries: {_secret(settings)}".encode()).digest(),
    )


def make_external_identity(
    database: Database, audit: AuditLog, *, settings: Settings, clock: Clock
) -> ExternalIdentity | None:
    """Who checks another issuer's tokens, where one is configured. Raises BadIdentityError, WeakSecretError."""
    issuer = settings.external_issuer
    if issuer is None:
        return None
    if issuer == settings.token_issuer or settings.external_audience is None:
        raise BadIdentityError("CE_EXTERNAL_ISSUER needs CE_EXTERNAL_AUDIENCE, and may not be our own CE_TOKEN_ISSUER.")
    if not (settings.external_secrets or settings.external_jwks_url):
        raise BadIdentityError("CE_EXTERNAL_ISSUER needs CE_EXTERNAL_JWKS_URL or CE_EXTERNAL_SECRETS.")
    if unknown := set(settings.external_roles.values()) - set(Role):
        raise BadIdentityError(f"CE_EXTERNAL_ROLES names {sorted(unknown)[0]!r}, which is no role of ours.")
    keys = None
    if settings.external_jwks_url is not None:
        source = HttpKeySource(settings.external_jwks_url)
        keys = PublicKeys(source, clock=clock, seconds=settings.external_jwks_seconds)
    return ExternalIdentity(database, clock=clock, settings=settings, issuer=issuer, keys=keys, audit=audit)


def _secret(settings: Settings) -> str:
    return settings.secret.get_secret_value() if settings.secret else local_secret(settings.data_dir)


def make_embeddings(settings: Settings, books: EmbeddingBooks | None = None) -> EmbeddingService:
    """The configured embedding model; none where it is the local one and its extra is not installed.

    `books` of what a service charges; without them nothing is on record.

    Raises InvalidInputError for a name that is none.
    """
    family, _, name = settings.embedding_model.partition("/")
    if family == "none":
        return EmbeddingService(None)
    if family == "local":
        from conversation_engine.domains.llm.embeddings.local import LocalEmbedder, is_installed

        return EmbeddingService(LocalEmbedder(threads=settings.embedding_threads) if is_installed() else None)
    if family == "openai" and name:
        return EmbeddingService(_openai_embedder(settings, name, books))
    raise InvalidInputError(
        f"CE_EMBEDDING_MODEL is {settings.embedding_model!r}; it must be `local`, `openai/NAME` or `none`.",
        field="embedding_model",
    )


def _openai_embedder(settings: Settings, name: str, books: EmbeddingBooks | None) -> Embedder:
    from conversation_engine.domains.llm.embeddings.openai import OpenAIEmbedder
    from conversation_engine.domains.llm.providers.openai_chat import ERROR_WORDS
    from conversation_engine.domains.llm.wire import Endpoint, ServiceClient

    secret = settings.embedding_api_key or settings.openai_api_key
    key = secret.get_secret_value() if secret else None
    endpoint = Endpoint(
        ServiceClient(settings),
        (settings.embedding_base_url or settings.openai_base_url).rstrip("/") + "/embeddings",
        headers={"authorization": f"Bearer {key}"} if key else {},
        secrets=[key] if key else [],
        words=ERROR_WORDS,
    )
    return OpenAIEmbedder(endpoint, model=name, timeout_seconds=settings.embedding_timeout_seconds, books=books)
