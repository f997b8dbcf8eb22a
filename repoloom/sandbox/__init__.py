"""Run programs that may be hostile, and judge them. Without walls it refuses, unless told to go on."""

from repoloom.sandbox.bubblewrap import run
from repoloom.sandbox.many import judge_many, limits_for
from repoloom.sandbox.process import Limits, Result
from repoloom.sandbox.programs import check
from repoloom.sandbox.python import OUTCOMES, Probe, Verdict, judge, probe
from repoloom.sandbox.toolchains import missing
from repoloom.sandbox.warm import close

__all__ = [
    "OUTCOMES",
    "Limits",
    "Probe",
    "Result",
    "Verdict",
    "check",
    "close",
    "judge",
    "judge_many",
    "limits_for",
    "missing",
    "probe",
    "run",
]
