"""`convo user` and `convo link`."""

from urllib.parse import parse_qs, urlsplit

from conversation_engine.domains.users.tokens import Link
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_tokens
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.people import Role
from tests.cli.scenes import Convo


def link_in(output: str, convo: Convo) -> Link:
    [code] = parse_qs(urlsplit(output.strip()).query)["code"]
    return make_tokens(Settings(data_dir=convo.data_dir), SystemClock()).verify_link(code)


class TestLink:
    def test_it_needs_no_account_and_no_database(self, fresh_convo: Convo) -> None:
        link = link_in(fresh_convo("link", "--user", "ada", "--role", "teacher").stdout, fresh_convo)
        assert (link.principal.user_id, link.principal.role) == ("ada", Role.TEACHER)
        assert not (fresh_convo.data_dir / "conversations.db").exists()


class TestUser:
    def test_who_is_added_gets_a_link_and_is_listed(self, convo: Convo) -> None:
        link = link_in(convo("user", "add", "Ada", "--role", "teacher").stdout, convo)
        assert link.principal.role is Role.TEACHER
        assert convo("user", "list").stdout == f"{link.principal.user_id}\tada\tteacher\n"

    def test_a_password_comes_from_standard_input(self, convo: Convo) -> None:
        told = convo("user", "add", "ada", "--password", typed="correct horse battery\n")
        assert told.returncode == 0, told.stderr
        weak = convo("user", "add", "bob", "--password", typed="short\n")
        assert (weak.returncode, "guessed" in weak.stderr) == (2, True)

    def test_a_name_is_given_once(self, convo: Convo) -> None:
        convo("user", "add", "ada")
        assert convo("user", "add", "ADA").returncode == 4
