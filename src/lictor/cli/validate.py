"""`lictor validate`: can this constitution be read, and is it one a guard can be made from?

In: a file. Out: errors with their lines, lint findings, and an exit code.
"""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lictor.cli.output import JsonOption, say, say_error, say_json
from lictor.errors import ConstitutionError

if TYPE_CHECKING:
    from lictor.constitution import Constitution, Finding


def validate(
    path: Annotated[Path, typer.Argument(help="The constitution, or the folder that holds constitution.yaml.")] = Path(
        "constitution.yaml"
    ),
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a constitution: first that it can be read, then its wording and its balance.

    Exit code 0: no error (with --strict: no finding at all). 1: it can be read, but a check failed.
    2: it cannot be read as a constitution.
    """
    from lictor.constitution import Constitution, lint

    file = path / "constitution.yaml" if path.is_dir() else path
    try:
        constitution = Constitution.load(file)
    except ConstitutionError as error:
        if as_json:
            say_json({"path": str(file), "valid": False, "errors": str(error).splitlines(), "findings": []})
        else:
            for line in str(error).splitlines():
                say_error(line)
        raise typer.Exit(error.exit_code) from error
    findings = lint(constitution)
    valid = not any(strict or finding.severity == "error" for finding in findings)
    if as_json:
        found = [asdict(finding) for finding in findings]
        say_json({"path": str(file), "valid": valid, "errors": [], "findings": found, **_summary(constitution)})
    else:
        _print(file, constitution, findings)
    if not valid:
        raise typer.Exit(1)


def _summary(constitution: "Constitution") -> dict[str, object]:
    return {
        "name": constitution.name,
        "fingerprint": constitution.fingerprint,
        "rules": dict(Counter(rule.bucket for rule in constitution.rules)),
    }


def _print(file: Path, constitution: "Constitution", findings: "list[Finding]") -> None:
    for finding in findings:
        say(f"{file}:{finding.line}: {finding.severity}: {finding.message} [{finding.code}]")
    severities = Counter(finding.severity for finding in findings)
    say(
        f"{constitution.name}: {len(constitution.restricted)} restricted and {len(constitution.permitted)} permitted "
        f"rules, {severities['error']} errors, {severities['warning']} warnings; "
        f"fingerprint {constitution.fingerprint}"
    )
