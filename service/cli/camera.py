"""A camera on a sorting line, as far as the service can tell: posts photographs over one kept-alive connection."""

import http.client
import json
import time
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from models.errors import SenkaError
from models.imaging import MEDIA_TYPES, sniff

TRIES: Final = 20
PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0


class LineStopped(SenkaError):
    code = "line_stopped"


class Camera:
    """Posts to one service. 429, 503 and a lost connection are tried again after a pause, as a camera should; under the same
    `Idempotency-Key`, so that a photograph whose answer was lost is not counted twice.
    """

    def __init__(self, url: str, **query: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port or 80, timeout=30)
        self._path = "/v1/grade?" + urlencode(query)

    def post(self, photograph: bytes) -> dict[str, Any]:
        """One grading. Raises LineStopped when the service refuses the photograph or stays away.

        Whether the bytes are a photograph is the service's to say: of an unknown format they are sent like any others.
        """
        kind = MEDIA_TYPES.get(sniff(photograph) or "", "application/octet-stream")
        headers = {"Content-Type": kind, "Idempotency-Key": str(uuid4())}
        problem = ""
        for _ in range(TRIES):
            try:
                self._connection.request("POST", self._path, photograph, headers)
                response = self._connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                problem = str(error) or type(error).__name__
                time.sleep(PAUSE_S)
                continue
            answer = _object(body)
            if response.status == 200 and answer:
                return answer
            problem = f"{response.status} {answer.get('detail') or response.reason}"
            if response.status not in (429, 503):
                break
            time.sleep(_pause_s(response.headers.get("Retry-After")))
        raise LineStopped(f"The service does not grade: {problem}")

    def close(self) -> None:
        self._connection.close()


def _object(body: bytes) -> dict[str, Any]:
    """The JSON object of an answer; empty for anything else, as a proxy on the way may send it."""
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _pause_s(retry_after: str | None) -> float:
    """Seconds of a Retry-After; a date, or none, is the usual pause."""
    if retry_after is None or not retry_after.isdecimal():
        return PAUSE_S
    return min(float(retry_after), LONGEST_PAUSE_S)
