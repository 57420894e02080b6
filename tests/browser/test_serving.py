"""Requests to the server of the app without a browser, as an attacker would send them."""

import http.client
import socket
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest
from websockets.exceptions import InvalidStatus

from tests.visiting import heard, socket_of, status_for

pytestmark = pytest.mark.slow
MEGABYTE = 2**20


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an app that takes uploads of one megabyte."""
    from tests.browser.conftest import started

    with started("--server.maxUploadSize=1") as url:
        yield url


def ask(server: str, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=30)
    try:
        connection.request(method, path, body or None, {name.replace("_", "-"): v for name, v in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode("latin-1"))
    finally:
        connection.close()


def session_of(connection: Any) -> str:
    """The session that the server opened for a socket."""
    return heard(connection, "new_session")[0].initialize.session_id


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "http://127.0.0.1.elsewhere.example", "null"])
def test_other_sites_get_no_session(server: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        socket_of(server, origin)
    assert refused.value.response.status_code == 403
    with socket_of(server, server) as own:
        assert session_of(own)


def test_other_site_before_the_first_page_causes_no_request(
    start_app: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit would request the address of this machine from another server, here through a proxy."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for variable in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with start_app() as url:
            assert status_for(url, urlsplit(url).netloc, "http://elsewhere.example") == 403
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


HOSTS = [
    ("localhost:{port}", None, 101),
    ("LOCALHOST:{port}", None, 101),
    ("127.0.0.1:{port}", None, 101),
    ("[::1]:{port}", None, 101),
    ("elsewhere.example", None, 403),
    ("elsewhere.example:{port}", None, 403),  # resolves to this machine: its pages have the same origin
    ("localhost.elsewhere.example:{port}", None, 403),
    ("127.0.0.1.elsewhere.example:{port}", None, 403),
    ("192.168.1.2:{port}", None, 403),
    ("elsewhere.example:{port}", "http://127.0.0.1:{port}", 403),
    ("127.0.0.1:{port}", "http://elsewhere.example:{port}", 403),
]


@pytest.mark.parametrize(("host", "origin", "status"), HOSTS)
def test_only_known_hosts_get_a_session(server: str, host: str, origin: str | None, status: int) -> None:
    port = urlsplit(server).port
    assert status_for(server, host.format(port=port), origin and origin.format(port=port)) == status


def test_allowed_hosts_can_be_configured(start_app: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_HOSTS", "studio.example.org, *.example.net")
    with start_app("--server.address=0.0.0.0") as url:
        port = urlsplit(url).port
        names = ("studio.example.org", "a.example.net", "127.0.0.1", "example.org")
        found = {name: status_for(url, f"{name}:{port}") for name in names}
        pages = {name: ask(url, "GET", "/", Host=f"{name}:{port}").status for name in names}
    assert found == {"studio.example.org": 101, "a.example.net": 101, "127.0.0.1": 101, "example.org": 403}
    assert pages == {"studio.example.org": 200, "a.example.net": 200, "127.0.0.1": 200, "example.org": 403}


@pytest.fixture
def upload(server: str) -> Callable[..., Answer]:
    """`upload(session, size, token=True)`: put a file of so many bytes there."""

    def put(session: str, size: int, *, token: bool = True, method: str = "PUT", name: str = "") -> Answer:
        given: dict[str, str] = {}
        if token:
            cookie = ask(server, "GET", "/_stcore/health").headers["set-cookie"].split(";")[0]
            given = {"Cookie": cookie, "X_Xsrftoken": cookie.split("=", 1)[1]}
        edge = uuid.uuid4().hex
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        body = head.encode() + b"s" * size + f"\r\n--{edge}--\r\n".encode()
        kind = f"multipart/form-data; boundary={edge}"
        return ask(
            server, method, f"/_stcore/upload_file/{session}/{name or uuid.uuid4()}", body, Content_Type=kind, **given
        )

    return put


def test_uploads_need_a_token_a_session_and_a_bound(server: str, upload: Callable[..., Answer]) -> None:
    with socket_of(server, server) as connection:
        session = session_of(connection)
        assert upload(session, 1000).status == 204
        assert upload(session, 1000, token=False).status == 403
        assert upload(session, 1000, token=False, method="DELETE").status == 403
        assert upload(str(uuid.uuid4()), 1000).status == 400
        assert upload(session, 2 * MEGABYTE).status == 413
        assert upload(session, 1000).status == 204, "and the next good one works"


def test_uploads_are_private_to_their_session(server: str, upload: Callable[..., Answer]) -> None:
    with socket_of(server, server) as connection:
        session, name = session_of(connection), str(uuid.uuid4())
        assert upload(session, 1000, name=name).status == 204
        for path in (f"/_stcore/upload_file/{session}/{name}", f"/media/{name}", f"/media/{name}.png"):
            assert "sss" not in ask(server, "GET", path).body


@pytest.mark.parametrize(
    "path",
    [
        "/media/../app.py",
        "/media/%2e%2e/app.py",
        "/media/..%2f..%2fapp.py",
        "/app/static/../app.py",
        "/app/static/..%2fapp.py",
        "/static/..%2f..%2f..%2fapp.py",
        "/_stcore/bidi-components/x/..%2f..%2fapp.py",
        "/component/x/../../app.py",
        "//etc/passwd",
        "/media//etc/passwd",
        "/models/classifier/card.json",
        "/.streamlit/config.toml",
        "/media/" + "a" * 5000,
        "/%00",
        "/_stcore/nothing",
    ],
)
def test_no_path_serves_a_file_of_the_machine(server: str, path: str) -> None:
    answer = ask(server, "GET", path)
    assert answer.status in (200, 400, 403, 404), "and no fault of the server"
    assert "st.navigation" not in answer.body, "the program itself"
    for secret in ("root:", "sha256", "enableXsrfProtection", "Traceback", "/site-packages/", ".py"):
        assert secret not in answer.body


@pytest.mark.parametrize("public", [False, True])
def test_public_mode_has_no_pages_that_access_folders(
    start_app: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, public: bool
) -> None:
    monkeypatch.setenv("EMOTION_PUBLIC", "1" if public else "")
    with start_app() as url, socket_of(url, url) as connection:
        drawn = str(heard(connection, "delta", "train"))
        # Before the program speaks, Streamlit names all files in pages/ to the very first visitor.
        names = {page.url_pathname for page in heard(connection, "navigation")[-1].app_pages}
        assert ({"data", "train", "runs"} <= names, {"photo", "webcam"} <= names) == (not public, True)
        assert ("Train a network" in drawn) is not public
        assert ("Train a network" in str(heard(connection, "delta", "train"))) is not public
        assert len(heard(connection, "page_not_found", "train")) == public


def test_only_this_machine_is_served(server: str) -> None:
    port = urlsplit(server).port
    heard = {
        found.laddr.ip
        for process in psutil.Process().children(recursive=True)
        for found in process.net_connections("tcp")
        if found.status == psutil.CONN_LISTEN and found.laddr.port == port
    }
    assert heard == {"127.0.0.1"}
