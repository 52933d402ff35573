"""A camera on a sorting line, as far as the service can tell: posts photographs over one kept-alive connection."""

import http.client
import json
import time
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from models.errors import SenkaError
from models.imaging import MEDIA_TYPES, sniff

TRIES: Final = 20


class LineStopped(SenkaError):
    code = "line_stopped"


class Camera:
    """Posts to one service. 503 and a lost connection are tried again after a pause, as a camera should."""

    def __init__(self, url: str, **query: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port or 80, timeout=30)
        self._path = "/v1/grade?" + urlencode(query)

    def post(self, photograph: bytes) -> dict[str, Any]:
        """One grading. Raises LineStopped when the service refuses the photograph or stays away."""
        headers = {"Content-Type": MEDIA_TYPES[sniff(photograph) or "jpeg"]}
        problem = ""
        for _ in range(TRIES):
            try:
                self._connection.request("POST", self._path, photograph, headers)
                response = self._connection.getresponse()
                answer: dict[str, Any] = json.loads(response.read())
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                problem = str(error)
                time.sleep(0.5)
                continue
            if response.status == 200:
                return answer
            problem = f"{response.status} {answer.get('detail')}"
            if response.status != 503:
                break
            time.sleep(float(response.headers.get("Retry-After", "1")))
        raise LineStopped(f"The service does not grade: {problem}")

    def close(self) -> None:
        self._connection.close()
