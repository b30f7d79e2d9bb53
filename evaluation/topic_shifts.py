"""Where does a talk turn to something else? TIAGE: small talk, labelled by people."""

import json
from collections import Counter
from pathlib import Path

from benchmarks.table import Bar, print_table
from conversation_engine.domains.context.questions.reader import QuestionReader
from conversation_engine.domains.context.questions.talk import Asked, Said, Talk
from conversation_engine.domains.context.questions.weights import load_weights


def measure(tiny: bool, data: Path | None) -> list[Bar]:
    """Its development part; the weights were learnt from its training part."""
    file = None if data is None else data / "followup" / "tiage_dev.jsonl"
    if file is None or not file.is_file():
        print("  topic shifts: not judged. Name the folder that holds followup/tiage_dev.jsonl with --data FOLDER.")
        return []
    topics = QuestionReader(load_weights(), intents={}).topics
    seen: Counter[tuple[bool, bool]] = Counter()
    with file.open(encoding="utf-8") as lines:
        talks = [json.loads(line) for line in lines]
    for talk in talks[:5] if tiny else talks:
        said = [Said(number, "user", turn["text"]) for number, turn in enumerate(talk["turns"], start=1)]
        for index, turn in enumerate(talk["turns"]):
            if turn["topic_shift"] is not None:
                guess = topics.is_shift(Asked.of(turn["text"]), Talk.of(said[:index]))
                seen[guess, bool(turn["topic_shift"])] += 1
    shifts = seen[True, True] + seen[False, True]
    others = seen[True, False] + seen[False, False]
    always = 2 * shifts / (2 * shifts + others)
    f1 = 2 * seen[True, True] / (2 * seen[True, True] + seen[True, False] + seen[False, True])
    balanced = (seen[True, True] / shifts + seen[False, False] / others) / 2
    print_table(
        f"topic shifts: TIAGE development, {shifts} shifts in {shifts + others} turns",
        ("", "F1", "balanced accuracy"),
        [("rules", f"{f1:.3f}", f"{balanced:.3f}"), ("every turn is one", f"{always:.3f}", "0.500")],
    )
    return [
        Bar(name="topic shifts: F1 above calling every turn one", measured=f1 - always, limit=0.05, is_ceiling=False)
    ]
