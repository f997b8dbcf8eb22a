"""From prompts to text: sampling with a KV cache, in batches or as a stream; `backends` are other engines."""

from repoloom.generate.generator import Completion, Generator
from repoloom.generate.sampling import Sampling

__all__ = ["Completion", "Generator", "Sampling"]
