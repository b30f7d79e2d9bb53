"""Links on the wire."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from conversation_engine.domains.users.schemas import RequestBody
from conversation_engine.people.shares.types import NewShare, Share, ShareMode


class ShareIn(RequestBody):
    """A link that is wanted."""

    mode: ShareMode = Field(
        ShareMode.SNAPSHOT, description="`snapshot`: what was said until now; `live`: whatever is said."
    )
    days: int = Field(7, description="How long it leads there: up to `CE_SHARE_MOST_DAYS`.")
    has_names: bool = Field(
        True, description="False: neither the title nor your name is shown. What was said stays as it is."
    )

    def new(self) -> NewShare:
        """What is wanted."""
        return NewShare(mode=self.mode, days=self.days, has_names=self.has_names)


class ShareOut(BaseModel):
    """A link, without its secret."""

    id: str
    conversation_id: str
    mode: ShareMode
    has_names: bool
    created_at: datetime
    expires_at: datetime

    @staticmethod
    def of(share: Share) -> "ShareOut":
        """The wire shape."""
        return ShareOut(**_fields(share))


class MadeShare(ShareOut):
    """A new link."""

    path: str = Field(description="Where it leads, on this server. It is told only now: we keep a hash of it.")

    @staticmethod
    def made(share: Share, secret: str) -> "MadeShare":
        """The wire shape."""
        return MadeShare(**_fields(share), path=f"/shared/{secret}")


class ShareList(BaseModel):
    """Links that lead to a conversation now, newest first."""

    items: list[ShareOut]


def _fields(share: Share) -> dict[str, Any]:
    return {name: getattr(share, name) for name in ShareOut.model_fields}
