"""`make eval` runs alone, and what it prints is measured."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from evaluation.__main__ import MEASURES, main
from evaluation.corpora import conversations_in, own_texts
from evaluation.token_counts import _traffics

SAYS = {
    "prefixes": "prefixes: reported by llama.cpp",
    "recall": "recall: our own",
    "retrieval": "nDCG@10",
    "token_counts": "median error",
    **dict.fromkeys(("follow_ups", "rewrites", "topic_shifts"), "not judged"),
}


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Evaluations run quietly; the tests after them do not."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


class TestMain:
    @pytest.mark.local_model
    @pytest.mark.slow
    @pytest.mark.parametrize("name", MEASURES)
    def test_each_evaluation_runs_tiny(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([name, "--tiny"]) == 0
        assert SAYS[name] in capsys.readouterr().out

    def test_talks_of_others_are_measured_from_their_folder(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        talk = (
            '{"conversation_id": "x", "messages": [{"id": "1", "role": "user", "content": "Bees sting."}],'
            ' "questions": [{"question": "Who stings?", "evidence": ["1"]}]}\n'
        )
        (tmp_path / "mine.chats.jsonl").write_text(talk)
        assert main(["recall", "--tiny", "--data", str(tmp_path)]) == 0
        assert "recall: mine.chats" in capsys.readouterr().out

    def test_short_talks_of_others_make_a_long_one(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        said = [
            {"role": "user", "content": "My dog is called Bruno."},
            {"role": "assistant", "content": "A fine name."},
            {"role": "user", "content": "What is my dog called?"},
        ]
        rows = [
            {"task": "CM", "messages": said},
            {"task": "AR", "messages": said},
            {"task": "CM", "messages": said[:1]},
        ]
        (tmp_path / "chats").mkdir()
        with gzip.open(tmp_path / "chats" / "mtbench101.jsonl.gz", "wt", encoding="utf-8") as file:
            file.write("\n".join(map(json.dumps, rows)))
        assert main(["recall", "--tiny", "--data", str(tmp_path)]) == 0
        told = capsys.readouterr().out
        assert "MT-Bench-101" in told
        assert "1 questions" in told

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [(["nonsense"], "no evaluation nonsense"), (["--data", "/nowhere"], "is no folder")],
    )
    def test_what_there_is_not_is_said(
        self, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            main(arguments)
        assert says in capsys.readouterr().err


class TestCorpora:
    def test_our_own_are_of_many_kinds(self) -> None:
        assert set(own_texts()) >= {"english", "german", "russian", "chinese", "arabic", "code", "json"}

    def test_others_are_read_packed_or_not(self, tmp_path: Path) -> None:
        row = json.dumps({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]})
        (tmp_path / "plain.jsonl").write_text(row + "\n" + row)
        (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(row.encode()))
        (tmp_path / "else.jsonl").write_text('{"a": 1}')
        found = {name: list(talks) for name, talks in conversations_in(tmp_path)}
        assert found == {"plain": [["hi", "ho"]] * 2, "packed": [["hi", "ho"]]}


class TestTokenCounts:
    def test_nothing_that_is_judged_was_seen_before(self) -> None:
        for draw in (draw for traffic in _traffics(None) for draw in traffic.draws):
            past = " ".join(message.content for prompt in draw.past for message in prompt if message.role != "system")
            for prompt in draw.unseen:
                for message in prompt:
                    pieces = [line for line in message.content.split(". ") if len(line) > 40]
                    assert message.role == "system" or not any(piece in past for piece in pieces)
