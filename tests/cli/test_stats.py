"""`convo stats`, `convo search` and `convo share`."""

from tests.cli.scenes import Convo


class TestInsights:
    def test_what_went_on_is_told_found_and_shared(self, quick_convo: Convo) -> None:
        assert quick_convo("chat", typed="a quick brown fox\n").returncode == 0
        assert quick_convo("stats", "rebuild").stdout == "Added up 1 conversations.\n"
        shown = quick_convo("stats", "--everybody")
        assert (shown.returncode, shown.stderr) == (0, "")
        first, kind, *rest = shown.stdout.splitlines()
        assert first.startswith("1 conversations, 2 messages, ")
        assert kind.endswith(": 1 conversations, 2 messages")
        assert "came back: 0 of 1 people" in rest
        found = quick_convo("search", "quick brown", "fox*", "--limit", "1").stdout.splitlines()
        assert "quick brown fox" in found[1]
        made = quick_convo("share", "link", found[0].split()[4])
        assert (made.returncode, made.stdout[:8]) == (0, "/shared/")
