"""The parts of `tests/benchmarks/openings.py`: a large home, the worker's answers for it, and all that one can move."""
