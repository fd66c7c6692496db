"""A judge behind an OpenAI-compatible endpoint: one greedy reply to each prompt, within its time."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from pure_repro.config import Judge
from pure_repro.models.served import NoReply, ask


def endpoint(judge: Judge) -> Callable[[Sequence[str]], list[str | NoReply]]:
    """A model behind ``url``; in the place of a reply that did not come stands the reason."""
    url = f"{str(judge.url).rstrip('/')}/chat/completions"

    def reply(prompt: str) -> str | NoReply:
        """What the model says to one prompt."""
        body = {
            "model": judge.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": judge.max_new_tokens,
        }
        try:
            said: str = ask(url, body, judge.timeout)["choices"][0]["message"]["content"]
            said.encode()  # half a surrogate is no text
        except NoReply as reason:
            return reason
        except (LookupError, TypeError, AttributeError, UnicodeError) as error:
            return NoReply(f"a reply of another shape ({type(error).__name__}: {error})")
        return said

    def replies(prompts: Sequence[str]) -> list[str | NoReply]:
        """All prompts, ``at_once`` of them at a time."""
        with ThreadPoolExecutor(judge.at_once) as pool:
            return [*pool.map(reply, prompts)]

    return replies
