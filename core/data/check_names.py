"""The checks that keep a run from starting and may be overruled, by the names that `data.overrides` uses."""

CHECKS: tuple[str, ...] = ("end-not-trained", "one-label", "template-marks", "double-begin")
