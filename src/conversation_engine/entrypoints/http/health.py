"""Is it alive, and can it work."""

import asyncio
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

READY_TIMEOUT_SECONDS: Final = 2.0
"""How long the database may take to answer before it counts as away; probes give up after a few seconds."""

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether this process answers at all."""
    return {"status": "ok"}


@router.get("/readyz", response_model=None)
async def readyz(request: Request) -> Response:
    """Whether what it depends on works; 503 without the database, and what turns can do without for a while is told."""
    is_ready = await _is_answering(request)
    checks = {"database": is_ready, **request.app.state.helpers_standing()}
    told = {name: "ok" if works else "unreachable" for name, works in checks.items()}
    return JSONResponse({"status": "ok" if is_ready else "unavailable", "checks": told}, 200 if is_ready else 503)


async def _is_answering(request: Request) -> bool:
    try:
        async with asyncio.timeout(READY_TIMEOUT_SECONDS):
            return bool(await request.app.state.is_database_ready())
    except TimeoutError:
        return False
