"""`convo stats`, `convo search` and `convo share`."""

import json

from tests.cli.scenes import Convo


class TestStats:
    def test_it_says_what_went_on_and_adds_up_again(self, quick_convo: Convo) -> None:
        assert quick_convo("chat", typed="hi\n").returncode == 0
        shown = quick_convo("stats")
        assert (shown.returncode, shown.stderr) == (0, "")
        first, kind, *rest = shown.stdout.splitlines()
        assert first.startswith("1 conversations, 2 messages, ")
        assert kind.endswith(": 1 conversations, 2 messages")
        assert "came back: 0 of 1 people" in rest
        rebuilt = quick_convo("stats", "rebuild")
        assert rebuilt.stdout == "Added up 1 conversations.\n"
        found = json.loads(quick_convo("stats", "--everybody", "--json").stdout)
        assert found["overview"]["total_messages"] == sum(
            day["user_messages"] + day["replies"] for day in found["activity"]["days"]
        )

    def test_what_was_said_is_found(self, quick_convo: Convo) -> None:
        quick_convo("chat", typed="a quick brown fox\n")
        shown = quick_convo("search", "quick brown", "fox*", "--limit", "1")
        assert (shown.returncode, shown.stderr) == (0, "")
        first, said = shown.stdout.splitlines()[:2]
        assert "quick brown fox" in said
        made = quick_convo("share", "link", first.split()[4])
        assert (made.returncode, made.stdout[:8]) == (0, "/shared/")
