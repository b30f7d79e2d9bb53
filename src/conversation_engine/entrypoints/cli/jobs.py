"""`convo jobs`: background work, and what was given up of it."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from conversation_engine.entrypoints.cli.stores import store
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import parse_id

if TYPE_CHECKING:
    from conversation_engine.infra.jobs.types import DeadJobs

app = typer.Typer(help="Background work.", invoke_without_command=True)
Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="As `convo jobs` shows them.", show_default=False)
]
Kind = Annotated[str | None, typer.Option(help="All of this kind, such as outbox.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


@app.callback()
def jobs(context: typer.Context, count: Annotated[int, typer.Option(min=1, help="Dead jobs to show.")] = 20) -> None:
    """Print how many jobs of each kind wait, run and are dead, and the last dead ones with what went wrong."""
    if context.invoked_subcommand is None:
        asyncio.run(_show(count))


@app.command("retry")
def retry(ids: Ids = None, *, kind: Kind = None, every: All = False) -> None:
    """Have dead jobs done after all: by ids, by kind, or all. Servers and workers take them within seconds."""
    print(f"{asyncio.run(_retry(which(ids, kind, is_every=every)))} jobs wait again.")


@app.command("drop")
def drop(ids: Ids = None, *, kind: Kind = None, every: All = False) -> None:
    """Forget dead jobs: what they were to do is not done."""
    print(f"{asyncio.run(_drop(which(ids, kind, is_every=every)))} jobs are forgotten.")


def which(ids: list[str] | None, kind: str | None, *, is_every: bool) -> "DeadJobs":
    """Exactly one way of saying it. Raises InvalidInputError, InvalidIdError."""
    from conversation_engine.infra.jobs.types import DeadJobs

    if bool(ids) + (kind is not None) + is_every != 1:
        raise InvalidInputError("Say which: ids, or --kind KIND, or --all.", field="ids")
    return DeadJobs(ids=[parse_id(one) for one in ids] if ids else None, kind=kind)


async def _show(count: int) -> None:
    async with store() as engine:
        standing, dead = await engine.jobs.count(), await engine.jobs.list_dead(count=count)
    kinds = sorted({kind for kind, _ in standing})
    if not kinds:
        print("Nothing is to be done, and nothing was given up.")
        return
    print(f"{'KIND':20}  {'WAITING':>8}  {'RUNNING':>8}  {'DEAD':>8}")
    for kind in kinds:
        numbers = "  ".join(f"{standing.get((kind, state), 0):>8}" for state in ("waiting", "running", "dead"))
        print(f"{kind:20}  {numbers}")
    for job in dead:
        told = f"{job.error_code}, {job.attempts} attempts, {job.died_at:%Y-%m-%d %H:%M:%SZ}"
        print(f"{job.id}  {job.kind} {job.key}: {told}")


async def _retry(which: "DeadJobs") -> int:
    async with store() as engine:
        return await engine.jobs.retry(which)


async def _drop(which: "DeadJobs") -> int:
    async with store() as engine:
        return await engine.jobs.drop(which)
