"""A project's own scorers as guards by themselves, each fitted to the budget that the guard keeps.

In: a project, its examples, its guard, the name of a part. Out: a guard. So the parts of a cascade can be measured side
by side: each stops what it can at the same price in false positives.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

from lictor.assemble import Guard as GuardFolder
from lictor.errors import UsageError
from lictor.guard.guard import Guard
from lictor.pipeline.baselines import fitted
from lictor.pipeline.config import Project
from lictor.pipeline.probing import probe_folder
from lictor.pipeline.stages import read_inputs
from lictor.types import Example

PartName = Literal["prompt_only", "output_only", "exchange_only", "unescalated", "probe"]
PART_NAMES: tuple[PartName, ...] = get_args(PartName)


def parts_in(project: Project, guard: Guard) -> tuple[PartName, ...]:
    """Those that `guard` has, and the probe where one was made."""
    exchange: tuple[PartName, ...] = ("exchange_only", "unescalated") if guard.exchange_scorer else ()
    probe: tuple[PartName, ...] = ("probe",) if probe_folder(project).is_dir() else ()
    return ("prompt_only", "output_only", *exchange, *probe)


def part_guard(name: PartName, project: Project, examples: Sequence[Example], guard: Guard) -> Guard:
    """The part called `name`: one scorer alone, the guard without its exchange scorer, or the one with a probe.

    Raises:
        UsageError: The guard has no such part.
        ArtifactError: The probe's folder is damaged.
        CalibrationError: No threshold fits the budget.
    """
    if name not in parts_in(project, guard):
        how = "run `lictor probe`" if name == "probe" else "set training.exchange in lictor.yaml"
        raise UsageError(f"{project.folder}: expected a guard that has {name}, got one without; {how}")
    policy = replace(guard.policy, cascade=None)
    match name:
        case "prompt_only":
            made = Guard(guard.input_scorer, None, replace(policy, unreadable="pass"))
        case "output_only":
            made = Guard(None, guard.stream_scorer, policy)
        case "exchange_only":
            made = Guard(None, guard.exchange_scorer, policy)
        case "unescalated":
            made = Guard(guard.input_scorer, guard.stream_scorer, policy)
        case "probe":
            return GuardFolder.load(probe_folder(project))
    return fitted(made, project, read_inputs(project), examples)
