"""How a run is set up."""

from dataclasses import dataclass
from typing import Literal

DatabaseKind = Literal["sqlite", "postgresql"]

LEASE_SECONDS = 1.0
SWEEP_SECONDS = 0.5
FIRST_TOKEN_SECONDS = 1.0
BETWEEN_TOKENS_SECONDS = 1.0
TOTAL_SECONDS = 15.0
"""Longest model call; the stub's longest reply takes about 3 s."""
PRODUCT_SETTINGS = {
    "CE_LEASE_SECONDS": str(LEASE_SECONDS),
    "CE_SWEEP_SECONDS": str(SWEEP_SECONDS),
    "CE_HEARTBEAT_SECONDS": "1",
    "CE_GRACE_SECONDS": "0.5",
    "CE_FIRST_TOKEN_TIMEOUT_SECONDS": str(FIRST_TOKEN_SECONDS),
    "CE_BETWEEN_TOKENS_TIMEOUT_SECONDS": str(BETWEEN_TOKENS_SECONDS),
    "CE_TOTAL_TIMEOUT_SECONDS": str(TOTAL_SECONDS),
    "CE_CIRCUIT_FAULTS": "0",
    "CE_JOB_LEASE_SECONDS": "3",
    "CE_BUDGETS": "global total 900000000000 tokens; conversation total 900000000000 tokens",
    "CE_TITLES": "conversation",
    "CE_SUMMARY_MODEL": "conversation",
    "CE_MODEL_CONTEXT_TOKENS": "1500",
}
"""Short, so that a hundred deaths take minutes. Budgets that bound nobody: the audit reads their books. Titles and
summaries by the model, and a window that a few turns fill: processes die in calls beside replies too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to do to how many servers."""

    database: DatabaseKind = "sqlite"
    servers: int = 1
    kills: int = 100
    """Times that a server is killed with signal 9."""
    seed: int = 1
    """Decides what the stub does, what clients do and what is harmed when; the operating system decides the rest."""
    clients: int = 8
    pause_most_seconds: float = 1.5
    """Between harms, and before a server that has come up is hit again, anything up to this."""
    margin_seconds: float = 5.0
    """What a turn may take beyond lease and sweep while a server is up: a database comes back, a machine is busy."""
    settings: tuple[tuple[str, str], ...] = ()
    """Further settings of the servers: names and values."""
    is_idempotent: bool | None = None
    """Whether the server honours `Idempotency-Key`; `None`: ask it."""

    @property
    def recovery_limit_seconds(self) -> float:
        """After so long without its process, and with another one up, a turn that has not ended is stuck."""
        return LEASE_SECONDS + SWEEP_SECONDS + self.margin_seconds
