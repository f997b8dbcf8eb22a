"""The shape of a model: what the recipe says, plus the vocabulary that the tokenizer brought."""

from dataclasses import dataclass

from repoloom import recipe

ROW_MULTIPLE = 64
"""The embedding has a multiple of so many rows: matrix kernels work in tiles; DeepSeek Coder's 32,022 entries stand in
32,256 = 504 x 64 rows."""


@dataclass(frozen=True, slots=True)
class Config:
    """A Llama-shaped decoder: RMSNorm, RoPE, grouped-query attention, SwiGLU."""

    vocabulary: int
    """Rows of the embedding: the tokenizer's entries, padded."""
    hidden: int
    mlp: int
    layers: int
    heads: int
    kv_heads: int
    context: int
    """The longest sequence, in tokens."""
    rope_base: float = 10_000.0
    rope_scaling: float = 1.0
    """Positions are divided by it: linear scaling [arXiv 2306.15595]."""
    norm_epsilon: float = 1e-6
    init_std: float = 0.006
    tied: bool = False
    """Whether the output projection is the embedding itself."""

    @classmethod
    def from_recipe(cls, model: recipe.Model, vocabulary: int) -> "Config":
        """The recipe's shape for a tokenizer of `vocabulary` entries, special tokens included."""
        rows = -(-vocabulary // ROW_MULTIPLE) * ROW_MULTIPLE
        return cls(vocabulary=rows, **model.model_dump())

    @property
    def head_width(self) -> int:
        """Channels of one attention head."""
        return self.hidden // self.heads

    @property
    def parameters(self) -> int:
        """Trainable numbers in all."""
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        norms = self.hidden * (2 * self.layers + 1)
        return embeddings + norms + self._block_matrices * self.layers

    @property
    def _block_matrices(self) -> int:
        attention = 2 * self.hidden * self.hidden + 2 * self.hidden * self.kv_heads * self.head_width
        return attention + 3 * self.hidden * self.mlp

    def flops_per_token(self, context: int) -> float:
        """Floating-point operations to train on one token of a `context`-token sequence, forward and backward.

        6 for each number in a matrix product (the embedding is a look-up, the output projection is not) [Kaplan et al.,
        arXiv 2001.08361, 2.1], and 12 x layers x hidden x context for attention [PaLM, arXiv 2204.02311, app. B],
        halved since a token sees on average half of the others: the work that has to be done, not what is done.
        """
        matrices = self._block_matrices * self.layers + self.vocabulary * self.hidden
        return 6.0 * matrices + 6.0 * self.layers * self.hidden * context
