"""A web server on this machine: files as they lie, and the routes by which the hub's library asks for a data set."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

API = re.compile(r"/api/datasets/([^/]+/[^/]+)/(revision|tree)/([^/?]+)/?([^?]*)")


class Answers(SimpleHTTPRequestHandler):
    """``/datasets/owner/name/resolve/commit`` is a folder like any other; ``/api`` says what it holds."""

    def do_GET(self) -> None:
        """A file, or what a repository holds."""
        if self.path.startswith("/api/"):
            self.tell()
        else:
            super().do_GET()

    def tell(self) -> None:
        """Files and folders of a repository."""
        asked = API.match(self.path)
        folder = Path(self.directory, "datasets", asked[1], "resolve", asked[3]) if asked else None
        if asked is None or folder is None or not folder.is_dir():
            return self.send_error(404)
        if asked[2] == "revision":
            files = [{"rfilename": str(path.relative_to(folder))} for path in folder.rglob("*") if path.is_file()]
            return self.send_json({"id": asked[1], "sha": asked[3], "siblings": files})
        return self.send_json([entry(path, folder) for path in (folder / asked[4]).iterdir()])

    def send_json(self, values: object) -> None:
        """An answer of the hub."""
        content = json.dumps(values).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        """With the marks by which a reader knows that a file has changed, and of which commit it is."""
        path = Path(self.translate_path(self.path))
        if path.is_file():
            self.send_header("ETag", f'"{hashlib.sha256(path.read_bytes()).hexdigest()}"')
        if commit := re.search(r"/resolve/([^/]+)/", self.path):
            self.send_header("X-Repo-Commit", commit[1])
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


def entry(path: Path, folder: Path) -> dict[str, object]:
    """A file or folder as the hub lists it."""
    what = "directory" if path.is_dir() else "file"
    return {"type": what, "path": str(path.relative_to(folder)), "size": path.stat().st_size, "oid": "0" * 40}


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a folder while the block runs."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Answers, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
