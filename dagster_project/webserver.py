"""Dagster's web server, which answers only pages of its own: ``python -m dagster_project.webserver`` with its options.

What belongs here: looking at a request's Host and Origin. Dagster's server has no accounts; without these checks a
page of any site that a browser shows could launch runs and wipe assets here, by its own name or by one that it lets
point to this machine (DNS rebinding). Which people may is `dagster_project.ui_token`, where a token is wanted, or up
to what stands before the server.
"""

import os
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers, QueryParams
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dagster_project.ui_token import TOKEN_VARIABLE, TokenAside, TokenOnly, token_in_environment

HOSTS_VARIABLE = "CLIMB_UI_HOSTS"  # further names of this server, separated by commas
LOOPBACK = ("127.0.0.1", "localhost")
GRAPHQL = "/graphql"
CREATE_APP = "create_app_from_workspace_process_context"  # what Dagster's command line makes its app by


class OwnPagesOnly:
    """Refuses what a page of another origin asks for, and queries by GET, which no page needs and any can cause."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on or refuse it."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            if _is_foreign(headers) or _queries_by_get(scope):
                refusal = PlainTextResponse("only this server's own pages may ask for that", status_code=403)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_foreign(headers: Headers) -> bool:
    """Return whether a page of another origin asks, or one of an origin that is no address."""
    origin = headers.get("origin")
    try:
        return origin is not None and urlsplit(origin).netloc != headers.get("host")
    except ValueError:
        return True


def _queries_by_get(scope: Scope) -> bool:
    asks = scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and scope["path"].endswith(GRAPHQL)
    return asks and "query" in QueryParams(scope["query_string"])


def guard(app: Starlette, hosts: tuple[str, ...], token: str | None = None) -> Starlette:
    """Let an app answer under some host names only, only pages of its own, and only who has its token if any."""
    if token is not None:
        app.add_middleware(TokenOnly, token=token)
    app.add_middleware(OwnPagesOnly)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    if token is not None:
        app.add_middleware(TokenAside)  # the first that a request meets
    return app


def main() -> None:
    """Serve as ``dagster-webserver`` does, guarded."""
    import dagster_webserver.cli as dagster_cli

    further = tuple(filter(None, os.environ.get(HOSTS_VARIABLE, "").split(",")))
    token = token_in_environment()
    os.environ.pop(TOKEN_VARIABLE, None)  # the code that this server loads, and its runs, inherit the environment
    create = getattr(dagster_cli, CREATE_APP)

    def create_guarded(*arguments: Any, **options: Any) -> Starlette:
        return guard(create(*arguments, **options), (*LOOPBACK, *further), token)

    setattr(dagster_cli, CREATE_APP, create_guarded)
    dagster_cli.main()


if __name__ == "__main__":
    main()
