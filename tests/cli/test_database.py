import pytest

from tests.cli.scenes import Convo


class TestUpgrade:
    def test_it_says_which_database_has_the_schema_and_may_be_repeated(self, fresh_convo: Convo) -> None:
        first, second = fresh_convo("db", "upgrade"), fresh_convo("db", "upgrade")
        assert (first.returncode, second.returncode) == (0, 0)
        assert (
            first.stdout
            == second.stdout
            == f"sqlite:///{fresh_convo.data_dir}/conversations.db has this version's schema.\n"
        )

    @pytest.mark.postgres
    def test_it_does_the_same_for_a_shared_database(self, fresh_convo: Convo, database_url: str) -> None:
        shared = Convo(data_dir=fresh_convo.data_dir, settings={"CE_DATABASE_URL": database_url})
        assert [shared("db", "upgrade").returncode for _ in range(2)] == [0, 0]
        assert not (fresh_convo.data_dir / "conversations.db").exists()
