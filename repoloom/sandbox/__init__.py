"""Run programs that may be hostile, and judge them. It refuses where it cannot: there is no weaker fallback."""

from repoloom.sandbox.bubblewrap import run
from repoloom.sandbox.process import Limits, Result
from repoloom.sandbox.python import OUTCOMES, Probe, Verdict, judge, probe

__all__ = ["OUTCOMES", "Limits", "Probe", "Result", "Verdict", "judge", "probe", "run"]
