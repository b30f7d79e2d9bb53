"""`convo documents`."""

from pathlib import Path

from tests.cli.scenes import Convo


class TestDocuments:
    def test_files_are_added_listed_and_deleted(self, tmp_path: Path) -> None:
        convo = Convo(data_dir=tmp_path / "data", settings={"CE_EMBEDDING_MODEL": "none"})
        folder = tmp_path / "papers"
        folder.mkdir()
        (folder / "boats.md").write_text("# Boats\n\nThey float.")
        (folder / "notes.txt").write_text("Tides.")
        (folder / "program.py").write_text("not looked at in a folder")
        added = convo("documents", "add", str(folder), "--collection", "Sea")
        assert (added.returncode, added.stderr) == (0, "")
        assert "2/2" in added.stdout
        lines = convo("documents", "list").stdout.splitlines()
        assert [line.split("  ")[1:] for line in lines] == [["ready", "1", "notes.txt"], ["ready", "1", "boats.md"]]
        assert convo("documents", "delete", lines[0].split()[0]).returncode == 0
        assert len(convo("documents", "list").stdout.splitlines()) == 1

    def test_a_bad_file_is_told_and_the_rest_is_added(self, tmp_path: Path) -> None:
        convo = Convo(data_dir=tmp_path / "data", settings={"CE_EMBEDDING_MODEL": "none"})
        (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 broken")
        (tmp_path / "good.txt").write_text("Tides.")
        added = convo("documents", "add", str(tmp_path / "bad.pdf"), str(tmp_path / "good.txt"))
        assert added.returncode == 65
        assert added.stderr.startswith("bad.pdf: The file is damaged.")
        assert "good.txt" in convo("documents", "list").stdout
        missing = convo("documents", "add", str(tmp_path / "none.txt"))
        assert missing.returncode == 64 or missing.stderr
