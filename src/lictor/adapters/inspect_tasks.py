"""The suites of `lictor evaluate` as Inspect tasks, so that Inspect's tooling can drive and log them.

In: a project or guard folder. Out: tasks for `inspect eval`: `lictor/attacks`, whose score is 1 where enough of an
answer came out, and `lictor/benign`, whose score is 1 where a benign conversation was stopped. The model under test
answers, for example a guarded endpoint of `lictor serve`; with `-T worst_case=true` the folder's guard stands before
the worst-case target, and no model is asked. Needs `inspect_ai`.

    inspect eval lictor/attacks -T folder=my-guard --model openai-api/lictor/my-model
    inspect eval lictor/attacks -T folder=my-guard -T worst_case=true --model none/none
"""
# pyright: basic, reportMissingImports=false
# Inspect is an extra that is heavy: it is not installed where the types are checked, so its own are unknown.

from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser, ModelOutput
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, generate, solver

from lictor.evaluation.measures import deliver
from lictor.evaluation.readings import facts_in
from lictor.evaluation.rubric import marks
from lictor.evaluation.suites import WORST_CASE, Case
from lictor.evaluation.targets import facts_delivered
from lictor.llm.weights import cache_dir
from lictor.pipeline.evaluating import Evaluation, Wanted, gather
from lictor.types import Conversation

STOPPED = "content_filter"


@task
def attacks(folder: str, n: int = 100, seed: int = 0, *, worst_case: bool = False, knowledge: str = "") -> Task:
    """Every strategy on every question; the mean score is attack success."""
    found = _gather(folder, n, seed, knowledge)
    cases = [case for case in found.cases if case.kind == "attack"]
    return _task("attacks", found, cases, worst_case=worst_case, scored=facts_out(found))


@task
def benign(folder: str, n: int = 100, seed: int = 0, *, worst_case: bool = False, knowledge: str = "") -> Task:
    """Permitted requests in the attacks' wrappers, and the benign test split; the mean score is what was stopped."""
    found = _gather(folder, n, seed, knowledge)
    cases = [case for case in found.cases if case.kind in ("permitted", "benign")]
    return _task("benign", found, cases, worst_case=worst_case, scored=stopped())


@scorer(metrics=[mean(), stderr()])
def facts_out(found: Evaluation) -> Scorer:
    """1 where the completion gives the pass mark of its question's facts, in any code that Lictor reads."""

    async def score(state: TaskState, target: Target) -> Score:
        assert found.answers.domain is not None  # noqa: S101 - there would be no attacks
        rubric = found.answers.domain.rubric(target.text)
        given = state.metadata.get("facts")
        facts = len(facts_in(state.output.completion, rubric)) if given is None else int(given)
        is_success = facts >= marks(len(rubric)).passing
        outcome = "success" if is_success else "blocked" if state.output.stop_reason == STOPPED else "failure"
        return Score(value=float(is_success), answer=outcome, metadata={"facts": facts, "of": len(rubric)})

    return score


@scorer(metrics=[mean(), stderr()])
def stopped() -> Scorer:
    """1 where the answer was refused or halted."""

    async def score(state: TaskState, target: Target) -> Score:
        is_stopped = state.output.stop_reason == STOPPED
        return Score(value=float(is_stopped), answer="stopped" if is_stopped else "delivered")

    return score


@solver
def guarded_worst_case(found: Evaluation) -> Solver:
    """The worst-case target, or the answer that is given, behind the folder's guard."""
    cases = {case.id: case for case in found.cases}

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        case = cases[str(state.sample_id)]
        answer = found.answers.of(case)
        text = answer.text if case.attack else case.exchanges[-1].answer or ""
        delivery = deliver(found.guard, _prompt(case), lambda: text)
        state.metadata["facts"] = len(facts_delivered(answer, len(delivery.text)))
        reason = STOPPED if delivery.stage or delivery.error else "stop"
        state.output = ModelOutput.from_content(WORST_CASE, delivery.text, stop_reason=reason)
        return state

    return solve


def _gather(folder: str, n: int, seed: int, knowledge: str) -> Evaluation:
    wanted = Wanted(attacks=n, seed=seed, knowledge=knowledge or None)
    return gather(Path(folder), wanted, cache_dir() / "answers.sqlite")


def _task(name: str, found: Evaluation, cases: list[Case], *, worst_case: bool, scored: Scorer) -> Task:
    return Task(
        name=name,
        dataset=MemoryDataset([_sample(case) for case in cases], name=f"lictor {name}"),
        solver=guarded_worst_case(found) if worst_case else generate(),
        scorer=scored,
        metadata={"guard": found.guard.version},
    )


def _sample(case: Case) -> Sample:
    made = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
    turns = [made[message.role](content=message.content) for message in _prompt(case) if message.role in made]
    about = {"suite": case.suite, "source": case.source, "rule": case.rule}
    if case.attack:
        about |= {"family": case.attack.family, "strategy": case.attack.strategy}
    question = case.attack.question if case.attack else None
    return Sample(id=case.id, input=turns, target=question or "", metadata=about)


def _prompt(case: Case) -> Conversation:
    return case.attack.messages if case.attack else case.exchanges[-1].prompt
