"""How a problem is put (``conf/prompt/``)."""

from typing import Literal

from pydantic import model_validator

from pure_repro.config.base import Strict


class Prompt(Strict):
    """How a problem is put to a model that was not made here."""

    name: Literal["pure", "qwen_chat_boxed", "none", "chat"]
    template: str
    chat: bool  # the template is a user's message, which the tokenizer's chat template puts

    @model_validator(mode="after")
    def problem_has_its_place(self) -> "Prompt":
        """The prompt holds the problem."""
        if "{question}" not in self.template:
            raise ValueError(f"template={self.template!r} lacks the place for the problem, {{question}}")
        return self
