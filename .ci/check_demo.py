"""The demo's folder holds what it promises, HumanEval's score among it. Called by .ci/run."""

import json
import sys
from pathlib import Path

run = Path(sys.argv[1])
results = json.loads((run / "evaluate" / "results.json").read_text("utf-8"))
assert 0.0 <= results["humaneval"]["pass@1"] <= 1.0, results["humaneval"]
assert results["humaneval"]["tasks"] == 164, results["humaneval"]
assert results["bits_per_byte"]["model"] > 0, results["bits_per_byte"]
page = (run / "report" / "index.html").read_text("utf-8")
assert "HumanEval" in page and "not run: no sandbox" not in page
for name in ("model/model.safetensors", "model/model.gguf", "model-instruct/tokenizer.json"):
    assert (run / name).stat().st_size > 0, name
print(f"demo: HumanEval pass@1 {results['humaneval']['pass@1']:.3f} on 164 tasks, {len(page) / 1e6:.2f} MB of report")
