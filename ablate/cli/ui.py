"""``ablate ui``: the MLflow UI on the right store."""

import os
import socket
import subprocess

import click

from ablate.cli.inputs import takes_store
from ablate.errors import InfrastructureError
from ablate.store import Store


@click.command()
@takes_store
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--dry-run", is_flag=True, help="Print the command instead of running it.")
def command(store: Store, host: str, port: int, dry_run: bool) -> int:
    """Open the MLflow UI on the right store; Ctrl-C ends it."""
    from ablate.tracking import server_command, tracking_uri

    uri = tracking_uri(store.home)
    if uri.startswith("http"):
        click.echo(f"MLFLOW_TRACKING_URI names a server that runs already: {uri}")
        return 0
    line, environment = server_command(store.home, uri, host, port)
    if dry_run:
        click.echo(" ".join(line))
        return 0
    with socket.socket() as probe:
        # As the server will do it; else a port in the state TIME_WAIT would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InfrastructureError(
                f"{host}:{port}: {os.strerror(error.errno or 0)}. Choose another --port."
            ) from None
    click.echo(f"MLflow  http://{host}:{port}  on {uri}")
    try:
        return subprocess.run(line, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0
