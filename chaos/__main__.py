"""`python -m chaos [--kills 100] [--database …]`: the exit status is 1 when a promise was broken."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from chaos.options import DatabaseKind, Options
from chaos.run import run

DATABASES: tuple[DatabaseKind, ...] = ("sqlite", "postgresql")


def main(arguments: list[str]) -> int:
    """Run on the database asked for, or on both, and print a table each."""
    chosen = _parser().parse_args(arguments)
    databases = DATABASES if chosen.database is None else (chosen.database,)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends us ends what we started
    is_held = True
    for database in databases:
        report = asyncio.run(run(_options(chosen, database), folder=_folder(chosen.keep, database)))
        report.print()
        is_held = is_held and report.is_held
    return 0 if is_held else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--database", choices=DATABASES, help="default: both, one after the other")
    parser.add_argument("--kills", type=int, default=100, help="times that a server is killed with signal 9")
    parser.add_argument("--servers", type=int, help="default: 1 on sqlite, 2 on postgresql")
    parser.add_argument("--clients", type=int, default=8, help="users who keep asking")
    parser.add_argument("--seed", type=int, default=1, help="decides what is harmed and what the model does")
    parser.add_argument("--pause", type=float, default=1.5, help="most seconds between harms")
    parser.add_argument("--margin", type=float, default=5.0, help="seconds beyond lease and sweep until stuck")
    parser.add_argument(
        "--idempotent", action=argparse.BooleanOptionalAction, help="whether keys are honoured; default: ask the server"
    )
    parser.add_argument("--set", action="append", default=[], metavar="CE_NAME=VALUE", help="a setting of the servers")
    parser.add_argument("--keep", type=Path, help="a folder to leave the logs of the servers in")
    return parser


def _options(chosen: argparse.Namespace, database: DatabaseKind) -> Options:
    return Options(
        database=database,
        servers=chosen.servers or (1 if database == "sqlite" else 2),
        kills=chosen.kills,
        seed=chosen.seed,
        clients=chosen.clients,
        pause_most_seconds=chosen.pause,
        margin_seconds=chosen.margin,
        settings=tuple(_setting(pair) for pair in chosen.set),
        is_idempotent=chosen.idempotent,
    )


def _setting(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    return name, value


def _folder(keep: Path | None, database: DatabaseKind) -> Path | None:
    if keep is None:
        return None
    folder = keep.resolve() / database
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
