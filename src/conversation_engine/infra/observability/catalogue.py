"""Every metric of the product. `docs/reference/metrics.md` is made from it.

A value of a label is one of a bounded set: a state, a configured model, a route's template; whatever else comes is
`other`. Nothing here can hold an id or a word that somebody wrote.
"""

from typing import Final

from conversation_engine.infra.observability.recording import Counter, Gauge, Histogram, Label, Metric, Reading

_FAST: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SLOW: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0)

MODEL: Final = Label(name="model", meaning="A model that the settings name or `GET /models` lists")
TYPE: Final = Label(
    name="type", meaning="A conversation's type that the settings name, `general`, or `passing` where none is kept"
)
CODE: Final = Label(name="code", meaning="A code of [errors](errors.md)")
SCOPE: Final = Label(name="scope", values=("global", "role", "user", "persona", "conversation"))
PERIOD: Final = Label(name="period", values=("day", "month", "total"))

# ── limits ──
BUDGET_ALERTS: Final = Counter(
    name="convo_budget_alerts",
    help="Alerts that went out because a share of a budget was spent, counted where they were delivered.",
    labels=(Label(name="percent", meaning="One of CE_BUDGET_ALERT_PERCENTS"), SCOPE, PERIOD),
)
BUDGET_REFUSALS: Final = Counter(
    name="convo_budget_refusals", help="Model calls that a budget did not cover.", labels=(SCOPE, PERIOD)
)
UNPRICED_REFUSALS: Final = Counter(
    name="convo_unpriced_refusals", help="Model calls that were refused because nobody knows their price."
)
RATE_REFUSALS: Final = Counter(
    name="convo_rate_limit_refusals",
    help="Requests that a rate refused, by each rule that was in their way.",
    labels=(Label(name="policy", meaning="A rule of CE_RATE_LIMITS, as `RateLimit-Policy` names it"),),
)

# ── turns ──
STATES: Final = ("completed", "failed", "cancelled", "interrupted")
TURNS: Final = Counter(
    name="convo_turns",
    help="Turns that ended, by how they ended, and those of callers who keep their own history (`passing`).",
    labels=(Label(name="outcome", values=STATES), TYPE),
)
TURN_FAILURES: Final = Counter(
    name="convo_turn_failures", help="Turns that did not complete, by the reason that was told.", labels=(CODE,)
)
TURN_SECONDS: Final = Histogram(
    name="convo_turn_duration_seconds",
    help="From when a turn was asked for until it was recorded, the wait in line included.",
    labels=(Label(name="outcome", values=STATES),),
    buckets=_SLOW,
)
TURN_FIRST_TOKEN: Final = Histogram(
    name="convo_turn_first_token_seconds",
    help="From when a turn was asked for to the model's first word, retrieval, retries and fallbacks included.",
    buckets=_SLOW,
)
FALLBACK_REPLIES: Final = Counter(
    name="convo_fallback_replies", help="Replies that we gave ourselves because no model could."
)
ACTIVE_TURNS: Final = Gauge(name="convo_active_turns", help="Turns that run on this server now.")
TURNS_STORED: Final = Reading(
    name="convo_turns_stored",
    help="Turns that run (anywhere) or wait in line, as the database has them.",
    labels=(Label(name="state", values=("running", "queued")),),
)
RECOVERIES: Final = Counter(
    name="convo_lease_recoveries",
    help="Turns whose process died, taken over by this server: ended with what had been said, or begun anew.",
    labels=(Label(name="how", values=("ended", "restarted", "failed")),),
)

# ── model calls ──
MODEL_CALLS: Final = Counter(
    name="convo_model_calls",
    help="Calls to models, those for titles, summaries and tests of connections included.",
    labels=(MODEL, Label(name="status", values=("completed", "failed", "cancelled"))),
)
MODEL_FAILURES: Final = Counter(
    name="convo_model_failures", help="Calls to models that failed, by reason.", labels=(MODEL, CODE)
)
MODEL_SECONDS: Final = Histogram(
    name="convo_model_call_duration_seconds", help="From a call to its end.", labels=(MODEL,), buckets=_SLOW
)
MODEL_FIRST_TOKEN: Final = Histogram(
    name="convo_model_first_token_seconds", help="From a call to its first word.", labels=(MODEL,), buckets=_SLOW
)
MODEL_TOKENS: Final = Counter(
    name="convo_model_tokens",
    help="Tokens of model calls. `cached` and `cache_write` are parts of `input`, `reasoning` is one of `output`: do "
    "not add them to these.",
    labels=(MODEL, Label(name="kind", values=("input", "cached", "cache_write", "output", "reasoning"))),
)
MODEL_COST: Final = Counter(
    name="convo_model_cost_dollars",
    help="What model calls cost, in US dollars. For curves: what is owed, to the picodollar, the database knows.",
    labels=(MODEL,),
)
UNPRICED_CALLS: Final = Counter(
    name="convo_model_unpriced_calls",
    help="Model calls that used something and are not in the cost, because nobody knows the price.",
    labels=(MODEL,),
)
RETRIES: Final = Counter(
    name="convo_model_retries", help="Calls that were made again because the one before failed.", labels=(MODEL,)
)
FALLBACKS: Final = Counter(
    name="convo_model_fallbacks",
    help="Times that this model was asked because the one that was wanted could not answer.",
    labels=(MODEL,),
)
CALL_REFUSALS: Final = Counter(
    name="convo_model_refusals",
    help="Calls that were not made: the model's circuit breaker was open, or its provider had no slot free in time.",
    labels=(MODEL, Label(name="reason", values=("circuit_open", "busy"))),
)
OPEN_CIRCUITS: Final = Gauge(
    name="convo_circuit_open",
    help="1 where a worker of this server leaves a model alone because it keeps failing.",
    labels=(MODEL,),
    together="max",
)
PROVIDER: Final = Label(name="provider", meaning="A provider of the settings")
CALLS_RUNNING: Final = Gauge(
    name="convo_provider_calls_running", help="Calls that hold a slot of their provider now.", labels=(PROVIDER,)
)
CALLS_WAITING: Final = Gauge(
    name="convo_provider_calls_waiting", help="Calls that wait for a slot of their provider now.", labels=(PROVIDER,)
)

# ── retrieval ──
STRATEGY: Final = Label(name="strategy", values=("lexical", "dense", "rrf_fusion"))
SEARCHES: Final = Counter(
    name="convo_searches",
    help="Searches in documents, by what was done and whether anything found was about the question.",
    labels=(STRATEGY, Label(name="result", values=("relevant", "irrelevant", "empty"))),
)
SEARCH_SECONDS: Final = Histogram(
    name="convo_search_step_duration_seconds",
    help="How long the steps of a search took.",
    labels=(Label(name="step", values=("embed", "search", "rerank", "highlight")),),
    buckets=_FAST,
)
SEARCH_COSINE: Final = Histogram(
    name="convo_search_best_cosine",
    help="How near the nearest passage was to the question, where it was searched by meaning.",
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
)
GROUNDED_REPLIES: Final = Counter(
    name="convo_retrieval_replies",
    help="Replies to questions that were looked up: `cited` names passages that were shown, `uncited` none, `invented` "
    "also such as were not, `absent` says that the documents do not say it, `failed` is none.",
    labels=(Label(name="result", values=("cited", "uncited", "invented", "absent", "failed")),),
)
CACHE_LOOKUPS: Final = Counter(
    name="convo_cache_lookups",
    help="Looks into a cache. What providers' prompt caches save is in convo_model_tokens_total, kind `cached`.",
    labels=(Label(name="cache", values=("query_embedding",)), Label(name="result", values=("hit", "miss"))),
)

# ── background work ──
KIND: Final = Label(name="kind", meaning="A kind of background work that this version knows")
JOBS: Final = Counter(
    name="convo_jobs",
    help="Background work: `failed` is tried again, `died` is not.",
    labels=(KIND, Label(name="result", values=("done", "failed", "died"))),
)
JOBS_STORED: Final = Reading(
    name="convo_jobs_stored",
    help="Background work that waits, runs (anywhere) or has died, as the database has it.",
    labels=(KIND, Label(name="state", values=("waiting", "running", "dead"))),
)

# ── the doors ──
ROUTE: Final = Label(
    name="route", meaning="A route's template, `/conversations/{conversation_id}`; `none`: what leads nowhere"
)
REQUESTS: Final = Counter(
    name="convo_http_requests",
    help="Requests that were answered.",
    labels=(
        Label(name="method", values=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")),
        ROUTE,
        Label(name="status", values=("2xx", "3xx", "4xx", "5xx", "none"), meaning="`none`: the client left first"),
    ),
)
REQUEST_SECONDS: Final = Histogram(
    name="convo_http_request_duration_seconds",
    help="From a request to the last byte of its answer; of a stream, as long as it lasted.",
    labels=(ROUTE,),
    buckets=_FAST,
)
ACTIVE_STREAMS: Final = Gauge(name="convo_active_streams", help="Event streams that are open now.")

# ── processes ──
PROCESSES: Final = Gauge(name="convo_processes", help="Worker processes of this server that are alive.")
LOOP_LAG: Final = Histogram(
    name="convo_event_loop_lag_seconds",
    help="How much later than asked for a process got to look at itself, twice a second.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
CONNECTIONS: Final = Gauge(
    name="convo_database_connections",
    help="Connections of the pool; on SQLite its threads.",
    labels=(Label(name="state", values=("busy", "idle")),),
)
CONNECTIONS_LIMIT: Final = Gauge(
    name="convo_database_connections_limit", help="The most connections that the pools may open together."
)
DATABASE_WAITING: Final = Gauge(
    name="convo_database_waiting", help="Transactions that wait for a connection, or on SQLite for a thread."
)
STORE_UP: Final = Reading(
    name="convo_store_up",
    help="1 where the database answered this very question in time; 0: what is read from it is left out.",
)

CATALOGUE: Final[tuple[Metric, ...]] = tuple(one for one in list(globals().values()) if isinstance(one, Metric))
