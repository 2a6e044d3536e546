"""Is it alive, does it take work, how does it fare."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response

from ui.api.caller import REFUSALS, Wired, needs
from ui.api.wire import Health

router = APIRouter(tags=["Health"])


@router.get("/healthz", response_model=Health)
async def health() -> JSONResponse:
    """The process answers. Needs no key."""
    return JSONResponse({"status": "ok"})


@router.get(
    "/readyz",
    response_model=Health,
    responses={503: {"model": Health, "description": "It warms up or drains."}},
)
async def readiness(service: Wired) -> JSONResponse:
    """Whether it takes questions: not until the models are loaded, nor once it drains."""
    state = service.life.state
    return JSONResponse({"status": state}, 200 if state == "ready" else 503)


@router.get(
    "/metrics",
    dependencies=[Depends(needs("metrics"))],
    response_class=Response,
    responses={
        **REFUSALS,
        200: {"description": "Prometheus' text.", "content": {"text/plain": {}}},
    },
)
def metrics(service: Wired) -> Response:
    """What Prometheus scrapes; needs a key with the scope metrics."""
    body, kind = service.meter.exposition()
    return Response(body, media_type=kind)
