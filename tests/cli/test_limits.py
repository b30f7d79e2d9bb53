"""`convo budgets` and `convo limits`."""

from pathlib import Path

import pytest

from tests.cli.scenes import Convo


@pytest.fixture
def convo(tmp_path: Path) -> Convo:
    return Convo(data_dir=tmp_path / "data", settings={"CE_RATE_LIMITS": "messages user 10/minute"})


class TestBudgets:
    def test_are_set_shown_and_removed(self, convo: Convo) -> None:
        made = convo("budgets", "set", "user", "day", "--subject", "ada", "--dollars", "1.50", "--tokens", "2000")
        budget_id = made.stdout.strip()
        listed = convo("budgets", "list").stdout
        assert f"{budget_id}  user ada day: $1.5 of $1.5 and 2000 of 2000 tokens left" in listed
        told = convo("limits", "--user", "ada").stdout
        assert "messages-user: 10 of 10 left in 60 s" in told
        assert "user ada day: $1.5 of $1.5" in told
        assert "user ada" not in convo("limits", "--user", "bob").stdout
        assert convo("budgets", "remove", budget_id).returncode == 0
        assert convo("budgets", "list").stdout == ""

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (("set", "user", "week", "--tokens", "1"), 2),
            (("set", "user", "day"), 2),
            (("set", "user", "day", "--dollars", "much"), 2),
            (("remove", "01890a5d-ac96-774b-bcce-b302099a8057"), 3),
        ],
    )
    def test_what_makes_no_sense_is_a_sentence(self, convo: Convo, words: tuple[str, ...], code: int) -> None:
        ended = convo("budgets", *words)
        assert (ended.returncode, ended.stdout) == (code, "")
        assert ended.stderr.strip()
        assert "Traceback" not in ended.stderr
