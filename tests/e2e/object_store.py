"""An S3 server that can go away and come back with what it had, in a process of its own: this module with a port."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import s3fs

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "senka", "AWS_SECRET_ACCESS_KEY": "not-a-secret", "AWS_DEFAULT_REGION": "us-east-1"}


class ObjectStore:
    """A running server with one bucket, `photographs`."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "tests.e2e.object_store", str(self.port)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, **CREDENTIALS},
        )  # fmt: skip
        self.up()
        self._client = s3fs.S3FileSystem(
            key=CREDENTIALS["AWS_ACCESS_KEY_ID"], secret=CREDENTIALS["AWS_SECRET_ACCESS_KEY"], endpoint_url=self.url,
            use_listings_cache=False, skip_instance_cache=True,
        )  # fmt: skip
        self._client.mkdir("photographs")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        self._say("up")

    def down(self) -> None:
        self._say("down")

    def objects(self) -> set[str]:
        """The names of all objects, without their folders."""
        return {str(path).rpartition("/")[2] for path in self._client.find("photographs")}

    def wait_for(self, names: set[str], within_s: float = 60.0) -> None:
        end = time.monotonic() + within_s
        while (missing := names - self.objects()) and time.monotonic() < end:
            time.sleep(0.1)
        assert not missing, f"{len(missing)} of {len(names)} photographs did not arrive"

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _say(self, command: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == f"{command}\n"


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    store = ObjectStore()
    try:
        yield store
    finally:
        store.close()


def main() -> None:
    from moto.server import ThreadedMotoServer

    server = None
    for command in sys.stdin:
        if command == "up\n":
            server = ThreadedMotoServer("127.0.0.1", int(sys.argv[1]), verbose=False)
            server.start()
        elif server is not None:
            server.stop()
        sys.stdout.write(command)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
