"""How follow-ups, rewrites and topic shifts are judged, on small talks of our own."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from evaluation import follow_ups, rewrites, topic_shifts
from evaluation.porter import porter_stem
from tests.context.questions import FOLLOW_UPS, NEW_TOPICS, TALKS


def row(query: str, said: list[str], **fields: Any) -> dict[str, Any]:
    history = [{"role": "user", "content": text} for text in said]
    return {"query": query, "history": history, "source": "own/cast", **fields}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder as `--data` names it."""
    strong = [row(query, TALKS[name], context_tokens_added=["word"]) for name, query in FOLLOW_UPS]
    turns = [
        {"text": text, "topic_shift": None if number == 0 else number == 3}
        for number, text in enumerate(
            [
                "hi , how are you ?",
                "fine , i walked the dog .",
                "what kind of dog is it ?",
                "do you like vintage cars ?",
            ]
        )
    ]
    files = {
        "cast2019": strong,
        "switch_negatives": [row(query, TALKS["roman"]) for query in NEW_TOPICS],
        "tiage_dev": [{"turns": turns}],
    }
    for name, rows in files.items():
        path = tmp_path / "followup" / f"{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(json.dumps(one) for one in rows))
    return tmp_path


class TestMeasures:
    def test_follow_ups_are_judged_next_to_a_list_of_pronouns(
        self, data: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        [sensed, _, better, cpu] = follow_ups.measure(False, data)
        assert sensed.measured >= 0.85
        assert better.is_held
        assert cpu.unit == " ms"
        printed = capsys.readouterr().out
        assert f"{len(FOLLOW_UPS)} strong follow-ups, {len(NEW_TOPICS)} new topics" in printed
        assert "pronouns" in printed

    def test_rewrites_are_judged_next_to_the_two_simple_ways(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        said = ["Tell me about hammerhead sharks.", "Where do the sharks live?"]
        (tmp_path / "followup").mkdir()
        rows = [row("What do they eat?", said, context_tokens_added=["hammerhead", "shark"])]
        (tmp_path / "followup" / "cast2019.jsonl").write_text(json.dumps(rows[0]))
        rewrites.measure(False, tmp_path)
        lines = {line.split("  ")[1]: line.split()[-2:] for line in capsys.readouterr().out.splitlines() if "." in line}
        assert lines["copy"] == ["0.000", "0.00"]
        assert lines["first question + copy"] == ["1.000", "0.00"]

    def test_topic_shifts_are_judged(self, data: Path) -> None:
        [bar] = topic_shifts.measure(False, data)
        assert -1 <= bar.measured <= 1

    @pytest.mark.parametrize("judge", [follow_ups, rewrites, topic_shifts])
    def test_without_data_it_says_so_and_judges_nothing(
        self, judge: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert judge.measure(False, None) == []
        assert judge.measure(False, tmp_path) == []
        assert "--data FOLDER" in capsys.readouterr().out


class TestPorter:
    @pytest.mark.parametrize(
        ("word", "stem"),
        [
            ("caresses", "caress"),
            ("ponies", "poni"),
            ("agreed", "agre"),
            ("plastered", "plaster"),
            ("motoring", "motor"),
            ("hopping", "hop"),
            ("filing", "file"),
            ("happy", "happi"),
            ("sky", "sky"),
            ("relational", "relat"),
            ("vietnamization", "vietnam"),
            ("electriciti", "electr"),
            ("hopefulness", "hope"),
            ("adjustment", "adjust"),
            ("adoption", "adopt"),
            ("controll", "control"),
            ("rate", "rate"),
            ("invention", "invent"),
            ("am", "am"),
        ],
    )
    def test_the_examples_of_the_paper(self, word: str, stem: str) -> None:
        assert porter_stem(word) == stem
