"""Knobs of signals."""

from pydantic import BaseModel, Field, SecretStr


class SignalSettings(BaseModel):
    """How processes tell each other that there is news."""

    valkey_url: SecretStr | None = Field(
        None,
        description="`valkey://user:password@host:6379/0` (or `valkeys://`, `redis://`, `rediss://`): carries hints "
        "between processes; unset: PostgreSQL does.",
    )
