"""`lictor`: every verb, and what its errors look like in a shell.

In: arguments. Out: exit codes: 0 done, 1 a gate or a check failed, 2 wrong use, 130 interrupted. A new verb is
a file with a function, and one line here. Verbs import what is heavy inside their functions, so that
`lictor --help` answers at once.
"""

import sys
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from typing import Annotated, ParamSpec

import typer

from lictor.cli import (
    adapt,
    arena,
    audit,
    augment,
    calibrate,
    chat,
    check,
    demo,
    doctor,
    evaluate,
    export,
    generate,
    import_set,
    init,
    probe,
    redteam,
    report,
    run,
    serve,
    validate,
)
from lictor.cli.output import say_error
from lictor.errors import LictorError

INTERRUPTED = 130
Args = ParamSpec("Args")

app = typer.Typer(
    name="lictor",
    help="Turn a written constitution into a working guard for a language model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("lictor"))
        raise typer.Exit


@app.callback()
def main(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Turn a written constitution into a working guard for a language model."""


def report_errors(verb: Callable[Args, None]) -> Callable[Args, None]:
    """`verb`, with Lictor's errors and interrupts turned into messages and exit codes."""

    @wraps(verb)
    def run(*args: Args.args, **kwargs: Args.kwargs) -> None:
        try:
            verb(*args, **kwargs)
            sys.stdout.flush()  # a closed pipe shows here, where typer ends quietly, and not at exit
        except LictorError as error:
            say_error(str(error))
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt:
            say_error("interrupted; every artefact that was finished is kept: run the same command again to go on")
            raise typer.Exit(INTERRUPTED) from None

    return run


app.command("init")(report_errors(init.init))
app.command("validate")(report_errors(validate.validate))
app.command("doctor")(report_errors(doctor.doctor))
app.command("generate")(report_errors(generate.generate))
app.command("import")(report_errors(import_set.import_command))
app.command("augment")(report_errors(augment.augment_command))
app.command("audit")(report_errors(audit.audit_command))
app.command("probe")(report_errors(probe.probe))
app.command("redteam")(report_errors(redteam.redteam))
app.command("run")(report_errors(run.run))
app.command("adapt")(report_errors(adapt.adapt_command))
app.command("calibrate")(report_errors(calibrate.calibrate))
app.command("evaluate")(report_errors(evaluate.evaluate))
app.command("export")(report_errors(export.export))
app.command("report")(report_errors(report.report))
app.command("check")(report_errors(check.check))
app.command("chat")(report_errors(chat.chat))
app.command("serve")(report_errors(serve.serve))
app.command("demo")(report_errors(demo.demo))
app.add_typer(arena.build(report_errors), name="arena")
