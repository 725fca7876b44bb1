"""A server with a token: who has it is let in, by every way in, and nobody else by any."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from climb_assets.errors import ConfigError
from dagster_project.ui_token import TOKEN_VARIABLE, address_to_open, choose_token, token_in_environment
from dagster_project.webserver import LOOPBACK, guard

OWN = "http://127.0.0.1:3000"
SOCKET = "ws://127.0.0.1:3000/graphql"  # the test client has another host for a path
TOKEN = "0123456789abcdef-~._"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
EVERY_WAY_IN = [
    ("GET", "/assets"),
    ("GET", "/static/page.js"),
    ("GET", "/download_debug/run"),
    ("HEAD", f"/assets?token={TOKEN}"),
    ("POST", "/graphql"),
    ("POST", f"/graphql?token={TOKEN}"),
    ("POST", "/report_asset_materialization/domains"),
    ("OPTIONS", "/graphql"),
]


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"done {request.url.query}")


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("done")
    await socket.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("static")
    (folder / "page.js").write_text("done")
    return str(folder)


def served(folder: str) -> Starlette:
    """Return an app of Dagster's ways in, as `climb ui --token` guards it."""
    routes = [
        WebSocketRoute("/graphql", talk),
        Mount("/static", StaticFiles(directory=folder)),
        Route("/{path:path}", answer, methods=["GET", "POST", "OPTIONS"]),
    ]
    return guard(Starlette(routes=routes), LOOPBACK, TOKEN)


@pytest.fixture
def client(folder: str) -> TestClient:
    return TestClient(served(folder), base_url=OWN)


def assert_refused(client: TestClient, **options: object) -> None:
    for method, path in EVERY_WAY_IN:
        refusal = client.request(method, path, **options)  # type: ignore[arg-type]
        assert refusal.status_code == 401 and refusal.headers["WWW-Authenticate"] == "Bearer", path
        assert method == "HEAD" or "that `climb ui` printed" in refusal.text
        assert "set-cookie" not in refusal.headers
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect(f"{SOCKET}?token={TOKEN}", **options),
    ):
        pass
    assert refused.value.status_code == 401


def assert_let_in(client: TestClient, **options: object) -> None:
    for method, path in EVERY_WAY_IN:
        assert client.request(method, path, **options).status_code == 200, path  # type: ignore[arg-type]
    with client.websocket_connect(SOCKET, **options) as socket:
        assert socket.receive_text() == "done"


def test_without_the_token_nothing_is_answered(client: TestClient) -> None:
    assert_refused(client)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \u00e9"]
)
def test_another_header_is_refused(client: TestClient, authorization: str) -> None:
    assert_refused(client, headers={"Authorization": authorization.encode("latin-1")})


@pytest.mark.parametrize("given_token", ["", "wrong", TOKEN[:-1], TOKEN.upper(), "\u65e5", "%ff", "%00"])
def test_another_token_in_the_address_is_refused(client: TestClient, given_token: str) -> None:
    assert client.get(f"/assets?token={given_token}", follow_redirects=False).status_code == 401
    assert not client.cookies


def test_a_script_sends_the_token_as_a_bearer(client: TestClient) -> None:
    assert_let_in(client, headers=BEARER)
    assert_let_in(client, headers={"Authorization": f"bearer {TOKEN}"})
    assert not client.cookies


def test_a_page_with_the_token_gives_a_cookie_and_way_to_itself(client: TestClient) -> None:
    welcome = client.get(f"/assets/domains?view=lineage&token={TOKEN}", follow_redirects=False)
    assert welcome.status_code == 303
    assert welcome.headers["location"] == f"{OWN}/assets/domains?view=lineage"
    kept = welcome.headers["set-cookie"]
    assert "httponly" in kept.lower() and "samesite=strict" in kept.lower() and "path=/" in kept.lower()
    assert TOKEN not in kept
    assert client.get(welcome.headers["location"]).text == "done view=lineage"
    assert_let_in(client)


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=60))
def test_no_other_cookie_and_no_other_header_lets_in(folder: str, text: str) -> None:
    client = TestClient(served(folder), base_url=OWN)
    for header in ("Cookie", "Authorization"):
        for value in (text, f"climb_ui_3000={text}", f"Bearer {text}"):
            assert client.get("/assets", headers={header: value.encode("latin-1")}).status_code == 401


def test_servers_on_two_ports_of_a_host_keep_each_other_signed_in(folder: str) -> None:
    first = TestClient(served(folder), base_url=OWN)
    second = TestClient(served(folder), base_url="http://127.0.0.1:3001")
    first.get(f"/?token={TOKEN}")
    second.cookies.update(first.cookies)
    assert second.get("/assets").status_code == 401  # a browser sends what another port was given
    second.get(f"/?token={TOKEN}")
    first.cookies.update(second.cookies)
    assert first.get("/assets").status_code == second.get("/assets").status_code == 200


def test_a_cookie_ends_with_its_server(folder: str) -> None:
    before, after = TestClient(served(folder), base_url=OWN), TestClient(served(folder), base_url=OWN)
    before.get(f"/?token={TOKEN}")
    after.cookies.update(before.cookies)
    assert after.cookies and after.get("/assets").status_code == 401


def test_pages_of_others_are_refused_with_the_token_too(client: TestClient) -> None:
    foreign = {"Origin": "http://evil.example"}
    assert client.post("/graphql", headers=BEARER | foreign).status_code == 403
    assert client.get(f"/?token={TOKEN}", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("host", ["evil.example", "[", "127.0.0.1:x"])
def test_a_refused_request_is_not_logged_with_its_token(host: str) -> None:
    async def ask() -> dict[str, object]:
        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: object) -> None:
            pass

        request = {"type": "http", "method": "GET", "path": "/", "scheme": "http", "server": ("127.0.0.1", 3000)}
        request |= {"query_string": f"a=1&token={TOKEN}".encode(), "headers": [(b"host", host.encode())]}
        await guard(Starlette(), ("127.0.0.1",), TOKEN)(request, receive, send)
        return request

    assert asyncio.run(ask())["query_string"] == b"a=1"


def test_a_token_is_made_where_one_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert choose_token(make=False) is None
    made, other = choose_token(make=True), choose_token(make=True)
    assert made is not None and other is not None and made != other and len(made) >= 32
    assert address_to_open(OWN, made) == f"{OWN}/?token={made}"
    assert address_to_open(OWN, None) == OWN
    monkeypatch.setenv(TOKEN_VARIABLE, made)
    assert token_in_environment() == made  # so the server takes what was made for it


def test_a_token_of_the_environment_is_taken_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    assert choose_token(make=False) == choose_token(make=True) == TOKEN
    assert address_to_open(OWN, TOKEN) == f"{OWN}/?token=$CLIMB_UI_TOKEN"


@pytest.mark.parametrize("value", ["", "short", "a b" * 10, "&" * 20, "\u00e9" * 20, f"{TOKEN}\n"])
def test_a_variable_that_is_no_token_never_means_a_server_without_one(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, value)
    for make in (False, True):
        with pytest.raises(ConfigError, match="16 or more"):
            choose_token(make=make)
