"""A web server on this machine, for what downloads."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """Answers with `files`, and counts what it is asked for.

    `declared_extra`: bytes announced but never sent. `breaks_after`: the connection ends at this byte of the file. `moved_to`:
    every answer is a redirect there. `resumes`: whether it knows ranges; `resumed_at` collects where they began.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.declared_extra = 0
        self.moved_to = ""
        self.resumes = True
        self.breaks_after = 0
        self.resumed_at: list[int] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                if site.moved_to:
                    self.send_response(302)
                    self.send_header("Location", site.moved_to)
                    self.end_headers()
                elif self.path in site.files:
                    content, first = site.files[self.path], 0
                    if site.resumes and (wanted := self.headers.get("Range")):
                        first = int(wanted.removeprefix("bytes=").removesuffix("-"))
                        site.resumed_at.append(first)
                    if first and first >= len(content):
                        self.send_error(416)
                        return
                    self.send_response(206 if first else 200)
                    self.send_header("Content-Length", str(len(content) - first + site.declared_extra))
                    self.end_headers()
                    self.wfile.write(content[first : site.breaks_after or None])
                else:
                    self.send_error(404)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class names it so
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "Site":
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
