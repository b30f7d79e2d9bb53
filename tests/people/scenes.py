"""Students, teachers, an admin, and clients of theirs."""

from conversation_engine.domains.personas.types import EVERYONE, ClientProfile, Persona
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role


def person(name: str, role: Role) -> Principal:
    return Principal(user_id=UserId(name), role=role)


ADA = person("ada", Role.STUDENT)
BOB = person("bob", Role.STUDENT)
TESS = person("tess", Role.TEACHER)
THEO = person("theo", Role.TEACHER)
ROOT = person("root", Role.ADMIN)
MARIA = ClientProfile(name="Maria", background="A nurse.", opening_line="Good morning.")


async def client_of(engine: ConversationEngine, teacher: Principal = TESS, profile: ClientProfile = MARIA) -> Persona:
    """A client that everybody may talk with."""
    persona = await engine.personas.create(teacher, profile)
    await engine.personas.share(teacher, persona.id, [EVERYONE])
    return persona
