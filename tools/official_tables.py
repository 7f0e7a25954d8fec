"""Prints the tables of a round's benchmarks as its file in rules/rounds has them, read from the official checker.

    python tools/official_tables.py INFERENCE ROUND          # the [benchmarks] sections of rules/rounds/ROUND.toml
    python tools/official_tables.py INFERENCE ROUND --csv    # the rows of tests/rules/official_tables.csv

INFERENCE is a checkout of mlcommons/inference with the round's checker. What no table states (the compliance tests,
equal issue) is asked of the checker's own functions; it is imported, and nothing of it is changed.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

from pytest_mlperf.rules.round import find_round
from pytest_mlperf.submission.official_checker import find_script

sys.dont_write_bytecode = True
NAMES = {"WER": "word accuracy", "ACCURACY": "word accuracy"}
TYPES = {"datacenter": "datacenter", "edge": "edge", "datacenter-edge": "datacenter,edge"}
#: Samples of data sets that the tables of the older rounds do not have.
DATA_SETS = {
    "resnet": 50_000,
    "retinanet": 24_781,
    "bert-99": 10_833,
    "bert-99.9": 10_833,
    "rnnt": 2_513,
    "3d-unet-99": 43,
    "3d-unet-99.9": 43,
    "dlrm-v2-99": 330_067,
    "dlrm-v2-99.9": 330_067,
    "gptj-99": 13_368,
    "gptj-99.9": 13_368,
    "llama2-70b-99": 24_576,
    "llama2-70b-99.9": 24_576,
    "llama2-70b-interactive-99": 24_576,
    "llama2-70b-interactive-99.9": 24_576,
    "stable-diffusion-xl": 5_000,
    "mixtral-8x7b": 15_000,
    "llama3.1-405b": 8_313,
    "rgat": 788_379,
}
#: Two commas are missing in the list of v4.1's checker, which so joins the names of these and exempts them.
WITHOUT_A_COMMA = ("3d-unet-99.9", "gptj-99", "gptj-99.9", "llama2-70b-99")
#: Benchmarks whose every sample LoadGen's mlperf.conf has issued equally often, by the beginnings of their names.
EQUAL_ISSUE = (
    *("3d-unet", "rgat", "llama2-70b", "llama3.1", "mixtral-8x7b", "deepseek-r1", "whisper", "qwen3-vl", "gpt-oss"),
)
#: Benchmarks whose runs may take LoadGen's setting or leave it: whisper, and what infers tokens.
FREE = ("gptj-99", "gptj-99.9", "gpt3-99", "gpt3-99.9", "whisper", "qwen3-vl-235b-a22b", "qwen3.6-27b")
#: Models whose check of token latencies takes the place of LoadGen's verdict (check_performance_dir).
TOKENS_DECIDE = ("v4.0", "v4.1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inference", type=Path)
    parser.add_argument("round")
    parser.add_argument("--csv", action="store_true")
    options = parser.parse_args()
    tables = Tables(options.inference, options.round)
    for name in tables.config["models"]:
        print(tables.row(name) if options.csv else "\n".join([*tables.section(name), ""]))


class Tables:
    """The official tables of one round."""

    def __init__(self, source: Path, round_: str) -> None:
        self.round = round_
        self.script = find_script(source, find_round(round_))
        self.modular = self.script.name == "main.py"
        constants = self.script.with_name("constants.py") if self.modular else self.script
        sys.path.insert(0, str(self.script.parent))
        self.module = _load(constants)
        self.factors = _factors(constants)
        self.config = self.module.MODEL_CONFIG[round_]

    def section(self, name: str) -> list[str]:
        """Return the lines of a benchmark."""
        quoted = f'"{name}"' if "." in name else name
        lines = [f"[benchmarks.{quoted}]", *self._limits(name)]
        if name in self.factors:
            lines.append(f"tolerance = {self.factors[name]}")
        size = self._size(name)
        lines += [f"dataset_size = {size:_}"] if size else []
        lines += self._accuracy_samples(name)
        lines.append(f"performance_sample_count = {self.config['performance-sample-count'][name]:_}")
        per_query = self._per_query(name)
        lines += [f"offline_samples_per_query = {per_query:_}"] if per_query else []
        if name.startswith("e2e-rag"):
            lines.append("min_duration_ms = 0")
        bound = self.config["latency-constraint"].get(name, {}).get("Server")
        lines += [f"server_latency_ns = {bound:_}"] if bound else []
        lines += self._tokens(name)
        figures = getattr(self.module, "RESULT_FIELD_BENCHMARK_OVERWRITE", {})
        figures = figures.get(self.round, {} if self.round in figures or "v5.0" in figures else figures).get(name)
        lines += [f"figures = {_inline(figures)}"] if figures else []
        lines += ["equal_issue = true"] if self._equal_issue(name) else []
        lines.append(f"min_queries = {_inline(self.config['min-queries'].get(name, {}))}")
        lines += ["percentiles = { SingleStream = 0.999 }"] if name == "pointpainting" else []  # LoadGen's mlperf.conf
        lines.append(f"compliance = {_list(self._compliance(name))}")
        files = getattr(self.module, "REQUIRED_ACC_BENCHMARK", {}).get(name, {}).get(self.round)
        lines += (
            [f"accuracy_directories = {{ {', '.join(f'{k} = {_list(v)}' for k, v in files.items())} }}"]
            if files
            else []
        )
        exempt = self._exempt(name)
        lines += [f"exempt = {_list(exempt)}"] if exempt else []
        for kind in ("required", "optional"):
            by_type = {TYPES[each]: self.config[f"{kind}-scenarios-{each}"].get(name) for each in TYPES}
            if any(by_type.values()):
                lines += ["", f"[benchmarks.{quoted}.{kind}]"]
                lines += [f"{_key(each)} = {_list(found)}" for each, found in by_type.items() if found]
        return lines

    def row(self, name: str) -> str:
        """Return the row of a benchmark in tests/rules/official_tables.csv."""
        target = self.config["accuracy-target"][name]
        target = target["Offline"] if isinstance(target, dict) else target
        size = self.config.get("dataset-size", {}).get(name, "")
        bound = self.config["latency-constraint"].get(name, {}).get("Server", "")
        scenarios = [" ".join(self.config[f"required-scenarios-{each}"].get(name, ())) for each in TYPES]
        checker = find_round(self.round).checker
        queries = " ".join(
            f"{scenario}={count}" for scenario, count in self.config["min-queries"].get(name, {}).items()
        )
        upper = self.config.get("accuracy-upper-limit", {}).get(name, ())
        columns = [
            self.round,
            checker,
            name,
            "yes",
            " ".join(target[::2]),
            " ".join(f"{each:.6g}" for each in target[1::2]),
        ]
        columns += [str(self.config["performance-sample-count"][name]), str(size), str(self._per_query(name) or "")]
        columns += [str(bound), queries, *scenarios, " ".join(self._compliance(name))]
        columns += [" ".join(f"{key}={value:.6g}" for key, value in zip(upper[::2], upper[1::2], strict=True))]
        return ",".join(columns)

    def _limits(self, name: str) -> list[str]:
        target = self.config["accuracy-target"][name]
        if not isinstance(target, dict):
            return [f"limits = {self._limit_list(name, target)}"]
        lines = [f"limits = {self._limit_list(name, target['Offline'])}"]
        others = {scenario: each for scenario, each in target.items() if each != target["Offline"]}
        inner = ", ".join(f"{scenario} = {self._limit_list(name, each)}" for scenario, each in others.items())
        return [*lines, f"scenario_limits = {{ {inner} }}"]

    def _limit_list(self, name: str, target: list[Any]) -> str:
        upper = self.config.get("accuracy-upper-limit", {}).get(name, ())
        least = dict(zip(target[::2], target[1::2], strict=True))
        most = dict(zip(upper[::2], upper[1::2], strict=True))
        limits = []
        for metric in [*least, *(each for each in most if each not in least)]:
            parts = [f'value = "{NAMES.get(metric, metric)}"']
            parts += [f"minimum = {least[metric]}"] if metric in least else []
            parts += [f"maximum = {most[metric]}"] if metric in most else []
            limits.append(f"{{ {', '.join(parts)} }}")
        if len(limits) == 1:
            return f"[{limits[0]}]"
        return "[\n" + "".join(f"    {each},\n" for each in limits) + "]"

    def _size(self, name: str) -> int | None:
        known = self.config.get("dataset-size", {}).get(name)
        return known or DATA_SETS.get(name)

    def _accuracy_samples(self, name: str) -> list[str]:
        found = self.config.get("accuracy-sample-count", {}).get(name)
        if isinstance(found, dict):
            return [f"accuracy_samples = {_inline(found)}"]
        return [f"accuracy_sample_count = {found:_}"] if found else []

    def _per_query(self, name: str) -> int | None:
        if find_round(self.round).number < (4, 0):
            return int(self.module.OFFLINE_MIN_SPQ)
        found = self.module.OFFLINE_MIN_SPQ_SINCE_V4.get(name)
        return int(found) if found is not None else None

    def _tokens(self, name: str) -> list[str]:
        limits = getattr(self.module, "LLM_LATENCY_LIMITS", {}).get(name)
        if limits is None and self.round == "v4.0" and name.startswith("llama2"):
            limits = getattr(self.module, "LLAMA2_LATENCY_LIMITS", None)
        if limits is not None and "ttft" in limits:
            limits = {"Server": limits}
        if limits is not None and "conversational" in limits:
            limits = {"Server": limits["conversational"]}
        if limits is None and name not in ("llama3.1-8b-edge",):
            return ['tokens = "free"'] if name in FREE else []
        bounds = [
            f"{scenario} = {{ ttft_ns = {each['ttft']:_}, tpot_ns = {each['tpot']:_} }}"
            for scenario, each in (limits or {}).items()
        ]
        return ['tokens = "asked"', *([f"token_bounds = {{ {', '.join(bounds)} }}"] if bounds else [])]

    def _asks_tokens(self, name: str) -> bool:
        return 'tokens = "asked"' in self._tokens(name)

    def _equal_issue(self, name: str) -> bool:
        if self.modular:  # it asks it of nothing, LoadGen's mlperf.conf sets it
            return name.startswith(EQUAL_ISSUE)
        return (
            self._asks_equal_issue(name)
            or (self.round == "v4.0" and name.startswith("3d-unet"))
            or (self.round == "v4.1" and name in WITHOUT_A_COMMA)
        )

    def _asks_equal_issue(self, name: str) -> bool:
        config = self._checkers_config()
        if not hasattr(config, "requires_equal_issue"):
            return False
        words = (
            (name,) if config.requires_equal_issue.__code__.co_argcount == len(("self", "model")) else (name, "closed")
        )
        return bool(config.requires_equal_issue(*words))

    def _checkers_config(self) -> Any:
        """Return the checker's Config; that of v2.1 takes a list of pairs where the others take a file's name."""
        return self.module.Config(self.round, [] if self.round == "v2.1" else "model_mapping.json")

    def _exempt(self, name: str) -> list[str]:
        if self.round == "v4.1" and name in WITHOUT_A_COMMA and not self._asks_tokens(name):
            return ["equal-issue-conf"]
        if self.round == "v4.1" and name in WITHOUT_A_COMMA:
            return ["equal-issue-conf", "result-validity"]
        if self.round in TOKENS_DECIDE and self._asks_tokens(name):
            return ["result-validity"]
        return []

    def _compliance(self, name: str) -> list[str]:
        if self.modular:
            tests = ("TEST01", "TEST04", "TEST06", "TEST07", "TEST08", "TEST09")
            return [test for test in tests if name in self.config.get(f"models_{test}", ())]
        heard = _Heard()
        self.module.log.addHandler(heard)
        config = self._checkers_config()
        check = self.module.check_compliance_dir
        with tempfile.TemporaryDirectory() as empty:
            words: tuple[Any, ...] = (empty, name, "Offline", config, "closed", {}, "name")
            check(*words[: check.__code__.co_argcount])
        self.module.log.removeHandler(heard)
        return sorted({line.split()[1] for line in heard.lines if line.startswith("Missing TEST")})


class _Heard(logging.Handler):
    """Keeps what the checker logs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("official_constants", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _factors(path: Path) -> dict[str, float]:
    """Return by what part of the reference each first target is computed: the tables have `76.46 * 0.99`."""
    factors: dict[str, float] = {}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                first = value.elts[1] if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) > 1 else None
                if isinstance(key, ast.Constant) and isinstance(first, ast.BinOp) and isinstance(first.op, ast.Mult):
                    right = first.right
                    if isinstance(right, ast.Constant) and isinstance(right.value, float) and right.value < 1:
                        factors.setdefault(str(key.value), right.value)
    return factors


def _key(name: str) -> str:
    return name if name.replace("-", "").isalnum() else f'"{name}"'


def _inline(values: dict[str, Any]) -> str:
    return "{ " + ", ".join(f"{key} = {_value(value)}" for key, value in values.items()) + " }" if values else "{}"


def _value(value: Any) -> str:
    return f"{value:_}" if isinstance(value, int) else f'"{value}"'


def _list(values: Any) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


if __name__ == "__main__":
    main()
