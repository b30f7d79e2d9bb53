"""Files as passages, and files that are none."""

import io
import zlib
from itertools import pairwise
from typing import Any

import pytest
from pypdf import PdfReader, PdfWriter

from conversation_engine.domains.retrieval.parsing.child import Limits, RefusedError, read
from conversation_engine.domains.retrieval.parsing.outcome import Parsed
from conversation_engine.domains.retrieval.parsing.process import DocumentParser
from conversation_engine.domains.retrieval.settings import RetrievalSettings
from conversation_engine.domains.retrieval.types import DocumentError

LIMITS = Limits(pages=10, text=100_000, chunk=300)


def parsed(content: str | bytes, *, name: str = "note.txt", limits: Limits = LIMITS) -> list[dict[str, Any]]:
    raw = content.encode() if isinstance(content, str) else content
    chunks: list[dict[str, Any]] = read(raw, name=name, limits=limits)["chunks"]
    return chunks


def pdf(*pages: str, password: str | None = None, stream: bytes | None = None) -> bytes:
    """A PDF with a line of text on each page; or one with this content stream, compressed."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>")
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    raw = [one.encode() for one in objects]
    for number, text in enumerate(pages):
        raw.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 500 500] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % (5 + 2 * number)
        )
        data = zlib.compress(stream or f"BT /F1 12 Tf 50 400 Td ({text}) Tj ET".encode())
        raw.append(b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(data), data))
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(raw, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (
        len(raw) + 1, table, len(raw) + 1, len(out),
    )  # fmt: skip
    if password is None:
        return out + end
    writer, file = PdfWriter(clone_from=PdfReader(io.BytesIO(out + end))), io.BytesIO()
    writer.encrypt(password, algorithm="RC4-128")
    writer.write(file)
    return file.getvalue()


class TestText:
    def test_paragraphs_stay_together_until_a_passage_is_full(self) -> None:
        chunks = parsed("One.\n\nTwo.\n\n" + "x" * 290 + "\n\nFour.")
        assert [chunk["text"] for chunk in chunks] == ["One.\nTwo.", "x" * 290 + "\nFour."]

    def test_a_long_paragraph_is_cut_between_sentences(self) -> None:
        sentences = [f"This is sentence number {number} of a long paragraph." for number in range(20)]
        chunks = parsed(" ".join(sentences))
        assert all(chunk["text"].endswith(".") and len(chunk["text"]) <= 300 for chunk in chunks)
        assert " ".join(chunk["text"] for chunk in chunks) == " ".join(sentences)

    def test_what_has_no_spaces_is_cut_all_the_same(self) -> None:
        assert "".join(chunk["text"] for chunk in parsed("y" * 1000)) == "y" * 1000

    def test_offsets_are_places_in_one_text(self) -> None:
        chunks = parsed("First part.\n\n" + "word " * 200 + "\n\nLast part.")
        assert chunks[0]["start"] == 0
        for chunk in chunks:
            assert chunk["end"] - chunk["start"] == len(chunk["text"])
        assert all(one["end"] <= two["start"] for one, two in pairwise(chunks))

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    def test_encodings_are_told_apart(self, encoding: str) -> None:
        assert parsed("Zürich – Café".encode(encoding))[0]["text"] == "Zürich – Café"

    def test_a_short_first_line_is_the_title_of_what_follows(self) -> None:
        first, *others = parsed(f"The tides of Kiel\n\n{'word ' * 300}\n\n{'sand ' * 100}")
        assert (first["heading"], first["text"].split("\n")[0]) == ("", "The tides of Kiel")
        assert {chunk["heading"] for chunk in others} == {"The tides of Kiel"}
        for text in ("word " * 300, f"{'word ' * 60}\n\nmore", "two\nlines\n\nmore", "alone"):
            assert {chunk["heading"] for chunk in parsed(text)} == {""}

    def test_control_characters_do_not_get_through(self) -> None:
        assert parsed(b"a\x01b\x7fc\td")[0]["text"] == "a b c\td"


class TestMarkdown:
    def test_a_passage_knows_the_headings_above_it(self) -> None:
        long = "word " * 58
        chunks = parsed(f"# Ships\n\n{long}\n\n## Sails\n\n{long}\n\n# Trains\n\n{long}", name="a.md")
        assert [chunk["heading"] for chunk in chunks] == ["Ships", "Ships > Sails", "Trains"]

    def test_what_looks_like_a_heading_in_code_is_none(self) -> None:
        [chunk] = parsed("# Top\n\n```\n# not a heading\n\nx = 1\n```\n\nEnd.", name="a.md")
        assert chunk["heading"] == "Top"
        assert "# not a heading\n\nx = 1" in chunk["text"]


class TestHtml:
    def test_only_what_a_reader_sees_gets_through(self) -> None:
        page = (
            "<!doctype html><html><head><title>Tides</title><style>p{color:red}</style></head><body onload='x()'>"
            "<h1>Sea</h1><p>Salt &amp; <b>water</b><script>alert('evil')</script></p>"
            "<iframe src='javascript:x'>no</iframe>"
            "<!-- comment --><svg><text>drawn</text></svg><ul><li>One</li><li>Two</li></ul>"
            "<p onclick='y()'>End</p></body>"
        )
        text = "\n".join(chunk["text"] for chunk in parsed(page, name="a.html"))
        assert text == "Tides\nSea\nSalt & water\nOne\nTwo\nEnd"

    def test_markup_that_was_written_as_text_stays_text(self) -> None:
        [chunk] = parsed("<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>", name="a.html")
        assert chunk["text"] == "<script>alert(1)</script>"  # data: whoever shows it escapes it

    def test_deep_nesting_costs_no_stack(self) -> None:
        [chunk] = parsed("<div>" * 50_000 + "deep" + "</div>" * 50_000, name="a.html")
        assert chunk["text"] == "deep"

    def test_tags_that_are_never_closed_hide_nothing_else(self) -> None:
        text = "\n".join(chunk["text"] for chunk in parsed("<p>a<p>b<svg>hidden</svg>c</script>d", name="a.html"))
        assert text.split() == ["a", "bcd"]


class TestPdf:
    def test_a_passage_knows_its_page(self) -> None:
        chunks = parsed(pdf("Harbour " * 35, "Anchor " * 40), name="a.pdf")
        assert [chunk["page"] for chunk in chunks] == [1, 2]

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (pdf("x", password="secret"), "document_encrypted"),
            (pdf(*["x"] * 11), "document_too_long"),
            (pdf(""), "document_without_text"),
        ],
        ids=["password", "pages", "scanned"],
    )
    def test_what_cannot_be_read_says_why(self, content: bytes, code: str) -> None:
        with pytest.raises(RefusedError, match=code):
            parsed(content)

    def test_it_is_known_by_its_bytes_whatever_its_name(self) -> None:
        assert parsed(pdf("Harbour"), name="holiday.jpg")[0]["text"] == "Harbour"


class TestRefusals:
    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", "document_empty"),
            (b" \n\t ", "document_empty"),
            (b"PK\x03\x04 a zip or a docx", "document_type_unsupported"),
            (b"\x1f\x8b gzip", "document_type_unsupported"),
            (b"\x89PNG\r\n", "document_type_unsupported"),
            (b"MZ\x00\x00 program", "document_type_unsupported"),
            (b"z" * 100_001, "document_too_long"),
        ],
        ids=["empty", "blank", "zip", "gzip", "picture", "binary", "long"],
    )
    def test_each_has_a_code_of_its_own(self, content: bytes, code: str) -> None:
        with pytest.raises(RefusedError, match=code):
            parsed(content)


class TestProcess:
    async def parse(self, content: bytes, **changes: Any) -> Parsed | DocumentError:
        return await DocumentParser(RetrievalSettings(**changes)).parse(content, name="file.pdf")

    async def test_it_gives_the_passages(self) -> None:
        outcome = await self.parse(pdf("A harbour"))
        assert isinstance(outcome, Parsed)
        assert (outcome.media_type, outcome.page_count) == ("application/pdf", 1)
        assert [(chunk.ordinal, chunk.text, chunk.page) for chunk in outcome.chunks] == [(0, "A harbour", 1)]

    async def test_a_broken_file_is_no_exception(self) -> None:
        outcome = await self.parse(b"%PDF-1.7\n" + b"garbage " * 1000)
        assert isinstance(outcome, DocumentError)
        assert outcome.code == "document_unreadable"

    async def test_a_bomb_ends_with_its_process(self) -> None:
        bomb = pdf("x", stream=b"0 " * 300_000_000)
        assert len(bomb) < 1_000_000
        outcome = await self.parse(bomb, parse_timeout_seconds=20, parse_memory_bytes=400_000_000)
        assert isinstance(outcome, DocumentError)
        assert outcome.code in ("document_too_complex", "document_unreadable", "document_too_slow")

    async def test_what_takes_too_long_is_stopped(self) -> None:
        slow = pdf("x", stream=b"BT /F1 12 Tf " + b"(a) Tj " * 4_000_000 + b"ET")
        outcome = await self.parse(slow, parse_timeout_seconds=0.5)
        assert isinstance(outcome, DocumentError)
        assert outcome.code == "document_too_slow"
