"""Run compose.yaml's services as local processes and a study through them, where no container engine runs.

    python docker/services_check.py

PostgreSQL (initdb, postgres, psql) and psycopg2-binary must be installed. What stands in for a container: service names
resolve to this machine, published ports become free ones, the volume ``runs`` becomes a temporary directory. Commands,
environment variables and health checks are compose.yaml's own.
"""

import argparse
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

HERE = Path(__file__).resolve().parent
STUDY = HERE.parent / "studies/smoke/maze.yaml"
PORTS = ("5432", "5000", "6379", "8265")
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


class Stand:
    """The compose file with its names, ports and volume moved to this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {port: str(free_port()) for port in PORTS}
        self.secrets = {"POSTGRES_PASSWORD": secrets.token_hex(16), "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.services: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "compose.yaml").read_text())["services"]

    def __call__(self, text: str) -> str:
        """Interpolate as compose does, then translate to this machine."""
        text = _VARIABLE.sub(lambda m: self.secrets.get(m[1], m[3] if m[2] == "-" else ""), text).replace("$$", "$")
        names, known = "|".join(self.services), "|".join(PORTS)
        text = re.sub(rf"\b(?:{names})(?=:(?:{known})\b)", "127.0.0.1", text)
        for port, free in self.ports.items():
            text = re.sub(rf"(?<=[:=]){port}\b", free, text)
        return text.replace("/runs", str(self.folder / "runs")).replace("studies/smoke/maze.yaml", str(STUDY))

    def command(self, service: str) -> list[str]:
        """Entrypoint and command."""
        one = self.services[service]
        return [self(word) for word in (*one.get("entrypoint", []), *one["command"])]

    def environment(self, service: str) -> dict[str, str]:
        """The service's variables on top of this process's; Ray keeps its files in our folder."""
        own = {name: self(str(value)) for name, value in self.services[service].get("environment", {}).items()}
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**os.environ, "PATH": programs, "RAY_TMPDIR": str(self.folder), "RAY_USAGE_STATS_ENABLED": "0", **own}

    def wait_until_healthy(self, service: str) -> None:
        """Run the health check until it passes, or say that it never did."""
        check = self.services[service]["healthcheck"]["test"]
        words = [self(word) for word in check[1:]]
        words = ["sh", "-c", words[0]] if check[0] == "CMD-SHELL" else words
        environment = {**self.environment(service), "PGPORT": self.ports["5432"], "PGHOST": "127.0.0.1"}
        for _ in range(120):
            if subprocess.run(words, env=environment, capture_output=True).returncode == 0:
                print(f"{service}: healthy", flush=True)
                return
            time.sleep(1)
        raise SystemExit(f"{service} never became healthy; see {self.folder / service}.log")


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def start(stand: Stand, service: str, words: list[str], stack: ExitStack) -> None:
    """Start a service in a process group of its own and end the group with the stack."""
    log = (stand.folder / f"{service}.log").open("w")
    process = subprocess.Popen(
        words, env=stand.environment(service), cwd=stand.folder, stdout=log, stderr=log, start_new_session=True
    )

    def stop() -> None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)

    stack.callback(stop)


def wait_for(log: Path, sentence: str) -> None:
    """Wait until a log holds a sentence."""
    for _ in range(120):
        if sentence in log.read_text():
            return
        time.sleep(0.5)
    raise SystemExit(f"{log} never said: {sentence}")


def end_leftovers(folder: Path) -> None:
    """End what ``ray start`` of the driver left running, as the end of its container would; known by our folder."""
    left = [one for one in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(one.info["cmdline"] or ())]
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()


def start_postgres(stand: Stand, stack: ExitStack) -> None:
    """What the image's entrypoint does: a cluster with the given user, password and database."""
    variables = {name: stand(value) for name, value in stand.services["postgres"]["environment"].items()}
    data, password = stand.folder / "postgres", stand.folder / "password"
    password.write_text(variables["POSTGRES_PASSWORD"])
    data.mkdir()
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        for path in (data, password):
            shutil.chown(path, "postgres", "postgres")
    user = variables["POSTGRES_USER"]
    initdb = ["initdb", f"--pgdata={data}", f"--username={user}", f"--pwfile={password}", "--auth=scram-sha-256"]
    subprocess.run([*as_user, *initdb], check=True, stdout=subprocess.DEVNULL)
    port = stand.ports["5432"]
    start(stand, "postgres", [*as_user, "postgres", "-D", str(data), "-p", port, "-k", str(data)], stack)
    for _ in range(60):
        if query(stand, "select 1", database="postgres") == "1":
            break
        time.sleep(0.5)
    query(stand, f"create database {variables['POSTGRES_DB']}", database="postgres")


def query(stand: Stand, sql: str, database: str = "mlflow") -> str:
    """One value out of PostgreSQL, over the network and with the password."""
    words = ["psql", "-h", "127.0.0.1", "-p", stand.ports["5432"], "-U", "mlflow", "-d", database, "-Atc", sql]
    environment = {**os.environ, "PGPASSWORD": stand.secrets["POSTGRES_PASSWORD"]}
    return subprocess.run(words, env=environment, capture_output=True, text=True).stdout.strip()


def drive(stand: Stand) -> None:
    """The driver service: the study, then the same again, which must find nothing to do."""
    for attempt in ("first", "second"):
        begin = time.perf_counter()
        done = subprocess.run(
            stand.command("driver"), env=stand.environment("driver"), cwd=HERE.parent, capture_output=True, text=True
        )
        print(f"driver, {attempt} run: exit status {done.returncode} after {time.perf_counter() - begin:.0f} s")
        if done.returncode:
            raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
        if attempt == "second" and "Nothing to train" not in done.stdout:
            raise SystemExit("the second run trained again:\n" + done.stdout[-3000:])


def check_mirror(stand: Stand) -> None:
    """Every cell's run is finished, as the server tells it and as PostgreSQL holds it."""
    cells = [json.loads(path.read_text()) for path in stand.folder.glob("runs/cells/*/status.json")]
    finished = query(stand, "select count(*) from runs where status = 'FINISHED'")
    points = query(stand, "select count(*) from metrics")
    with urllib.request.urlopen(f"http://127.0.0.1:{stand.ports['5000']}/version", timeout=10) as answer:
        version = answer.read().decode()
    print(
        f"MLflow {version}: {finished} finished runs and {points} points in PostgreSQL; {len(cells)} cells in the store"
    )
    if {one["state"] for one in cells} != {"DONE"} or finished != str(len(cells) + 1) or int(points) < len(cells):
        raise SystemExit("the mirror does not hold one finished run per cell and one for the study")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="svc-", dir="/tmp"))  # Ray's sockets need a short path
    folder.chmod(0o755)
    (folder / "runs").mkdir()
    stand = Stand(folder)
    try:
        with ExitStack() as stack:
            stack.callback(end_leftovers, folder)
            start_postgres(stand, stack)
            stand.wait_until_healthy("postgres")
            for service in ("mlflow", "ray-head"):
                start(stand, service, stand.command(service), stack)
            for service in ("mlflow", "ray-head"):
                stand.wait_until_healthy(service)
            for number in range(options.workers):
                start(stand, "ray-worker", stand.command("ray-worker"), stack)
                wait_for(stand.folder / "ray-worker.log", "Ray runtime started")  # two at once would mix their files
                print(f"ray-worker {number + 1}: joined", flush=True)
            drive(stand)
            check_mirror(stand)
    except BaseException:
        print(f"logs are kept in {folder}", file=sys.stderr)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    print("all services did their part")


if __name__ == "__main__":
    main()
