"""No setting of LoadGen is lost on the way to the program."""

from __future__ import annotations

import re

import mlperf_loadgen as lg

from pytest_mlperf.cpp.build import SOURCES
from pytest_mlperf.cpp.settings import settings_words


def test_every_setting_is_sent_and_known_to_the_program() -> None:
    settings = lg.TestSettings()
    settings.scenario, settings.mode = lg.TestScenario.Server, lg.TestMode.AccuracyOnly
    settings.server_target_qps, settings.server_coalesce_queries = 1 / 3, True
    words = list(settings_words(settings))
    sent = dict(zip(words[::2], words[1::2], strict=True))
    assert sent["scenario"] == "Server"
    assert sent["mode"] == "AccuracyOnly"
    assert float(sent["server_target_qps"]) == 1 / 3
    assert sent["server_coalesce_queries"] == "1"
    fields = {name for name in dir(settings) if not name.startswith("_") and not callable(getattr(settings, name))}
    assert sent.keys() == fields
    known = set(re.findall(r"FIELD\((\w+)\)|\{\"(\w+)\", ", (SOURCES / "settings.cc").read_text()))
    assert fields <= {name for pair in known for name in pair}
