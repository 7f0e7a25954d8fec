"""What MLPerf asks of a run: small functions from logs and metrics to findings. No pytest, no LoadGen here."""
