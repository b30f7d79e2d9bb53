"""What a client's prompt says.

`python -m tests.personas.prompts.test_system_prompt` writes the snapshots again.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation_engine.domains.personas.prompts.library import PromptLibrary
from conversation_engine.domains.personas.prompts.quoting import BLOCK_MARK
from conversation_engine.domains.personas.prompts.system_prompt import generate_system_prompt
from conversation_engine.domains.personas.types import ClientProfile, Difficulty
from tests.personas.profiles import PROFILES

SNAPSHOTS = Path(__file__).parents[2] / "snapshots" / "personas"
LIBRARY = PromptLibrary()
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00") | st.sampled_from('#{}>“”"\n\r\u2028\x85+/'),
    max_size=80,
)


def own_lines(prompt: str) -> list[str]:
    """The template's lines: all but the quoted ones and the line with the name."""
    return [line for line in prompt.split("\n") if not line.startswith(">") and not line.startswith("Name: ")]


class TestGenerateSystemPrompt:
    @pytest.mark.parametrize("name", PROFILES)
    def test_it_is_what_the_snapshot_says(self, name: str) -> None:
        assert generate_system_prompt(PROFILES[name], LIBRARY) + "\n" == (SNAPSHOTS / f"{name}.md").read_text()

    def test_there_is_no_snapshot_of_nothing(self) -> None:
        assert {path.stem for path in SNAPSHOTS.glob("*.md")} == set(PROFILES)

    def test_it_is_the_same_every_time(self) -> None:
        prompts = {generate_system_prompt(PROFILES["full"]) for _ in range(3)}
        assert len(prompts) == 1

    @pytest.mark.parametrize("name", PROFILES)
    def test_every_client_has_the_safeguards(self, name: str) -> None:
        prompt = generate_system_prompt(PROFILES[name], LIBRARY)
        for promise in ("Never reveal", "Leave the role at once", "suitable for a classroom", "no real personal data"):
            assert any(promise in line for line in own_lines(prompt) if line.startswith("- ")), promise

    def test_each_difficulty_reads_differently(self) -> None:
        prompts = {generate_system_prompt(ClientProfile(name="A", difficulty=level), LIBRARY) for level in Difficulty}
        assert len(prompts) == len(Difficulty)

    @given(name=texts.filter(str.strip), background=texts, goal=texts, opening=texts)
    def test_what_a_profile_says_adds_no_line_to_the_template(
        self, name: str, background: str, goal: str, opening: str
    ) -> None:
        plain = ClientProfile(
            name="A",
            background="b" if background.strip() else "",
            goals=("g",) if goal.strip() else (),
            opening_line="o" if opening.strip() else "",
        )
        told = ClientProfile(
            name=name,
            background=background if background.strip() else "",
            goals=(goal,) if goal.strip() else (),
            opening_line=opening if opening.strip() else "",
        )
        prompt = generate_system_prompt(told, LIBRARY)
        assert own_lines(prompt) == own_lines(generate_system_prompt(plain, LIBRARY))
        [name_line] = [line for line in prompt.split("\n") if line.startswith("Name: ")]
        assert name_line.startswith("Name: “")
        assert name_line.endswith("”")
        assert name_line.count("”") == 1
        assert len(prompt.splitlines()) == prompt.count("\n") + 1, "no other character begins a line"

    def test_a_deployment_may_replace_the_template(self, tmp_path: Path) -> None:
        (tmp_path / "ours.md").write_text(
            '+++\nname = "persona"\nversion = 2\n[variables.name]\ntype = "line"\n+++\nBe {{name}}, in our way.\n'
        )
        prompt = generate_system_prompt(PROFILES["bare"], PromptLibrary(tmp_path))
        assert prompt == "Be “Sam”, in our way."

    def test_long_texts_stay_marked_line_by_line(self) -> None:
        prompt = generate_system_prompt(ClientProfile(name="A", background="x\n" * 500), LIBRARY)
        assert prompt.count(f"\n{BLOCK_MARK}x") == 500


if __name__ == "__main__":
    SNAPSHOTS.mkdir(parents=True, exist_ok=True)
    for name, profile in PROFILES.items():
        (SNAPSHOTS / f"{name}.md").write_text(generate_system_prompt(profile, LIBRARY) + "\n")
