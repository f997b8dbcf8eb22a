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

HUMANEVAL_1_3B = 0.348
"""DeepSeek-Coder-Base 1.3B, Python, greedy pass@1 [Table 3]."""
