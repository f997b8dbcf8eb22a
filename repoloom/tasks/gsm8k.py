"""GSM8K's test set: 1,319 word problems (Cobbe et al., arXiv 2110.14168), MIT, carried in `data/`; texts alone.

An answer marks its sums for a calculator, "48/2 = <<48/2=24>>24"; copies often come without the marks, so both count.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from repoloom.tasks import jsonl

_MARK = re.compile(r"<<[^<>]*+>>")


def data() -> Path:
    """The file in this package."""
    return Path(__file__).parent / "data" / "gsm8k.jsonl.gz"


def texts() -> Iterator[str]:
    """The questions and the answers, these with and without their marks."""
    for row in jsonl.read(data(), dict):
        answer = jsonl.text(row, "answer")
        yield jsonl.text(row, "question")
        yield answer
        yield _MARK.sub("", answer)
