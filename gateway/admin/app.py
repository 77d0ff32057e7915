"""The routes of the admin port."""

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from gateway import __version__
from gateway.admin import explain, orders
from gateway.admin.explain import Explained
from gateway.admin.gate import READ, requires
from gateway.admin.page import page_of
from gateway.admin.service import AdminService
from gateway.admin.status import Status, collect
from gateway.errors import GatewayError
from gateway.metrics import CONTENT_TYPE
from gateway.s3.errors import row_of


def create(service: AdminService) -> FastAPI:
    """The application behind the admin port; it holds no state of its own."""
    app = FastAPI(
        title="Forebay admin API", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json"
    )
    may_read = Depends(requires(service, READ))
    metrics_open = service.config.admin.metrics == "open" or service.config.listen.admin.is_loopback
    app.add_exception_handler(GatewayError, _refusal)

    @app.get("/healthz", response_class=PlainTextResponse, tags=["health"])
    async def healthz() -> str:
        """Whether the process lives."""
        return "ok\n"

    @app.get("/readyz", response_class=PlainTextResponse, tags=["health"])
    async def readyz() -> PlainTextResponse:
        """Whether the node serves: 200, or 503 and why not."""
        why = service.not_ready()
        return PlainTextResponse("ok\n") if why is None else PlainTextResponse(f"{why}\n", 503)

    @app.get("/metrics", dependencies=[] if metrics_open else [may_read], tags=["metrics"])
    async def metrics() -> Response:
        """All metrics in Prometheus' text format."""
        return Response(service.metrics.render(), media_type=CONTENT_TYPE)

    @app.get("/api/v1/status", dependencies=[may_read], tags=["node"])
    async def status() -> Status:
        """The node, its mounts and whether they can be reached."""
        return await collect(service)

    @app.get("/api/v1/explain", dependencies=[may_read], tags=["objects"])
    async def explain_object(uri: str) -> Explained:
        """What this node's cache holds of the object `s3://bucket/key`, and why the last read missed."""
        return await explain.collect(service, uri)

    app.include_router(orders.routes(service))

    @app.get("/api/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page_of(app.openapi()))

    return app


async def _refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, GatewayError)
    row = row_of(error)
    return JSONResponse({"code": row.code, "detail": str(error)}, row.status)
