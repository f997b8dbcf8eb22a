"""datatrove's chain over shards of `repoloom collect`, run by bench_curation.py with the Python that has datatrove.

    python benchmarks/peer_datatrove.py SHARDS TOKENIZER.json OUT TASKS

Read, filter by lines and alphabet (DeepSeek Coder's thresholds), MinHash signatures, buckets, clusters; read again,
filter, drop duplicates, tokenize. Its own defaults elsewhere (5-grams, 14 bands of 8). Prints seconds a step as JSON.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.tokens import DocumentTokenizer


def good(document: Any) -> bool:
    """The line and alphabet rules."""
    text = document.text
    lines = text.splitlines()
    if not lines or max(map(len, lines)) > 1000 or sum(map(len, lines)) / len(lines) > 100:
        return False
    return sum(map(str.isalpha, text)) / len(text) >= 0.25


def named(self: Any, data: dict[str, Any], path: str, id_in_file: int | str) -> dict[str, Any]:
    """A document of a shard's row."""
    return {"text": data["content"], "id": f"{data['repo']}/{data['path']}", "metadata": {"language": data["language"]}}


def main() -> None:
    """Run the four steps."""
    shards, tokenizer, out, tasks = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    config = MinhashConfig()

    def read() -> list[Any]:
        return [ParquetReader(shards, adapter=named, glob_pattern="*.parquet"), LambdaFilter(good)]

    def signatures() -> list[Any]:
        return [*read(), MinhashDedupSignature(str(out / "signatures"), config)]

    def buckets() -> list[Any]:
        return [MinhashDedupBuckets(str(out / "signatures"), str(out / "buckets"), config=config)]

    def clusters() -> list[Any]:
        return [MinhashDedupCluster(str(out / "buckets"), str(out / "remove"), config=config)]

    def tokens() -> list[Any]:
        return [
            *read(),
            MinhashDedupFilter(str(out / "remove")),
            DocumentTokenizer(str(out / "tokens"), tokenizer_name_or_path=tokenizer, max_tokens_per_file=10**10),
        ]

    seconds = {}
    for name, steps, count in (
        ("signatures", signatures, tasks),
        ("buckets", buckets, config.num_buckets),
        ("clusters", clusters, 1),
        ("filter, tokenize", tokens, tasks),
    ):
        started = time.monotonic()
        LocalPipelineExecutor(
            steps(), tasks=count, workers=min(tasks, count), logging_dir=str(out / "logs" / name)
        ).run()
        seconds[name] = round(time.monotonic() - started, 2)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
