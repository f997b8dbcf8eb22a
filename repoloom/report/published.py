"""DeepSeek Coder's published figures, shown beside a run's own and always marked as published (arXiv 2401.14196 v2)."""

SHARE_KEPT = 0.328
"""Bytes that remain after the filter rules [section 2.1]."""

LANGUAGES = {
    "java": 0.1863,
    "python": 0.1512,
    "cpp": 0.1139,
    "typescript": 60.62 / 797.92,
    "php": 58.92 / 797.92,
    "c-sharp": 58.56 / 797.92,
    "javascript": 53.84 / 797.92,
    "html": 30.05 / 797.92,
    "c": 28.64 / 797.92,
    "tex": 20.46 / 797.92,
    "sql": 15.14 / 797.92,
    "ruby": 15.01 / 797.92,
    "jupyter-notebook": 14.38 / 797.92,
    "shell": 13.92 / 797.92,
    "rmarkdown": 6.83 / 797.92,
    "kotlin": 6.00 / 797.92,
    "css": 5.63 / 797.92,
    "json": 4.61 / 797.92,
    "go": 2.58 / 797.92,
    "rust": 0.61 / 797.92,
}
"""Share of the bytes of the final corpus [Table 1: GB of 797.92]."""

SIZES = ("1.3B", "6.7B", "33B")
"""The models whose figures follow, in this order."""

BASE: dict[str, tuple[str, tuple[float, float, float]]] = {
    "humaneval": ("Table 3", (34.8, 49.4, 56.1)),
    "humaneval-cpp": ("Table 3", (31.1, 50.3, 58.4)),
    "humaneval-java": ("Table 3", (32.3, 43.0, 51.9)),
    "humaneval-php": ("Table 3", (24.2, 38.5, 44.1)),
    "humaneval-ts": ("Table 3", (28.9, 49.7, 52.8)),
    "humaneval-cs": ("Table 3", (36.7, 50.0, 51.3)),
    "humaneval-sh": ("Table 3", (10.1, 28.5, 32.3)),
    "humaneval-js": ("Table 3", (28.6, 48.4, 55.3)),
    "mbpp": ("Table 3", (46.2, 60.6, 66.0)),
    "ds1000": ("Table 4", (16.2, 30.5, 40.2)),
    "gsm8k-pal": ("Table 8", (14.6, 43.2, 60.7)),
}
"""Of the base models in percent, greedy: pass@1 of each benchmark, and the table it stands in."""

INSTRUCT: dict[str, tuple[str, tuple[float, float, float]]] = {
    "humaneval": ("Table 3", (65.2, 78.6, 79.3)),
    "humaneval-cpp": ("Table 3", (45.3, 63.4, 68.9)),
    "humaneval-java": ("Table 3", (51.9, 68.4, 73.4)),
    "humaneval-php": ("Table 3", (45.3, 68.9, 72.7)),
    "humaneval-ts": ("Table 3", (59.7, 67.2, 67.9)),
    "humaneval-cs": ("Table 3", (55.1, 72.8, 74.1)),
    "humaneval-sh": ("Table 3", (12.7, 36.7, 43.0)),
    "humaneval-js": ("Table 3", (52.2, 72.7, 73.9)),
    "mbpp": ("Table 3", (49.4, 65.4, 70.0)),
    "leetcode": ("Table 5", (7.2, 19.4, 27.8)),
}
"""Of the instruct models, in the same form."""
