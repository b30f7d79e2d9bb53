"""Sharing conversations by links."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from conversation_engine.domains.conversations.moves.service import MoveStore
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import Conversation, Message, MessageRole
from conversation_engine.domains.users.service import AccountService
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.audit.types import Deed
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId, UserId, parse_id
from conversation_engine.kernel.people import Principal
from conversation_engine.people.shares.errors import (
    BadShareDaysError,
    NothingToShareError,
    ShareNotFoundError,
    SharingOffError,
    TooManySharesError,
)
from conversation_engine.people.shares.repo import ShareRepo
from conversation_engine.people.shares.settings import ShareSettings
from conversation_engine.people.shares.types import NewShare, Share, SharedTalk, ShareMode

SECRET_BYTES: Final = 32
MOST_SHARES: Final = 50
"""Of one conversation at a time."""
PAGE_MESSAGES: Final = 100
"""Shown at once."""


class ShareDesk:
    """The door to links. Only a conversation's owner makes, sees and takes them back; whoever has one may read.

    Nothing is copied: a snapshot is the path to the message that it ends with. What is deleted or erased is gone from
    every link at the same moment, and a snapshot goes with its last message.
    """

    def __init__(
        self,
        database: Database,
        *,
        conversations: ConversationService,
        accounts: AccountService,
        audit: AuditLog,
        clock: Clock,
        settings: ShareSettings,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._accounts = accounts
        self._audit = audit
        self._clock = clock
        self._most_days = settings.share_most_days
        self._repo = ShareRepo()
        self._store = MoveStore()

    async def share(self, caller: Principal, conversation_id: ConversationId, new: NewShare) -> tuple[Share, str]:
        """A new link and its secret, which nobody can tell again.

        Raises SharingOffError, BadShareDaysError, NothingToShareError, TooManySharesError, and what the conversation's
        door raises.
        """
        if not self._most_days:
            raise SharingOffError
        if not 1 <= new.days <= self._most_days:
            raise BadShareDaysError(self._most_days)
        account = await self._accounts.find_own(caller) if new.has_names else None
        name = None if account is None else account.name
        secret = secrets.token_urlsafe(SECRET_BYTES)
        share = await self._database.write(
            lambda tx: self._write(tx, caller, conversation_id, new, name=name, secret_hash=_hash(secret))
        )
        return share, secret

    async def list_of(self, caller: Principal, conversation_id: ConversationId) -> Sequence[Share]:
        """Links that lead to the conversation now, newest first."""

        def work(tx: Tx) -> Sequence[Share]:
            conversation = self._conversations.owned(tx, conversation_id, owner_id=caller.user_id)
            return self._repo.list_of(tx, conversation.id, now=self._clock.now())

        return await self._database.read(work)

    async def revoke(self, caller: Principal, conversation_id: ConversationId, share_id: str) -> None:
        """Take a link back: it leads nowhere from then on. Idempotent. Raises InvalidIdError."""
        share_id = parse_id(share_id)

        def work(tx: Tx) -> None:
            conversation = self._conversations.owned(tx, conversation_id, owner_id=caller.user_id)
            if self._repo.delete(tx, conversation.id, share_id):
                self._audit.record(tx, _deed("share.revoked", caller.user_id, conversation, share=share_id))

        await self._database.write(work)

    async def open(self, secret: str, *, after: int = 0) -> SharedTalk:
        """What a link shows, a page of it. For whoever has it. Three statements. Raises ShareNotFoundError."""

        def work(tx: Tx) -> SharedTalk:
            share = self._repo.find(tx, _hash(secret), now=self._clock.now())
            if share is None or not self._most_days:
                raise ShareNotFoundError
            conversation = self._conversations.owned(tx, share.conversation_id, owner_id=share.owner_id)
            return self._page(tx, share, conversation, after=after)

        return await self._database.read(work)

    def _write(
        self,
        tx: Tx,
        caller: Principal,
        conversation_id: ConversationId,
        new: NewShare,
        *,
        name: str | None,
        secret_hash: str,
    ) -> Share:
        now = self._clock.now()
        conversation = self._conversations.owned(tx, conversation_id, owner_id=caller.user_id)
        if new.mode is ShareMode.SNAPSHOT and conversation.active_leaf_id is None:
            raise NothingToShareError
        self._repo.delete_expired(tx, conversation.id, now=now)
        if len(self._repo.list_of(tx, conversation.id, now=now)) >= MOST_SHARES:
            raise TooManySharesError(MOST_SHARES)
        share = Share(
            id=new_id(),
            conversation_id=conversation.id,
            owner_id=conversation.owner_id,
            mode=new.mode,
            leaf_id=conversation.active_leaf_id if new.mode is ShareMode.SNAPSHOT else None,
            has_names=new.has_names,
            name=name,
            created_at=now,
            expires_at=now + timedelta(days=new.days),
        )
        self._repo.insert(tx, share, secret_hash=secret_hash)
        details = {"share": share.id, "mode": new.mode.value, "until": share.expires_at.isoformat()}
        self._audit.record(tx, _deed("conversation.shared", caller.user_id, conversation, **details))
        return share

    def _page(self, tx: Tx, share: Share, conversation: Conversation, *, after: int) -> SharedTalk:
        if share.leaf_id is not None:
            leaf = self._conversations.message(tx, conversation.id, share.leaf_id)
            conversation = replace(conversation, active_leaf_id=leaf.id, last_sequence=leaf.sequence_number)
        path = self._store.path_numbers(tx, conversation)
        shown: list[Message] = []
        while len(shown) <= PAGE_MESSAGES:
            found = self._store.messages_after(tx, conversation, after, count=PAGE_MESSAGES + 1)
            shown += [one for one in found if _is_shown(one, path)]
            if len(found) <= PAGE_MESSAGES:
                break
            after = found[-1].sequence_number
        page = shown[:PAGE_MESSAGES]
        following = page[-1].sequence_number if len(shown) > PAGE_MESSAGES else None
        return SharedTalk(share=share, conversation=conversation, messages=page, next=following)


def _is_shown(message: Message, path: frozenset[int] | None) -> bool:
    """System messages are instructions, not talk."""
    return message.role is not MessageRole.SYSTEM and (path is None or message.sequence_number in path)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _deed(action: str, actor_id: UserId, conversation: Conversation, **details: str) -> Deed:
    return Deed(action=action, actor_id=actor_id, target=f"conversation:{conversation.id}", details=details)
