"""All commands, under one name."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from anchor_uploads import __version__
from anchor_uploads.cli._streams import say
from anchor_uploads.cli.demo import demo
from anchor_uploads.cli.doctor import doctor
from anchor_uploads.cli.into_page import attach, drop
from anchor_uploads.cli.serve import serve
from anchor_uploads.cli.session import session
from anchor_uploads.cli.upload import upload

__all__ = ["app"]


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="The API key is read from ANCHORBROWSER_API_KEY, never from the command line: there everyone on the machine "
    "could read it, and the shell would keep it in its history. Exit status: 0 done, 1 something failed, 2 not "
    "understood, 3 not authorised, 4 no such session, 130 interrupted.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def app() -> None:
    """Put files into Anchor Browser sessions, and into the pages there."""


@app.command()
@click.argument("shell", type=click.Choice(["bash", "fish", "zsh"]))
def completion(shell: str) -> None:
    """Print a script for your shell's completion.

    \b
    bash:  eval "$(anchor-uploads completion bash)"    in ~/.bashrc
    zsh:   eval "$(anchor-uploads completion zsh)"     in ~/.zshrc
    fish:  anchor-uploads completion fish > ~/.config/fish/completions/anchor-uploads.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    say(made(app, {}, "anchor-uploads", "_ANCHOR_UPLOADS_COMPLETE").source())


_COMMANDS: tuple[click.Command, ...] = (upload, attach, drop, session, serve, doctor, demo)
for _command in _COMMANDS:
    app.add_command(_command)
