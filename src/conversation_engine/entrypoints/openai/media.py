"""Images and files among the parts of what a user says, as Chat Completions and Responses write them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from conversation_engine.domains.llm.errors import ModelCannotError
from conversation_engine.domains.llm.media_urls import is_file_url, is_image_url
from conversation_engine.domains.llm.parts import File, Image, Part, Parts, Text
from conversation_engine.entrypoints.openai.errors import BadFieldError, UnsupportedFieldError
from conversation_engine.entrypoints.openai.texts import TEXT_PARTS, text_of_parts

IMAGES: Final = ("image_url", "input_image")
FILES: Final = ("file", "input_file")
DETAILS: Final = ("auto", "low", "high")
NAME_LIMIT_CHARACTERS: Final = 255


def said_in(content: str | list[Any] | None, *, place: str) -> str | Parts:
    """What a user says: text, or parts where an image or a file is among them.

    Raises UnsupportedFieldError or BadFieldError.
    """
    if not isinstance(content, list) or not any(_kind(part) in (*IMAGES, *FILES) for part in content):
        return text_of_parts(content, place=place, kinds=TEXT_PARTS)
    return Parts(tuple(_part(part, f"{place}[{number}]") for number, part in enumerate(content)))


def as_input_parts(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """What a user said, as Responses write it."""
    return [_told(part) for part in parts]


@contextmanager
def blaming(said: object, *, place: str, form: str) -> Iterator[None]:
    """Says of a ModelCannotError which field is to blame as the request has it: a part of `said`, or `form`."""
    try:
        yield
    except ModelCannotError as error:
        raise _blamed(error, said, place, form) from error


def _blamed(error: ModelCannotError, said: object, place: str, form: str) -> ModelCannotError:
    if error.field == "response_format":
        return ModelCannotError(error.model, form)
    kinds = {"image": IMAGES, "file": FILES, "file_url": FILES}.get(error.field)
    if kinds is None:
        return error
    for number, one in enumerate(said if isinstance(said, list) else ()):
        content = one.get("content") if isinstance(one, dict) else getattr(one, "content", None)
        for at, part in enumerate(content if isinstance(content, list) else ()):
            if _kind(part) in kinds:
                return ModelCannotError(error.model, f"{place}[{number}].content[{at}]")
    return error


def _part(part: Any, place: str) -> Part:
    kind = _kind(part)
    if kind in IMAGES:
        return _image(part, kind, place)
    if kind in FILES:
        return _file(part, kind, place)
    return Text(text_of_parts([part], place=place, kinds=TEXT_PARTS))


def _image(part: Mapping[str, Any], kind: str, place: str) -> Image:
    told = part.get("image_url")
    where = f"{place}.image_url"
    if kind == "image_url":  # nested in chats
        told, part, where = (told.get("url"), told, f"{where}.url") if isinstance(told, dict) else (told, part, where)
    _refuse_ids(part, place)
    detail = part.get("detail") or "auto"
    if detail not in DETAILS:
        raise BadFieldError(f"{place}.detail", f"`{place}.detail` must be one of {', '.join(DETAILS)}.")
    return Image(url=_url(told, where, is_image_url), detail=detail)


def _file(part: Mapping[str, Any], kind: str, place: str) -> File:
    told, where = (part.get("file"), f"{place}.file") if kind == "file" else (part, place)
    if not isinstance(told, dict):
        raise BadFieldError(where, f"`{where}` must have `file_data` and a `filename`.")
    _refuse_ids(told, where)
    name = told.get("filename") or "file"
    if not isinstance(name, str) or len(name) > NAME_LIMIT_CHARACTERS:
        raise BadFieldError(f"{where}.filename", f"`{where}.filename` must be text of at most 255 characters.")
    field = "file_url" if told.get("file_url") and kind == "input_file" else "file_data"
    return File(name=name, url=_url(told.get(field), f"{where}.{field}", is_file_url))


def _refuse_ids(part: Mapping[str, Any], place: str) -> None:
    if part.get("file_id"):
        raise UnsupportedFieldError(f"{place}.file_id", "there are no uploaded files; send the data")


def _url(value: Any, place: str, fits: Callable[[str], bool]) -> str:
    if not isinstance(value, str) or not fits(value):
        raise BadFieldError(place, f"`{place}` must be a data URL in base64 of the right kind, or an address.")
    return value


def _kind(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    return kind if isinstance(kind, str) else ""


def _told(part: Part) -> dict[str, Any]:
    match part:
        case Image(url=url, detail=detail):
            return {"type": "input_image", "image_url": url, "detail": detail, "file_id": None}
        case File(name=name, url=url):
            field = "file_data" if url.startswith("data:") else "file_url"
            return {"type": "input_file", "filename": name, field: url}
        case _:
            return {"type": "input_text", "text": part.text}
