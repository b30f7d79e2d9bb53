"""The active path as one HTML page that asks for nothing else. What people said is text: no script in it can run."""

import html
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from conversation_engine.domains.conversations.types import Conversation
from conversation_engine.domains.feedback.types import Feedback
from conversation_engine.people.moves.forms.words import (
    ROLES,
    notes_of,
    of_the_whole,
    said_in,
    thought_of,
    time_of,
    title_of,
)
from conversation_engine.people.moves.types import Said, Talk

BEGIN: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Conversations</title>
<style>
:root { color-scheme: light dark; --line: #8884; --mine: #4a7dff22; --faint: #777; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.55 system-ui, sans-serif; }
section { border-top: 1px solid var(--line); padding-top: 1rem; margin-top: 2rem; }
section:first-of-type { border: 0; margin-top: 0; }
article { border: 1px solid var(--line); border-radius: .6rem; padding: .6rem .9rem; margin: .8rem 0; }
article.user { background: var(--mine); margin-left: 12%; }
article.system { border-style: dashed; }
aside { border-left: .2rem solid var(--line); padding-left: .7rem; margin-top: .6rem; }
article header, aside, .facts { color: var(--faint); font-size: .85rem; }
article p, aside p { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0 0; }
@media print { body { margin: 0; } article { break-inside: avoid; } }
</style>
</head>
<body>
<main>
"""
END: Final = "</main>\n</body>\n</html>\n"


async def write(talks: AsyncIterator[Talk], *, at: datetime) -> AsyncIterator[str]:
    """The page, in pieces."""
    yield BEGIN
    async for talk in talks:
        yield _head(talk.conversation)
        async for said in talk.path():
            yield _message(said)
        async for one in of_the_whole(talk):
            yield _opinion(one)
        yield "</section>\n"
    yield END


def _head(conversation: Conversation) -> str:
    tokens = conversation.input_tokens + conversation.output_tokens
    facts = [
        f"began {_time(conversation.created_at)}",
        f"{conversation.message_count} messages",
        f"{tokens} tokens",
        f"${conversation.cost:f}",
    ]
    if conversation.is_branched:
        facts.append("only the active branch is shown")
    title = html.escape(title_of(conversation))
    return f'<section>\n<h1>{title}</h1>\n<p class="facts">{" · ".join(facts)}</p>\n'


def _message(said: Said) -> str:
    message = said.message
    content = said_in(message.content)
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=2)
    facts = " · ".join([ROLES[message.role], _time(message.created_at), *notes_of(message)])
    return (
        f'<article class="{message.role.value}">\n<header>{facts}</header>\n<p dir="auto">{html.escape(text)}</p>\n'
        f"{''.join(map(_opinion, said.opinions))}</article>\n"
    )


def _opinion(opinion: Feedback) -> str:
    parts = "".join(f'<p dir="auto">{html.escape(part)}</p>' for part in thought_of(opinion))
    return f"<aside>{parts}</aside>\n"


def _time(at: datetime) -> str:
    return f'<time datetime="{at.isoformat()}">{time_of(at)}</time>'
