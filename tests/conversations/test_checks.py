"""What may be kept of what callers send, as pure rules."""

from typing import Any

import pytest

from conversation_engine.domains.conversations.checks import Checks
from conversation_engine.domains.conversations.settings import ConversationSettings
from conversation_engine.domains.conversations.types import MessageRole, NewMessage
from conversation_engine.domains.llm.parts import FILE_TOKENS, IMAGE_TOKENS, LOW_IMAGE_TOKENS, File, Image, Parts, Text
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import MessageId

CHECKS = Checks(ConversationSettings(media_limit_characters=40, message_limit_characters=120))


def checked(content: Any) -> NewMessage:
    return CHECKS.message(NewMessage(id=MessageId("m"), role=MessageRole.USER, content=content))


def image(length: int, detail: str = "auto") -> Image:
    return Image(url="data:image/png;base64,".ljust(length, "A"), detail=detail)


class TestMedia:
    def test_are_as_large_as_a_message_may_have_them(self) -> None:
        checked(Parts((Text("?"), image(40))).as_json())
        with pytest.raises(InvalidInputError) as refused:
            checked(Parts((Text("?"), image(41))).as_json())
        assert refused.value.facts["limit_characters"] == 40

    def test_leave_text_its_own_limit(self) -> None:
        with pytest.raises(InvalidInputError):
            checked(Parts((Text("x" * 121), image(40))).as_json())

    @pytest.mark.parametrize(
        ("part", "tokens"),
        [
            (image(30), IMAGE_TOKENS),
            (image(30, "low"), LOW_IMAGE_TOKENS),
            (File(name="a.pdf", url="data:application/pdf;base64,AAAA"), FILE_TOKENS),
            (File(name="a.pdf", url="https://example.com/a.pdf"), FILE_TOKENS),
            (File(name="a.txt", url="data:text/plain;base64,AAAA"), 7),
        ],
        ids=str,
    )
    def test_are_counted_by_rule(self, part: Image | File, tokens: int) -> None:
        counted = checked(Parts((part,)).as_json()).counted_tokens
        assert counted is not None
        assert 0 < counted - tokens < 8, "but for the note that stands for it in text"
