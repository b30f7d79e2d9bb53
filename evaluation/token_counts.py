"""How far off a prompt's token count is before the provider has said it, for a vocabulary that we have not got.

The provider is the small local model: what it reports is the truth. Fifty calls are past; the error is that on texts
which were in none of them.
"""

import asyncio
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import aiohttp

from benchmarks.table import Bar, print_table
from conversation_engine.domains.llm.providers.local.supervisor import LocalModelServer
from conversation_engine.domains.llm.ratios import RatioBook
from conversation_engine.domains.llm.tokens import (
    MESSAGE_OVERHEAD_TOKENS,
    count_prompt,
    count_tokens,
    estimate_prompt,
    is_instructed,
    template_tokens_for,
    tokens_for,
)
from conversation_engine.domains.llm.types import LLMMessage, ModelCard
from evaluation.corpora import conversations_in, own_texts

MOST_MEDIAN_ERROR_PERCENT = 8.0
PAST_CALLS = 50
UNSEEN_PROMPTS = 60
DRAWS_OF_MANY_KINDS = 4
PROMPT_LIMIT_CHARACTERS = 4000
CHECKED_PROMPTS = 1
"""Of each traffic: reading a prompt takes the model a hundred times as long as cutting it."""
SEED = 7
SENTENCES = re.compile(r"\S.*?(?:[.!?:;\u061f\u060c](?=\s|$)|[\u3002\uff01\uff0c\uff1a\uff1b\uff1f]|$)")
INSTRUCTIONS = "You are a patient tutor. Ask one question at a time and give the smallest hint that helps."

Prompt = Sequence[LLMMessage]
Guess = Callable[[Prompt], float]


class Draw(NamedTuple):
    """`past` was said before, `unseen` shares no text with it."""

    past: Sequence[Prompt]
    unseen: Sequence[Prompt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What a product's users write."""

    name: str
    draws: Sequence[Draw]
    """Each is learned from anew; their errors are looked at together."""


class Truth:
    """What the small model's own server counts.

    Its tokenizer is asked; a few prompts are also put to the model itself, whose reported usage must be the same.
    """

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._checks_left = CHECKED_PROMPTS

    async def tokens(self, prompt: Prompt) -> int:
        messages = [{"role": message.role, "content": message.content} for message in prompt]
        whole = await self._post("/apply-template", {"messages": messages})
        counted = await self._post(
            "/tokenize", {"content": whole["prompt"], "add_special": True, "parse_special": True}
        )
        tokens = len(counted["tokens"])
        if self._checks_left:
            self._checks_left -= 1
            reply = await self._post("/v1/chat/completions", {"messages": messages, "max_tokens": 1})
            if reply["usage"]["prompt_tokens"] != tokens:
                raise AssertionError(f"the tokenizer says {tokens}, the model {reply['usage']}")
        return tokens

    async def _post(self, path: str, body: object) -> Any:
        async with self._http.post(path, json=body, raise_for_status=True) as response:
            return await response.json()


def measure(is_tiny: bool, data: Path | None) -> list[Bar]:
    """Print the errors beside those of simpler ways to count."""
    return asyncio.run(_measure(24 if is_tiny else 1, data))


async def _measure(share: int, data: Path | None) -> list[Bar]:
    server = LocalModelServer(slots=1, threads=1)
    try:
        endpoint = await server.endpoint()
        headers = {"authorization": f"Bearer {endpoint.api_key}", "connection": "close"}
        async with aiohttp.ClientSession(endpoint.base_url.removesuffix("/v1"), headers=headers) as http:
            judged = [await _judge(Truth(http), traffic, share) for traffic in _traffics(data)]
            return [bar for bars in judged for bar in bars]
    finally:
        await server.aclose()


def _traffics(data: Path | None) -> list[Traffic]:
    random = Random(SEED)
    texts = own_texts()
    found = [
        _of_passages("English, code, JSON", {name: texts[name] for name in ("english", "code", "json")}, random),
        *(_of_passages(name.capitalize(), {name: texts[name]}, random) for name in ("german", "russian", "chinese")),
        # Five past calls of each kind: which these are makes a difference, so there is more than one draw.
        _of_passages("nine kinds of text", texts, random, draws=DRAWS_OF_MANY_KINDS),
    ]
    if data is not None:
        found += [_of_talks(name, talks, random) for name, talks in conversations_in(data)]
    return found


def _of_passages(name: str, texts: Mapping[str, Sequence[str]], random: Random, *, draws: int = 1) -> Traffic:
    """Prompts of one to three messages, each prompt of one kind of text; no sentence is in both halves."""
    pieces = {kind: [piece for passage in passages for piece in _pieces(passage)] for kind, passages in texts.items()}
    halves = [{kind: own[first::2] for kind, own in pieces.items()} for first in (0, 1)]

    def prompts(half: Mapping[str, Sequence[str]], count: int) -> list[Prompt]:
        made = []
        for _ in range(count):
            own = half[random.choice(sorted(half))]
            said = [" ".join(random.choices(own, k=random.randint(2, 5))) for _ in range(random.choice((1, 1, 3)))]
            made.append(_prompt(said, random))
        return made

    drawn = [Draw(prompts(halves[0], PAST_CALLS), prompts(halves[1], UNSEEN_PROMPTS)) for _ in range(draws)]
    return Traffic(name=name, draws=drawn)


def _pieces(passage: str) -> list[str]:
    """Sentences; code and JSON are left whole."""
    return [passage] if "\n" in passage or passage[0] in "{[" else SENTENCES.findall(passage)


def _of_talks(name: str, talks: Sequence[Sequence[str]], random: Random) -> Traffic:
    """The beginnings of other people's conversations; none is in both halves."""
    chosen = random.sample(talks, min(len(talks), PAST_CALLS + UNSEEN_PROMPTS))
    prompts = []
    for talk in chosen:
        length = random.randint(1, 4) * 2 - 1
        said = list(talk[:length])
        while len(said) > 1 and sum(map(len, said)) > PROMPT_LIMIT_CHARACTERS:
            said = said[:-2]
        prompts.append(_prompt([text[:PROMPT_LIMIT_CHARACTERS] for text in said], random))
    cut = len(prompts) * PAST_CALLS // (PAST_CALLS + UNSEEN_PROMPTS)
    return Traffic(name=name, draws=[Draw(prompts[:cut], prompts[cut:])])


def _prompt(said: Sequence[str], random: Random) -> Prompt:
    """Half of the prompts have instructions, as half of the products do."""
    first = [LLMMessage("system", INSTRUCTIONS)] if random.random() < 0.5 else []
    return [*first, *(LLMMessage("assistant" if n % 2 else "user", text) for n, text in enumerate(said))]


async def _judge(truth: Truth, traffic: Traffic, share: int) -> list[Bar]:
    off: dict[str, list[float]] = {}
    calls = len(traffic.draws[0].past[::share])
    for draw in traffic.draws[: 1 if share > 1 else None]:
        guesses = await _guesses(truth, draw.past[::share])
        for prompt in draw.unseen[:: share * 4 if share > 1 else 1]:
            true = await truth.tokens(prompt)
            for name, guess in guesses.items():
                off.setdefault(name, []).append(guess(prompt) / true - 1)
    rows = [[name, *(f"{x:.1%}" for x in _summary(one))] for name, one in off.items()]
    title = f"token counts of {traffic.name}: {calls} past calls, {len(off['learned ratio'])} unseen prompts"
    print_table(title, ["way to count", "median error", "9 in 10 within", "counted enough"], rows)
    if calls < PAST_CALLS and share == 1:  # too few texts to judge by
        return []
    measured = 100 * _summary(off["learned ratio"])[0]
    return [Bar(name=f"{traffic.name}, median error", measured=measured, limit=MOST_MEDIAN_ERROR_PERCENT, unit=" %")]


async def _guesses(truth: Truth, past: Sequence[Prompt]) -> dict[str, Guess]:
    """Ways to count after these calls, simple ones first."""
    card = ModelCard(name="local", provider="local", provider_model="small", context_tokens=8192)
    ratios = RatioBook()
    for prompt in past:
        ratios.learn(card, count_prompt(prompt), await truth.tokens(prompt))
    learned = replace(card, ratios=ratios.of(card))
    return {
        "four characters a token": lambda prompt: sum(len(m.content) / 4 + MESSAGE_OVERHEAD_TOKENS for m in prompt),
        "o200k as it is": lambda prompt: sum(count_tokens(m.content) + MESSAGE_OVERHEAD_TOKENS for m in prompt),
        "assumed ratio": lambda prompt: estimate_prompt(card, prompt),
        "learned ratio": lambda prompt: estimate_prompt(learned, prompt),
        "learned, safe (the window)": lambda prompt: _planned(learned, prompt),
    }


def _summary(off: Sequence[float]) -> tuple[float, float, float]:
    """The median error, what nine in ten are within, and how many were not too few."""
    errors = sorted(map(abs, off))
    return statistics.median(errors), errors[int(0.9 * (len(errors) - 1))], sum(one >= 0 for one in off) / len(off)


def _planned(card: ModelCard, prompt: Prompt) -> int:
    texts = sum(tokens_for(card, message.text) + MESSAGE_OVERHEAD_TOKENS for message in prompt)
    return texts + template_tokens_for(card, is_instructed=is_instructed(prompt))
