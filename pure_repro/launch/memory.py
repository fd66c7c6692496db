"""How much memory one rank of a training run needs, by component. Pure arithmetic; imports no torch.

Symbols: P parameters, t tokens of a micro-batch, h hidden size, i intermediate size, n heads, L layers, V vocabulary,
b bytes of a value (2 in bfloat16, 4 in float32), R ranks. Everything is in bytes. ``tests/test_memory.py`` holds the
activations and the sum against the peak that the allocations of real training steps reach.
"""

from dataclasses import dataclass

from pure_repro.launch.shapes import Shape

LOGIT_BYTES = 12  # a token and word: the log-softmax of float32 logits, its gradient, and that of the logits


@dataclass(frozen=True)
class Engine:
    """How a rank trains: what is sharded over ``ranks`` (ZeRO stage; 0 is nothing), and in which precision."""

    ranks: int
    zero_stage: int
    offload_optimizer: bool  # optimizer state in main memory
    value_bytes: int  # 2: bfloat16 with float32 master weights, 4: float32 alone
    gradient_checkpointing: bool
    tokens_per_microbatch: int
    logit_tokens: int  # tokens whose logits exist at a time


def weights(shape: Shape, engine: Engine) -> int:
    """``b·P``, a share of it under ZeRO-3."""
    return shape.parameters * engine.value_bytes // (engine.ranks if engine.zero_stage >= 3 else 1)


def gradients(shape: Shape, engine: Engine) -> int:
    """``b·P``, a share of it from ZeRO-2 on."""
    return shape.parameters * engine.value_bytes // (engine.ranks if engine.zero_stage >= 2 else 1)


def optimizer(shape: Shape, engine: Engine) -> int:
    """Adam's two moments, ``8·P``, and ``4·P`` of master weights beside bfloat16 ones; a share from ZeRO-1 on.

    >>> from pure_repro.launch.shapes import KNOWN
    >>> engine = Engine(8, 2, False, 2, True, 16384, 1024)
    >>> round(optimizer(KNOWN["Qwen/Qwen2.5-Math-7B"], engine) / 1e9, 2)  # 12 bytes × 7.616 B / 8
    11.42
    """
    whole = shape.parameters * (8 if engine.value_bytes == 4 else 12)
    return whole // (engine.ranks if engine.zero_stage >= 1 else 1)


def layer_activations(shape: Shape, value_bytes: int) -> int:
    """What one token of one layer keeps for the backward pass: ``b·(11h + 4i) + 4(n + 2)``, in bfloat16 ``4h`` more.

    Two norms keep their input, the normalised and the scaled values (6h; the inputs in float32, hence the 4h),
    attention q, k, v with the keys and values repeated for every head, its result and that in the order of tokens (5h),
    the MLP its two projections, the activated one and their product (4i), and a float32 for every head and norm.
    """
    kept = value_bytes * (11 * shape.hidden + 4 * shape.intermediate) + 4 * (shape.heads + 2)
    return kept + (4 * shape.hidden if value_bytes == 2 else 0)


def activations(shape: Shape, engine: Engine) -> int:
    """The most that a forward and backward pass of one micro-batch holds besides weights and gradients.

    Without checkpointing ``t·(L·layer + 4bh) + 12·V·t_logits``. With it the input of every layer, ``t·L·bh``, and the
    larger of what the logits and what one layer being redone need: ``4bht + 12·V·t_logits`` or
    ``t·(layer + b(2i + 3h))``.
    """
    t, b, h = engine.tokens_per_microbatch, engine.value_bytes, shape.hidden
    layer = layer_activations(shape, b)
    head = 4 * b * h * t + LOGIT_BYTES * shape.vocabulary * min(engine.logit_tokens, t)
    if not engine.gradient_checkpointing:
        return t * shape.layers * layer + head
    redone = t * (layer + b * (2 * shape.intermediate + 3 * h))
    return t * shape.layers * b * h + max(head, redone)


def kv_cache(shape: Shape, sequences: int, length: int, value_bytes: int) -> int:
    """``2·b·L·kv`` a token: keys and values of every sequence that is sampled at a time, at full length.

    >>> from pure_repro.launch.shapes import KNOWN
    >>> kv_cache(KNOWN["Qwen/Qwen2.5-Math-7B"], sequences=1, length=1, value_bytes=2)
    57344
    """
    return sequences * length * 2 * value_bytes * shape.layers * shape.kv_size


def scoring(shape: Shape, tokens: int, value_bytes: int) -> int:
    """A forward pass without gradients, one layer at a time: ``t·b·(3i + 6h)``."""
    return tokens * value_bytes * (3 * shape.intermediate + 6 * shape.hidden)


def gathered(shape: Shape, engine: Engine) -> int:
    """The weights that stand whole on a rank for a moment under ZeRO-3: the largest of a layer and an embedding."""
    if engine.zero_stage < 3:
        return 0
    layer = (shape.parameters - shape.vocabulary * shape.hidden * (1 if shape.tied else 2)) // shape.layers
    return engine.value_bytes * max(layer, shape.vocabulary * shape.hidden)


@dataclass(frozen=True)
class Memory:
    """Bytes on one rank, by component. Phases follow each other, so the peak is the largest of them.

    With ``offload`` reward model and reference are there in their own phase alone, one after the other.
    """

    weights: int
    gradients: int
    optimizer: int  # 0 where it is in main memory
    activations: int
    kv_cache: int
    engine_weights: int  # those of a sampler with an engine of its own, which like its cache are gone while it sleeps
    sampler_weights: int  # a second copy, whole, where the trainer's is sharded
    prm: int
    reference: int
    scoring: int
    offload: bool

    @property
    def phases(self) -> dict[str, int]:
        """What each phase of a step holds at its fullest."""
        kept = self.weights + self.optimizer + self.sampler_weights
        frozen = self.prm + self.reference
        stay, read = (0, max(self.prm, self.reference)) if self.offload else (frozen, frozen)
        return {
            "sample": kept + stay + self.engine_weights + self.kv_cache,
            "score": kept + read + self.scoring,
            "update": kept + stay + self.gradients + self.activations,
        }

    @property
    def peak(self) -> int:
        """The fullest phase."""
        return max(self.phases.values())
