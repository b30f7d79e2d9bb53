"""`convo cost`."""

import json

from tests.cli.scenes import Convo


class TestCost:
    def test_it_shows_tokens_dollars_and_what_is_not_known(self, quick_convo: Convo) -> None:
        assert quick_convo("chat", typed="hi\n").returncode == 0
        shown = quick_convo("cost", "--by", "model")
        assert (shown.returncode, shown.stderr) == (0, "")
        header, columns, model, total, conversations, *doubts = shown.stdout.splitlines()
        assert header.startswith("local, ")
        assert header.endswith(" UTC")
        assert columns.split() == ["model", "calls", "read", "cached", "written", "dollars"]
        assert model.split()[1:] == total.split()[1:]
        assert conversations == "conversations: 1 of $0 on average, $0 at most; 0 above the target of $0.01"
        assert doubts[0] == "1 calls have no known price and are not in the dollars: see CE_MODEL_PRICES."

    def test_as_json_it_is_what_the_service_answers(self, quick_convo: Convo) -> None:
        quick_convo("chat", typed="hi\n")
        found = json.loads(quick_convo("cost", "--everybody", "--json").stdout)
        assert (found["user_id"], found["by"], found["total"]["calls"]) == (None, "day", 1)
        assert {"from", "to", "rest", "conversations"} < set(found)

    def test_with_no_call_at_all(self, convo: Convo) -> None:
        shown = convo("cost")
        assert shown.returncode == 0
        assert "conversations: 0; 0 above the target of $0.01" in shown.stdout

    def test_a_period_that_makes_no_sense_is_refused(self, convo: Convo) -> None:
        refused = convo("cost", "--from", "tomorrow")
        assert refused.returncode == 2
        assert "time zone" in refused.stderr
