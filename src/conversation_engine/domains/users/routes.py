"""`/auth`, `/users` and `/audit` over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from conversation_engine.domains.users.schemas import (
    AuditEventOut,
    AuditPage,
    EndedOut,
    LinkIn,
    LinkOut,
    Me,
    OwnPasswordIn,
    PasswordIn,
    RefreshIn,
    SetPasswordIn,
    TokenOut,
    UserChange,
    UserIn,
    UserOut,
    UserPage,
)
from conversation_engine.domains.users.service import AccountService
from conversation_engine.domains.users.sign_in.service import SignInService
from conversation_engine.domains.users.types import NewUser, UserFilter
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.audit.types import AuditFilter
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.once import NOT_KEPT, OnceRoute
from conversation_engine.infra.web.paths import UserPath
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Role

open_router = APIRouter(prefix="/auth", tags=["sign-in"])
router = APIRouter(tags=["users"], route_class=OnceRoute)


Accounts = Annotated[AccountService, service_of(AccountService)]
SignIns = Annotated[SignInService, service_of(SignInService)]
Audit = Annotated[AuditLog, service_of(AuditLog)]
Limit = Annotated[int, Query(ge=1, le=200)]
CursorQuery = Annotated[str | None, Query(max_length=600, description="`next` or `previous` of an earlier page.")]
Word = Annotated[str | None, Query(max_length=255)]


def _address(request: Request) -> str | None:
    return request.client.host[:64] if request.client else None


@open_router.post("/token")
async def sign_in(body: PasswordIn, request: Request, sign_ins: SignIns) -> TokenOut:
    """Sign in with a name and a password. Tries are limited (429)."""
    address = _address(request)
    return TokenOut.of(await sign_ins.sign_in(body.login, body.password, address=address, stays=body.stay))


@open_router.post("/refresh")
async def refresh(body: RefreshIn, sign_ins: SignIns) -> TokenOut:
    """Another access token and the next refresh token. A refresh token that was used before ends the sign-in."""
    return TokenOut.of(await sign_ins.refresh(body.refresh_token))


@open_router.post("/link")
async def use_link(body: LinkIn, request: Request, sign_ins: SignIns) -> TokenOut:
    """Sign in with the code of a one-time link."""
    return TokenOut.of(await sign_ins.use_link(body.code, address=_address(request), stays=body.stay))


@router.post("/auth/logout", status_code=204)
async def sign_out(request: Request, caller: Caller, sign_ins: SignIns) -> None:
    """End the sign-in that your token belongs to: its refresh token at once, its access tokens within seconds."""
    await sign_ins.sign_out(caller, address=_address(request))


@router.get("/auth/me")
async def get_me(caller: Caller, accounts: Accounts) -> Me:
    """Who you are."""
    account = await accounts.find_own(caller)
    return Me(user_id=caller.user_id, role=caller.role, account=UserOut.of(account) if account else None)


@router.put("/auth/password", status_code=204)
async def change_own_password(body: OwnPasswordIn, caller: Caller, accounts: Accounts) -> None:
    """Change your password; all of your sign-ins end."""
    await accounts.change_own_password(caller, old=body.old, new=body.new)


@router.post("/users", status_code=201)
async def create_user(body: UserIn, caller: Caller, accounts: Accounts) -> UserOut:
    """A new account. For admins, as everything under `/users`."""
    new = NewUser(login=body.login, name=body.name, role=body.role, password=body.password)
    return UserOut.of(await accounts.create(caller, new))


@router.get("/users")
async def list_users(
    caller: Caller,
    accounts: Accounts,
    *,
    role: Role | None = None,
    is_active: bool | None = None,
    cursor: CursorQuery = None,
    limit: Limit = 50,
) -> UserPage:
    """Accounts."""
    wanted = UserFilter(role=role, is_active=is_active)
    page = await accounts.list_of(caller, wanted, cursor=cursor, limit=limit)
    return UserPage(items=[UserOut.of(item) for item in page.items], next=page.next, previous=page.previous)


@router.get("/users/{user_id}")
async def get_user(user_id: UserPath, caller: Caller, accounts: Accounts) -> UserOut:
    """One account."""
    return UserOut.of(await accounts.get(caller, user_id))


@router.patch("/users/{user_id}")
async def change_user(user_id: UserPath, body: UserChange, caller: Caller, accounts: Accounts) -> UserOut:
    """Change name or role, close or open the account. Another role and closing end all of its sign-ins."""
    changed = await accounts.change(caller, user_id, name=body.name, role=body.role, is_active=body.is_active)
    return UserOut.of(changed)


@router.put("/users/{user_id}/password", status_code=204)
async def set_password(user_id: UserPath, body: SetPasswordIn, caller: Caller, accounts: Accounts) -> None:
    """Give it another password; all of its sign-ins end."""
    await accounts.set_password(caller, user_id, body.password)


@router.post("/users/{user_id}/link", status_code=201, dependencies=[NOT_KEPT])
async def make_link(user_id: UserPath, caller: Caller, sign_ins: SignIns) -> LinkOut:
    """A one-time link that signs this user in; pass it on by a way that you trust."""
    return LinkOut(url=await sign_ins.make_link(caller, user_id))


@router.post("/users/{user_id}/logout")
async def end_sign_ins(user_id: UserPath, caller: Caller, accounts: Accounts) -> EndedOut:
    """Sign them out everywhere."""
    return EndedOut(ended=await accounts.end_sign_ins(caller, user_id))


@router.get("/audit")
async def list_audit(
    caller: Caller,
    audit: Audit,
    *,
    actor_id: Word = None,
    subject_id: Word = None,
    action: Word = None,
    cursor: CursorQuery = None,
    limit: Limit = 50,
) -> AuditPage:
    """Sign-ins, administrative acts and looks into what is somebody else's, newest first. For admins."""
    wanted = AuditFilter(
        actor_id=None if actor_id is None else UserId(actor_id),
        subject_id=None if subject_id is None else UserId(subject_id),
        action=action,
    )
    page = await audit.list_of(caller, wanted, cursor=cursor, limit=limit)
    return AuditPage(items=[AuditEventOut.of(item) for item in page.items], next=page.next, previous=page.previous)
