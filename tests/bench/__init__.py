"""Speed and memory, measured: `python -m tests.bench` (or `make bench`). Asserts nothing."""
