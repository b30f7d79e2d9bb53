"""What may become of a file, and what is told to who uploaded it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from conversation_engine.domains.retrieval.types import DocumentError, NewChunk

_SENTENCES: Final[Mapping[str, str]] = {
    "document_empty": "The file is empty. Upload one with text in it.",
    "document_too_large": "The file is larger than this server takes. Split it, or upload its text.",
    "document_too_long": "The document has more text or pages than this server takes. Split it.",
    "document_too_complex": "Reading the file took too much memory. Save it anew from the program that made it.",
    "document_too_slow": "Reading the file took too long. Save it anew from the program that made it, or split it.",
    "document_unreadable": "The file is damaged. Save it anew from the program that made it, and upload it again.",
    "document_encrypted": "The file is protected by a password. Remove the password and upload it again.",
    "document_type_unsupported": "This is not a kind of file that can be read. Upload PDF, HTML, Markdown or text.",
    "document_without_text": "There is no text in the file; scanned pages are pictures. Upload a version with text.",
    "document_not_embedded": "The document is found by its words only: embedding failed. Upload it again.",
    "document_not_processed": "The document could not be processed. Delete it and upload it again.",
}
OUR_FAULT: Final = "document_not_processed"
TOO_LARGE: Final = "document_too_large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A file that was read."""

    chunks: Sequence[NewChunk]
    page_count: int | None
    media_type: str


def document_error(code: str) -> DocumentError:
    """What is stored with a document that cannot be searched."""
    code = code if code in _SENTENCES else OUR_FAULT
    return DocumentError(code=code, detail=_SENTENCES[code])
