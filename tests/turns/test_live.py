"""A reply while it is being said."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from conversation_engine.kernel.ids import TurnId
from conversation_engine.turns.live import LiveReply
from conversation_engine.turns.types import Heartbeat, ReplyDelta

any_text = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n\u200d😀"))


def reply_of(*pieces: str) -> LiveReply:
    live = LiveReply(TurnId("t"), attempt=1)
    for piece in pieces:
        live.append(piece)
    return live


class TestText:
    @given(st.lists(any_text), st.data())
    def test_offsets_are_code_points_whatever_the_pieces_hold(self, pieces: list[str], data: st.DataObject) -> None:
        whole, live = "".join(pieces), reply_of(*pieces)
        start = data.draw(st.integers(0, len(whole)))
        end = data.draw(st.integers(start, len(whole)))
        assert live.length == len(whole)
        assert live.text() == whole
        assert live.text(start, end) == whole[start:end]

    @given(any_text, any_text, st.data())
    def test_reading_does_not_disturb_what_is_appended_next(self, one: str, two: str, data: st.DataObject) -> None:
        live = reply_of(one)
        live.text(data.draw(st.integers(0, len(one))))
        live.append(two)
        assert live.text() == one + two


class TestFollow:
    async def test_only_what_is_durable_is_shown(self) -> None:
        live = reply_of("shown, hidden")
        live.mark_durable(5)
        events = live.follow(0)
        assert await anext(events) == ReplyDelta(offset=5, text="shown")
        following = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.01)
        assert not following.done()
        live.mark_durable(13)
        assert await following == ReplyDelta(offset=13, text=", hidden")

    async def test_a_tick_is_a_sign_of_life_where_there_is_nothing_new(self) -> None:
        live = reply_of()
        following = asyncio.ensure_future(anext(live.follow(0)))
        await asyncio.sleep(0)
        live.tick()
        assert await following == Heartbeat()

    async def test_durability_is_never_taken_back(self) -> None:
        live = reply_of("abc")
        live.mark_durable(3)
        live.mark_durable(1)
        assert await anext(live.follow(1)) == ReplyDelta(offset=3, text="bc")
