"""A shared conversation as one HTML page that asks for nothing else. What people said is text: no script can run."""

import html
import json
from typing import Final

from conversation_engine.domains.conversations.types import Message, MessageRole
from conversation_engine.people.shares.errors import ShareNotFoundError
from conversation_engine.people.shares.types import SharedTalk

HEADERS: Final = {
    "x-robots-tag": "noindex, nofollow, noarchive",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
}
_BEGIN: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow, noarchive">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ground: #fcfbf7; --ink: #20302c; --faint: #6b746f; --line: #e3dfd3;
  --mine: #e6efe9; --accent: #2f7d66; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ground: #181d1e; --ink: #e9e6dd; --faint: #9aa39f; --line: #323a3a;
  --mine: #22352f; --accent: #6fbfa4; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--ground); color: var(--ink); font: 1.0625rem/1.6 system-ui, sans-serif; }}
main {{ max-width: 44rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }}
h1 {{ font: 600 1.6rem/1.25 Georgia, serif; margin: 0 0 .3rem; overflow-wrap: anywhere; }}
.facts, article header {{ color: var(--faint); font-size: .875rem; }}
article {{ margin: 1.1rem 0; padding: .7rem 1rem .8rem; border: 1px solid var(--line); border-radius: .8rem; }}
article.user {{ background: var(--mine); margin-left: 8%; border-color: transparent; }}
article p {{ margin: .2rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere; }}
a {{ color: var(--accent); display: inline-block; padding: .6rem 0; }}
footer {{ margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid var(--line); }}
</style>
</head>
<body>
<main>
"""
_END: Final = "</main>\n</body>\n</html>\n"


def page(talk: SharedTalk) -> str:
    """The page."""
    share = talk.share
    title = (talk.conversation.title if share.has_names else None) or "A conversation"
    whose = f"Shared by {html.escape(share.name)}. " if share.name else ""
    facts = f"{whose}Read only, until {share.expires_at:%-d %B %Y}."
    said = "".join(_message(one, share.name or "Person") for one in talk.messages)
    said = said or "<p>Nothing is said here yet.</p>\n"
    more = "" if talk.next is None else f'<a href="?after={talk.next}">Go on reading</a>\n'
    head = f'<h1>{html.escape(title)}</h1>\n<p class="facts">{facts}</p>\n'
    return _BEGIN.format(title=html.escape(title)) + head + said + more + _END


def nowhere() -> str:
    """What a link shows that leads nowhere."""
    told = html.escape(ShareNotFoundError().detail)
    return _BEGIN.format(title="Nothing here") + f"<h1>Nothing here</h1>\n<p>{told}</p>\n" + _END


def _message(message: Message, person: str) -> str:
    content = message.content
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=2)
    who = person if message.role is MessageRole.USER else "Reply"
    at = f'<time datetime="{message.created_at.isoformat()}">{message.created_at:%Y-%m-%d %H:%M} UTC</time>'
    return (
        f'<article class="{message.role.value}">\n<header>{html.escape(who)} · {at}</header>\n'
        f'<p dir="auto">{html.escape(text)}</p>\n</article>\n'
    )
