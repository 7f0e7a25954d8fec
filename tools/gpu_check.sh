#!/usr/bin/env bash
# Runs every tiny edition on cuda, with each backend and implementation that supports it, on a machine that has a GPU.
# For nvidia, TensorRT must be installed beside this package.
#
# Usage: tools/gpu_check.sh [DIRECTORY]
# The results, one JSON file for each backend and precision, are written to DIRECTORY (default: gpu-check).
# The exit status is 0 if all items of all sessions passed.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-gpu-check}
mkdir -p "$out"
nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,power.limit --format=csv | tee "$out/gpu.csv" || exit 1
status=0
for backend in onnxruntime pytorch; do
    for precision in fp32 fp16 bf16 int8; do
        python -m pytest --pyargs pytest_mlperf.benchmarks -k tiny --short --device cuda \
            --backend "$backend" --precision "$precision" --mlperf-fetch --mlperf-json "$out/$backend-$precision.json" -q
        code=$?
        # 4: no file of that precision for this backend.
        [ "$code" -eq 0 ] || [ "$code" -eq 4 ] || status=1
    done
done
# The quantised files of the tiny editions are not those that TensorRT takes: docs/implementations.md says why.
for precision in fp32 fp16 bf16; do
    python -m pytest --pyargs pytest_mlperf.benchmarks -k tiny --short --device cuda --implementation nvidia \
        --backend tensorrt --precision "$precision" --mlperf-fetch --mlperf-json "$out/nvidia-$precision.json" -q || status=1
done
python -m pytest --pyargs pytest_mlperf.benchmarks -k tiny --mode conformance --device cuda --implementation nvidia \
    --backend tensorrt --mlperf-fetch --mlperf-json "$out/nvidia-conformance.json" -q || status=1
python -m pytest --pyargs pytest_mlperf.benchmarks -k tiny --short --device cuda --implementation cpp --backend onnxruntime \
    --mlperf-fetch --mlperf-json "$out/cpp.json" -q || status=1
exit "$status"
