"""The report as one page of HTML: no scripts, nothing from elsewhere, everything that was said escaped."""

from collections.abc import Iterator
from html import escape

from conversation_engine.domains.personas.quality.types import Conversation, Finding, Report, Verdict

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:54rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}
h1,h2{line-height:1.2}table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;
padding:.3rem .6rem;border-bottom:1px solid #ddd}.passed{color:#0a5f28}
.failed{color:#a11212;font-weight:600}.unsure{color:#7a5500}
.line{margin:.4rem 0;padding:.4rem .8rem;border-radius:.5rem;white-space:pre-wrap}.student{background:#eef3fb}
.client{background:#f3f1ea}.who{font-size:.8rem;color:#555;display:block}
@media (prefers-color-scheme:dark){body{background:#161616;color:#e8e8e8}td,th{border-color:#444}
.student{background:#1d2a3d}.client{background:#2c2a22}.passed{color:#6fd08c}.failed{color:#ff8a8a}.unsure{color:#e5be62}.who{color:#aaa}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page_of(report: Report) -> str:
    """A whole document."""
    name = escape(report.profile.name)
    return "".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Check of {name}</title><style>{_STYLE}</style></head><body><main>",
            f"<h1>Check of {name}</h1>{_summary(report)}",
            *(_conversation(talk) for talk in report.conversations),
            "</main></body></html>\n",
        ]
    )


def _summary(report: Report) -> str:
    counts = ", ".join(f'<span class="{verdict}">{report.count(verdict)} {verdict}</span>' for verdict in Verdict)
    played = f"<p>Played by <strong>{escape(report.model)}</strong>, judged by <strong>{escape(report.judge)}</strong>"
    return f"{played}, difficulty {escape(report.profile.difficulty.value)}: {counts}.</p>"


def _conversation(talk: Conversation) -> str:
    broken = f'<p class="failed">It broke off: {escape(talk.error)}</p>' if talk.error else ""
    head = f"<section><h2>{escape(talk.scenario.name)}</h2>{broken}"
    return f"{head}{_table(talk)}{''.join(_lines(talk))}</section>"


def _table(talk: Conversation) -> str:
    if not talk.findings:
        return ""
    head = "<tr><th>checked</th><th>verdict</th><th>why</th><th>by</th></tr>"
    return f"<table>{head}{''.join(map(_row, talk.findings))}</table>"


def _row(found: Finding) -> str:
    cells = (escape(found.criterion.value), f'<span class="{found.verdict}">{found.verdict}</span>')
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in (*cells, escape(found.why), escape(found.judge)))}</tr>"


def _lines(talk: Conversation) -> Iterator[str]:
    for line in talk.lines:
        yield f'<div class="line {line.speaker}"><span class="who">{line.speaker}</span>{escape(line.text)}</div>'
