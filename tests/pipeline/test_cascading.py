"""A project with an exchange scorer: one more head, a cascade, and a guard that escalates."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lictor.artifacts import read_manifest
from lictor.assemble import Guard, read_policy, save_guard
from lictor.cli.main import app
from lictor.constitution import Constitution
from lictor.dataset.store import read_dataset
from lictor.errors import ArtifactError, CalibrationError
from lictor.evaluation.ahead import Exchange
from lictor.model.backbone import Cut
from lictor.model.exchange import ExchangeScorer
from lictor.pipeline.adapting import Case, adapt
from lictor.pipeline.calibrating import cascade_of, points_of
from lictor.pipeline.card import guard_card
from lictor.pipeline.cascading import CASCADE, answers_of, fit_on, read_cascade
from lictor.pipeline.config import Project, load_project
from lictor.pipeline.parts import part_guard
from lictor.pipeline.probing import ProbeSettings, make_probe, probe_folder
from lictor.pipeline.scoring import Item, trace_all
from lictor.pipeline.stages import head_kinds, plan, run, scorers_of, stands
from lictor.pipeline.standing import StageReport
from lictor.testing import ask
from lictor.types import Cascade, Message, Policy

from .small import change_settings, made_of, quiet

SUMMED = Cascade(0.0, 0.0, weight=0.5, scale=1.0, shift=0.0)


@pytest.fixture(scope="module")
def escalating(finished: tuple[Project, list[StageReport]], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished project with an exchange scorer, all scorers made of little."""
    folder = tmp_path_factory.mktemp("escalating") / "bells"
    shutil.copytree(finished[0].folder, folder)
    training = {"exchange": True, "budget_tokens": 20_000}
    project = change_settings(load_project(folder), training=training, policy={"compute": 4.0})
    run(project, quiet)
    return project


def test_an_exchange_scorer_is_one_more_head(copy: Project, escalating: Project) -> None:
    """The others stand as they were; so does everything in a second run."""
    wanted = change_settings(copy, training={"exchange": True})

    assert [r.stage for r in plan(wanted) if r.is_new] == ["exchange", "traces", "policy", "guard"]
    assert [report.is_new for report in run(escalating, quiet)] == [False] * 7
    assert set(read_manifest(escalating.guard).parents) == {"policy", "input", "stream", "exchange"}


def test_the_guard_escalates_as_it_was_fitted(escalating: Project) -> None:
    """Policy, report and card agree; an answer that looks suspicious is read by the exchange scorer."""
    project = escalating
    policy = read_policy(project.guard / "policy.json")
    fitted = read_cascade(next(project.runs.glob("traces-*/" + CASCADE)).parent)

    assert fitted is not None
    assert policy.cascade == fitted.cascade
    assert json.loads(json.dumps(policy.fitted_on["cascade"]))["compute"] == fitted.compute <= 4.0
    told = f"{fitted.compute:.2f} times" if fitted.cascade else "added nothing"
    assert told in (project.guard / "README.md").read_text().replace("\n", " ")
    guard = Guard.load(project.guard)
    assert isinstance(guard.exchange_scorer, ExchangeScorer)


def test_another_compute_fits_the_cascade_anew(escalating: Project, tmp_path: Path) -> None:
    """And trains nothing."""
    shutil.copytree(escalating.folder, tmp_path / "bells")

    cheaper = change_settings(load_project(tmp_path / "bells"), policy={"compute": 1.2})

    assert [report.stage for report in plan(cheaper) if report.is_new] == ["traces", "policy", "guard"]


def test_a_trace_says_what_the_guard_does(escalating: Project) -> None:
    """The score that thresholds are fitted on is the guard's own of an escalated answer, but for rounding."""
    guard = Guard.load(escalating.guard)
    talk = (*ask("How do I warm the old bell?"), Message("assistant", "Take the small one by the river. " * 6))
    for escalation in (-99.0, 99.0):
        cascade = replace(guard.policy.cascade or SUMMED, prompt_escalation=99.0, answer_escalation=escalation)
        guard.policy = Policy(99.0, 99.0, debounce=2, cascade=cascade)
        [trace] = trace_all(guard, [Item("a", talk, "x", "everyday", is_restricted=False)])
        decision = guard.check(talk)

        assert decision.escalated == (escalation < 0)
        assert decision.score == pytest.approx(max(trace.prompt_score, trace.answers[0].peak), abs=1e-3)


@pytest.mark.parametrize(
    ("restricted", "label", "answers"),
    [(False, 0, ["Yes?", "Stir."]), (True, 1, ["Stir."]), (True, 0, []), (True, None, [])],
)
def test_a_cascade_is_fitted_on_answers_whose_label_is_known(
    restricted: bool, label: int | None, answers: list[str]
) -> None:
    """What came before a restricted answer is not restricted, nor is the refusal of a restricted request."""
    talk = (*ask("Hello"), Message("assistant", "Yes?"), *ask("How is it cast?"), Message("assistant", "Stir."))
    item = Item("a", talk, "x", "everyday", restricted, label)

    assert [exchange.answer for exchange in answers_of(item)] == answers
    assert answers_of(replace(item, conversation=talk[:-1])) == ([Exchange(talk[:1], "Yes?")] if not restricted else [])


def test_answers_that_a_scorer_cannot_read_are_counted(escalating: Project) -> None:
    """They choose nothing, and the guard's card says how many they were."""
    folders = stands(escalating)
    scorers = scorers_of(escalating, {kind: folders[kind] for kind in head_kinds(escalating)})
    told = [(f"How is bell {n} cast?", f"Melt {n} old ones.", bool(n % 2)) for n in range(8)]
    items = [
        Item(asked, (*ask(asked), Message("assistant", said)), "x", "everyday", restricted, int(restricted))
        for asked, said, restricted in [*told, ("Ring! " * 30_000, "No.", False)]
    ]

    report = fit_on(scorers, items, debounce=2, compute=4.0)

    assert report is not None
    assert (report.n_benign, report.n_restricted, report.n_unread) == (4, 4, 1)
    fitted_on = read_policy(escalating.guard / "policy.json").fitted_on
    rules = Constitution.load(escalating.folder / "constitution.yaml")
    for cascade in (report.cascade, None):
        fitted = {**fitted_on, "cascade": asdict(replace(report, cascade=cascade))}
        assert "Not counted: 1 that a scorer cannot read." in guard_card(rules, fitted, {})


def test_calibrate_says_when_answers_are_escalated(escalating: Project) -> None:
    """Levels, weights and costs as in the guard's policy; what budgets would buy is for answers read so."""
    fitted = cascade_of(escalating)
    [point] = points_of(escalating, [0.4])
    policy = read_policy(escalating.guard / "policy.json")

    assert fitted is not None
    assert point.fit is not None
    assert fitted.cascade == policy.cascade == point.fit.policy.cascade
    as_json = CliRunner().invoke(app, ["calibrate", str(escalating.folder), "--budget", "0.4", "--json"])
    shown = CliRunner().invoke(app, ["calibrate", str(escalating.folder), "--budget", "0.4"])
    told = json.loads(as_json.stdout)
    assert told["cascade"] == json.loads(json.dumps(asdict(fitted)))
    assert told["points"][0]["prompt_weight"] == policy.prompt_weight
    if policy.cascade is None:
        assert "no answer is escalated" in shown.stdout
    else:
        assert f"{policy.cascade.weight:g} (chosen)" in shown.stdout
        assert f"a prompt of {policy.cascade.prompt_escalation:.3f} or more" in shown.stdout
        assert f"an answer token of {policy.cascade.answer_escalation:.3f} or more" in shown.stdout


def test_parts_are_fitted_as_their_guard_was(copy: Project) -> None:
    """To the same promise, and on the same conversations: one of the user's own cannot promise for all of them."""
    guard, data = Guard.load(copy.guard), read_dataset(next(copy.runs.glob("data-*")))
    assert part_guard("output_only", copy, data, guard).policy.fitted_on["promise"] == "mean"

    (copy.folder / "own.jsonl").write_text('{"prompt": "Soup?", "response": "With leek."}\n')
    project = change_settings(copy, policy={"promise": "every_source"}, benign=[{"path": "own.jsonl", "source": "own"}])

    with pytest.raises(CalibrationError, match="pool:own: 1"):
        part_guard("output_only", project, data, guard)


@pytest.mark.slow
def test_a_probe_and_an_adapted_guard_keep_the_exchange_scorer(escalating: Project, tiny: str, tmp_path: Path) -> None:
    """A probe escalates to it, with a cascade of its own; a case learnt is learnt by it too."""
    shutil.copytree(escalating.folder, tmp_path / "bells")
    project = load_project(tmp_path / "bells")
    before = made_of(project)["guard"]

    make_probe(project, ProbeSettings(tiny, layers=(2,)), quiet)
    talk = (*ask("How is the silver bell cast?"), Message("assistant", "Melt the old one in winter."))
    adapt(project, [Case(talk, "cast", is_restricted=True)], tmp_path / "adapted", quiet)

    assert Guard.load(probe_folder(project)).exchange_scorer is not None
    assert set(read_manifest(probe_folder(project)).parents) == {"policy", "input", "exchange", "probe"}
    assert [path.name for path in project.runs.glob("adapted-exchange-*")]
    assert made_of(project)["guard"] == before


def test_a_guard_whose_policy_escalates_to_nobody_does_not_load(escalating: Project, tiny: str, tmp_path: Path) -> None:
    """The file is missing, or the policy is not one that could ever escalate."""
    heads = {kind: next(escalating.runs.glob(f"{kind}-*")) / "head.safetensors" for kind in ("input", "stream")}

    def saved(name: str, cascade: Cascade) -> Path:
        save_guard(
            tmp_path / name,
            reference=tiny,
            cut=Cut(2, 3),
            precision="fp32",
            window=1,
            heads=heads,  # pyright: ignore[reportArgumentType] -- names of heads
            policy=Policy(0.0, 0.0, cascade=cascade),
            constitution_text="version: 1\n",
            card="# Guard\n",
            key="0123456789abcdef",
            parents={},
        )
        return tmp_path / name

    with pytest.raises(ArtifactError, match=r"expected exchange\.safetensors"):
        Guard.load(saved("one", SUMMED))
    with pytest.raises(ArtifactError, match=r"weight in 0\.\.1"):
        read_policy(saved("two", replace(SUMMED, weight=2.0)) / "policy.json")
