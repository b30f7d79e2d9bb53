"""New ids: UUIDv7 (RFC 9562), so that primary keys of one table grow with time and indexes stay compact."""

import uuid_utils


def new_id() -> str:
    """A fresh UUIDv7 in canonical form."""
    return str(uuid_utils.uuid7())
