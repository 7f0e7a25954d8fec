"""The page of the environment variables: those that the package reads, and those that it sets for what it starts."""

from __future__ import annotations

from site_pages.markdown import code, table

#: Read by the package or by a library that it uses for it.
READ = {
    "PYTEST_MLPERF_CACHE": "the cache's directory, where neither `--mlperf-cache` nor `--cache` names one",
    "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY": "the proxies for what is fetched; small letters do as well",
    "SSL_CERT_FILE, SSL_CERT_DIR": "the authorities that servers are verified by, as OpenSSL reads them",
    "REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE": "one more file or directory of authorities",
    "CUDA_VISIBLE_DEVICES": "which accelerators `cuda:0`, `cuda:1` … are, for what a result records of them",
    "GITHUB_STEP_SUMMARY": "the file of the summary of a GitHub job: the results are appended",
    "GITHUB_ACTIONS, GITHUB_WORKSPACE": "a job of GitHub: what failed is annotated at its test, in this checkout",
    "GITLAB_CI, CI_PROJECT_DIR": "a job of GitLab: [its reports](../ci.md) are written into this directory",
    "PYTEST_MLPERF_HISTORY": "the file of [the history](../history.md), or `off`",
    "WANDB_PROJECT, WANDB_DIR, WANDB_RUN_GROUP": "[Weights & Biases](../dashboards.md), beside its own variables",
    "MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME": "MLflow, beside its own variables",
    "PYENV_ROOT": "where pyenv keeps its Pythons, for `--python-version`",
    "UV_PYTHON_INSTALL_DIR, XDG_DATA_HOME": "where uv keeps its Pythons, for `--python-version`",
    "CXX, CC": "the compiler for what the backends `pytorch` and `tvm-…` compile (`g++` without it)",
    "MALLOC_ARENA_MAX": "glibc's, which a result's `process` records",
    "RAY_ADDRESS": "the cluster of [`--implementation ray`](../implementations.md#ray), as Ray itself reads it",
    "HOME, PATH": "where the user's cache and Pythons are, and where programs are found",
    "COLUMNS": "the width of tables, where the output is no terminal",
}
#: Between a session and the child that runs a case.
PASSED = {
    "PYTEST_MLPERF_PROGRESS_FD": "the pipe of progress lines",
    "PYTEST_MLPERF_SECRETS": "[passwords and tokens](../reference.md#secrets-and-texts-from-elsewhere), which run.json "
    "leaves out",
}
#: Set in a child, for its runtime.
SET = {
    "TF_ENABLE_ONEDNN_OPTS": "TensorFlow: whether it uses oneDNN ([its options](../backends/tensorflow.md))",
    "TF_CPP_MIN_LOG_LEVEL": "TensorFlow: warnings and errors only, unless you set it",
    "TVM_NUM_THREADS": "TVM: the threads of `--num-threads`",
    "WANDB_ERROR_REPORTING": "Weights & Biases: sends no errors to its maker, unless you set it",
    "NM_DISABLE_ANALYTICS": "DeepSparse: sends nothing to its maker",
    "RAY_USAGE_STATS_ENABLED, RAY_USAGE_STATS_PROMPT_ENABLED": "Ray: sends nothing to its makers, unless you set it",
    "RAY_AUTH_TOKEN": "Ray: nobody else sends work to a cluster that is started for a run",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV, RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "Ray: nodes have their own environments, and "
    "their own devices, unless you set it",
}
_BEGINNING = """\
# Environment variables

A benchmark run depends on its options and its ini file. These few variables count besides; the header of a session
names the cache's where it is set.

"""


def page() -> str:
    """Return the page in Markdown."""
    parts = (
        ("Read", READ),
        ("Passed from a session to a run", PASSED),
        ("Set for a runtime", SET),
    )
    return _BEGINNING + "\n".join(f"## {title}\n\n{_table(variables)}" for title, variables in parts)


def _table(variables: dict[str, str]) -> str:
    rows = ([", ".join(map(code, names.split(", "))), says] for names, says in variables.items())
    return table(["variable", "what it is"], rows)
