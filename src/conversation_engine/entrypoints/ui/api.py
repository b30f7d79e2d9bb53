"""A small client of our own HTTP API: JSON in, JSON out, and refusals as sentences.

What comes back is shown as it came, so it stays JSON here: the pages are the edge.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

import httpx2

Json = dict[str, Any]
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
SILENCE_SECONDS: Final = 45.0
"""How long a stream may say nothing; the API's heartbeat comes every 15 s."""
FILE_SECONDS: Final = 900.0
"""How long a file may be worked through: 200 MB take a minute or two."""
UNREACHABLE: Final = "The server does not answer. Nothing that was said is lost; try again in a moment."


class ApiError(Exception):
    """The API refused, or could not be reached. `detail` is a sentence for a person."""

    def __init__(self, code: str, detail: str, *, status: int = 0, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
        self.facts = dict(facts or {})


class SignedOutError(ApiError):
    """The browser's sign-in is over."""

    def __init__(self) -> None:
        super().__init__("signed_out", "Your sign-in has ended. Sign in again to go on.", status=401)


class Api:
    """The API as one person sees it: it keeps their access token, and gets the next when that one is old."""

    def __init__(self, http: httpx2.Client, *, base_url: str, session: str) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._session = session
        self._token: str | None = None

    def get(self, path: str, **query: Any) -> Any:
        """Read something; a value of `None` is not asked for."""
        return self._call("GET", path, params=_given(query), tries=2)

    def post(self, path: str, body: Any = None) -> Any:
        """Do something. Sent once more with the same key where the answer was lost, which does nothing twice."""
        return self._call("POST", path, json=body, headers={"Idempotency-Key": str(uuid4())}, tries=2)

    def put(self, path: str, body: Any) -> Any:
        """Set something."""
        return self._call("PUT", path, json=body, tries=2)

    def patch(self, path: str, body: Any) -> Any:
        """Change something."""
        return self._call("PATCH", path, json=body, tries=2)

    def delete(self, path: str) -> None:
        """Remove something."""
        self._call("DELETE", path)

    def upload(self, path: str, files: list[tuple[str, bytes, str]], fields: Mapping[str, str]) -> Any:
        """Send files as a form does."""
        parts = [("files", file) for file in files]
        return self._call("POST", path, files=parts, data=dict(fields))

    def download(self, path: str, **query: Any) -> bytes:
        """A file, whole."""
        return self._answer("GET", path, params=_given(query), tries=2).content

    def send(self, path: str, file: bytes) -> Any:
        """A file as the body; the answer comes when all of it was worked through."""
        return self._call("POST", path, content=file, timeout=httpx2.Timeout(FILE_SECONDS, connect=CONNECT_SECONDS))

    @contextmanager
    def stream(self, method: str, path: str, **options: Any) -> Iterator[httpx2.Response]:
        """An event stream that is being read. Raises ApiError when it cannot begin."""
        headers = {"Accept": "text/event-stream", **options.pop("headers", {})}
        timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, read=SILENCE_SECONDS)
        for _ in range(2):
            headers["Authorization"] = f"Bearer {self._access_token()}"
            try:
                url = f"{self._base_url}{path}"
                with self._http.stream(method, url, headers=headers, timeout=timeout, **options) as response:
                    if response.status_code == 401:
                        self._token = None
                        continue
                    if response.status_code >= 400:
                        response.read()
                        raise _refusal(response)
                    yield response
                    return
            except httpx2.TransportError as error:
                raise ApiError("unreachable", UNREACHABLE) from error
        raise SignedOutError

    def _call(self, method: str, path: str, **options: Any) -> Any:
        response = self._answer(method, path, **options)
        return response.json() if response.content else None

    def _answer(
        self, method: str, path: str, *, tries: int = 1, headers: Json | None = None, **options: Any
    ) -> httpx2.Response:
        response = self._signed(method, path, tries=tries, headers=headers or {}, **options)
        if response.status_code == 401:  # the access token may just be old
            self._token = None
            response = self._signed(method, path, tries=tries, headers=headers or {}, **options)
        if response.status_code == 401:
            raise SignedOutError
        if response.status_code >= 400:
            raise _refusal(response)
        return response

    def _signed(self, method: str, path: str, *, tries: int, headers: Json, **options: Any) -> httpx2.Response:
        signed = {**headers, "Authorization": f"Bearer {self._access_token()}"}
        return self._send(method, path, tries=tries, headers=signed, **options)

    def _send(self, method: str, path: str, *, tries: int, **options: Any) -> httpx2.Response:
        for left in reversed(range(tries)):
            try:
                return self._http.request(method, f"{self._base_url}{path}", **options)
            except httpx2.TransportError as error:
                if not left:
                    raise ApiError("unreachable", UNREACHABLE) from error
        raise AssertionError("unreachable: at least one try")

    def _access_token(self) -> str:
        if self._token is None:
            body = {"refresh_token": self._session}
            response = self._send("POST", "/auth/refresh", tries=2, json=body)
            if response.status_code in (401, 422):
                raise SignedOutError
            if response.status_code >= 400:
                raise _refusal(response)
            self._token = str(response.json()["access_token"])
        return self._token


def new_http() -> httpx2.Client:
    """Connections that all pages of a process share; never through a proxy, as it is the same machine."""
    timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=50, keepalive_expiry=4)
    return httpx2.Client(timeout=timeout, limits=limits, trust_env=False)


def _given(query: Json) -> Json:
    return {name: value for name, value in query.items() if value is not None}


def _refusal(response: httpx2.Response) -> ApiError:
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    code, detail = problem.get("code", "unknown"), problem.get("detail", UNREACHABLE)
    return ApiError(str(code), str(detail), status=response.status_code, facts=problem)
