"""`convo export`."""

import json

from tests.cli.scenes import Convo


class TestExport:
    def test_what_was_said_is_written_for_its_owner(self, quick_convo: Convo) -> None:
        assert quick_convo("chat", typed="Hello\n").returncode == 0
        everything = quick_convo("export")
        assert everything.returncode == 0, everything.stderr
        [entry] = json.loads(everything.stdout)["conversations"]
        assert entry["messages"][0]["content"] == "Hello"
        file = quick_convo.data_dir / "talk.html"
        assert quick_convo("export", entry["id"], "--format", "html", "--output", str(file)).returncode == 0
        assert "word0 word1" in file.read_text()
        refused = quick_convo("export", entry["id"], "--user", "ada")
        assert (refused.returncode, refused.stdout) == (6, "")
