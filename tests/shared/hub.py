"""A stand-in for the Hugging Face hub: its cache's layout on disk, and its few addresses on loopback.

Kept to what the real library (2.4.0) asks for: a model's listing, and HEAD and GET of a file at a revision.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "friends/tiny"
PINNED = f"hf:{REPO}@{COMMIT}"


def fill_cache(cache: Path, folder: Path) -> Path:
    """`folder` as the hub's library keeps it: blobs by name, shown by symbolic links. Returns the snapshot's folder."""
    home = cache / f"models--{REPO.replace('/', '--')}"
    snapshot = home / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for kind in ("blobs", "refs"):
        (home / kind).mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    for path in folder.iterdir():
        blob = home / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
        blob.write_bytes(path.read_bytes())
        (snapshot / path.name).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


class StandIn:
    """Serves the files of `folder` as REPO at COMMIT; `asked` lists the methods and paths in order."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, list[str]()
        self.address = ""

    def listing(self) -> bytes:
        siblings = [{"rfilename": path.name} for path in sorted(self.folder.iterdir())]
        return json.dumps({"_id": "1", "id": REPO, "sha": COMMIT, "siblings": siblings}).encode()


@contextmanager
def serving(folder: Path) -> Iterator[StandIn]:
    hub = StandIn(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = self.path.split("?")[0]
            hub.asked.append(f"{self.command} {path}")
            file = hub.folder / path.rpartition("/")[2]
            if path.startswith(f"/api/models/{REPO}/revision/"):
                data, tag = hub.listing(), ""
            elif path.startswith(f"/{REPO}/resolve/{COMMIT}/") and file.is_file():
                data = file.read_bytes()
                tag = (
                    hashlib.sha256(data).hexdigest()
                    if file.suffix == ".safetensors"
                    else hashlib.sha1(data).hexdigest()
                )
            else:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound" if path.startswith(f"/{REPO}/") else "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("X-Repo-Commit", COMMIT)
            if tag:
                self.send_header("ETag", f'"{tag}"')
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
