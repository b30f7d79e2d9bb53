"""Is it alive, and can it work."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether this process answers at all."""
    return {"status": "ok"}


@router.get("/readyz", response_model=None)
async def readyz(request: Request) -> Response:
    """Whether what it depends on works; 503 when something does not."""
    is_ready = await request.app.state.is_database_ready()
    checks = {"database": "ok" if is_ready else "unreachable"}
    return JSONResponse({"status": "ok" if is_ready else "unavailable", "checks": checks}, 200 if is_ready else 503)
