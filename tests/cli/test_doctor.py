"""`convo models` and `convo doctor`."""

import json
from pathlib import Path

from tests.cli.scenes import Convo, SlowModel

KEY = "sk-SENTINEL-0123456789abcdef"


class TestModels:
    def test_lists_what_there_is(self, convo: Convo) -> None:
        ended = convo("models")
        assert ended.returncode == 0, ended.stderr
        lines = {line.split()[0]: line for line in ended.stdout.splitlines()}
        assert "default" in lines["local"]
        assert "no_key" in lines["openai/gpt-4o"]

    def test_as_json(self, tmp_path: Path) -> None:
        settings = {"CE_PROVIDERS__VLLM__BASE_URL": "http://127.0.0.1:9", "CE_PROVIDERS__VLLM__MODELS": '["a/b"]'}
        ended = Convo(data_dir=tmp_path, settings=settings)("models", "--json")
        assert "vllm/a/b" in [model["id"] for model in json.loads(ended.stdout)]


class TestDoctor:
    def test_all_is_well(self, quick_convo: Convo) -> None:
        ended = quick_convo("doctor")
        assert ended.returncode == 0, ended.stdout
        assert "ok    database: sqlite" in ended.stdout
        assert "ok    model openai/stub: openai/stub answers." in ended.stdout

    def test_what_is_wrong_is_named_and_the_exit_code_says_so(self, tmp_path: Path, quick_model: SlowModel) -> None:
        settings = {
            **quick_model.settings,
            "CE_PROVIDERS__GONE__BASE_URL": f"http://user:{KEY}@127.0.0.1:9/v1",
            "CE_PROVIDERS__GONE__API_KEY": KEY,
            "CE_PROVIDERS__GONE__MODELS": '["m"]',
            "CE_FALLBACK_MODELS": "anthropic/claude-haiku-4-5",
        }
        ended = Convo(data_dir=tmp_path, settings=settings)("doctor")
        assert ended.returncode == 11
        assert "FAIL  model gone/m: Nothing answers at http://127.0.0.1:9/v1" in ended.stdout
        assert "FAIL  model anthropic/claude-haiku-4-5: No key is set" in ended.stdout
        assert KEY[:12] not in ended.stdout + ended.stderr

    def test_a_setting_that_is_no_json_is_named_without_its_value(self, tmp_path: Path) -> None:
        ended = Convo(data_dir=tmp_path, settings={"CE_PROVIDERS": f"{{{KEY}"})("doctor")
        assert ended.returncode == 2
        assert "providers" in ended.stderr
        assert KEY[:12] not in ended.stderr

    def test_one_model_by_name(self, quick_convo: Convo) -> None:
        ended = quick_convo("doctor", "openai/another/one", "--json")
        assert [(one["what"], one["ok"]) for one in json.loads(ended.stdout)] == [("model openai/another/one", True)]

    def test_a_model_that_nobody_has(self, quick_convo: Convo) -> None:
        ended = quick_convo("doctor", "nobody/m")
        assert (ended.returncode, "nobody/m" in ended.stderr) == (2, True)
