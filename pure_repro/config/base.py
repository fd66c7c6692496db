"""What every group of the schema is built from: numbers with a range, the strict group, a supervised fit."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Rate = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


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
