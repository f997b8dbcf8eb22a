"""Peak learning rate and batch from the compute of a run: DeepSeek LLM's scaling formulas [L 3.1].

    learning rate = 0.3118 C^-0.125        tokens a batch = 0.2920 C^0.3271

C is the training's FLOPs. [L] reckons them without the output projection, here they are all of `flops_per_token`; the
rates of DeepSeek Coder's Table 2 [P] come out within 3%, its batches within 2% but for 1.3B's, which it makes a third
larger. The formulas were fitted from 1e17 to 2e19 FLOPs; a laptop's runs lie far below (docs/training.md).

[L] is arXiv 2401.02954, [P] arXiv 2401.14196 v2.
"""

from repoloom.errors import UsageError
from repoloom.model.config import Config
from repoloom.recipe import Pretrain

_RATE, _RATE_POWER = 0.3118, -0.1250
_BATCH, _BATCH_POWER = 0.2920, 0.3271


def learning_rate(flops: float) -> float:
    """The peak rate of a training of so many FLOPs."""
    return float(_RATE * flops**_RATE_POWER)


def batch(flops_per_token: float, steps: int, context: int) -> int:
    """Sequences of `context` tokens a step, where a training takes `steps` of them.

    The batch decides the compute and the compute the batch: with D the tokens of a step, D = a (F steps D)^p gives
    D = (a (F steps)^p)^(1 / (1 - p)). Rounded to three binary digits, so that it has divisors to be shared by.
    """
    tokens = (_BATCH * (flops_per_token * steps) ** _BATCH_POWER) ** (1 / (1 - _BATCH_POWER))
    rows = max(round(tokens / context), 1)
    unit = 1 << max(rows.bit_length() - 3, 0)
    return int(round(rows / unit) * unit)


def resolve(settings: Pretrain, config: Config) -> tuple[int, float]:
    """The batch (sequences a step) and the peak rate of a recipe: what it names, else by the formulas.

    Raises UsageError where the length is not said, or said in minutes and the formulas are needed.
    """
    if settings.batch is not None and settings.learning_rate is not None:
        return settings.batch, settings.learning_rate
    if settings.steps is None:
        raise UsageError("pretrain.steps: the formulas for batch and learning_rate need it; or name both")
    per_token = config.flops_per_token(config.context)
    rows = settings.batch or batch(per_token, settings.steps, config.context)
    flops = per_token * settings.steps * rows * config.context
    return rows, settings.learning_rate or learning_rate(flops)
