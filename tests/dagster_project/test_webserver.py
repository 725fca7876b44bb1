"""Who may ask the web server: pages of its own, under its own names."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from dagster_project.webserver import LOOPBACK, guard

OWN = "http://127.0.0.1:3000"
SOCKET = "ws://127.0.0.1:3000/graphql"  # the test client has another host for a path
MUTATION = "/graphql?query=mutation{wipeAssets}"


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("done")


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("done")
    await socket.close()


@pytest.fixture
def client() -> TestClient:
    routes = [Route("/{path:path}", answer, methods=["GET", "POST"]), WebSocketRoute("/graphql", talk)]
    return TestClient(guard(Starlette(routes=routes), (*LOOPBACK, "climb.example")), base_url=OWN)


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "localhost:3000", "localhost", "climb.example"])
def test_own_names_and_own_pages_are_answered(client: TestClient, host: str) -> None:
    headers = {"host": host, "origin": f"http://{host}"}
    assert client.post("/graphql", headers=headers).text == "done"
    assert client.get("/assets", headers={"host": host}).text == "done"
    assert client.get("/graphql", headers={"host": host}).text == "done"  # the page to type queries into


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:3000", "192.168.0.7:3000", ""])
def test_other_names_are_refused(client: TestClient, host: str) -> None:
    assert client.post("/graphql", headers={"host": host}).status_code == 400


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:8080", "https://localhost:3000", "null", "http://[evil"]
)
def test_pages_of_others_are_refused(client: TestClient, origin: str) -> None:
    assert client.post("/graphql", headers={"origin": origin}).status_code == 403
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect(SOCKET, headers={"origin": origin}),
    ):
        pass
    assert refused.value.status_code == 403
    with client.websocket_connect(SOCKET, headers={"origin": OWN}) as socket:
        assert socket.receive_text() == "done"


def test_no_picture_of_a_page_is_a_query(client: TestClient) -> None:
    assert client.get(MUTATION).status_code == 403  # a browser names no origin for it
    assert client.post(MUTATION).text == "done"
