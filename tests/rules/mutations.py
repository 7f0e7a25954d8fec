"""The broken submissions: each changes one thing in a valid one.

Numbers and names are those of verdicts.csv, which says what the official checkers make of each.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.rules.submissions import Submission

    Apply = Callable[[Submission], None]

DETAIL, SUMMARY, ACCURACY = "mlperf_log_detail.txt", "mlperf_log_summary.txt", "mlperf_log_accuracy.json"
MAX_ACCURACY_LOG_SIZE = 10 * 1024


@dataclass(frozen=True)
class Mutation:
    """A change to a valid submission.

    Attributes
    ----------
    name, what
        As in verdicts.csv.
    apply
        Makes the change in an unpacked base.
    """

    name: str
    what: str
    apply: Apply

    def applies_to(self, division: str) -> bool:
        """Return whether a submission of this division has what the mutation changes."""
        return division == "closed" or "closed only" not in self.what


def m00_none(it: Submission) -> None:
    """Nothing."""


def m02_min_duration_60s(it: Submission) -> None:
    _set_in_log(it.performance() / DETAIL, "effective_min_duration_ms", 60000)


def m04_accuracy_low(it: Submission) -> None:
    path = it.accuracy / "accuracy.txt"
    _substitute(path, r"^(accuracy|mAP)=[\d.]+%", r"\1=20.000%")


def m06_no_accuracy_txt(it: Submission) -> None:
    (it.accuracy / "accuracy.txt").unlink()


def m08_not_truncated(it: Submission) -> None:
    _pad(it.accuracy / ACCURACY, MAX_ACCURACY_LOG_SIZE + 1)


def m10_no_perf_detail(it: Submission) -> None:
    (it.performance() / DETAIL).unlink()


def m12_extra_perf_file(it: Submission) -> None:
    _add_file(it.performance() / "notes.txt")


def m14_measurements_field_missing(it: Submission) -> None:
    values = json.loads(it.measurements_file.read_text("utf-8"))
    del values["retraining"]
    it.measurements_file.write_text(json.dumps(values, indent=2) + "\n", "utf-8")


def m16_no_user_conf(it: Submission) -> None:
    (it.measurements / "user.conf").unlink()


def m18_no_src(it: Submission) -> None:
    shutil.rmtree(it.code)


def m20_system_field_missing(it: Submission) -> None:
    _describe(it, cooling=None)


def m22_status_invalid(it: Submission) -> None:
    _describe(it, status="soon")


def m24_submitter_mismatch(it: Submission) -> None:
    _describe(it, submitter="Other")


def m26_perf_sample_count(it: Submission) -> None:
    _set_in_log(it.performance() / DETAIL, "effective_performance_sample_count", 10)


def m28_acc_partial_dataset(it: Submission) -> None:
    # LoadGen writes both for a data set of 500 samples; the checkers read the one or the other.
    for key in ("qsl_reported_total_count", "effective_accuracy_sample_count"):
        _set_in_log(it.accuracy / DETAIL, key, 500)


def m30_acc_loadgen_error(it: Submission) -> None:
    path = it.accuracy / DETAIL
    lines = path.read_text("utf-8").splitlines(keepends=True)
    message = json.loads(lines[-1].removeprefix(":::MLLOG "))
    message |= {"key": "error_runtime", "value": "A sample was completed twice."}
    message["metadata"] |= {"is_error": True}
    path.write_text("".join([*lines[:-1], f":::MLLOG {json.dumps(message)}\n", lines[-1]]), "utf-8")


def m32_inferred_offline(it: Submission) -> None:
    for name in (DETAIL, SUMMARY):
        shutil.copyfile(it.performance("SingleStream") / name, it.performance() / name)


def m34_datacenter_inferred(it: Submission) -> None:
    m32_inferred_offline(it)
    _describe(it, system_type="datacenter")


def m36_lowercase_scenario(it: Submission) -> None:
    _rename_offline(it, "offline")


def m38_mapped_model(it: Submission) -> None:
    for folder in (it.code, *(system for part in it.parts for system in part.iterdir())):
        if (folder / it.model).is_dir():
            (folder / it.model).rename(folder / "my-net")
    mapping = json.dumps({"my-net": it.official_model}) + "\n"
    (it.submitter / "model_mapping.json").write_text(mapping, "utf-8")


def m40_detail_first_line(it: Submission) -> None:
    path = it.performance() / DETAIL
    path.write_text("A line of another program.\n" + path.read_text("utf-8"), "utf-8")


def m42_zero_metric(it: Submission) -> None:
    _set_in_log(it.performance() / DETAIL, "result_samples_per_second", 0)


def m44_is_network(it: Submission) -> None:
    _describe(it, is_network="true")


def m46_space_in_name(it: Submission) -> None:
    _add_file(it.code / it.model / "my notes.txt")


def m48_empty_dir(it: Submission) -> None:
    # Not beside the scenarios: head would take it for one.
    (it.result() / "empty").mkdir()


def m50_broken_symlink(it: Submission) -> None:
    (it.code / it.model / "link").symlink_to("nowhere")


def m52_division_file(it: Submission) -> None:
    _add_file(it.root / it.division / "notes.txt")


def m54_no_calibration(it: Submission) -> None:
    it.calibration.unlink()
    if not any(it.calibration.parent.iterdir()):
        it.calibration.parent.rmdir()  # an empty folder would be a second fault


def m56_no_results_dir(it: Submission) -> None:
    shutil.rmtree(it.results)


def m58_no_test01(it: Submission) -> None:
    # In the v5.1 layout this leaves an empty folder, as somebody who forgets the test might.
    shutil.rmtree(it.test01)


def m60_test01_acc_fail(it: Submission) -> None:
    _substitute(it.test01 / "verify_accuracy.txt", r"^TEST PASS$", "TEST FAIL")


def m62_acc_summary_missing(it: Submission) -> None:
    (it.accuracy / SUMMARY).unlink()


def m64_no_accuracy_dir(it: Submission) -> None:
    shutil.rmtree(it.accuracy)


def m66_acc_in_perf_mode(it: Submission) -> None:
    _set_in_log(it.accuracy / DETAIL, "effective_test_mode", "PerformanceOnly")


def m68_accelerators_text(it: Submission) -> None:
    _describe(it, accelerators_per_node="none")


def m70_bad_utf8(it: Submission) -> None:
    path = it.accuracy / "accuracy.txt"
    path.write_bytes(b"\xff\n" + path.read_bytes())


def m72_unknown_division(it: Submission) -> None:
    (it.root / "misc").mkdir()
    _add_file(it.root / "misc" / "notes.txt")


def m74_scenario_caps(it: Submission) -> None:
    _rename_offline(it, "OFFLINE")


def m76_status_rdi_upper(it: Submission) -> None:
    _describe(it, status="RDI")


def m78_model_not_for_type(it: Submission) -> None:
    _describe(it, system_type="datacenter")


def m80_empty_accuracy_txt(it: Submission) -> None:
    (it.accuracy / "accuracy.txt").write_bytes(b"")


def m82_json_10240(it: Submission) -> None:
    _pad(it.accuracy / ACCURACY, MAX_ACCURACY_LOG_SIZE)


def _set_in_log(path: Path, key: str, value: str | int) -> None:
    """Change the value of `key`, which the log has exactly once."""
    _substitute(path, rf'("key": "{key}", "value": )("[^"]*"|[^,]+)', rf"\g<1>{json.dumps(value)}")


def _substitute(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text("utf-8"), flags=re.MULTILINE)
    assert count == 1, f"{path}: {count} places match {pattern}"
    path.write_text(text, "utf-8")


def _describe(it: Submission, **fields: str | None) -> None:
    """Change the edge system's description; None removes a field."""
    values = json.loads(it.system.read_text("utf-8")) | fields
    kept = {key: value for key, value in values.items() if value is not None}
    it.system.write_text(json.dumps(kept, indent=2) + "\n", "utf-8")


def _rename_offline(it: Submission, name: str) -> None:
    for part in it.parts:
        folder = part / "example-edge" / it.model / "Offline"
        if folder.is_dir():
            folder.rename(folder.with_name(name))


def _pad(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes().ljust(size, b"\n"))
    assert path.stat().st_size == size


def _add_file(path: Path) -> None:
    path.write_text("Notes.\n", "utf-8")


MUTATIONS: tuple[Mutation, ...] = (
    Mutation("m00_none", "unchanged (must pass)", m00_none),
    Mutation("m02_min_duration_60s", "effective_min_duration_ms 60000", m02_min_duration_60s),
    Mutation("m04_accuracy_low", "accuracy below target", m04_accuracy_low),
    Mutation("m06_no_accuracy_txt", "accuracy.txt missing", m06_no_accuracy_txt),
    Mutation(
        "m08_not_truncated",
        "mlperf_log_accuracy.json of 10241 bytes (limit MAX_ACCURACY_LOG_SIZE=10240)",
        m08_not_truncated,
    ),
    Mutation("m10_no_perf_detail", "performance/run_1/mlperf_log_detail.txt missing", m10_no_perf_detail),
    Mutation("m12_extra_perf_file", "extra file notes.txt in performance/run_1", m12_extra_perf_file),
    Mutation(
        "m14_measurements_field_missing", "measurements json without 'retraining'", m14_measurements_field_missing
    ),
    Mutation("m16_no_user_conf", "user.conf missing", m16_no_user_conf),
    Mutation("m18_no_src", "src/ (code/) directory missing", m18_no_src),
    Mutation("m20_system_field_missing", "system json without 'cooling'", m20_system_field_missing),
    Mutation("m22_status_invalid", "status 'soon'", m22_status_invalid),
    Mutation("m24_submitter_mismatch", "submitter 'Other' in system json", m24_submitter_mismatch),
    Mutation("m26_perf_sample_count", "effective_performance_sample_count 10", m26_perf_sample_count),
    Mutation("m28_acc_partial_dataset", "accuracy run over 500 samples", m28_acc_partial_dataset),
    Mutation("m30_acc_loadgen_error", "is_error message in the accuracy log", m30_acc_loadgen_error),
    Mutation("m32_inferred_offline", "SingleStream perf log in Offline/ (edge: inferred)", m32_inferred_offline),
    Mutation("m34_datacenter_inferred", "m32 on a datacenter system", m34_datacenter_inferred),
    Mutation("m36_lowercase_scenario", "Offline/ renamed to offline/", m36_lowercase_scenario),
    Mutation("m38_mapped_model", "model dir my-net + model_mapping.json in <division>/<submitter>/", m38_mapped_model),
    Mutation("m40_detail_first_line", "a foreign first line in the performance log", m40_detail_first_line),
    Mutation("m42_zero_metric", "result_samples_per_second 0", m42_zero_metric),
    Mutation("m44_is_network", "is_network 'true' in system json (network fields absent)", m44_is_network),
    Mutation("m46_space_in_name", "file 'my notes.txt' in src|code", m46_space_in_name),
    Mutation("m48_empty_dir", "an empty directory in results", m48_empty_dir),
    Mutation("m50_broken_symlink", "a broken symlink in src|code", m50_broken_symlink),
    Mutation("m52_division_file", "a file directly under <division>/", m52_division_file),
    Mutation("m54_no_calibration", "calibration.md missing", m54_no_calibration),
    Mutation("m56_no_results_dir", "no results/ directory at all", m56_no_results_dir),
    Mutation("m58_no_TEST01", "TEST01 missing (closed only)", m58_no_test01),
    Mutation(
        "m60_TEST01_acc_fail",
        "TEST FAIL in TEST01/verify_accuracy.txt, no baseline/compliance_accuracy.txt (closed only)",
        m60_test01_acc_fail,
    ),
    Mutation("m62_acc_summary_missing", "accuracy/mlperf_log_summary.txt missing", m62_acc_summary_missing),
    Mutation("m64_no_accuracy_dir", "accuracy/ missing", m64_no_accuracy_dir),
    Mutation("m66_acc_in_perf_mode", "effective_test_mode PerformanceOnly in the accuracy log", m66_acc_in_perf_mode),
    Mutation("m68_accelerators_text", "accelerators_per_node 'none' (not a number)", m68_accelerators_text),
    Mutation("m70_bad_utf8", "a non-UTF-8 byte in accuracy.txt", m70_bad_utf8),
    Mutation("m72_unknown_division", "an extra top-level directory 'misc'", m72_unknown_division),
    Mutation("m74_scenario_caps", "Offline/ renamed to OFFLINE/", m74_scenario_caps),
    Mutation("m76_status_rdi_upper", "status 'RDI' (case-insensitive, valid)", m76_status_rdi_upper),
    Mutation(
        "m78_model_not_for_type",
        "system_type datacenter for an edge-only model (resnet50 v6.1) / still allowed (retinanet v5.1)",
        m78_model_not_for_type,
    ),
    Mutation("m80_empty_accuracy_txt", "accuracy.txt of 0 bytes", m80_empty_accuracy_txt),
    Mutation("m82_json_10240", "mlperf_log_accuracy.json of exactly 10240 bytes (allowed)", m82_json_10240),
)
