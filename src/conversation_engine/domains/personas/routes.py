"""`/personas`, `/clients` and `/prompt-templates` over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from conversation_engine.domains.personas.schemas import (
    ClientCard,
    ClientCardPage,
    PersonaEdit,
    PersonaOut,
    PersonaPage,
    ProfileFields,
    PromptOut,
    SharesBody,
    TemplateList,
    TemplateOut,
    TemplateValues,
    VersionList,
    VersionOut,
)
from conversation_engine.domains.personas.service import PersonaService, shown_shares
from conversation_engine.domains.personas.types import EVERYONE, PersonaFilter, PersonaStatus
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.once import OnceRoute, RequestOnce
from conversation_engine.infra.web.paths import PersonaPath
from conversation_engine.kernel.ids import UserId

router = APIRouter(tags=["personas"], route_class=OnceRoute)


Personas = Annotated[PersonaService, service_of(PersonaService)]
Limit = Annotated[int, Query(ge=1, le=200)]
CursorQuery = Annotated[str | None, Query(max_length=300, description="`next` or `previous` of an earlier page.")]
VersionQuery = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Unset: the newest.")]


@router.post("/personas", status_code=201)
async def create_persona(body: ProfileFields, caller: Caller, personas: Personas, once: RequestOnce) -> PersonaOut:
    """A new client. For teachers and admins."""
    return PersonaOut.of(await personas.create(caller, body.profile(), once=once))


@router.get("/personas")
async def list_personas(
    caller: Caller,
    personas: Personas,
    *,
    mine: Annotated[bool, Query(description="Only those that you own.")] = False,
    status: PersonaStatus = PersonaStatus.ACTIVE,
    cursor: CursorQuery = None,
    limit: Limit = 50,
) -> PersonaPage:
    """Your clients and those shared with you, newest first; for admins everybody's."""
    wanted = PersonaFilter(owner_id=caller.user_id if mine else None, status=status)
    page = await personas.list_of(caller, wanted, cursor=cursor, limit=limit)
    return PersonaPage(items=[PersonaOut.of(item) for item in page.items], next=page.next, previous=page.previous)


@router.post("/personas/preview")
async def preview_profile(body: ProfileFields, caller: Caller, personas: Personas) -> PromptOut:
    """The prompt that a profile makes, without saving it."""
    return PromptOut(system_prompt=personas.preview(caller, body.profile()))


@router.get("/personas/{persona_id}")
async def get_persona(
    persona_id: PersonaPath, caller: Caller, personas: Personas, version: VersionQuery = None
) -> PersonaOut:
    """One client, all of it."""
    return PersonaOut.of(await personas.get(caller, persona_id, version=version))


@router.put("/personas/{persona_id}")
async def edit_persona(persona_id: PersonaPath, body: PersonaEdit, caller: Caller, personas: Personas) -> PersonaOut:
    """Save the profile as its next version. Sessions that run keep the version they began with."""
    return PersonaOut.of(await personas.edit(caller, persona_id, body.profile.profile(), based_on=body.based_on))


@router.get("/personas/{persona_id}/versions")
async def list_versions(persona_id: PersonaPath, caller: Caller, personas: Personas) -> VersionList:
    """Every version of its profile, newest first."""
    return VersionList(items=[VersionOut.of(version) for version in await personas.versions(caller, persona_id)])


@router.get("/personas/{persona_id}/prompt")
async def preview_prompt(
    persona_id: PersonaPath, caller: Caller, personas: Personas, version: VersionQuery = None
) -> PromptOut:
    """The system prompt that sessions with it begin with."""
    return PromptOut(system_prompt=await personas.prompt(caller, persona_id, version=version))


@router.post("/personas/{persona_id}/archive")
async def archive_persona(persona_id: PersonaPath, caller: Caller, personas: Personas) -> PersonaOut:
    """Take it out of use: no new sessions; running ones go on. Idempotent."""
    return PersonaOut.of(await personas.set_status(caller, persona_id, PersonaStatus.ARCHIVED))


@router.post("/personas/{persona_id}/restore")
async def restore_persona(persona_id: PersonaPath, caller: Caller, personas: Personas) -> PersonaOut:
    """Take it back into use. Idempotent."""
    return PersonaOut.of(await personas.set_status(caller, persona_id, PersonaStatus.ACTIVE))


@router.get("/personas/{persona_id}/shares")
async def get_shares(persona_id: PersonaPath, caller: Caller, personas: Personas) -> SharesBody:
    """Who may read it and talk with it, beside its owner."""
    everyone, user_ids = shown_shares(await personas.shares(caller, persona_id))
    return SharesBody(everyone=everyone, user_ids=list(user_ids))


@router.put("/personas/{persona_id}/shares")
async def share_persona(persona_id: PersonaPath, body: SharesBody, caller: Caller, personas: Personas) -> SharesBody:
    """Say who may read it and talk with it, beside its owner: these and nobody else."""
    wanted = [*map(UserId, body.user_ids), *([EVERYONE] if body.everyone else [])]
    everyone, user_ids = shown_shares(await personas.share(caller, persona_id, wanted))
    return SharesBody(everyone=everyone, user_ids=list(user_ids))


@router.get("/clients")
async def list_clients(
    caller: Caller, personas: Personas, cursor: CursorQuery = None, limit: Limit = 50
) -> ClientCardPage:
    """The clients that you can begin a session with, newest first."""
    page = await personas.open_to(caller, cursor=cursor, limit=limit)
    return ClientCardPage(items=[ClientCard.of(item) for item in page.items], next=page.next, previous=page.previous)


@router.get("/clients/{persona_id}")
async def get_client(persona_id: PersonaPath, caller: Caller, personas: Personas) -> ClientCard:
    """What you are told of a client before you talk."""
    return ClientCard.of(await personas.find_open(caller, persona_id))


@router.get("/prompt-templates")
async def list_templates(caller: Caller, personas: Personas) -> TemplateList:
    """The newest version of every prompt template."""
    library = personas.library
    return TemplateList(items=[TemplateOut.of(item, library.versions(item.name)) for item in library.newest()])


@router.get("/prompt-templates/{name}")
async def get_template(name: str, caller: Caller, personas: Personas, version: VersionQuery = None) -> TemplateOut:
    """One template."""
    return TemplateOut.of(personas.library.get(name, version), personas.library.versions(name))


@router.post("/prompt-templates/{name}/render")
async def render_template(name: str, body: TemplateValues, caller: Caller, personas: Personas) -> PromptOut:
    """What a template says with these variables."""
    return PromptOut(system_prompt=personas.library.get(name, body.version).render(body.variables))
