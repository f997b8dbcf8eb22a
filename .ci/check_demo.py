"""The demo's folder holds what it promises, HumanEval's score among it. Called by .ci/run."""

import json
import sys
from pathlib import Path

run = Path(sys.argv[1])
results = json.loads((run / "evaluate" / "results.json").read_text("utf-8"))
humaneval = results["benchmarks"]["humaneval"]
passed = humaneval["scores"]["pass@1"]
assert 0.0 <= passed["low"] <= passed["mean"] <= passed["high"] <= 1.0, humaneval
assert humaneval["tasks"] == sum(humaneval["outcomes"].values()) == 164, humaneval
assert results["bits_per_byte"]["model"] > 0, results["bits_per_byte"]
page = (run / "report" / "index.html").read_text("utf-8")
assert "humaneval" in page and "no benchmark was run" not in page
assert (run / "report" / "samples-humaneval.html").stat().st_size > 0
for name in ("model/model.safetensors", "model/model.gguf", "model-instruct/tokenizer.json"):
    assert (run / name).stat().st_size > 0, name
print(f"demo: HumanEval pass@1 {passed['mean']:.3f} on 164 tasks, {len(page) / 1e6:.2f} MB of report")
