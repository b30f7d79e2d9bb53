"""Personas and prompt templates on the wire."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from conversation_engine.domains.llm.types import Sampling
from conversation_engine.domains.personas.prompts.template import PromptTemplate, Variable, VariableType
from conversation_engine.domains.personas.types import (
    ClientProfile,
    Difficulty,
    Persona,
    PersonaStatus,
    PersonaVersion,
)
from conversation_engine.kernel.windows import RecallScope, TooLongPolicy, WindowOptions, WindowStrategy


class RequestBody(BaseModel):
    """A body with a field that we do not know is refused rather than half understood."""

    model_config = ConfigDict(extra="forbid")


class SamplingFields(BaseModel):
    """How replies are drawn; null leaves the choice to the model."""

    model_config = ConfigDict(extra="forbid")

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1, description="Longest reply, in tokens.")
    stop: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(default_factory=list, max_length=4)
    seed: int | None = Field(None, ge=0, le=2**31 - 1)

    def sampling(self) -> Sampling:
        """The same in our words."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            reply_limit_tokens=self.max_tokens,
            stop=tuple(self.stop),
            seed=self.seed,
        )

    @staticmethod
    def of(sampling: Sampling) -> "SamplingFields":
        """The wire shape."""
        return SamplingFields(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.reply_limit_tokens,
            stop=list(sampling.stop),
            seed=sampling.seed,
        )


class WindowFields(BaseModel):
    """What the model is shown of a long session; null leaves it to the server."""

    model_config = ConfigDict(extra="forbid")

    strategy: WindowStrategy | None = Field(
        None, description="`auto`, `last_messages`, `token_budget`, `summarize` or `recall`: see docs/context.md."
    )
    last_messages: int | None = Field(None, ge=1, le=1000, description="How many `last_messages` shows.")
    budget_tokens: int | None = Field(None, ge=64, description="Most tokens of a prompt.")
    too_long: TooLongPolicy | None = None
    recall_scope: RecallScope | None = None

    def options(self) -> WindowOptions:
        """The same in our words."""
        return WindowOptions.from_json(self.model_dump(exclude_none=True))

    @staticmethod
    def of(options: WindowOptions) -> "WindowFields":
        """The wire shape."""
        return WindowFields(**(options.as_json() or {}))


class ProfileFields(BaseModel):
    """Who a client is."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(examples=["Maria Keller"])
    age: int | None = None
    background: str = Field("", description="Life so far.")
    context: str = Field("", description="Why they are here, and where. Students are told this beforehand.")
    personality_traits: list[str] = Field(default_factory=list)
    communication_style: str = ""
    behaviour_patterns: list[str] = Field(default_factory=list)
    goals: list[str] = Field(default_factory=list)
    difficulty: Difficulty = Difficulty.MEDIUM
    boundaries: list[str] = Field(default_factory=list, description="What they do not talk about or do.")
    language: str = Field("", description="The language they speak, in words.", examples=["English"])
    opening_line: str = Field("", description="What they say first; empty: they wait to be spoken to.")
    model: str | None = Field(None, description="The model that plays them; unset: the server's default.")
    sampling: SamplingFields = Field(default_factory=SamplingFields)
    window: WindowFields = Field(default_factory=WindowFields)
    collection_ids: list[str] = Field(
        default_factory=list,
        description="Collections of documents that they know: sessions look answers up in them, and students meet them "
        "nowhere else. Collections that you may read; those that the client has already stay with whoever gave them.",
    )

    def profile(self) -> ClientProfile:
        """The same in our words."""
        fields = self.model_dump(exclude={"sampling", "window"})
        lists = ("personality_traits", "behaviour_patterns", "goals", "boundaries", "collection_ids")
        fields |= {name: tuple(fields[name]) for name in lists}
        return ClientProfile(**fields, sampling=self.sampling.sampling(), window=self.window.options())

    @staticmethod
    def of(profile: ClientProfile) -> "ProfileFields":
        """The wire shape."""
        return ProfileFields(
            name=profile.name,
            age=profile.age,
            background=profile.background,
            context=profile.context,
            personality_traits=list(profile.personality_traits),
            communication_style=profile.communication_style,
            behaviour_patterns=list(profile.behaviour_patterns),
            goals=list(profile.goals),
            difficulty=profile.difficulty,
            boundaries=list(profile.boundaries),
            language=profile.language,
            opening_line=profile.opening_line,
            model=profile.model,
            sampling=SamplingFields.of(profile.sampling),
            window=WindowFields.of(profile.window),
            collection_ids=list(profile.collection_ids),
        )


class PersonaEdit(RequestBody):
    """A profile to save as the next version."""

    profile: ProfileFields
    based_on: int | None = Field(None, description="The version that was edited: 409 if it is not the newest any more.")


class SharesBody(RequestBody):
    """Who may read a client and talk with it, beside its owner."""

    everyone: bool = False
    user_ids: list[str] = Field(default_factory=list, max_length=1000)


class PersonaOut(BaseModel):
    """A client in one of its versions."""

    id: str
    owner_id: str
    version: int
    newest_version: int
    status: PersonaStatus
    profile: ProfileFields
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def of(persona: Persona) -> "PersonaOut":
        """The wire shape."""
        return PersonaOut(
            id=persona.id,
            owner_id=persona.owner_id,
            version=persona.version,
            newest_version=persona.newest_version,
            status=persona.status,
            profile=ProfileFields.of(persona.profile),
            created_at=persona.created_at,
            updated_at=persona.updated_at,
        )


class PersonaPage(BaseModel):
    """Some clients, newest first."""

    items: list[PersonaOut]
    next: str | None = Field(description="`cursor` of the page after this one.")
    previous: str | None = Field(description="`cursor` of the page before this one.")


class VersionOut(BaseModel):
    """A profile as it was saved."""

    version: int
    profile: ProfileFields
    created_at: datetime

    @staticmethod
    def of(version: PersonaVersion) -> "VersionOut":
        """The wire shape."""
        return VersionOut(
            version=version.version, profile=ProfileFields.of(version.profile), created_at=version.created_at
        )


class VersionList(BaseModel):
    """Every version of a client, newest first."""

    items: list[VersionOut]


class ClientCard(BaseModel):
    """What a student is told of a client before they talk."""

    id: str
    name: str
    age: int | None
    context: str
    difficulty: Difficulty
    language: str
    greets_first: bool

    @staticmethod
    def of(persona: Persona) -> "ClientCard":
        """The wire shape: nothing that is for the model or the teacher."""
        profile = persona.profile
        return ClientCard(
            id=persona.id,
            name=profile.name,
            age=profile.age,
            context=profile.context,
            difficulty=profile.difficulty,
            language=profile.language,
            greets_first=bool(profile.opening_line),
        )


class ClientCardPage(BaseModel):
    """Some clients, newest first."""

    items: list[ClientCard]
    next: str | None = Field(description="`cursor` of the page after this one.")
    previous: str | None = Field(description="`cursor` of the page before this one.")


class PromptOut(BaseModel):
    """What a model would be told."""

    system_prompt: str


class VariableOut(BaseModel):
    """What a template wants to know."""

    name: str
    type: VariableType
    description: str
    required: bool
    choices: list[str]

    @staticmethod
    def of(variable: Variable) -> "VariableOut":
        """The wire shape."""
        return VariableOut(
            name=variable.name,
            type=variable.type,
            description=variable.description,
            required=variable.is_required,
            choices=list(variable.choices),
        )


class TemplateOut(BaseModel):
    """A prompt template."""

    name: str
    version: int
    versions: list[int]
    description: str
    conversation_type: str
    variables: list[VariableOut]

    @staticmethod
    def of(template: PromptTemplate, versions: Sequence[int]) -> "TemplateOut":
        """The wire shape."""
        return TemplateOut(
            name=template.name,
            version=template.version,
            versions=list(versions),
            description=template.description,
            conversation_type=template.conversation_type,
            variables=[VariableOut.of(variable) for variable in template.variables.values()],
        )


class TemplateList(BaseModel):
    """The newest version of every template."""

    items: list[TemplateOut]


class TemplateValues(RequestBody):
    """What to fill a template with."""

    version: int | None = Field(None, ge=1, description="Unset: the newest.")
    variables: Mapping[str, str | int | list[str] | None] = Field(default_factory=dict)
