"""The process that reads one uploaded file, which nobody trusts, and cuts it into passages.

    python -I child.py --name NAME --memory-bytes N --cpu-seconds N --page-limit N --text-limit N --chunk-limit N

The file comes on stdin; one JSON object goes to stdout: `{"chunks": […], "pages": N, "media_type": "…"}`, or
`{"error": "…"}` with one of the codes of `parsing/outcome.py`. It is run by its path, so that starting it does not
import the engine: keep it free of imports from `conversation_engine`.
"""

import argparse
import io
import json
import os
import re
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, Final

PDF: Final = "application/pdf"
HTML: Final = "text/html"
MARKDOWN: Final = "text/markdown"
PLAIN: Final = "text/plain"
_HEAD_BYTES = 1024
_MERGE_CHARACTERS = 250
"""A section shorter than this shares a passage with the next one."""
_TITLE_CHARACTERS = 200
"""Of a heading; a longer first line of a plain text is no title."""
_BLOCKS = frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote body dd details dialog div dl dt fieldset figcaption figure footer form h1 "
        "h2 h3 h4 h5 h6 header hr html li main nav ol p pre section summary table tbody td tfoot th thead title tr ul",
    )
)
_UNSEEN = frozenset(
    re.findall(
        r"\w+",
        "canvas iframe math noembed noframes noscript object script style svg template textarea",
    )
)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_TITLE = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)")
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"'”’)\]]*\s+|(?<=[。！？])")  # noqa: RUF001
_SPACE = re.compile(r"[^\S\n]+")


class RefusedError(Exception):
    """The file is not searched; the argument is the code that says why."""


@dataclass(slots=True)
class Block:
    """A paragraph, a list item, a row: what a passage should not cut if it can help it."""

    text: str
    heading: str = ""
    page: int | None = None


@dataclass(slots=True)
class Limits:
    """How much is taken."""

    pages: int
    text: int
    chunk: int


def main() -> None:
    """Read stdin, answer on stdout."""
    options = _options()
    _confine(options.memory_bytes, options.cpu_seconds)
    report = os.dup(1)
    os.dup2(2, 1)  # a library that prints must not garble the answer
    limits = Limits(pages=options.page_limit, text=options.text_limit, chunk=options.chunk_limit)
    answer: dict[str, Any]
    try:
        answer = read(sys.stdin.buffer.read(), name=options.name, limits=limits)
    except RefusedError as error:
        answer = {"error": str(error)}
    except (MemoryError, RecursionError):
        answer = {"error": "document_too_complex"}
    except Exception as error:  # noqa: BLE001 - whatever a parser says of a broken file
        answer = {"error": "document_unreadable", "cause": type(error).__name__}
    with os.fdopen(report, "wb") as out:
        out.write(json.dumps(answer).encode())


def read(content: bytes, *, name: str, limits: Limits) -> dict[str, Any]:
    """The passages of a file. Raises RefusedError, and whatever a parser raises."""
    media_type = media_type_of(content, name)
    pages = None
    if media_type == PDF:
        blocks, pages = _pdf_blocks(content, limits)
    elif media_type == HTML:
        blocks = _html_blocks(_decoded(content))
    elif media_type == MARKDOWN:
        blocks = list(_markdown_blocks(_decoded(content)))
    else:
        blocks = _plain_blocks(_decoded(content))
    blocks = [block for block in blocks if block.text.strip()]
    if not blocks:
        raise RefusedError("document_without_text")
    if sum(len(block.text) for block in blocks) > limits.text:
        raise RefusedError("document_too_long")
    return {"chunks": list(cut(blocks, limits.chunk)), "pages": pages, "media_type": media_type}


def media_type_of(content: bytes, name: str) -> str:
    """What the bytes are, whatever their sender calls them. Raises RefusedError for what nobody here reads."""
    head = content[:_HEAD_BYTES]
    if not content.strip():
        raise RefusedError("document_empty")
    if b"%PDF-" in head:
        return PDF
    is_wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not is_wide and b"\x00" in content[:65_536]:
        raise RefusedError("document_type_unsupported")
    if head.startswith((b"PK\x03\x04", b"\x1f\x8b", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\xd0\xcf\x11\xe0")):
        raise RefusedError("document_type_unsupported")
    start, ending = head.lstrip().lower(), name.lower().rpartition(".")[2]
    if ending in ("html", "htm", "xhtml") or start.startswith((b"<!doctype html", b"<html")):
        return HTML
    return MARKDOWN if ending in ("md", "markdown") else PLAIN


def cut(blocks: list[Block], limit: int) -> Iterator[dict[str, Any]]:
    """Passages of at most `limit` characters along the blocks, with their places in the text these make together."""
    for ordinal, packed in enumerate(_packed(blocks, limit)):
        start = packed[0][1]
        text = "".join(("\n" if place else "") + piece for place, (piece, _, _) in enumerate(packed))
        first = packed[0][2]
        yield {
            "ordinal": ordinal,
            "text": text,
            "heading": first.heading,
            "start": start,
            "end": packed[-1][1] + len(packed[-1][0]),
            "page": first.page,
        }


def _packed(blocks: list[Block], limit: int) -> Iterator[list[tuple[str, int, Block]]]:
    """Pieces of one passage each: their text, their offset, and the block they are of."""
    packed: list[tuple[str, int, Block]] = []
    size = offset = 0
    for block in blocks:
        for piece, own in _pieces(block.text, limit):
            is_new_section = bool(packed) and block.heading != packed[-1][2].heading and size >= _MERGE_CHARACTERS
            if packed and (is_new_section or size + len(piece) + 1 > limit):
                yield packed
                packed, size = [], 0
            packed.append((piece, offset + own, block))
            size += len(piece) + 1
        offset += len(block.text) + 1  # blocks are lines of the document's text
    if packed:
        yield packed


def _pieces(text: str, limit: int) -> Iterator[tuple[str, int]]:
    """`text` in pieces of at most `limit`: whole if it fits, else along sentences, else along words."""
    if len(text) <= limit:
        yield text, 0
        return
    start = 0
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    while len(text) - start > limit:
        fitting = [end for end in ends if start + limit // 3 < end <= start + limit]
        end = fitting[-1] if fitting else text.rfind(" ", start + limit // 3, start + limit) + 1
        end = end if end > start else start + limit
        yield text[start:end].rstrip(), start
        start = end
    if text[start:].strip():
        yield text[start:], start


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", "replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", "replace")
    return _clean(text.replace("\r\n", "\n").replace("\r", "\n"))


def _clean(text: str) -> str:
    """Without what no database keeps, and without control characters that no reader needs."""
    return "".join(
        c if c in "\n\t" or (c >= " " and c != "\x7f" and not "\ud800" <= c <= "\udfff") else " " for c in text
    )


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n[ \t]*\n", text):
        if stripped := paragraph.strip("\n"):
            yield stripped.rstrip()


def _plain_blocks(text: str) -> list[Block]:
    """Paragraphs. A short line of its own that begins a text is its title: it stands above all that follows."""
    first, *others = [*_paragraphs(text), ""]
    is_title = bool(others) and "\n" not in first and len(first) <= _TITLE_CHARACTERS
    return [Block(first), *(Block(text, first.strip() if is_title else "") for text in others)]


class _Headings:
    """The headings above a place."""

    def __init__(self) -> None:
        self._above: dict[int, str] = {}

    def enter(self, level: int, title: str) -> None:
        self._above = {own: text for own, text in self._above.items() if own < level} | {
            level: title[:_TITLE_CHARACTERS]
        }

    def path(self) -> str:
        return " > ".join(self._above[level] for level in sorted(self._above))


def _markdown_blocks(text: str) -> Iterator[Block]:
    headings, lines, fence = _Headings(), list[str](), ""
    for line in [*text.split("\n"), ""]:
        match = _FENCE.match(line)
        if match and not fence:
            fence = match[1]
        elif match and match[1].startswith(fence):
            fence = ""
        title = None if fence else _TITLE.match(line)
        if title or (not line.strip() and not fence):
            if lines:
                yield Block("\n".join(lines).rstrip(), headings.path())
            lines = []
        if title:
            headings.enter(len(title[1]), title[2].rstrip(" \t#"))
            lines = [line.strip()]
        elif line.strip() or fence:
            lines.append(line)
    if lines:
        yield Block("\n".join(lines).rstrip(), headings.path())


class _Text(HTMLParser):
    """The text of a page that people would read: no markup, script, style or attribute gets through."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._headings = _Headings()
        self._words: list[str] = []
        self._unseen: list[str] = []
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in _UNSEEN:
            self._unseen.append(tag)
        elif tag in _BLOCKS:
            self.flush()
            self._pre += tag == "pre"
        elif tag == "br":
            self._words.append("\n")

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        if tag == "br":
            self._words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unseen:
            while self._unseen.pop() != tag:
                pass
        elif tag in _BLOCKS:
            title = " ".join("".join(self._words).split())
            if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit() and title and not self._unseen:
                self._headings.enter(int(tag[1]), title)
            self.flush()
            self._pre = max(0, self._pre - (tag == "pre"))

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._words.append(data if self._pre else re.sub(r"\s+", " ", data))

    def flush(self) -> None:
        text = "".join(self._words)
        text = text.strip("\n") if self._pre else _SPACE.sub(" ", text).strip()
        if text.strip():
            self.blocks.append(Block(_clean(text), self._headings.path()))
        self._words = []


def _html_blocks(text: str) -> list[Block]:
    parser = _Text()
    parser.feed(text)
    parser.close()
    parser.flush()
    return parser.blocks


def _pdf_blocks(content: bytes, limits: Limits) -> tuple[list[Block], int]:
    from pypdf import PdfReader
    from pypdf.errors import PdfReadError

    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise RefusedError("document_encrypted")
        count = len(reader.pages)
    except PdfReadError as error:
        raise RefusedError("document_unreadable") from error
    if count > limits.pages:
        raise RefusedError("document_too_long")
    blocks, size = list[Block](), 0
    for number, page in enumerate(reader.pages, start=1):
        text = _clean(page.extract_text().replace("\r", "\n"))
        size += len(text)
        if size > limits.text:
            raise RefusedError("document_too_long")
        blocks += [Block(paragraph, page=number) for paragraph in _paragraphs(text)]
    return blocks, count


def _confine(memory_bytes: int, cpu_seconds: int) -> None:
    """Beyond these the kernel says no, or ends the process. It may write no file and start no process."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Cut one file into passages.")
    parser.add_argument("--name", default="")
    for name in ("--memory-bytes", "--cpu-seconds", "--page-limit", "--text-limit", "--chunk-limit"):
        parser.add_argument(name, type=int, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
