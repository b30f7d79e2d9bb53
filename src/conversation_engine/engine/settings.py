"""Every knob of the product, read from `CE_…` environment variables.

Each package owns its part (`settings.py` there); this is their sum. `docs/reference/settings.md` is made from it.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from conversation_engine.domains.context.questions.settings import UnderstandingSettings
from conversation_engine.domains.context.settings import ContextSettings
from conversation_engine.domains.conversations.settings import ConversationSettings
from conversation_engine.domains.limits.settings import LimitSettings
from conversation_engine.domains.llm.embeddings.settings import EmbeddingSettings
from conversation_engine.domains.llm.settings import LlmSettings
from conversation_engine.domains.personas.settings import PersonaSettings
from conversation_engine.domains.retrieval.settings import RetrievalSettings
from conversation_engine.domains.users.settings import ExternalIdentitySettings, SignInSettings, TokenSettings
from conversation_engine.infra.db.settings import DatabaseSettings
from conversation_engine.infra.idempotency.settings import IdempotencySettings
from conversation_engine.infra.jobs.settings import JobSettings
from conversation_engine.infra.observability.settings import ObservabilitySettings
from conversation_engine.infra.outbox.settings import OutboxSettings
from conversation_engine.infra.signals.settings import SignalSettings
from conversation_engine.infra.web.settings import WebSettings
from conversation_engine.insights.cost.settings import CostSettings
from conversation_engine.insights.search.settings import SearchSettings
from conversation_engine.insights.statistics.settings import StatisticsSettings
from conversation_engine.insights.warehouse.settings import WarehouseSettings
from conversation_engine.people.moves.settings import MoveSettings
from conversation_engine.people.records.retention.settings import RetentionSettings
from conversation_engine.people.shares.settings import ShareSettings
from conversation_engine.turns.settings import TurnSettings

SETTINGS_PREFIX = "CE_"


class Settings(
    BaseSettings,
    ConversationSettings,
    ContextSettings,
    UnderstandingSettings,
    LlmSettings,
    LimitSettings,
    EmbeddingSettings,
    RetrievalSettings,
    TurnSettings,
    CostSettings,
    StatisticsSettings,
    SearchSettings,
    WarehouseSettings,
    MoveSettings,
    ShareSettings,
    RetentionSettings,
    IdempotencySettings,
    JobSettings,
    PersonaSettings,
    TokenSettings,
    SignInSettings,
    ExternalIdentitySettings,
    WebSettings,
    DatabaseSettings,
    SignalSettings,
    OutboxSettings,
    ObservabilitySettings,
):
    """What an operator can set. Unset means: one laptop, no key, no network."""

    model_config = SettingsConfigDict(
        env_prefix=SETTINGS_PREFIX, env_nested_delimiter="__", extra="ignore", frozen=True
    )

    data_dir: Path = Field(
        Path(".conversation_engine"),
        description="Folder of the embedded database and the local secret; made on first start.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="`postgresql://user:password@host/name` or `sqlite:///path`; unset: a file in the data folder.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="How much is logged.")

    @property
    def resolved_database_url(self) -> str:
        """Where the data is, credentials included."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'conversations.db'}"
