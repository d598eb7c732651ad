"""The table of commands, and the one place where what went wrong becomes an exit code and a line on stderr."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup, TyperOption

from worldevents.cli import output
from worldevents.cli.commands import (
    contributions,
    demo,
    init,
    moderate,
    openapi,
    operate,
    replay,
    serve,
    standing,
    sync,
)
from worldevents.errors import WorldEventsError

FAILED = 1


class _Group(TyperGroup):
    """A group whose `--help` is a plain no where it was not given: typer loads pydantic to read any other answer."""

    def get_help_option(self, ctx: Any) -> TyperOption | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.default = False
        return option


def application(asked: str | None = None) -> typer.Typer:
    """Every command under its name; of the groups only the one that is asked for has its commands made."""
    app = _group("Community goals for games and fitness apps: every contribution counts exactly once.")
    for name, (text, fill) in GROUPS.items():
        group = _group(text)
        if asked == name:
            fill(group)
        app.add_typer(group, name=name)
    app.command()(demo.demo)
    app.command()(serve.serve)
    app.command()(init.init)
    app.command()(contributions.contribute)
    app.command()(contributions.leaderboard)
    # An amount with a minus before it is no option.
    app.command(context_settings={"ignore_unknown_options": True})(moderate.correct)
    app.command()(standing.standing)
    app.command()(replay.replay)
    app.command()(openapi.openapi)
    app.command()(sync.sync)
    app.command()(sync.reconcile)
    app.command()(operate.migrate)
    app.command()(operate.doctor)
    app.command()(operate.version)
    return app


def _events(group: typer.Typer) -> None:
    from worldevents.cli.commands import events, results

    group.command()(events.validate)
    group.command()(events.plan)
    group.command()(events.apply)
    group.command("list")(events.list_events)
    group.command()(events.show)
    group.command()(events.extend)
    group.command()(events.close)
    group.command()(events.cancel)
    group.command()(results.settle)


def _goals(group: typer.Typer) -> None:
    from worldevents.cli.commands import goals, results

    group.command("list")(goals.list_goals)
    group.command()(goals.show)
    group.command("result")(results.show_result)


def _rewards(group: typer.Typer) -> None:
    from worldevents.cli.commands import rewards

    group.command("list")(rewards.list_rewards)
    group.command()(rewards.claim)
    group.command("grant")(rewards.grant_reward)
    group.command()(rewards.revoke)
    group.command()(rewards.report)


def _tokens(group: typer.Typer) -> None:
    from worldevents.cli.commands import tokens

    group.command()(tokens.create)
    group.command("list")(tokens.list_keys)
    group.command()(tokens.revoke)


def _holds(group: typer.Typer) -> None:
    from worldevents.cli.commands import moderate

    group.command("list")(moderate.list_holds)
    group.command()(moderate.add)
    group.command()(moderate.release)
    group.command()(moderate.reject)


def _users(group: typer.Typer) -> None:
    from worldevents.cli.commands import moderate, personal

    group.command()(moderate.ban)
    group.command()(moderate.unban)
    group.command()(moderate.hide)
    group.command()(moderate.unhide)
    group.command()(personal.erase)
    group.command()(personal.export)
    group.command("list")(moderate.list_users)
    group.command()(moderate.audit)


def _webhooks(group: typer.Typer) -> None:
    from worldevents.cli.commands import webhooks

    group.command("list")(webhooks.list_endpoints)
    group.command()(webhooks.show)
    group.command()(webhooks.add)
    group.command()(webhooks.rotate)
    group.command()(webhooks.enable)
    group.command()(webhooks.disable)
    group.command()(webhooks.remove)
    group.command("test")(webhooks.send_test)
    group.command()(webhooks.deliveries)
    group.command()(webhooks.replay)
    group.command()(webhooks.report)


GROUPS = {
    "events": ("Declare seasonal events and change them while they run.", _events),
    "goals": ("See what the community goals stand at.", _goals),
    "holds": ("Decide about amounts that wait: release them, or reject them.", _holds),
    "users": ("Ban users or hide them, and take that back; see what was done about them; erase or export one.", _users),
    "rewards": ("See who was granted what, claim it, grant and revoke by hand.", _rewards),
    "token": ("Make and revoke keys: who may read, contribute and operate.", _tokens),
    "webhooks": ("Tell your servers what happens: endpoints, secrets, deliveries.", _webhooks),
}


def _group(text: str) -> typer.Typer:
    # Without rich in the help and typer's own completion options, `--help` needs neither rich nor pydantic.
    return typer.Typer(
        cls=_Group,
        help=text,
        no_args_is_help=True,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
    )


def run(arguments: Sequence[str]) -> int:
    """Run one command line; says its exit code: 0 done, 1 failed, 2 usage or changes pending."""
    as_json = "--json" in arguments
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show a name's letters shows marks in their place.
        sys.stdout.reconfigure(errors="replace")
    try:
        app = application(next(iter(arguments), None))
        code = app(list(arguments), prog_name="worldevents", standalone_mode=False)
    except WorldEventsError as error:
        output.complain(error, as_json=as_json)
        return FAILED
    except typer.TyperException as error:
        _explain_usage(error, as_json=as_json)
        return error.exit_code
    except typer.Abort:
        return FAILED
    except BrokenPipeError:
        # Who read has seen enough; what is still in the buffer has nowhere to go, and nobody to complain to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code if isinstance(code, int) else 0


def _explain_usage(error: typer.TyperException, *, as_json: bool) -> None:
    if as_json:
        output.problem({"code": "usage", "detail": error.format_message(), "retryable": False})
    else:
        show = getattr(error, "show", None)
        with contextlib.redirect_stdout(sys.stderr):
            show() if show else output.note(f"error usage: {error.format_message()}")
