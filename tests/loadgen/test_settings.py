"""The table of settings is LoadGen's own: every field of it, and what each scenario reads from a user.conf."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_mlperf.loadgen.settings import KEYS, SCENARIOS, SETTINGS
from pytest_mlperf.rules.asked import asked_by_round
from pytest_mlperf.rules.catalogue import catalogue
from pytest_mlperf.rules.fixed import fixed
from pytest_mlperf.rules.round import find_round

#: Prints the fields of TestSettings, and for each key those that a line with it changes, by scenario.
ASK_LOADGEN = """
import json, sys
import mlperf_loadgen as lg

names = [name for name in dir(lg.TestSettings) if not name.startswith("_") and name != "FromConfig"]
path, keys, scenarios = sys.argv[1], sys.argv[2].split(), sys.argv[3].split()

def read(scenario, text):
    settings = lg.TestSettings()
    settings.token_latency_scaling_factor = 1
    if text:
        with open(path, "w") as file:
            file.write(text)
        assert settings.FromConfig(path, "m", scenario, 2) == 0
    return {name: str(getattr(settings, name)) for name in names}

answer = {}
for scenario in scenarios:
    # LoadGen reads the bounds of tokens only where their latencies are wanted.
    with_tokens = f"m.{scenario}.use_token_latencies = 1\\nm.{scenario}.infer_token_latencies = 1\\n"
    for key in keys:
        before = read(scenario, "" if key in ("use_token_latencies", "infer_token_latencies") else with_tokens)
        more = "" if key in ("use_token_latencies", "infer_token_latencies") else with_tokens
        values = [read(scenario, f"{more}m.{scenario}.{key} = {value}\\n") for value in (1, 7)]
        changed = {name for after in values for name in names if after[name] != before[name]}
        answer[f"{scenario}.{key}"] = sorted(changed)
print(json.dumps({"fields": names, "read": answer}))
"""


@pytest.fixture(scope="module")
def of_loadgen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[str]]]:
    path: Path = tmp_path_factory.mktemp("conf") / "user.conf"
    command = [sys.executable, "-c", ASK_LOADGEN, str(path), " ".join(KEYS), " ".join(SCENARIOS)]
    answer: dict[str, dict[str, list[str]]] = json.loads(subprocess.check_output(command, text=True))
    return answer


def test_every_setting_of_loadgen_is_in_the_table(of_loadgen: dict[str, dict[str, list[str]]]) -> None:
    written = [field for setting in SETTINGS.values() for field in setting.fields]
    assert sorted(written) == sorted(of_loadgen["fields"])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_line_is_read_in_the_scenarios_of_the_table(
    scenario: str, key: str, of_loadgen: dict[str, dict[str, list[str]]]
) -> None:
    changed = of_loadgen["read"][f"{scenario}.{key}"]
    assert bool(changed) is (scenario in SETTINGS[key].scenarios)
    assert set(changed) <= set(SETTINGS[key].fields)


def test_what_a_rule_fixes_is_fixed_by_that_rule() -> None:
    asked = asked_by_round(find_round("v5.1"), "3d-unet-99")
    found = {each.key: each.rule for scenario in SCENARIOS for each in fixed(scenario, asked)}
    found = {each.key: each.rule for each in fixed("Server", asked_by_round(find_round("v5.1"), "retinanet"))} | found
    written = {key: setting.rule for key, setting in SETTINGS.items() if setting.rule and setting.rule != "seeds"}
    of_tokens = {"ttft_latency", "tpot_latency", "token_latency_scaling_factor"}  # without use_token_latencies unread
    assert found == {key: rule for key, rule in written.items() if key not in of_tokens}
    assert set(written.values()) <= catalogue().keys()


def test_what_cannot_stand_in_a_user_conf_says_what_to_do_instead() -> None:
    decided = {"user", "round", "scenario", "compliance test"}
    for key, setting in SETTINGS.items():
        assert setting.says
        assert (setting.values is None) or (not setting.instead and setting.decided_by in decided), key


def test_the_page_of_settings_has_the_table_of_the_code() -> None:
    tool = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "settings_table.py"))
    assert tool["PAGE"].read_text("utf-8") == tool["page"](), "python tools/settings_table.py --write"
