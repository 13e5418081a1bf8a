"""The parts of `tests/benchmarks/methods.py`: every method in one setting, learning, timed, and beside peft."""
