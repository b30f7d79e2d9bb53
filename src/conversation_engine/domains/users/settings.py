"""Knobs of tokens, sign-ins and external identity."""

from pydantic import BaseModel, Field, SecretStr


class TokenSettings(BaseModel):
    """How bearer tokens are signed and checked."""

    secret: SecretStr | None = Field(
        None,
        description="Key that signs tokens (HS256), at least 32 bytes. Unset on loopback: made on first start and kept "
        "in the data folder.",
    )
    accepted_secrets: list[SecretStr] = Field(
        [],
        description="JSON list of further keys whose tokens are accepted: the old ones while `CE_SECRET` is changed.",
    )
    token_issuer: str = Field("conversation-engine", description="`iss` of the tokens we make and accept.")
    token_audience: str = Field("conversation-engine", description="`aud` of the tokens we make and accept.")


class SignInSettings(BaseModel):
    """How people sign in, and for how long."""

    access_token_minutes: float = Field(15, gt=0, description="How long an access token of a sign-in is valid.")
    refresh_token_days: float = Field(30, gt=0, description="How long a sign-in lasts when it is not used.")
    revocation_seconds: float = Field(
        5, gt=0, description="How soon every process knows that a sign-in was ended or an account closed."
    )
    link_minutes: float = Field(15, gt=0, description="How long a one-time sign-in link is valid.")
    link_url: str = Field(
        "http://127.0.0.1:8000/ui/enter",
        description="Where one-time sign-in links lead; `?code=…` is added.",
    )
    sign_in_tries: int = Field(10, ge=1, description="Failed sign-ins of one name from one address in the window.")
    sign_in_window_minutes: float = Field(15, gt=0, description="The window in which failed sign-ins are counted.")


class ExternalIdentitySettings(BaseModel):
    """Tokens of another issuer."""

    external_issuer: str | None = Field(None, description="`iss` of another issuer whose tokens are accepted.")
    external_audience: str | None = Field(None, description="`aud` that its tokens must have.")
    external_secrets: list[SecretStr] = Field(
        [], description="JSON list of keys shared with it (HS256), each at least 32 bytes."
    )
    external_jwks_url: str | None = Field(
        None, description="Where it publishes its public keys (RS256, EdDSA): a JSON Web Key Set."
    )
    external_jwks_seconds: float = Field(600, gt=0, description="How long its public keys are kept before a new look.")
    external_id_claim: str = Field("sub", description="Claim that is the user's id; dots lead inside.")
    external_role_claim: str = Field("role", description="Claim with the role, or a list of roles; dots lead inside.")
    external_roles: dict[str, str] = Field(
        {},
        description='JSON object: its words for our roles, such as {"instructor": "teacher"}; others are students.',
    )
    external_name_claim: str = Field("name", description="Claim that is the name to show.")
