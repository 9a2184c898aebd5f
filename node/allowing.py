"""`potluck node allow-app`: what the owner is shown and asked before somebody else's code may run here."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import typer

from node import apps
from shared import apps as folders
from shared.errors import OwnerMustAct

WARNING = (
    "Its code will run on this PC with your rights when a run of your group asks for it: it can read your files, and "
    "what it returns goes to the host. Allow it only if you have read it or trust who wrote it."
)


def allow_app(home: Path, folder: Path | None, config: list[str], forget: str, *, yes: bool, as_json: bool) -> None:
    """List, take back, or ask and allow. Raises OwnerMustAct."""
    if forget:
        if not apps.forget(home, forget):
            raise OwnerMustAct(f"No app whose digest begins with {forget!r} is allowed on this PC.")
        typer.echo("It is no longer allowed.")
    elif folder is None:
        _show(apps.listed(home), as_json=as_json)
    else:
        settings = apps.settings(config)
        app = folders.read(folder)
        typer.echo(f"{app.name}: {len(app.files)} files, digest {app.digest}", err=as_json)
        for name in app.files:
            typer.echo(f"  {name}", err=as_json)
        typer.echo(WARNING, err=as_json)
        if not yes and not typer.confirm("Allow exactly these files?", default=False, err=as_json):
            raise OwnerMustAct("Nothing was allowed.")
        allowed = apps.allow(home, folder, app, settings, datetime.now().astimezone())
        if as_json:
            typer.echo(json.dumps({"name": allowed.app.name, "digest": allowed.app.digest}))
        else:
            typer.echo("Allowed. A changed folder has another digest and must be allowed anew.")


def _show(listed: list[dict[str, object]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(listed))
    elif not listed:
        typer.echo("No Flower app is allowed on this PC.")
    for app in () if as_json else listed:
        typer.echo(f"{app['name']}  {app['digest']}  since {app['at']}")
