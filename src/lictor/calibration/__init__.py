"""Thresholds fitted to a false-positive budget, and the intervals and curves every figure is read with."""

from lictor.calibration.thresholds import Fit, Report, fit
from lictor.calibration.traces import Trace

__all__ = ["Fit", "Report", "Trace", "fit"]
