"""Knobs of the warehouse."""

from pydantic import BaseModel, Field, SecretStr


class WarehouseSettings(BaseModel):
    """Where conversations are carried to, for analysis; unset: nowhere, and nothing is noted for it."""

    warehouse_url: SecretStr | None = Field(
        None,
        description="`snowflake://USER:PASSWORD@ACCOUNT/DATABASE/SCHEMA?warehouse=W&role=R` (or, without a password, "
        "`private_key_file=PATH`); needs the extra `snowflake` and `convo warehouse init`. Unset: none.",
    )
    warehouse_seconds: float = Field(60.0, gt=0, description="How often what is new is carried to the warehouse.")
    warehouse_batch: int = Field(500, ge=1, le=5000, description="Rows of one statement there.")
