"""Open live pages without browsers: each asks the service for what the page's scripts ask for, at the page's pace."""

import asyncio
import itertools
import multiprocessing
import multiprocessing.synchronize
import re
from typing import Final

LATEST: Final = 12
PHOTOGRAPHS_PER_S: Final = 2 * (10 + 5)
"""Of the large fruit and of the cards, of all pages together: so much each of two workers has to spare."""
_ID: Final = re.compile(rb'data: \{"id":"([^"]+)"')


class _Watcher:
    def __init__(self, port: int, pages: int) -> None:
        self._port, self._pages = port, pages
        self._kept: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._newest: str | None = None
        self._shown: set[str] = set()

    async def get(self, path: str) -> bytes:
        """On a connection that is kept, as a browser's is."""
        if self._kept is None:
            self._kept = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._kept
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert length, head
        return await reader.readexactly(int(length[1]))

    async def run(self, opened: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**22)
        path = f"/v1/events?only=grading,stats,alarm,model,activity&latest={LATEST}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        await reader.readuntil(b"retry: 1000")
        for asked in (f"/v1/gradings?limit={LATEST}", "/v1/stats", "/v1/activity", "/v1/alarms?open=true", "/health/ready"):
            await self.get(asked)
        opened.set()
        photographs = asyncio.create_task(self._photographs())
        try:
            while heard := await reader.read(2**16):
                if found := _ID.findall(heard):  # read no further: here pages must cost little, as they run elsewhere
                    self._newest = found[-1].decode()
        finally:
            photographs.cancel()
            writer.close()

    async def _photographs(self) -> None:
        """As often as the page allows itself."""
        every_s = max(1 / 10, self._pages / PHOTOGRAPHS_PER_S)
        for number in itertools.count():
            await asyncio.sleep(every_s)
            if self._newest and self._newest not in self._shown:
                self._shown = {self._newest} if number % 100 == 0 else {*self._shown, self._newest}
                await self.get(f"/v1/gradings/{self._newest}/image")


def watch(port: int, pages: int, started: multiprocessing.synchronize.Event, stop: multiprocessing.synchronize.Event) -> None:
    """Keep so many pages open until `stop`; `started` once all of them are."""

    async def run() -> None:
        opened = [asyncio.Event() for _ in range(pages)]
        tasks = [asyncio.create_task(_Watcher(port, pages).run(one)) for one in opened]
        for one in opened:
            await one.wait()
        started.set()
        await asyncio.to_thread(stop.wait)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())
