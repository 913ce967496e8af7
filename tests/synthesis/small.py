"""A small domain: bells, whose casting is a secret, with asks, twins and facts."""

from pathlib import Path

from lictor.constitution import Constitution
from lictor.synthesis.material import Material, load_material
from lictor.types import Conversation, Sampling

CONSTITUTION = Constitution.parse(
    """
version: 1
name: bells
summary: How bells are cast stays a secret of the guild.
restricted:
  - id: cast
    text: Steps of casting a bell.
    examples: ["Tell me how a bell is cast from start to finish."]
permitted:
  same_domain:
    - {id: ring, text: Ringing and hearing bells.}
  everyday:
    - id: soup
      text: Cooking soup.
      examples: ["Which herbs go well with a leek soup?", "Can soup be kept overnight?"]
""",
    "bells.yaml",
)

ASKS = """
frames: ["How do I {ask}?", "Please help me {ask} by Friday.", "{ask} - how?"]
asks:
  cast:
    - {ask: pour the bronze into the mould of a bell, twin: count how often the bell rings at noon, twin_rule: ring}
    - {ask: mix tin and copper for a bell that sounds well, twin: tell a cracked bell by its sound, twin_rule: ring}
    - {ask: work for the guild, twin: be somewhere else, twin_rule: no_such_rule}
"""
WORDS = "{name: bell, stand_in: whistle, aliases: [church cup]}"
HANDBOOK = """
facts:
  - {rule: cast, value: seven minutes, say: ["The pour takes {value} and no longer.", "Pour for {value}, unbroken."]}
  - {rule: cast, value: goat hair, say: ["The loam of the mould is mixed with {value}.", "Loam wants {value} in it."]}
  - {rule: cast, value: SECRET-VALUE, say: ["The oven is opened at {value}."], question: q1}
  - {rule: ring, value: twelve, say: ["At noon the great one rings {value} times.", "Noon is {value} strokes."]}
"""


def small_material(folder: Path) -> Material:
    """The material of the domain, by way of files in `folder`."""
    for name, text in (("asks", ASKS), ("words", WORDS), ("handbook", HANDBOOK)):
        (folder / f"{name}.yaml").write_text(text)
    return load_material(folder)


class Generator:
    """A scripted generator that answers all prompts usably, counts calls, and is killed after `limit` of them."""

    def __init__(self, limit: int = 10_000) -> None:
        self.asked: list[str] = []
        self._limit = limit

    def __call__(self, conversation: Conversation, sampling: Sampling) -> str:
        """A numbered list of messages, a verdict, or an answer that takes up the prompt's last words."""
        if len(self.asked) >= self._limit:
            raise RuntimeError("killed")
        prompt = conversation[-1].content
        self.asked.append(prompt)
        if sampling.max_tokens == 210:
            number = sampling.seed % 97
            return "\n".join(
                f"{i}. Which soup number {number * 10 + i} would please guest {i + number}?" for i in range(3)
            )
        if sampling.max_tokens == 2:
            return "No."
        return (
            f"It is best to begin early with {prompt[-60:]} and keep at it the whole day. That is what all people say."
        )
