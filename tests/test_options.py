from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_mlperf.errors import MLPerfError, OptionError
from pytest_mlperf.plugin import LISTS, OPTIONAL, SWITCHES, VALUES
from pytest_mlperf.plugin.marker import ARGUMENTS
from pytest_mlperf.plugin.option_table import OPTIONS, Option
from pytest_mlperf.plugin.option_values import (
    benchmark_file,
    benchmark_path,
    duration,
    endpoint,
    file_name,
    file_or_off,
    mirror,
    name_and_value,
    new_name,
    positive,
    positive_number,
    precision,
    python_version,
    threads,
    yes,
    zero_or_more,
)
from pytest_mlperf.plugin.options import Settings, read_settings
from pytest_mlperf.registry import Registry
from pytest_mlperf.run.case import MODES

Read = Callable[..., Settings]


@pytest.fixture
def read(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Read:
    for name in ("PYTEST_MLPERF_CACHE", "PYTEST_MLPERF_HISTORY"):
        monkeypatch.delenv(name, raising=False)

    def read(*options: str, ini: str = "") -> Settings:
        pytester.makeini("[pytest]\n" + ini)
        return read_settings(pytester.parseconfig(*options), Registry())

    return read


def test_the_defaults_are_a_short_run_on_the_cpu(read: Read, pytester: pytest.Pytester) -> None:
    settings = read()
    assert (settings.run_length, settings.selection.device, settings.scorer) == ("short", ("cpu",), None)
    assert settings.output == pytester.path / "mlperf-results"
    assert (settings.timeout, settings.given) == (600.0, {})


def test_several_values_come_by_comma_or_repeated(read: Read) -> None:
    found = read("--scenario", "Offline,Server", "--scenario=MultiStream").selection.scenario
    assert found == ("Offline", "Server", "MultiStream")


@pytest.mark.parametrize(
    ("ini", "options", "expected", "source"),
    [
        ("mlperf_run_length = official", (), "official", "ini file"),
        ("mlperf_run_length = official", ("--run-length", "short"), "short", "command line"),
        ("mlperf_run_length = official", ("--short",), "short", "command line"),
    ],
)
def test_the_command_line_counts_more_than_the_ini_file(
    read: Read, ini: str, options: tuple[str, ...], expected: str, source: str
) -> None:
    settings = read(*options, ini=ini)
    assert settings.run_length == expected
    assert settings.given == {"--run-length": (expected, source)}


def test_the_environment_stands_between_command_line_and_ini_file(
    read: Read, monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester
) -> None:
    monkeypatch.setenv("PYTEST_MLPERF_CACHE", "from-environment")
    assert read(ini="mlperf_cache = from-ini").cache == pytester.path / "from-environment"
    assert read("--mlperf-cache=given", ini="mlperf_cache = from-ini").cache == pytester.path / "given"
    monkeypatch.delenv("PYTEST_MLPERF_CACHE")
    assert read(ini="mlperf_cache = from-ini").cache == pytester.path / "from-ini"


@pytest.mark.parametrize(
    "written",
    [
        'mlperf_model = ["retinanet", "retinanet-tiny"]\nmlperf_backend_option = ["a.b=1", "c.d=2"]',
        'mlperf_model = "retinanet,retinanet-tiny"\nmlperf_backend_option = """\na.b=1\nc.d=2"""',
    ],
    ids=["list", "text"],
)
def test_an_option_with_several_values_is_a_list_or_lines_in_the_ini_file(
    pytester: pytest.Pytester, written: str
) -> None:
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\n{written}\n")
    settings = read_settings(pytester.parseconfig(), Registry())
    assert settings.selection.model == ("retinanet", "retinanet-tiny")
    assert settings.backend_option == (("a.b", "1"), ("c.d", "2"))


def test_every_option_is_registered_by_the_shape_of_its_value() -> None:
    several = [option.flag for option in OPTIONS if option.many or option.repeated]
    switches = [option.flag for option in OPTIONS if option.switch]
    assert sorted(LISTS) == sorted(several)
    assert sorted(SWITCHES) == sorted(switches)
    assert sorted((*VALUES, *OPTIONAL)) == sorted({option.flag for option in OPTIONS} - {*several, *switches})


def test_every_mark_is_registered(pytester: pytest.Pytester) -> None:
    marks = pytester.parseconfigure().getini("markers")
    for name in (*ARGUMENTS, "mlperf("):
        assert any(line.startswith("mlperf(") and name in line for line in marks)
    for name in (*MODES, "official", "tiny"):
        assert any(line.startswith(f"{name}: ") for line in marks)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.flag)
def test_every_option_is_an_ini_key(read: Read, option: Option, tmp_path: Path) -> None:
    conf = tmp_path / "user.conf"
    conf.write_text("")
    examples = {
        "--model": "retinanet-tiny",
        "--implementation": "python",
        "--backend": "onnxruntime",
        "--device": "gpu",
        "--scenario": "Server",
        "--mode": "accuracy",
        "--user-conf": str(conf),
        "--mlperf-venv": "lab",
        "--mlperf-compare": "main",
        "--mlperf-dashboard": "wandb",
        "--round": "v4.0",
        "--loadgen-compiler": "clang",
    }
    by_parser: dict[Callable[[str], object], str] = {
        positive: "3",
        threads: "3",
        positive_number: "2.5",
        duration: "1.5",
        zero_or_more: "0.5",
        new_name: "main",
        file_or_off: "off",
        Path: "some/where",
        yes: "yes",
        mirror: "http://mirror.example/mlperf",
        file_name: "Example",
        python_version: "3.11",
        precision: "int8",
        name_and_value: "name=value",
        benchmark_path: "retinanet=some/where",
        benchmark_file: "retinanet=some/where",
        endpoint: "retinanet=http://some/where",
    }
    text = examples.get(option.flag) or (option.choices[-1] if option.choices else by_parser[option.parse])
    from_ini = read(ini=f"{option.ini} = {text}")
    from_command_line = read(option.flag, text)
    assert read(option.long, text) == from_command_line
    assert from_ini.given == {option.flag: (text, "ini file")}

    def value(settings: Settings) -> object:
        return getattr(settings.selection if option.many else settings, option.name)

    assert value(from_ini) == value(from_command_line) != value(read())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--run-length", "long"), "expected: one of short, official; found: long"),
        (("--round", "v7.0"), "one of v2.1, v3.0, v3.1, v4.0, v4.1, v5.0, v5.1, v6.0, v6.1; found: v7.0"),
        (("--test-query-count", "0"), "a whole number of 1 or more"),
        (("--test-query-count", "1.5"), "a whole number of 1 or more"),
        (("--python-version", "three"), "a version such as 3.12"),
        (("--python-version-min", "3.12rc1"), "a version such as 3.12"),
        (("--mlperf-venv", "../lab"), "a name of letters"),
        (("--target-qps", "-3"), "a number above 0"),
        (("--target-qps", "fast"), "a number above 0"),
        (("--min-duration", "inf"), "a number of seconds, 0 or more"),
        (("--mlperf-timeout", "1e10"), "at most a year"),
        (("--target-latency", "1e300"), "from 1e-06 to 1e+09"),
        (("--target-latency", "1e-7"), "from 1e-06 to 1e+09"),
        (("--test-query-count", str(2**63)), "below 9e+18"),
        (("--dataset-size", "9" * 5000), "below 9e+18"),
        (("--num-threads", "100000"), "16 for each core that this process may use"),
        (("--user-conf", "no-such.conf"), "cannot read the user.conf"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(read: Read, options: tuple[str, ...], says: str) -> None:
    with pytest.raises(MLPerfError) as caught:
        read(*options)
    assert says in str(caught.value)


def test_a_time_limit_of_zero_is_none(read: Read) -> None:
    assert read("--mlperf-timeout", "0").timeout is None
    assert read("--run-length", "official").timeout is None
    assert read("--mlperf-timeout", "7").timeout == 7


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ((), 500),
        (("--run-length", "official"), 24_781),
        (("--dataset-size", "50"), 50),
        (("--dataset-size", "900"), 900),
    ],
)
def test_accuracy_uses_the_whole_data_set_at_official_length_only(
    read: Read, options: tuple[str, ...], count: int
) -> None:
    assert read(*options).sample_count(24_781, 500) == count


def test_paths_in_the_ini_file_are_relative_to_it(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeini("[pytest]\nmlperf_output = results")
    below = pytester.mkdir("below")
    monkeypatch.chdir(below)
    settings = read_settings(pytester.parseconfig("--rootdir", str(pytester.path)), Registry())
    assert settings.output == pytester.path / "results"


def test_an_unknown_value_names_the_option(read: Read) -> None:
    with pytest.raises(OptionError, match="--backend: there is no 'onnx'"):
        read("--backend", "onnx")


@pytest.mark.parametrize(("ini", "expected"), [("", False), ("yes", True), ("off", False)])
def test_a_switch_is_yes_or_no_in_the_ini_file(read: Read, ini: str, expected: bool) -> None:
    assert read(ini=f"mlperf_fetch = {ini}").fetch is expected
    assert read("--mlperf-fetch", ini=f"mlperf_fetch = {ini}").fetch is True


def test_a_switch_is_nothing_else(read: Read) -> None:
    with pytest.raises(OptionError, match="expected: yes or no; found: maybe"):
        read(ini="mlperf_offline = maybe")


def test_a_mirror_is_an_address_or_a_directory(read: Read, pytester: pytest.Pytester) -> None:
    assert read("--mlperf-mirror=http://mirror:8000/x").mirror == "http://mirror:8000/x"
    assert read("--mlperf-mirror=some/where").mirror == pytester.path / "some" / "where"
    for bad in ("ftp://mirror", "http://", "http://mirror:port"):
        with pytest.raises(OptionError, match="a directory, or an address like"):
            read(f"--mlperf-mirror={bad}")


def test_a_device_may_have_a_number_unless_it_is_the_cpu(read: Read) -> None:
    assert read("--device=cuda:1,gpu:01,gpu").selection.device == ("cuda:1", "cuda")
    for wrong in ("cpu:0", "cuda:", "cuda:x", "tpu:1"):
        with pytest.raises(OptionError, match="--device"):
            _ = read(f"--device={wrong}").selection


def test_all_selects_every_backend_and_implementation(read: Read) -> None:
    found = read("--backend=all", "--implementation=all").selection
    assert "onnxruntime" in found.backend
    assert "python" in found.implementation
    assert "all" not in found.backend
