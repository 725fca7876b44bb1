"""The token of `climb ui`: who has it may use the web server, on a machine that other people use too.

What belongs here: where a token comes from, and looking for it in a request. Environment variables of a process can be
read by its own account alone, arguments by every account of the machine, so a token never is an argument.
"""

import os
import re
import secrets
from urllib.parse import urlencode

from starlette.datastructures import Headers, QueryParams
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from climb_assets.errors import ConfigError

TOKEN_VARIABLE = "CLIMB_UI_TOKEN"
PARAMETER = "token"  # of an address, as Jupyter has it
GIVEN = "climb_ui_token"  # in a request's scope: the token of its address, or None
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,}")  # what an address can hold unquoted


class TokenAside:
    """Takes the token out of an address, which is logged whoever refuses the request, and hands it on in the scope.

    It stands before what looks at Host, so it looks at the query alone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on without its token."""
        if scope["type"] in ("http", "websocket"):
            query = QueryParams(scope["query_string"])
            scope[GIVEN] = query.get(PARAMETER)
            if PARAMETER in query:
                others = [(name, value) for name, value in query.multi_items() if name != PARAMETER]
                scope["query_string"] = urlencode(others).encode()
        await self._app(scope, receive, send)


class TokenOnly:
    """Refuses whoever has not got the token: as a Bearer, or in the address of a page, for which a cookie is given.

    The cookie holds a secret of this process and not the token: a browser sends it to every port of the host, and to
    whatever listens on this port later.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token
        self._session = secrets.token_urlsafe()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, give a cookie for the token in its address, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        cookie = f"climb_ui_{scope['server'][1]}"  # servers on two ports of a host share their cookies
        opens_page = scope["type"] == "http" and scope["method"] == "GET"
        if opens_page and _same(scope[GIVEN], self._token):
            welcome = RedirectResponse(connection.url, status_code=303)
            secure = connection.url.scheme == "https"
            welcome.set_cookie(cookie, self._session, httponly=True, samesite="strict", secure=secure)
            await welcome(scope, receive, send)
        elif _same(connection.cookies.get(cookie), self._session) or _same(_bearer(connection.headers), self._token):
            await self._app(scope, receive, send)
        else:
            refusal = PlainTextResponse(
                "open the address with the token that `climb ui` printed where it was started, or send the token as "
                "the header Authorization: Bearer",
                status_code=401,
                headers={"WWW-Authenticate": "Bearer"},
            )
            await refusal(scope, receive, send)


def _bearer(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def _same(given: str | None, wanted: str) -> bool:
    return given is not None and secrets.compare_digest(given.encode(), wanted.encode())


def token_in_environment() -> str | None:
    """Return the token that the environment names; None where it names none.

    Raises
    ------
    ConfigError
        It is empty, short or of other letters than an address can hold: nobody meant a server without a token.
    """
    token = os.environ.get(TOKEN_VARIABLE)
    if token is not None and not _TOKEN.fullmatch(token):
        raise ConfigError(
            f"{TOKEN_VARIABLE} is no token of 16 or more letters, digits and '.', '_', '~', '-'; give another, or "
            "unset it and use `climb ui --token`, which makes one"
        )
    return token


def choose_token(*, make: bool) -> str | None:
    """Return the token of a new server: that of the environment, else a new one where one is to be made.

    Raises
    ------
    ConfigError
        As `token_in_environment`.
    """
    return token_in_environment() or (secrets.token_urlsafe() if make else None)


def address_to_open(address: str, token: str | None) -> str:
    """Return the address that lets a person in; a token of the environment is named and not shown."""
    shown = f"${TOKEN_VARIABLE}" if TOKEN_VARIABLE in os.environ else token
    return address if token is None else f"{address}/?{PARAMETER}={shown}"
