"""Write docs/results.md from docs/results.json.

In: the results file. Out: the page. Run it after any measurement: `python benchmarks/render_results.py`.
"""

from pathlib import Path

from lictor.artifacts import write_atomic
from lictor.evaluation.results import read, render

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    """Write the page and say where."""
    write_atomic(DOCS / "results.md", render(read(DOCS / "results.json")))
    print(DOCS / "results.md")


if __name__ == "__main__":
    main()
