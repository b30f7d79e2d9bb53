"""Templates: what a file may say, and what comes out."""

from pathlib import Path
from typing import Any

import pytest

from conversation_engine.domains.personas.errors import (
    TemplateNotFoundError,
    TemplateUnreadableError,
    TemplateVariableError,
)
from conversation_engine.domains.personas.prompts.library import PACKAGED, PromptLibrary
from conversation_engine.domains.personas.prompts.template import PromptTemplate, parse_template

HEAD = 'name = "t"\nversion = 1\n'
A_LINE = HEAD + '[variables.a]\ntype = "line"\n'


def template(head: str, body: str) -> PromptTemplate:
    return parse_template(f"+++\n{head}+++\n{body}", place="here")


def optional(kind: str) -> str:
    return f'{HEAD}[variables.a]\ntype = "{kind}"\nrequired = false\n'


class TestParse:
    @pytest.mark.parametrize(
        ("head", "body", "reason"),
        [
            ("version = 1\n", "x", "name"),
            ('name = "A b"\nversion = 1\n', "x", "name"),
            ('name = "t"\nversion = 0\n', "x", "version"),
            ('name = "t"\nversion = true\n', "x", "version"),
            ("name = \n", "x", "TOML"),
            (HEAD, "{{a}}", "declare"),
            (A_LINE, "x", "does not use"),
            (A_LINE, "{{#a}} x {{a}}", "never closed"),
            (A_LINE, "{{a}} {{/a}}", "closes what is not open"),
            (A_LINE, "{{a}} {{ a }}", "braces"),
            (HEAD + '[variables.a]\ntype = "number"\n', "{{a}}", "needs a type"),
            (HEAD + '[variables.a]\ntype = "choice"\n', "{{a}}", "choices"),
        ],
    )
    def test_what_makes_no_sense_is_refused_with_its_place(self, head: str, body: str, reason: str) -> None:
        with pytest.raises(TemplateUnreadableError, match=reason) as refused:
            template(head, body)
        assert "here" in refused.value.detail

    def test_a_file_without_a_head_is_refused(self) -> None:
        with pytest.raises(TemplateUnreadableError, match="head"):
            parse_template("You are helpful.", place="here")


class TestRender:
    @pytest.mark.parametrize(
        ("kind", "value", "text"),
        [
            ("line", "one\ntwo  three", "“one two three”"),
            ("line", "“quoted”", "“'quoted'”"),
            ("text", "one\n\ntwo", "> one\n>\n> two"),
            ("list", ["one", "two"], "> one\n> two"),
            ("integer", 7, "7"),
            ("integer", 0, "0"),
        ],
    )
    def test_a_value_is_quoted_by_its_type(self, kind: str, value: Any, text: str) -> None:
        assert template(optional(kind), "{{a}}").render({"a": value}) == text

    def test_a_choice_says_its_text(self) -> None:
        head = f'{HEAD}[variables.a]\ntype = "choice"\n[variables.a.choices]\nsoft = "Be soft."\n'
        assert template(head, "{{a}}").render({"a": "soft"}) == "Be soft."

    @pytest.mark.parametrize("value", [None, "", []])
    def test_a_section_without_its_value_is_left_out(self, value: Any) -> None:
        body = "one\n{{#a}}\ntwo {{a}}\n{{/a}}\nthree"
        assert template(optional("list"), body).render({"a": value}) == "one\nthree"

    def test_a_value_is_not_read_as_a_template(self) -> None:
        assert template(A_LINE, "{{a}}").render({"a": "{{a}} {{#a}}"}) == "“{{a}} {{#a}}”"

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("line", 3),
            ("line", ["x"]),
            ("text", 3),
            ("list", "x"),
            ("list", [1]),
            ("list", ["x"] * 51),
            ("integer", "3"),
            ("integer", True),
            ("integer", 10**13),
        ],
    )
    def test_a_value_of_another_type_is_refused_by_name(self, kind: str, value: Any) -> None:
        with pytest.raises(TemplateVariableError) as refused:
            template(optional(kind), "{{a}}").render({"a": value})
        assert refused.value.facts["field"] == "a"

    def test_what_is_missing_or_unknown_is_refused(self) -> None:
        with pytest.raises(TemplateVariableError, match="missing"):
            template(A_LINE, "{{a}}").render({})
        with pytest.raises(TemplateVariableError, match="none of"):
            template(A_LINE, "{{a}}").render({"a": "x", "b": "x"})


class TestLibrary:
    def test_the_starters_are_there_and_render(self) -> None:
        library = PromptLibrary()
        needed = {
            "persona": {"name": "Sam", "difficulty": "easy"},
            "tutor": {"subject": "law", "level": "beginner"},
            "interview": {"position": "nurse"},
            "general": {},
            "rag_query": {},
        }
        assert {item.name for item in library.newest()} == set(needed)
        for name, values in needed.items():
            text = library.get(name).render(values)
            assert "{{" not in text
            assert "\n\n\n" not in text
        assert library.get("rag_query").conversation_type == "rag_query"

    def test_a_packaged_file_is_called_after_its_name_and_version(self) -> None:
        for path in PACKAGED.glob("*.md"):
            name, version = path.stem.rsplit(".v", 1)
            assert PromptLibrary().get(name, int(version)).name == name

    def test_a_version_can_be_named_and_the_newest_is_the_default(self, tmp_path: Path) -> None:
        for version in (2, 10):
            (tmp_path / f"{version}.md").write_text(f'+++\nname = "general"\nversion = {version}\n+++\nV{version}')
        library = PromptLibrary(tmp_path)
        assert library.versions("general") == [1, 2, 10]
        assert library.get("general").render({}) == "V10"
        assert library.get("general", 2).render({}) == "V2"
        with pytest.raises(TemplateNotFoundError):
            library.get("general", 3)
        with pytest.raises(TemplateNotFoundError):
            library.get("nobody")

    def test_two_files_may_not_be_the_same_version(self, tmp_path: Path) -> None:
        for name in ("a.md", "b.md"):
            (tmp_path / name).write_text(f"+++\n{HEAD}+++\nx")
        with pytest.raises(TemplateUnreadableError, match=r"b\.md"):
            PromptLibrary(tmp_path)

    def test_a_folder_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(TemplateUnreadableError, match="no such folder"):
            PromptLibrary(tmp_path / "none")
