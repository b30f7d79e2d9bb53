"""`convo import` and `convo export`."""

import json
import zipfile

from tests.cli.scenes import Convo
from tests.people.files import CHATGPT


class TestMoves:
    def test_what_is_brought_in_once_is_written_for_its_owner(self, convo: Convo) -> None:
        archive = convo.data_dir / "export.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("user.json", "{}")
            file.writestr("conversations.json", json.dumps([7, *CHATGPT]))
        first = convo("import", str(archive))
        assert first.returncode == 65
        assert "1 conversations added, 0 extended, 0 known already; 6 messages" in first.stdout
        assert "export.zip/conversations.json [0]: It is no conversation." in first.stderr
        page = convo.data_dir / "talks.html"
        written = convo("export", "--format", "html", "--output", str(page))
        assert (written.returncode, written.stderr) == (0, "")
        assert "Why do boats float?" in page.read_text()
        assert not list(convo.data_dir.glob("*.part"))
