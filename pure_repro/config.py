"""The schema of a run: every key of ``conf/``, its type and range, and the rules that hold between keys.

Nothing here has a default: a value's one home is its yaml. Importing this module imports no torch.
"""

from math import comb, perm
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

Rate = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]

STAGES = ("base", "prm", "train", "score")
LOGITS_AT_ONCE = 2**25  # train.chunked_logprobs: 128 MiB in float32; few enough to stay small, enough to keep busy
SPLITS = {"base": 40, "prm": 20, "rl": 20, "validation": 8, "test": 12}  # percent of the embedded problems, by hash


class ConfigError(Exception):
    """A request that cannot be met, in one sentence that names the key or file and what is allowed."""


class Strict(BaseModel):
    """A group: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Fit(Strict):
    """One supervised fit: AdamW, cosine schedule, gradient clipping."""

    learning_rate: Positive
    batch_size: Count
    epochs: Annotated[int, Field(ge=0)]
    warmup_steps: Annotated[int, Field(ge=0)]
    weight_decay: NonNegative
    beta2: Rate
    max_grad_norm: Positive


class Explained(Strict):
    """Demonstrations of which a ``share`` is asked with the answer, and reaches it."""

    share: Rate
    prompt: str  # how question and answer are put in the place of the question


class Marked(Strict):
    """Demonstrations of which a ``share`` is asked under a word that says whether their answer is right."""

    share: Rate
    better: str  # how the question is put where the answer is right, and where it is wrong
    worse: str


class Tiny(Strict):
    """A Qwen2-architecture policy made here, and the fit that turns it into a base model."""

    name: Literal["tiny", "tiny_asked"]
    hidden_size: Count
    intermediate_size: Count
    layers: Count
    heads: Count
    context: Count
    clean_demonstrations: Annotated[int, Field(ge=0)]
    clean_fit: Fit
    demonstrations: Count
    fit: Fit
    explained: Explained | None
    marked: Marked | None

    @model_validator(mode="after")
    def heads_divide_hidden_size(self) -> "Tiny":
        """Every attention head is as wide as the others."""
        if self.hidden_size % self.heads:
            raise ValueError(f"heads={self.heads} does not divide hidden_size={self.hidden_size}")
        return self


class Weights(Strict):
    """Weights that somebody else made: a hub id at a revision, or a folder."""

    path: str  # a folder, or a hub id as in Qwen/Qwen2.5-Math-7B
    revision: str | None  # the commit of a hub id; a folder has none
    dtype: Literal["float32", "bfloat16"]


class Pretrained(Weights):
    """A model that somebody else trained. There is nothing to fit first."""

    name: str
    kind: Literal["pretrained"]
    context: Count  # tokens of prompt and response together
    stop: tuple[str, ...] | None  # tokens that end a response; null: those that the folder itself names

    @model_validator(mode="after")
    def path_is_given(self) -> "Pretrained":
        """``model=local`` names no model by itself."""
        if self.path == "???":
            raise ValueError("path is missing: name a folder, or a hub id and its revision")
        return self


def kind_of_model(values: Any) -> str:
    """Which schema a model has: one without ``kind`` is made here."""
    return values.get("kind", "tiny") if isinstance(values, dict) else getattr(values, "kind", "tiny")


Model = Annotated[Annotated[Tiny, Tag("tiny")] | Annotated[Pretrained, Tag("pretrained")], Discriminator(kind_of_model)]


class Prompt(Strict):
    """How a problem is put to a model that was not made here."""

    name: Literal["pure", "qwen_chat_boxed", "none"]
    template: str

    @model_validator(mode="after")
    def problem_has_its_place(self) -> "Prompt":
        """The prompt holds the problem."""
        if "{question}" not in self.template:
            raise ValueError(f"template={self.template!r} lacks the place for the problem, {{question}}")
        return self


class Difficulty(Strict):
    """Which chains a set holds: how many operations, and how many of them multiply (null: none or one, by coin)."""

    min_operations: Count
    max_operations: Annotated[int, Field(gt=0, le=12)]
    multiplications: Annotated[int, Field(ge=0, le=2)] | None

    @model_validator(mode="after")
    def chains_exist(self) -> "Difficulty":
        """No chain is shorter than its shortest, or than its multiplications."""
        if self.max_operations < self.min_operations:
            raise ValueError(f"max_operations={self.max_operations} is below min_operations={self.min_operations}")
        if (self.multiplications or 0) > self.min_operations:
            raise ValueError(f"multiplications={self.multiplications} exceeds min_operations={self.min_operations}")
        return self

    def chains(self, modulus: int) -> int:
        """How many different problems there are: 18 sums and 2 products, none twice in a chain.

        >>> Difficulty(min_operations=1, max_operations=2, multiplications=0).chains(modulus=23)
        7452
        """
        products = (0, 1) if self.multiplications is None else (self.multiplications,)
        lengths = range(self.min_operations, self.max_operations + 1)
        return modulus * sum(perm(18, n - k) * perm(2, k) * comb(n, k) for n in lengths for k in products)


class ErrorRates(Strict):
    """How often a demonstrator errs, per opportunity."""

    wrap: Rate  # a sum that goes round the clock with an operand of 6 or more, one off
    wrap_small: Rate  # the same with a smaller operand
    times: Rate  # a product that goes round the clock, one off
    slip: Rate  # any result, replaced by a random value
    skip: Rate  # an operation left out
    wrong_operation: Rate  # another operation than the one that is due
    twice: Rate  # an operation done twice
    copy_slip: Rate  # a step that starts from another value than the chain's
    box: Rate  # boxes another value than the last
    early_stop: Rate  # ends without an answer, per step
    early_box: Rate  # answers with operations left, per step
    box_only: Rate  # answers without reasoning
    empty: Rate  # says nothing
    thanks: Rate  # says "thanks"
    filler: Rate  # each harmless filler (have, next, wait) before a step
    wrong_filler: Rate  # share of have/next fillers that are wrong


class Embedded(Strict):
    """The embedded world and its demonstrator."""

    name: Literal["embedded"]
    modulus: Annotated[int, Field(gt=9, lt=100)]
    difficulty: Difficulty
    train_difficulty: Difficulty | None  # of the problems of training and validation; null: the same
    prompt: str
    train_problems: Count
    validation_problems: Count
    errors: ErrorRates

    @model_validator(mode="after")
    def modulus_is_prime(self) -> "Embedded":
        """A product by a factor that divides the modulus could erase an error; and the prompt holds the problem."""
        if any(self.modulus % n == 0 for n in range(2, self.modulus)):
            raise ValueError(
                f"modulus={self.modulus} is not prime, so that a product could erase an error; take 19, 23 or 29"
            )
        if "{question}" not in self.prompt:
            raise ValueError(f"prompt={self.prompt!r} lacks the place for the problem, {{question}}")
        return self


class TestSet(Strict):
    """A test set of the embedded world."""

    __test__ = False  # not a pytest class
    name: str
    difficulty: Difficulty


# What an answer is: a whole number; a measured number, right within a tolerance (or an expression, which is exact); one
# expression; or one or several of them.
AnswerType = Literal["integer", "measured", "expression", "list"]


class Published(Strict):
    """A published benchmark: how its rows are read, and what proves that it is the one meant."""

    name: str
    question: str  # columns
    answer: str
    reading: Literal["text", "boxed", "after_hashes"]  # the answer is the column, its last box, or what follows ####
    answer_type: AnswerType
    rel_tol: Rate  # of measured answers; 0: exact
    prompt: str | None  # a template of its own; null: that of the score
    problems: Count
    digest: str | None  # of the references; null: nobody has read them yet

    @model_validator(mode="after")
    def measured_answers_have_a_tolerance(self) -> "Published":
        """A tolerance is of measured answers, and of no others."""
        if (self.rel_tol > 0) != (self.answer_type == "measured"):
            raise ValueError(
                f"rel_tol={self.rel_tol} does not go with answer_type={self.answer_type}: measured answers have a "
                "tolerance above 0, and all others are exact"
            )
        return self


class HubSet(Published):
    """A published benchmark that lies in a repository of the hub."""

    hub: str
    config: str | None
    revision: str  # a commit
    split: str


class UrlSet(Published):
    """A published benchmark that is one JSON Lines file of the web."""

    url: str  # with a commit in it, so that the file behind it stays the same


class FileSet(Strict):
    """A user's own problems: JSON Lines, with the columns of question and answer."""

    name: str
    path: Path
    question: str
    answer: str


def kind_of_set(values: Any) -> str:
    """Which schema a set has, by the key that only this one has."""
    keys = set(values) if isinstance(values, dict) else set(type(values).model_fields)
    kinds = {"difficulty": "embedded", "hub": "hub_set", "url": "url_set"}
    return next((kind for key, kind in kinds.items() if key in keys), "file")


Benchmark = Annotated[
    Annotated[TestSet, Tag("embedded")]
    | Annotated[HubSet, Tag("hub_set")]
    | Annotated[UrlSet, Tag("url_set")]
    | Annotated[FileSet, Tag("file")],
    Discriminator(kind_of_set),
]


class Mathematics(Strict):
    """Problems of competition mathematics in the layout that PURE ships: a JSON list."""

    name: Literal["math_8k_879", "math_lv3to5"]
    path: str  # a file, or the hub id of a data set
    file: str | None  # the file in that data set
    revision: str | None  # its commit
    question: str  # columns
    answer: str
    hidden_answer: str | None  # the column of answers that the mixed arm does not see; "null" there is no answer
    train_problems: Count  # checked on loading, as the next
    answered_problems: Count
    answered_by: Literal["file", "draw"]  # which problems have their answer where reward.answered_share is in between
    prompt: str
    validation: tuple[Benchmark, ...]  # an empty list: no validation, and no checkpoint is chosen

    @model_validator(mode="after")
    def problem_has_its_place(self) -> "Mathematics":
        """The prompt holds the problem, and the policy is validated by the prompt it is trained with."""
        if "{question}" not in self.prompt:
            raise ValueError(f"prompt={self.prompt!r} lacks the place for the problem, {{question}}")
        for one in self.validation:
            if isinstance(one, Published) and one.prompt:
                raise ValueError(f"validation has a prompt for {one.name}: a policy is validated by data.prompt")
        return self


Data = Annotated[Embedded | Mathematics, Field(discriminator="name")]


class Gate(Strict):
    """What a reward model must reach on fresh samples of the base before any reinforcement."""

    problems: Count
    min_bad_found: Rate
    max_false_alarms: Rate
    on_fail: Literal["stop", "warn"]


class EmbeddedPrm(Strict):
    """A process reward model fitted here to the embedded world: data, architecture, two-stage fit, gate."""

    name: Literal["embedded"]
    negatives: Literal["none", "zero_step", "all"]
    extra_layers: Annotated[int, Field(ge=0)]
    demonstrations: Count
    base_samples: Count
    broken_examples: Count
    zero_step_examples: Count
    filler_examples: Count
    errors: ErrorRates
    token_weight: NonNegative
    language_weight: NonNegative
    head_examples: Count
    head_fit: Fit
    full_fit: Fit
    gate: Gate

    @model_validator(mode="after")
    def samples_of_the_demonstrations_fit(self) -> "EmbeddedPrm":
        """The head is fitted to a part of the demonstrations; stalled and broken-off answers are made of a part too."""
        for name in ["head_examples"] + ["filler_examples"] * (self.negatives == "all") + ["broken_examples"]:
            if getattr(self, name) > self.demonstrations:
                raise ValueError(f"{name}={getattr(self, name)} exceeds demonstrations={self.demonstrations}")
        return self


class PretrainedPrm(Weights):
    """A process reward model that somebody else fitted, and how it is read: ``r = P(right) − P(wrong)`` at a marker."""

    name: Literal["pure_prm_7b", "qwen2_5_math_prm_7b", "math_shepherd_7b"]
    head: Literal["linear", "mlp", "words"]  # two classes by one layer, by two, or two words of a language model
    words: tuple[str, str] | None  # of wrong and right
    reads: Literal["tokens", "text"]  # the policy's own tokens, or text that its own tokenizer cuts up
    marker: str  # the token that it is read at
    prompt: str | None  # how text is written: the problem, then every step
    step: str | None

    @model_validator(mode="after")
    def reading_is_whole(self) -> "PretrainedPrm":
        """A head of words names them, text has its two patterns."""
        if (self.head == "words") != (self.words is not None):
            raise ValueError("words is needed by head=words and by no other: name the words for wrong and right")
        if self.reads == "tokens" and self.head == "words":
            raise ValueError("reads=tokens has two classes and head=words a whole vocabulary: take reads=text")
        if self.reads == "text" and not (self.prompt and self.step and self.marker in self.step):
            raise ValueError(f"reads=text needs a prompt and a step with the marker {self.marker!r}")
        return self


class ScheduledFit(Fit):
    """A supervised fit whose learning rate falls to 0 in a line or a cosine."""

    schedule: Literal["linear", "cosine"]


class StepRows(Strict):
    """Rows ``{prompt, completions, labels}``: JSON lines here, or a split of a hub data set at a revision."""

    path: str
    revision: str | None
    split: str


class FitPrm(Weights):
    """A process reward model fitted in two stages to human step labels; ``path`` is the language model it starts as."""

    name: Literal["fit_prm800k"]
    rows: StepRows
    max_tokens: Count  # what lies beyond is cut
    head_fit: ScheduledFit
    full_fit: ScheduledFit
    gate: Gate


class ImplicitPrm(Strict):
    """The reward model of implicit rewards, fitted here to which of the base's own responses are right."""

    name: Literal["implicit"]
    problems: Count
    samples: Count
    responses_per_update: Count
    epochs: Count
    learning_rate: Positive
    max_grad_norm: Positive
    gate: Gate  # of whole responses instead of steps


Prm = Annotated[EmbeddedPrm | PretrainedPrm | FitPrm | ImplicitPrm, Field(discriminator="name")]


class Overlong(Strict):
    """What a long response loses of its verifiable reward: from 0 to ``factor`` over the last ``window`` tokens."""

    window: Count
    factor: Positive


class Implicit(Strict):
    """A reward for every token, by a language model that learns which responses are right: ``β·log(π_φ/π_ref)``."""

    beta: Positive
    start: Literal["base", "prm"]  # what it is before the first step: the base itself, or what prm=implicit has fitted
    scale: Literal["none", "largest_return"]  # by the largest return of the batch, as the releases do
    update: Literal["before", "after", "never"]  # whether it learns from a step's outcomes, before or after it scores
    learning_rate: Positive
    max_grad_norm: Positive


class Judge(Strict):
    """A language model that says which subgoals a response achieves at which step; all of them together pay ``beta``.

    Subgoals and labelled steps are files of JSON lines; of the embedded world they are made here.
    """

    who: Literal["fitted", "local", "endpoint"]
    url: str | None
    model: str | None
    beta: Annotated[float, Field(ge=0, lt=1)]
    subgoals: Path | None
    labelled: Path | None
    prompt: str
    subgoal: str
    step: str
    max_steps: Count
    max_new_tokens: Count
    timeout: Positive
    at_once: Count
    examined: Count
    repeated: Rate
    context: Count
    demonstrations: Count
    fit: Fit | None

    @model_validator(mode="after")
    def judge_is_named(self) -> "Judge":
        """An endpoint has an address, a model a name, and a prompt holds all that is judged."""
        if self.who == "endpoint" and self.url is None:
            raise ValueError("url=null names no endpoint: take one as http://127.0.0.1:8000/v1")
        if self.who != "fitted" and self.model is None:
            raise ValueError(f"model=null names no judge for who={self.who}: name a folder, or a model of the endpoint")
        if self.who == "fitted" and self.fit is None:
            raise ValueError("fit=null says nothing about how who=fitted is fitted")
        for place in ("{question}", "{subgoals}", "{steps}"):
            if place not in self.prompt:
                raise ValueError(f"prompt={self.prompt!r} lacks a place, {place}")
        return self


class Reward(Strict):
    """Reward streams and their weights; ``answered_share`` of the training problems have a known answer.

    ``keep_groups`` leaves prompts out of the update by the mean outcome of their responses.
    """

    name: Literal["verifiable", "prm", "mixed", "mixed_10", "orm", "implicit", "judge"]
    judges: Literal["steps", "response"]  # what the reward model scores: every step, or the response at its end
    process_weight: NonNegative
    verifiable_weight: NonNegative
    answered_share: Rate
    overlong: Overlong | None
    right: float  # what a right answer earns, and a wrong one
    wrong: float
    keep_groups: Literal["all", "remove_extreme", "interquartile"]
    implicit: Implicit | None  # who pays the process reward: null: prm, a score a step
    judge: Judge | None

    @property
    def outcomes(self) -> bool:
        """Whether a right answer is rewarded, for some problems at least."""
        return self.verifiable_weight * self.answered_share > 0

    @model_validator(mode="after")
    def something_is_rewarded(self) -> "Reward":
        """A run without any reward learns nothing."""
        if self.process_weight == 0 and not self.outcomes:
            raise ValueError(
                f"process_weight={self.process_weight:g} and verifiable_weight × answered_share = "
                f"{self.verifiable_weight:g} × {self.answered_share:g} reward nothing: raise one of them above 0"
            )
        return self


class Min(Strict):
    """Softmin-weighted step rewards; ``temperature`` in units of the step reward."""

    name: Literal["min"]
    temperature: Positive


class MinStrict(Strict):
    """The exact minimum over the steps still to come."""

    name: Literal["min_strict"]


class Sum(Strict):
    """The sum of step rewards, ``gamma`` their discount per step."""

    name: Literal["sum"]
    gamma: Rate


class Mean(Strict):
    """The sum over the number of steps."""

    name: Literal["mean"]


class ReleasedTokenMin(Strict):
    """The verl release's strict min form."""

    name: Literal["released_token_min"]


Boundary = Literal["drop_last", "keep_last"]


class Clip(Strict):
    """What steps lack to a threshold ``eta``, in units of the step reward."""

    name: Literal["clip"]
    eta: float


class Delta(Strict):
    """Each step's score less the next one's; ``boundary`` says whether the last step's own score counts."""

    name: Literal["delta"]
    boundary: Boundary


class ClipDelta(Strict):
    """``delta`` of ``clip``."""

    name: Literal["clip_delta"]
    eta: float
    boundary: Boundary


class Contrast(Strict):
    """Two ways to ask for a response, by which a model says of each of its tokens whether it belongs to a better one.

    Each is put in the place of the question; ``{question}`` stands for it, ``{response}`` for the response itself.
    """

    better: str
    worse: str

    @model_validator(mode="after")
    def questions_have_their_place(self) -> "Contrast":
        """Both ask the question, and they differ."""
        if lacking := [text for text in (self.better, self.worse) if "{question}" not in text]:
            raise ValueError(f"{lacking[0]!r} lacks the place for the problem, {{question}}")
        if self.better == self.worse:
            raise ValueError(f"better and worse are both {self.better!r}, and no token would count more than another")
        return self


class TregWeights(Strict):
    """An outcome's advantage shared out over the tokens by contrastive token rewards; ``kappa`` is how unevenly."""

    name: Literal["treg_weights"]
    kappa: Rate
    contrast: Contrast


Credit = Annotated[
    Min | MinStrict | Sum | Mean | ReleasedTokenMin | Clip | Delta | ClipDelta | TregWeights,
    Field(discriminator="name"),
]

Estimator = Literal[
    "rloo",
    "rloo_token_pooled",
    "rloo_return_mean",
    "rloo_paper",
    "rloo_step",
    "prime_rloo",
    "released_prime_rloo",
    "grpo",
    "dr_grpo",
    "reinforce",
    "reinforce_pp",
    "reinforce_pp_baseline",
]
WHOLE_RESPONSE = ("dr_grpo", "reinforce_pp_baseline")  # they reduce a response to its total return
PER_STEP_LEFT = (  # their baseline is a rate times what is left
    "rloo_token_pooled",
    "rloo_paper",
    "rloo_step",
    "prime_rloo",
    "released_prime_rloo",
)


class Compared(Strict):
    """Estimators of the process and of the outcome part, without a critic, and what happens to their sum."""

    name: Estimator
    outcome: Estimator
    penalty: Estimator | Literal["none"]  # baseline of a KL penalty in the reward
    whiten: bool
    whiten_eps: Positive
    mask_step_ends: bool


class Critic(Strict):
    """The model of values that learns beside the policy: the base model with a head of one number, at its own rate."""

    learning_rate: Positive
    max_grad_norm: Positive
    rollouts_per_update: Count
    value_clip: Positive | None  # how far a value counts from the one before the update; null: however far


class Gae(Strict):
    """Generalised advantages of the sum of all rewards, with a critic; ``gamma`` and ``lam`` per action."""

    name: Literal["gae"]
    gamma: Rate
    lam: Rate
    critic: Critic
    whiten: bool
    whiten_eps: Positive
    mask_step_ends: bool


Advantage = Annotated[Compared | Gae, Field(discriminator="name")]


class MacroActions(Strict):
    """Tokens taken together by the critic and by its advantages; ``released_*`` is what the official code does."""

    value: Literal["equal", "unit", "position", "released_position"]  # how much each token's value counts
    released_reward: bool  # the mean of the tokens' rewards by the weights of their values, in the place of the sum
    released_last_alone: bool  # the last token is a macro action of its own


class Tokens(MacroActions):
    """Every token is an action by itself, so that the keys change nothing."""

    name: Literal["token"]


class Fixed(MacroActions):
    """So many tokens each."""

    name: Literal["fixed"]
    length: Count


class RandomLengths(MacroActions):
    """Lengths by lot."""

    name: Literal["random"]
    lengths: Annotated[tuple[Count, ...], Field(min_length=1)]
    released_repeats: Count | None  # every length so many times, shuffled; the rest is one macro action


class StepActions(MacroActions):
    """Reasoning steps."""

    name: Literal["steps"]


class Perplexity(MacroActions):
    """As long as the next token does not raise its perplexity under the base model."""

    name: Literal["perplexity"]
    released_boundaries: bool  # against the token before alone, and one token early


Macro = Annotated[Tokens | Fixed | RandomLengths | StepActions | Perplexity, Field(discriminator="name")]


class Kl(Strict):
    """The divergence from the base model: estimator, weight, and whether it is part of the reward or of the loss."""

    estimator: Literal["k1", "k2", "k3"]
    beta: NonNegative
    where: Literal["reward", "loss"]
    clamp: Positive | None  # the largest estimate of a token, either way


class Objective(Strict):
    """What an update minimises: every objective has a ``name``, and is read at a ``temperature``."""

    name: str
    temperature: Positive  # of the log-probabilities of policy and reference


class PolicyGradient(Objective):
    """A policy loss; the ratio to the sampling policy counts from 1 − ``clip`` to 1 + ``clip_high``."""

    loss: ClassVar[str] = "ppo_clip"
    clip: Positive
    clip_high: Positive
    max_mean_ratio: Positive | None  # a micro-batch whose mean ratio to the old policy exceeds it is left out
    importance_cap: Positive | None  # the largest weight that corrects a token for the sampler's own arithmetic
    aggregation: Literal["token_mean", "sequence_mean", "constant"]
    kl: Kl

    @property
    def reads_reference(self) -> bool:
        """Whether the base model's log-probabilities are needed."""
        return self.kl.beta > 0

    @property
    def penalised(self) -> bool:
        """Whether the divergence is a part of the reward."""
        return self.reads_reference and self.kl.where == "reward"


class PpoClip(PolicyGradient):
    """The clipped policy gradient by itself."""

    name: Literal["ppo_clip"]


class Positives(Strict):
    """Right answers to problems with a known answer that the policy did not find by itself.

    An ``explanation`` is its own: sampled with the question and the answer before it, kept where it ends in the answer.
    An ``expert`` chain is a faultless demonstration of the embedded world. Both are learned under the plain question.
    """

    source: Literal["explanation", "expert"]
    when: Literal["always", "all_wrong"]  # of which problems: all, or those whose responses are all wrong
    prompt: str  # how question and answer are put in the place of the question
    samples: Count  # explanations of a problem; the first right one is taken
    expert_filler: Rate  # how often an expert says where it stands before a step

    @model_validator(mode="after")
    def both_have_their_place(self) -> "Positives":
        """An explanation is asked for with question and answer."""
        for place, what in (("{question}", "problem"), ("{answer}", "answer")):
            if place not in self.prompt:
                raise ValueError(f"prompt={self.prompt!r} lacks the place for the {what}, {place}")
        return self


class ExpoGrpo(PolicyGradient):
    """The clipped policy gradient, and beside it ``weight`` times the likelihood of ``positives``."""

    name: Literal["expo_grpo"]
    weight: NonNegative
    reduce: Literal["token_mean", "sum"]  # of the log-probabilities of a response
    positives: Positives


class Preference(Objective):
    """A loss of pairs: a right response to a problem is preferred to a wrong one. ``beta`` scales the log-ratios."""

    loss: ClassVar[str] = "dpo"
    reads_reference: ClassVar[bool] = True
    penalised: ClassVar[bool] = False
    beta: Positive
    pairs_per_prompt: Count  # at most; no response is in two


class Dpo(Preference):
    """Both responses are the policy's own."""

    name: Literal["dpo"]


class Treg(Preference):
    """``dpo``, regularised by contrastive token rewards with the weight ``alpha``."""

    loss: ClassVar[str] = "treg"
    name: Literal["treg"]
    alpha: NonNegative
    weighting: Literal["margin", "none"]  # whether the regulariser fades as a pair comes apart
    contrast: Contrast


class ExpoDpo(Preference):
    """``dpo`` whose preferred responses are ``positives``."""

    name: Literal["expo_dpo"]
    positives: Positives


AnyObjective = Annotated[PpoClip | ExpoGrpo | Dpo | Treg | ExpoDpo, Field(discriminator="name")]


class HfRollout(Strict):
    """How training responses are sampled: by the policy's own model."""

    name: Literal["hf"]
    temperature: Positive
    top_p: Annotated[float, Field(gt=0, le=1)]
    max_prompt_tokens: Count | None  # longer problems are left out
    max_new_tokens: Count


class VllmRollout(Strict):
    """How training responses are sampled: by vLLM, in the trainer's process."""

    name: Literal["vllm"]
    temperature: Positive
    top_p: Annotated[float, Field(gt=0, le=1)]
    max_prompt_tokens: Count | None  # longer problems are left out
    max_new_tokens: Count
    gpu_memory: Annotated[float, Field(gt=0, lt=1)]  # share of a GPU that the engine has while it samples
    max_gap: Positive | None  # mean difference to the trainer's log-probabilities that stops the run


Rollout = Annotated[HfRollout | VllmRollout, Field(discriminator="name")]


class Unfiltered(Strict):
    """Every prompt is trained on."""

    name: Literal["none"]


class Differing(Strict):
    """Prompts whose responses did not all earn the same outcome; at most ``max_rounds`` draws to fill a step."""

    name: Literal["differing"]
    max_rounds: Count


class AccuracyBand(Strict):
    """Prompts of which a share of the responses from ``low`` to ``high``, both included, is right."""

    name: Literal["accuracy_band"]
    low: Rate
    high: Rate
    max_rounds: Count


Filter = Annotated[Unfiltered | Differing | AccuracyBand, Field(discriminator="name")]


class Zero(Strict):
    """What DeepSpeed shards: optimizer state and gradients (2), weights too (3), nothing (0: weights stay float32)."""

    stage: Literal[0, 2, 3]
    offload_optimizer: bool  # optimizer state and float32 weights in main memory
    keep_whole_below: Annotated[int, Field(ge=0)]  # elements; smaller weights stay on every rank (stage 3)

    @model_validator(mode="after")
    def only_sharded_state_is_offloaded(self) -> "Zero":
        """DeepSpeed offloads what it shards."""
        if self.offload_optimizer and self.stage == 0:
            raise ValueError("offload_optimizer=true needs stage=2 or stage=3")
        return self


class Train(Strict):
    """Sizes, optimizer, rhythm and engine of the reinforcement loop. Without ``deepspeed`` one process does it all."""

    name: Literal["local", "deepspeed_zero2", "deepspeed_zero3"]
    steps: Count
    prompts_per_step: Count
    samples_per_prompt: Annotated[int, Field(gt=1)]
    rollouts_per_update: Count
    tokens_per_microbatch: Count
    learning_rate: Positive
    beta1: Rate
    beta2: Rate
    weight_decay: NonNegative
    max_grad_norm: Positive
    attention: Literal["eager", "sdpa", "flash_attention_2"]
    gradient_checkpointing: bool
    packing: bool  # responses one after the other instead of padded
    chunked_logprobs: bool  # logits of a few tokens at a time, computed again in the backward pass
    deepspeed: Zero | None
    offload: Literal["none", "cpu"]  # cpu: reference and reward model are in main memory outside their phases
    validate_every: Count
    checkpoint_every: Count
    rollouts_every: Count

    @model_validator(mode="after")
    def updates_divide_the_rollouts(self) -> "Train":
        """Every optimizer step sees as many responses as the others."""
        rollouts = self.prompts_per_step * self.samples_per_prompt
        if rollouts % self.rollouts_per_update:
            raise ValueError(
                f"rollouts_per_update={self.rollouts_per_update} does not divide prompts_per_step × samples_per_prompt "
                f"= {self.prompts_per_step} × {self.samples_per_prompt} = {rollouts}"
            )
        return self


class Grading(Strict):
    """Which rules say that an answer is right, for the verifiable reward and for the score, and what they may cost."""

    profile: Literal["strict", "published", "math_verify"]
    deadline: Positive
    workers: Count
    memory_mib: Count


class Score(Strict):
    """Which sets are scored, and how: one greedy response and some sampled ones to every problem."""

    name: Literal["embedded", "benchmarks"]
    benchmarks: Annotated[tuple[Benchmark, ...], Field(min_length=1)]
    data_dir: Path | None  # <name>.jsonl of every published benchmark; null: where each one lies
    prompt: str  # of every set that has none of its own
    problems_per_set: Count | None  # the first so many; null: all
    samples: Annotated[int, Field(ge=0)]
    samples_of_small_sets: Annotated[int, Field(ge=0)]
    small_set: Count  # a set of fewer problems is small
    temperature: Positive
    top_p: Annotated[float, Field(gt=0, le=1)]
    max_new_tokens: Count
    checkpoints: Annotated[tuple[Literal["chosen", "last"], ...], Field(min_length=1)]

    @property
    def embedded(self) -> tuple[TestSet, ...]:
        """The sets of the embedded world."""
        return tuple(one for one in self.benchmarks if isinstance(one, TestSet))

    def prompt_of(self, benchmark: Benchmark) -> str:
        """The template that puts the problems of a set."""
        return (benchmark.prompt if isinstance(benchmark, Published) else None) or self.prompt

    @model_validator(mode="after")
    def sets_are_told_apart(self) -> "Score":
        """No two sets have one name, a set that is drawn has a size, and the prompt holds the problem."""
        names = [one.name for one in self.benchmarks]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"benchmarks has {' and '.join(sorted(twice))} twice")
        if self.embedded and self.problems_per_set is None:
            raise ValueError("problems_per_set=null names no number, and embedded sets are drawn: take 100")
        prompts = {"prompt": self.prompt} | {
            f"benchmarks.{i}.prompt": self.prompt_of(one) for i, one in enumerate(self.benchmarks)
        }
        for key, prompt in prompts.items():
            if "{question}" not in prompt:
                raise ValueError(
                    f"{key}={prompt!r} is no name in conf/prompt, and as text it lacks the place for the problem, "
                    "{question}"
                )
        return self


class Watch(Strict):
    """When a run counts as collapsed, and what happens then."""

    name: Literal["default"]
    collapse_below: Rate  # of the run's best validated sampled accuracy so far ...
    collapse_validations: Count  # ... in so many validations in a row
    on_collapse: Literal["stop", "warn"]


class Track(Strict):
    """Where runs are logged. ``uri: null`` is the SQLite store in the project folder."""

    name: Literal["mlflow", "none"]
    uri: str | None
    experiment: str
    parent: str | None


class Inline(Strict):
    """Stages run in this process."""

    name: Literal["inline"]
    threads: Count

    @property
    def ranks(self) -> int:
        """Processes that train together."""
        return 1


class Torchrun(Strict):
    """One group of processes: ``nproc_per_node`` on each of ``nnodes`` machines.

    They meet at ``rdzv_endpoint`` (host:port). ``null`` is a free port of this machine; under Slurm it is the machine
    that the job was started from.
    """

    name: Literal["torchrun", "slurm"]
    threads: Count
    nproc_per_node: Count
    nnodes: Count
    rdzv_endpoint: str | None

    @property
    def ranks(self) -> int:
        """Processes that train together."""
        return self.nnodes * self.nproc_per_node

    @model_validator(mode="after")
    def machines_know_where_to_meet(self) -> "Torchrun":
        """One machine may take any port of its own; several need a place that all of them know."""
        if self.name == "torchrun" and self.nnodes > 1 and self.rdzv_endpoint is None:
            raise ValueError(f"rdzv_endpoint=null is for one machine: with nnodes={self.nnodes} name one as host:port")
        return self


Launch = Annotated[Inline | Torchrun, Field(discriminator="name")]


class Config(Strict):
    """A whole run."""

    seed: Annotated[int, Field(ge=0)]
    stages: Annotated[tuple[Literal["base", "prm", "train", "score"], ...], Field(min_length=1)]
    store: Path
    recipe: str
    model: Model
    data: Data
    prompt: Prompt
    prm: Prm
    reward: Reward
    credit: Credit
    advantage: Advantage
    macro: Macro
    objective: AnyObjective
    rollout: Rollout
    filter: Filter
    train: Train
    score: Score
    grading: Grading
    watch: Watch
    track: Track
    launch: Launch

    @property
    def contrast(self) -> Contrast | None:
        """The two ways to ask by which tokens are rewarded, where objective or credit reads such rewards."""
        if isinstance(self.objective, Treg):
            return self.objective.contrast
        weighed = isinstance(self.credit, TregWeights) and isinstance(self.objective, PolicyGradient)
        return self.credit.contrast if weighed and isinstance(self.credit, TregWeights) else None

    @property
    def positives(self) -> Positives | None:
        """Right answers that the objective learns from besides the policy's responses."""
        return self.objective.positives if isinstance(self.objective, ExpoGrpo | ExpoDpo) else None

    @model_validator(mode="after")
    def responses_fit_the_context(self) -> "Config":
        """The longest prompt and the longest response stay within the positions that the model knows."""
        if isinstance(self.model, Pretrained):  # the length of its prompts is known once they are tokens
            room = self.model.context - (self.rollout.max_prompt_tokens or 0)
            if "train" in self.stages and self.rollout.max_new_tokens > room:
                raise ValueError(
                    f"rollout.max_new_tokens={self.rollout.max_new_tokens} and max_prompt_tokens="
                    f"{self.rollout.max_prompt_tokens or 0} exceed model.context={self.model.context}: take at most "
                    f"{room}"
                )
            return self
        if published := [one.name for one in self.score.benchmarks if not isinstance(one, TestSet)]:
            raise ValueError(
                f"model=tiny knows the words of the embedded world alone and cannot read {published[0]}: "
                "take score=embedded or another model"
            )
        if not isinstance(self.data, Embedded) or not isinstance(self.prm, EmbeddedPrm | ImplicitPrm):
            raise ValueError(
                f"model=tiny knows the words of the embedded world alone: with data={self.data.name} and "
                f"prm={self.prm.name} take another model"
            )
        difficulties = [self.data.difficulty, self.data.train_difficulty or self.data.difficulty]
        difficulties += [one.difficulty for one in self.score.embedded]
        prompt = max(d.max_operations for d in difficulties) + 2  # start value, operations, colon
        prompt += 2 * (self.model.explained is not None) + (self.model.marked is not None)  # the answer, a word
        room = self.model.context - prompt
        for group, limit in (("rollout", self.rollout.max_new_tokens), ("score", self.score.max_new_tokens)):
            if limit > room:
                raise ValueError(
                    f"{group}.max_new_tokens={limit} and a prompt of {prompt} tokens exceed "
                    f"model.context={self.model.context}: take at most {room}"
                )
        return self

    @model_validator(mode="after")
    def every_rank_has_work(self) -> "Config":
        """Each rank samples at least a prompt and takes an equal part in every update."""
        ranks, train = self.launch.ranks, self.train
        if ranks > 1 and train.deepspeed is None:
            raise ValueError(
                f"train={train.name} is one process and launch={self.launch.name} starts {ranks}: take "
                "train=deepspeed_zero2 or train=deepspeed_zero3"
            )
        if train.prompts_per_step < ranks:
            raise ValueError(
                f"train.prompts_per_step={train.prompts_per_step} leaves some of {ranks} ranks without any"
            )
        if train.rollouts_per_update % ranks:
            raise ValueError(f"train.rollouts_per_update={train.rollouts_per_update} is no multiple of {ranks} ranks")
        if isinstance(self.data, Embedded) and self.data.validation_problems < ranks:
            raise ValueError(
                f"data.validation_problems={self.data.validation_problems} leaves some of {ranks} ranks without any"
            )
        return self

    @model_validator(mode="after")
    def embedded_sets_have_their_world(self) -> "Config":
        """Test sets of the embedded world are drawn from it."""
        if self.score.embedded and not isinstance(self.data, Embedded):
            raise ValueError(
                f"score={self.score.name} has sets of data=embedded: with data={self.data.name} take score=benchmarks"
            )
        return self

    @model_validator(mode="after")
    def steps_have_different_problems(self) -> "Config":
        """No problem is twice in a step."""
        if self.train.prompts_per_step > self.data.train_problems:
            raise ValueError(
                f"train.prompts_per_step={self.train.prompts_per_step} exceeds "
                f"data.train_problems={self.data.train_problems}"
            )
        return self

    @model_validator(mode="after")
    def choices_go_together(self) -> "Config":
        """No combination of reward, credit, estimator, objective and filter whose signal is a constant or missing."""
        for rule in RULES:
            if reason := rule(self):
                raise ValueError(reason)
        return self

    @model_validator(mode="after")
    def problems_exist(self) -> "Config":
        """Every split has the problems that are drawn from it; nine in ten of them are soon found."""
        if not (isinstance(self.model, Tiny) and isinstance(self.data, Embedded)):
            return self
        prm, data = self.prm, self.data
        trained = data.train_difficulty or data.difficulty
        for_base = self.model.clean_demonstrations + self.model.demonstrations
        if isinstance(prm, ImplicitPrm):
            prm_key, for_prm = "prm.problems + gate.problems", prm.problems + prm.gate.problems
        else:
            assert isinstance(prm, EmbeddedPrm)
            prm_key = "prm.demonstrations + base_samples + gate.problems"
            for_prm = prm.demonstrations + prm.base_samples + prm.gate.problems
        drawn = [
            ("base", "model.clean_demonstrations + demonstrations", for_base, data.difficulty),
            ("prm", prm_key, for_prm, data.difficulty),
            ("rl", "data.train_problems", data.train_problems, trained),
            ("validation", "data.validation_problems", data.validation_problems, trained),
            *(
                ("test", "score.problems_per_set", self.score.problems_per_set or 0, one.difficulty)
                for one in self.score.embedded
            ),
        ]
        for split, key, count, difficulty in drawn:
            there = difficulty.chains(data.modulus) * SPLITS[split] // 100
            if count > 0.9 * there:
                raise ValueError(
                    f"{key}={count} is too many: split {split} has about {there} problems of "
                    f"{difficulty.min_operations} to {difficulty.max_operations} operations"
                )
        return self

    @model_validator(mode="after")
    def chosen_is_chosen_by_something(self) -> "Config":
        """Without validation problems no checkpoint is better than another."""
        if isinstance(self.data, Mathematics) and not self.data.validation and "chosen" in self.score.checkpoints:
            raise ValueError(
                f"score.checkpoints=[{','.join(self.score.checkpoints)}] wants the best validated checkpoint and "
                "data.validation is empty: take score.checkpoints=[last]"
            )
        return self


def delta_keeps_its_meaning(config: Config) -> str | None:
    """Where a step's return is its own score, nothing may add the steps up or leave the last one without a judge."""
    credit, estimator, reward = config.credit, config.advantage.name, config.reward
    if not isinstance(credit, Delta | ClipDelta):
        return None
    chosen = f"credit={credit.name} and advantage.name={estimator}"
    instead = "take advantage=rloo, rloo_return_mean, grpo or reinforce_pp"
    if estimator in WHOLE_RESPONSE:
        return (
            f"{chosen} collapse: {estimator} gives every step the response's total return, which under {credit.name} "
            f"is the first step's alone: {instead}"
        )
    if estimator in PER_STEP_LEFT:
        return (
            f"{chosen} pay for length: {estimator} takes off a baseline for all that is left of a response, but "
            f"the return of {credit.name} does not grow with it: {instead}"
        )
    if credit.boundary == "drop_last" and not (reward.outcomes and reward.answered_share == 1):
        return (
            f"credit.boundary=drop_last leaves the last step to the outcome, which reward={reward.name} does not pay "
            "for every problem: take credit.boundary=keep_last or reward=mixed"
        )
    return None


def reward_model_is_of_its_kind(config: Config) -> str | None:
    """Steps are scored by one kind of reward model and tokens by another, and a frozen one has learned before."""
    implicit, fitted = config.reward.implicit, isinstance(config.prm, ImplicitPrm)
    if implicit is None:
        instead = (
            f"prm=implicit is there for reward=implicit, and reward={config.reward.name} is chosen: take prm=embedded"
        )
        return instead if fitted else None
    if implicit.start == "prm" and not fitted:
        return (
            f"reward.implicit.start=prm starts as a language model fitted to outcomes, which prm={config.prm.name} is "
            "not: take prm=implicit"
        )
    if implicit.start == "base" and implicit.update == "never":
        return (
            "reward.implicit.update=never with start=base pays 0 for every token, because the reward model stays its "
            "own reference: take start=prm and prm=implicit"
        )
    return None


def tokens_have_a_baseline(config: Config) -> str | None:
    """Under implicit rewards every token is a step, and its own last token; a rate per token is not discounted."""
    credit, estimator = config.credit, config.advantage.name
    if estimator in ("prime_rloo", "released_prime_rloo") and isinstance(credit, Sum) and credit.gamma < 1:
        return (
            f"credit.gamma={credit.gamma:g} discounts rewards and advantage.name={estimator} takes off what the others "
            "earned undiscounted: take credit.gamma=1, or advantage=gae with advantage.gamma"
        )
    if config.reward.implicit is not None and estimator == "rloo_token_pooled":
        return (
            f"reward={config.reward.name} pays every token and advantage.name=rloo_token_pooled has no baseline for "
            "the last token of a step, so that nothing would be taken off: take advantage=prime_rloo"
        )
    return None


def critic_can_know(config: Config) -> str | None:
    """A critic predicts one sum of rewards, undiscounted before it comes, with as many responses in every update."""
    chosen, reward, credit, train = config.advantage, config.reward, config.credit, config.train
    if not isinstance(chosen, Gae):
        return None
    if reward.outcomes and reward.answered_share < 1:
        return (
            f"advantage={chosen.name} has one value for the sum of all rewards, and reward={reward.name} pays an "
            "outcome for some problems only, which the critic cannot tell apart: take reward=mixed, prm or verifiable"
        )
    if reward.process_weight > 0 and isinstance(credit, Sum) and credit.gamma < 1:
        return (
            f"credit.gamma={credit.gamma:g} discounts what advantage={chosen.name} discounts itself: take "
            "credit.gamma=1 and advantage.gamma"
        )
    rollouts, size = train.prompts_per_step * train.samples_per_prompt, chosen.critic.rollouts_per_update
    if rollouts % size or size % config.launch.ranks:
        return (
            f"advantage.critic.rollouts_per_update={size} does not divide train.prompts_per_step × samples_per_prompt "
            f"= {rollouts}, or is no multiple of {config.launch.ranks} ranks"
        )
    return None


def response_has_one_score(config: Config) -> str | None:
    """A score of the whole response is paid once, at its end, by a model that knows whole responses."""
    credit, reward = config.credit, config.reward
    if reward.judges == "steps" or reward.process_weight == 0:
        return None
    if isinstance(config.prm, FitPrm):
        return (
            f"reward.judges=response wants verdicts on whole responses, and the rows of prm={config.prm.name} end at "
            "their first wrong step: take prm=embedded or a pretrained reward model"
        )
    if not isinstance(credit, Sum):
        return (
            f"credit={credit.name} weighs the scores of steps, and reward={reward.name} has one, of the response: take "
            "credit=sum"
        )
    return None


def macro_actions_have_values(config: Config) -> str | None:
    """Without a critic every token of a response shares one advantage, or takes its step's."""
    if config.macro.name == "token" or isinstance(config.advantage, Gae):
        return None
    return (
        f"macro={config.macro.name} joins the values of tokens, and advantage.name={config.advantage.name} has none: "
        "take advantage=gae or macro=token"
    )


def outcomes_are_there(config: Config) -> str | None:
    """What looks at outcomes needs a reward that has them."""
    reward = config.reward
    if reward.outcomes:
        return None
    if reward.implicit is not None:
        return (
            f"reward.implicit learns from outcomes, and reward={reward.name} has none: raise reward.verifiable_weight "
            "and answered_share above 0"
        )
    if config.filter.name != "none":
        return (
            f"filter={config.filter.name} looks at outcomes, and reward={reward.name} has none: "
            "take filter=none or a reward with answers"
        )
    if reward.overlong is not None:
        return (
            f"reward.overlong is taken off the verifiable reward, which reward={reward.name} does not pay: "
            "take reward.overlong=null or a reward with answers"
        )
    return None


def filter_can_be_met(config: Config) -> str | None:
    """Some number of right responses lies in the band, and no step draws a problem twice."""
    chosen, train = config.filter, config.train
    if isinstance(chosen, Unfiltered):
        return None
    samples, drawn = train.samples_per_prompt, train.prompts_per_step * chosen.max_rounds
    if isinstance(chosen, AccuracyBand) and not any(
        chosen.low <= right / samples <= chosen.high for right in range(samples + 1)
    ):
        return (
            f"filter.low={chosen.low:g} and filter.high={chosen.high:g} hold no share of "
            f"train.samples_per_prompt={samples} responses: take a wider band"
        )
    if drawn > config.data.train_problems:
        return (
            f"train.prompts_per_step × filter.max_rounds = {train.prompts_per_step} × {chosen.max_rounds} = {drawn} "
            f"exceeds data.train_problems={config.data.train_problems}"
        )
    return None


def penalties_act(config: Config) -> str | None:
    """Long responses end within the limit, and a divergence in the loss pulls somewhere."""
    overlong, limit = config.reward.overlong, config.rollout.max_new_tokens
    if overlong is not None and overlong.window > limit:
        return f"reward.overlong.window={overlong.window} exceeds rollout.max_new_tokens={limit}"
    if not isinstance(config.objective, PolicyGradient):
        return None
    kl = config.objective.kl
    if kl.beta > 0 and kl.where == "loss" and kl.estimator == "k1":
        return (
            "objective.kl.estimator=k1 with objective.kl.where=loss penalises nothing, because its gradient has "
            "mean zero: take k2 or k3, or where=reward"
        )
    return None


def judge_pays_achievements(config: Config) -> str | None:
    """Achievements are summed; who judges understands the words of the world."""
    judge, credit, name = config.reward.judge, config.credit.name, config.reward.name
    if judge is None:
        return None
    if credit in ("min", "min_strict", "released_token_min", "clip", "clip_delta"):
        return (
            f"credit={credit} looks for the worst step, and reward={name} pays 0 for most steps and below 0 for none, "
            "so that nothing would be paid: take credit=sum"
        )
    world = isinstance(config.data, Embedded)
    if judge.who == "fitted" and not (world and isinstance(config.model, Tiny)):
        return f"reward.judge.who=fitted knows the embedded world alone: with data={config.data.name} take who=endpoint"
    if not world and (judge.subgoals is None or judge.labelled is None):
        return (
            f"reward={name} needs reward.judge.subgoals and reward.judge.labelled with data={config.data.name}: "
            "name two files of JSON lines"
        )
    return None


def pairs_can_be_made(config: Config) -> str | None:
    """A pair is a right and a wrong answer, and nothing else that is rewarded is read."""
    objective, reward, train = config.objective, config.reward, config.train
    if not isinstance(objective, Preference):
        return None
    learns = f"objective={objective.name} learns from right and wrong answers alone"
    if not reward.outcomes:
        return f"{learns}, and reward={reward.name} has none: take reward=verifiable"
    if reward.process_weight > 0:
        return f"{learns}, and reward={reward.name} also pays steps, which nobody would read: take reward=verifiable"
    if isinstance(config.advantage, Gae):
        return f"{learns}, and advantage=gae trains a critic, which nobody would ask: take advantage=rloo"
    if reward.overlong is not None:
        return f"{learns}, and reward.overlong is a part of neither: take reward.overlong=null"
    rollouts = train.prompts_per_step * train.samples_per_prompt
    if train.rollouts_per_update < rollouts:
        return (
            f"train.rollouts_per_update={train.rollouts_per_update} would part the pairs of "
            f"objective={objective.name}, which learns from all of a step's responses at once: take {rollouts}"
        )
    return None


def positives_can_be_found(config: Config) -> str | None:
    """Right answers are explained or demonstrated to somebody who knows the answer and needs one."""
    choice, objective, reward, model = config.positives, config.objective.name, config.reward, config.model
    if choice is None:
        return None
    if not reward.outcomes:
        return (
            f"objective={objective} needs answers to explain, and reward={reward.name} has none: "
            "take a reward with answers"
        )
    if config.filter.name != "none" and choice.when == "all_wrong":
        return (
            f"filter={config.filter.name} leaves out problems whose responses are all wrong, and objective={objective} "
            "explains just those: take filter=none or objective.positives.when=always"
        )
    if choice.source == "expert" and not isinstance(config.data, Embedded):
        return (
            f"objective.positives.source=expert demonstrates the embedded world, which data={config.data.name} is not: "
            "take source=explanation"
        )
    taught = model.explained.prompt if isinstance(model, Tiny) and model.explained else None
    if choice.source == "explanation" and isinstance(model, Tiny) and taught != choice.prompt:
        return (
            f"model={model.name} has not learned to be asked with the answer as in objective.positives.prompt="
            f"{choice.prompt!r}: take model=tiny_asked"
        )
    return None


def contrast_is_understood(config: Config) -> str | None:
    """Who rewards tokens by contrast knows the two ways to ask; steps are not weighed by it."""
    contrast, model, credit, reward = config.contrast, config.model, config.credit, config.reward
    if isinstance(credit, TregWeights) and reward.process_weight > 0:
        return (
            f"credit=treg_weights shares out the advantage of an answer over its tokens, and reward={reward.name} pays "
            "steps, whose returns it does not say: take reward=verifiable"
        )
    if contrast is None or not isinstance(model, Tiny):
        return None
    if model.marked is None or (contrast.better, contrast.worse) != (model.marked.better, model.marked.worse):
        return (
            f"model={model.name} has not learned what {contrast.better!r} and {contrast.worse!r} ask for: "
            "take model=tiny_asked"
        )
    return None


RULES = (
    delta_keeps_its_meaning,
    response_has_one_score,
    critic_can_know,
    macro_actions_have_values,
    reward_model_is_of_its_kind,
    tokens_have_a_baseline,
    outcomes_are_there,
    filter_can_be_met,
    penalties_act,
    judge_pays_achievements,
    pairs_can_be_made,
    positives_can_be_found,
    contrast_is_understood,
)
