"""A bucket under test, and all that a refused request could leave behind in it."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

from tests.real.wire import Answer, Query, Wire, path

UPLOAD = "<Upload><Key>(.*?)</Key><UploadId>(.*?)</UploadId>"


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket of a running node. `directory` is where its objects lie; None for a bucket in memory."""

    wire: Wire
    bucket: str
    directory: Path | None = None

    def target(self, key: str = "", query: Query = ()) -> str:
        """A request target in path style."""
        return path(self.bucket, key, query)

    def ask(
        self,
        method: str,
        key: str = "",
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """A signed request to the bucket, or to a key in it."""
        return self.wire.request(method, self.target(key, query), headers=headers, body=body)

    def put(self, key: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> str:
        """Stores an object and returns its ETag as it stands in the header."""
        answer = self.ask("PUT", key, headers=headers, body=body)
        assert answer.status == 200, answer
        return answer.headers["etag"]

    def uploads(self) -> list[tuple[str, str]]:
        """Key and id of every open upload."""
        answer = self.ask("GET", query=[("uploads", ""), ("encoding-type", "url")])
        assert answer.status == 200, answer
        return [(unquote(key), upload) for key, upload in re.findall(UPLOAD, answer.body.decode())]

    def state(self) -> tuple[bytes, list[tuple[str, str]], dict[str, str]]:
        """What is in the bucket: the listing with ETags and times, the open uploads, and every file on the disk."""
        listing = self.ask("GET", query=[("list-type", "2"), ("encoding-type", "url")])
        assert listing.status == 200, listing
        return listing.body, self.uploads(), self._files()

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Within, nothing may change in this bucket."""
        before = self.state()
        yield
        assert self.state() == before

    def clear(self) -> None:
        """Deletes every object and aborts every upload."""
        for key, upload in self.uploads():
            self.ask("DELETE", key, [("uploadId", upload)])
        for key in self.wire.keys(self.bucket):
            self.ask("DELETE", key)

    def _files(self) -> dict[str, str]:
        if self.directory is None:
            return {}
        # The directories that the backend keeps for itself may come and go; what matters is files in them.
        return {
            str(found.relative_to(self.directory)): hashlib.sha256(found.read_bytes()).hexdigest()
            if found.is_file()
            else "directory"
            for found in sorted(self.directory.rglob("*"))
            if found.is_file() or ".forebay" not in found.parts
        }


def tree(answer: Answer) -> ElementTree.Element:
    """The document of an answer, namespaces taken off."""
    return ElementTree.fromstring(re.sub(rb' xmlns="[^"]*"', b"", answer.body, count=1))


def texts(answer: Answer, where: str) -> list[str]:
    """The texts at a path of an answer's document, such as `Contents/Key`."""
    return [found.text or "" for found in tree(answer).findall(where)]


def text(answer: Answer, where: str) -> str | None:
    """The text at a path of an answer's document; None if there is no such element."""
    return tree(answer).findtext(where)
