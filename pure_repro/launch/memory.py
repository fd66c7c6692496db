"""How much memory one rank of a training run needs, by component. Pure arithmetic; imports no torch.

Symbols: P parameters, A of them that learn, t tokens of a micro-batch, h hidden size, i intermediate size, n heads,
L layers, V vocabulary, b bytes of a value (2 in bfloat16, 4 in float32), R ranks. Everything is in bytes.
``tests/test_memory.py`` holds the components and their sum against what real training steps allocate.
"""

from dataclasses import dataclass

from pure_repro.config import REDUCED_AT_ONCE
from pure_repro.launch.shapes import Shape

LOGIT_BYTES = 12  # a token and word: the log-softmax of float32 logits, its gradient, and that of the logits
STEPPED_AT_ONCE = 10**9  # elements of the weights that DeepSpeed's ZeRO-3 moves at a time, its sub-group
ENGINE_TOKENS = 4096  # tokens that an engine of vLLM reads at a time, and profiles itself with
ENGINE_ROWS = 256  # responses that it works on together
GRAPHS = 2**30  # what its CUDA graphs are planned with: nobody has measured them here


@dataclass(frozen=True)
class EngineSettings:
    """How a rank trains: what is sharded over ``ranks`` (ZeRO stage; 0 is nothing), and in which precision."""

    ranks: int
    zero_stage: int
    offload_optimizer: bool  # optimizer state in main memory
    value_bytes: int  # 2: bfloat16 with float32 master weights, 4: float32 alone
    gradient_checkpointing: bool
    tokens_per_microbatch: int
    logit_tokens: int  # tokens whose logits exist at a time
    whole_mask: bool  # whether attention of packed rows has a mask of tokens × tokens

    def share(self, size: int, *, from_stage: int) -> int:
        """What of something as large as ``size`` a rank holds that is sharded from a ZeRO stage on."""
        return size // (self.ranks if self.zero_stage >= from_stage else 1)


def weights(shape: Shape, engine: EngineSettings) -> int:
    """``b·P``, a share of it under ZeRO-3."""
    return engine.share(shape.parameters * engine.value_bytes, from_stage=3)


def gradients(shape: Shape, engine: EngineSettings) -> int:
    """``4·P``, a share of it from ZeRO-2 on: gradients are summed in float32. ZeRO-3 never gives them back."""
    return engine.share(shape.parameters * 4, from_stage=2)


def bucket(shape: Shape, engine: EngineSettings) -> int:
    """``4·min(P, 5·10⁸)``: the gradients that ranks reduce together, in float32. ZeRO-3 never gives it back."""
    return 4 * min(shape.parameters, REDUCED_AT_ONCE) if engine.zero_stage >= 2 else 0


def optimizer(shape: Shape, engine: EngineSettings) -> int:
    """Adam's two moments, ``8·P``, and ``4·P`` of master weights beside bfloat16 ones; a share from ZeRO-1 on.

    >>> from pure_repro.launch.shapes import KNOWN
    >>> engine = EngineSettings(8, 2, False, 2, True, 16384, 1024, False)
    >>> round(optimizer(KNOWN["Qwen/Qwen2.5-Math-7B"], engine) / 1e9, 2)  # 12 bytes × 7.616 B / 8
    11.42
    """
    return engine.share(shape.parameters * (8 if engine.value_bytes == 4 else 12), from_stage=1)


def stepping(shape: Shape, engine: EngineSettings) -> int:
    """What the optimizer holds for a moment while it moves the weights.

    ZeRO-2 ``8·P/R``, ZeRO-3 ``12·P/R`` of at most 10⁹ elements at a time, one process alone ``4·P``.
    """
    if engine.offload_optimizer:
        return 0
    own = engine.share(shape.parameters, from_stage=2)
    return {0: 4 * own, 2: 8 * own}.get(engine.zero_stage, 12 * min(own, STEPPED_AT_ONCE))


def layer_activations(shape: Shape, value_bytes: int) -> int:
    """What one token of one layer keeps for the backward pass: ``b·(11h + 4i) + 4(n + 2)``, in bfloat16 ``4h`` more.

    Two norms keep their input, the normalised and the scaled values (6h; the inputs in float32, hence the 4h),
    attention q, k, v with the keys and values repeated for every head, its result and that in the order of tokens (5h),
    the MLP its two projections, the activated one and their product (4i), and a float32 for every head and norm.
    """
    kept = value_bytes * (11 * shape.hidden + 4 * shape.intermediate) + 4 * (shape.heads + 2)
    return kept + (4 * shape.hidden if value_bytes == 2 else 0)


def activations(shape: Shape, engine: EngineSettings) -> int:
    """The most that a forward and backward pass of one micro-batch holds besides weights and gradients.

    Without checkpointing ``t·(L·layer + 4bh) + 12·V·t_logits``. With it the input of every layer, ``t·L·bh``, and the
    larger of what the logits and what one layer being redone need: ``4bht + 12·V·t_logits`` or
    ``t·(layer + b(2i + 3h))``. A mask over packed rows is ``t²`` bytes, and as a bias ``b·t²``. A head in chunks sums
    its gradient in float32 beside the one it returns, ``(4 + b)·V·h``.
    """
    t, b, h = engine.tokens_per_microbatch, engine.value_bytes, shape.hidden
    layer = layer_activations(shape, b)
    head = 4 * b * h * t + LOGIT_BYTES * shape.vocabulary * min(engine.logit_tokens, t)
    if engine.logit_tokens < t:
        head += (4 + b) * shape.vocabulary * h
    mask = (1 + b) * t * t if engine.whole_mask else 0
    if not engine.gradient_checkpointing:
        return t * shape.layers * layer + head + mask
    redone = t * (layer + b * (2 * shape.intermediate + 3 * h))
    return t * shape.layers * b * h + max(head, redone) + mask


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


def gathered(shape: Shape, engine: EngineSettings) -> int:
    """The weights that stand whole on a rank for a moment under ZeRO-3: the largest of a layer and an embedding."""
    if engine.zero_stage < 3:
        return 0
    layer = (shape.parameters - shape.vocabulary * shape.hidden * (1 if shape.tied else 2)) // shape.layers
    return engine.value_bytes * max(layer, shape.vocabulary * shape.hidden)


def engine_work(shape: Shape) -> int:
    """What an engine of vLLM needs besides weights and cache: the pass it measures itself with, logits, CUDA graphs.

    A pass of 4,096 tokens in bfloat16, and of 256 rows the logits, in float32 as well, sorted and as probabilities.
    """
    return scoring(shape, ENGINE_TOKENS, 2) + (LOGIT_BYTES + 2) * ENGINE_ROWS * shape.vocabulary + GRAPHS


@dataclass(frozen=True)
class Memory:
    """Bytes on one rank, by component. Phases follow each other, so the peak is the largest of them.

    With ``offload`` reward model and reference are there in their own phase alone, one after the other.
    """

    weights: int
    gradients: int
    bucket: int
    optimizer: int  # 0 where it is in main memory
    stepping: int
    activations: int
    kv_cache: int
    engine_weights: int  # those of a sampler with an engine of its own, which like its cache are gone while it sleeps
    engine_work: int
    sampler_weights: int  # a second copy, whole, where the trainer's is sharded
    sampling_copy: int  # one in bfloat16 of float32 weights, made for every step's responses
    prm: int
    reference: int
    companions: int  # models that learn beside the policy, each with all that it has of the above
    scoring: int
    whole_copies: int  # what stands there whole while the run opens, before anything is sharded
    gradients_stay: bool  # ZeRO-3: gradients and bucket are there in every phase
    offload: bool

    @property
    def phases(self) -> dict[str, int]:
        """What each phase of a step holds at its fullest."""
        learning = self.gradients + self.bucket
        kept = self.weights + self.optimizer + self.sampler_weights + self.companions
        kept += learning if self.gradients_stay else 0
        frozen = self.prm + self.reference
        stay, read = (0, max(self.prm, self.reference)) if self.offload else (frozen, frozen)
        updating = kept + stay + (0 if self.gradients_stay else learning)
        return {
            "open": self.whole_copies,
            "sample": kept + stay + self.sampling_copy + (self.engine_weights + self.engine_work + self.kv_cache),
            "score": kept + read + self.scoring,
            "update": updating + self.activations,
            "step": updating + self.stepping,
        }

    @property
    def peak(self) -> int:
        """The fullest phase."""
        return max(self.phases.values())
