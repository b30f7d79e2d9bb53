"""Knobs of tokens."""

from pydantic import BaseModel, Field, SecretStr


class TokenSettings(BaseModel):
    """How bearer tokens are signed and checked."""

    secret: SecretStr | None = Field(
        None,
        description="Key that signs tokens (HS256), at least 32 bytes. Unset on loopback: made on first start and kept "
        "in the data folder.",
    )
    token_issuer: str = Field("conversation-engine", description="`iss` of the tokens we make and accept.")
    token_audience: str = Field("conversation-engine", description="`aud` of the tokens we make and accept.")
