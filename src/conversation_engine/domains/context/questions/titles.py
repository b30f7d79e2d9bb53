"""Titles as a person would write them: what is wanted, without the greeting, the asking and the stop at the end."""

import re
from typing import Final

from conversation_engine.domains.context.questions.words import FUNCTION_WORDS, listed, words_of

TITLE_CHARACTERS: Final = 60
READ_CHARACTERS: Final = 1200
"""Of a message: who wants something says so early."""
SENTENCES_READ: Final = 3
"""Among which the one that asks is looked for."""
SHORT_WORDS: Final = 3
SHOUTED_WORDS: Final = 4
"""From how many words on capitals throughout are no abbreviation."""
FEWEST_CHARACTERS: Final = 22
"""A clause that is shorter is no title for a sentence that is too long."""

_CODE: Final = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_MARKS: Final = re.compile(r"^[\s#>*•-]+")
_END: Final = re.compile(
    r"(?<=[!?])\s+|(?<=[.!?])[\"”’)]*\s+(?=[^a-z])|(?<=[\u3002\uff01\uff1f])\s*|\s*\n\s*(?=[\nA-Z#>*•-])"
)
_ABBREVIATED: Final = re.compile(
    r"(?:\b[A-Za-z]|\b(?:e\.g|i\.e|etc|vs|mr|mrs|ms|dr|prof|st|no|approx))\.$", re.IGNORECASE
)
_CLAUSE: Final = re.compile(r"[,;:(–—]\s|\s[-(–—]\s?")
_NEVER_LAST: Final = FUNCTION_WORDS | listed("because while whether since until")
_POINTLESS: Final = " \t?!.,;:…*_-–—\u3002\uff01\uff1f\uff0c"
_POINTING: Final = re.compile(
    r"\b(?:it|them|they|this|these|those|him|her|he|she|here)\b|\b(?:that|one)$", re.IGNORECASE
)

_I: Final = r"i(?:['’]m| am)"
_YOU: Final = r"(?:can|could|would|will|may|might) (?:you|u|i|we)(?: please| kindly| maybe| possibly| also| just)?"
_GREETING: Final = (
    r"(?:hi|hello|hallo|hullo|hey|hiya|howdy|greetings|good (?:morning|afternoon|evening|day)|dear \w+)"
    r"(?: there| everyone| all| again| chatgpt| assistant| bot| ai)?"
)
_FILLER: Final = (
    r"(?:please|pls|ok|okay|well|so|um|uh|hmm|actually|basically|also|now|and|but|kindly|thanks|thank you|sure)"
)
_HELP: Final = r"(?:help(?: me| us)?(?: to| with| in)?|assist(?: me| us)? (?:with|in))"
_TELL: Final = (
    r"(?:tell|show|give|teach) (?:me|us)(?: (?:about|some|an? \w+ (?:of|on)|more about|what you know about))?"
    r"|what (?:can|do) you (?:tell me|know) about|explain (?:to (?:me|us)|me|us)|let (?:me|us) (?:know|see)(?: about)?"
)
_WANT: Final = (
    r"(?:i(?:['’]d| would)(?: really)? (?:like|love)|i (?:really )?(?:want|need|wish)"
    rf"|{_I} (?:trying|hoping|looking|planning))(?: (?:you|for you))?"
    r"(?: (?:to be able to|to (?:know|learn|understand|ask)(?: (?:about|if|whether))?|to|for|some))?"
)
_WONDER: Final = (
    r"(?:i (?:was|am)|i['’]m) wondering(?: about)?|i wonder"
    rf"|{_I} (?:concerned|worried|curious|confused|interested) (?:about|by|in)"
    r"|i have (?:a|one|some|another) (?:\w+ )?questions? (?:about|on|regarding)"
    r"|do you (?:know|happen to know|have any idea)(?: of| about)?"
    r"|(?:if|whether) (?:you|there) (?:could|can|would|had|have|know|were|are)"
    r"|(?:any|some) (?:ideas?|tips?|advice|suggestions?|recommendations?) (?:on|for|about|regarding)"
)
_OPENING: Final = re.compile(
    rf"(?:{_GREETING}|{_FILLER}|{_YOU}|{_HELP}|{_TELL}|{_WANT}|{_WONDER})(?![\w'’-])[\s,.!:–—-]*", re.IGNORECASE
)
_GREETING_ONLY: Final = re.compile(
    rf"(?:(?:{_GREETING}|{_FILLER}|how are you(?: doing)?(?: today)?|how['’]?s it going|what['’]?s up|you)"
    r"[\s,.!?:)]*)+",
    re.IGNORECASE,
)
_HALF: Final = re.compile(r"(?:although|though|because|since|while|if)\b", re.IGNORECASE)
_LATE_ASK: Final = re.compile(rf"[,;] (?=(?:{_YOU}|please|what|how)\b)", re.IGNORECASE)
_CLOSING: Final = re.compile(
    r"[\s,.!?]+(?:please|pls|thanks(?: a lot| in advance)?"
    r"|thank you(?: very much| so much| in advance)?|for me|to me)$",
    re.IGNORECASE,
)
_WHAT_IS: Final = re.compile(
    r"what(?:['’]s|s| is| are| was| were)(?: the| an?| some(?: of the| of)?)(?= ) +(?=\w)", re.IGNORECASE
)
_HOW_TO: Final = re.compile(r"how (?:do|can|could|should|would|might) (?:i|we|you|one) (?:go about )?", re.IGNORECASE)
_FIND_ME: Final = re.compile(r"^(\w+) (?:me|us) (?=(?:an?|the|some|any|my|one|somewhere|something)\b)", re.IGNORECASE)
_ARTICLE: Final = re.compile(r"(?:an?|the|some) (?=\w)", re.IGNORECASE)
_ASKING: Final = (
    "how|what|why|which|where|when|who|please|write|create|make|explain|describe|list|generate|give|find|translate|"
    "summari[sz]e|fix|compare|suggest|recommend|act as|imagine|rewrite|extract|i (?:want|need)|i['’]d like"
)
_WANTS: Final = re.compile(rf"(?:{_FILLER}[\s,]+)*(?:{_YOU}|{_HELP}|{_TELL}|{_ASKING})\b", re.IGNORECASE)


def title_of(text: str) -> str | None:
    """A title for a conversation that begins with `text`; `None` where that says nothing yet, such as a greeting.

    At most `TITLE_CHARACTERS`, never the half of a word, unless the word alone is longer. O(`READ_CHARACTERS`).
    """
    read = text[:READ_CHARACTERS]
    if read.isupper() and len(read.split()) >= SHOUTED_WORDS:
        read = read.lower()
    sentences = _sentences(_CODE.sub("\n\n", read)) or _sentences(read.replace("```", "\n\n"))
    said = [one for one in sentences if not _GREETING_ONLY.fullmatch(one)]
    if not said:
        return None
    core = next((core for one in said[:SENTENCES_READ] if _asks(one) and _says_what(core := _core(one))), "")
    return _capitalised(_shortened(core or _core(said[0]) or said[0].strip(_POINTLESS) or said[0]))


def _sentences(text: str) -> list[str]:
    found: list[str] = []
    for piece in _END.split(text):
        line = " ".join(_MARKS.sub("", piece).split())
        if found and _ABBREVIATED.search(found[-1]):
            found[-1] += f" {line}"
        elif any(one.isalnum() for one in line):
            found.append(line)
    return found


def _asks(sentence: str) -> bool:
    return sentence.endswith(("?", "\uff1f")) or _WANTS.match(sentence) is not None


def _says_what(core: str) -> bool:
    """Whether it says by itself what is wanted: *advice on how to fix it* does not."""
    words = words_of(core)
    return _POINTING.search(core) is None and _HALF.match(core) is None and sum(word.is_content for word in words) > 1


def _core(sentence: str) -> str:
    """Without the words that only ask, and what stands before them."""
    late = _LATE_ASK.search(sentence)
    if late and _says_what(core := _without_asking(sentence[late.end() :])):
        return core
    return _without_asking(sentence)


def _without_asking(sentence: str) -> str:
    rest, before = sentence, ""
    while rest != before and rest:
        before = rest
        rest = _OPENING.sub("", rest, count=1) if _OPENING.match(rest) else rest
    rest = rest.rstrip(_POINTLESS)
    while (cut := _CLOSING.sub("", rest)) != rest:
        rest = cut.rstrip(_POINTLESS)
    if how := _HOW_TO.match(rest):
        rest = f"How to {rest[how.end() :]}"
    elif (what := _WHAT_IS.match(rest)) and _is_a_thing(rest[what.end() :]):
        rest = rest[what.end() :]
    rest = _FIND_ME.sub(r"\1 ", rest)
    if rest != sentence.rstrip(_POINTLESS) and (article := _ARTICLE.match(rest)):
        rest = rest[article.end() :]
    return rest.strip(_POINTLESS)


def _is_a_thing(rest: str) -> bool:
    """Whether what follows `What is the` can stand alone: *best way to learn* can, *earth made of* cannot."""
    words = rest.lower().split()
    is_doing = len(words) <= SHORT_WORDS and words[-1].endswith("ing")
    return len(words) > 1 and words[-1] not in _NEVER_LAST and not is_doing


def _shortened(text: str) -> str:
    if len(text) <= TITLE_CHARACTERS:
        return text
    clauses = [one.start() for one in _CLAUSE.finditer(text, 0, TITLE_CHARACTERS + 1)]
    if clauses and clauses[-1] >= FEWEST_CHARACTERS:
        return text[: clauses[-1]].rstrip(_POINTLESS)
    whole = text[:TITLE_CHARACTERS]  # one more than fits beside the dots: it may be a space
    words = whole.rsplit(" ", 1)[0].split(" ") if " " in whole else []
    while len(words) > 1 and words[-1].lower() in _NEVER_LAST:
        words.pop()
    return f"{' '.join(words).rstrip(_POINTLESS)}…" if words else f"{text[: TITLE_CHARACTERS - 1]}…"


def _capitalised(title: str) -> str:
    """In sentence case; names that are written otherwise stay: *iPhone*, *x86*."""
    first = title.split(" ", 1)[0].rstrip(_POINTLESS)
    return title[:1].upper() + title[1:] if first.islower() and re.sub("['’-]", "", first).isalpha() else title
