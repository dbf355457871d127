"""Replay the Dockerfile's steps of one target in a clean Debian root, where no container engine runs (needs root).

    sudo python3 docker/replay.py cpu            # builds in a temporary root, proves the image, deletes the root
    sudo python3 docker/replay.py cpu --keep /var/tmp/image

The root comes from debootstrap with the release of the Dockerfile's base image. What a container engine would take
from its host comes from this one: name resolution, package sources of apt, and pip's configuration (indexes,
certificate, local wheel directories, which are mounted read-only). Nothing of that is written into the repository.
"""

import argparse
import fnmatch
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dockerfile import Instruction, build_steps

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
SUITES = {"11": "bullseye", "12": "bookworm", "13": "trixie"}
PROOFS = (
    ["--version"],
    ["validate", "studies/sapg_ablations.yaml"],
    ["run", "studies/smoke/maze.yaml"],
    ["run", "studies/smoke/maze.yaml", "--executor", "local"],
)
"""What the finished image must do, as its own user: the last command finds everything done."""


class Root:
    """A directory that becomes an image: what a container engine keeps while it builds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.user, self.workdir, self.entrypoint = "root", "/", [""]
        self.host: dict[str, str] = {}
        self._mounts: list[Path] = []

    def mount(self, source: str, *options: str) -> None:
        """Make a path of the host visible under the same name."""
        target = self.path / source.lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", *options, source, str(target)], check=True)
        self._mounts.insert(0, target)

    def unmount(self) -> None:
        """Take the host's paths away again."""
        for target in self._mounts:
            subprocess.run(["umount", "--recursive", "--lazy", str(target)], check=True)
        self._mounts = []

    def run(self, words: list[str]) -> None:
        """Run a command inside, with the image's environment, user and working directory."""
        home = "/root" if self.user == "root" else f"/home/{self.user}"
        variables = [f"{k}={v}" for k, v in {"HOME": home, **self.host, **self.environment}.items()]
        inside = ["/bin/sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", self.workdir, *words]
        chroot = ["chroot", f"--userspec={self.user}:{self.user}", str(self.path)]
        subprocess.run([*chroot, "/usr/bin/env", "-i", *variables, *inside], check=True, stdout=sys.stderr)

    def size_mb(self) -> int:
        """Megabytes, mounts left out."""
        mounts = [f"--exclude={target}" for target in self._mounts]
        return int(subprocess.check_output(["du", "-sm", *mounts, str(self.path)], text=True).split()[0])


def debootstrap(root: Root, image: str, mirror: str) -> None:
    """Fill the root with what a base image ``debian:12.x-slim`` holds."""
    name, _, tag = image.partition(":")
    if name != "debian":
        raise SystemExit(f"{image}: only Debian's images can be replayed")
    suite = SUITES.get(tag.split(".")[0].split("-")[0], tag.split("-")[0])
    subprocess.run(["debootstrap", "--variant=minbase", suite, str(root.path), mirror], check=True, stdout=sys.stderr)


def lend_host(root: Root) -> None:
    """Give the root this host's way to name servers and package registries."""
    for source in ("/proc", "/dev", "/dev/shm", "/sys"):  # Ray wants shared memory and /proc
        root.mount(source)
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", root.path / "etc" / name)
    for file in Path("/etc/apt/sources.list.d").glob("*.*"):
        if file.suffix in (".list", ".sources"):
            shutil.copy(file, root.path / "etc/apt/sources.list.d")
            (root.path / "etc/apt/sources.list").unlink(missing_ok=True)  # the host's own list takes its place
    for file in Path("/etc/apt/apt.conf.d").iterdir():
        if "Acquire::" in file.read_text():
            shutil.copy(file, root.path / "etc/apt/apt.conf.d")
    root.host = {k: v for k, v in os.environ.items() if k.lower() in ("http_proxy", "https_proxy", "no_proxy")}
    for name, value in pip_settings().items():
        if name == "PIP_CERT":
            shutil.copy(value, root.path / "etc/pip-cert.pem")
            value = "/etc/pip-cert.pem"
        root.host[name] = value
        for word in value.split():
            local = Path(word.removeprefix("file://"))
            if local.is_absolute() and local.is_dir():
                root.mount(str(local.parent if word.startswith("file:") else local), "-o", "ro")  # files lie beside it


def pip_settings() -> dict[str, str]:
    """This host's pip configuration as environment variables."""
    listed = subprocess.check_output([sys.executable, "-m", "pip", "config", "list"], text=True)
    found = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in ("global", ":env:") and not option.startswith("disable"):
            found[f"PIP_{option.upper().replace('-', '_')}"] = value.strip("'\"")
    return found


def ignored() -> list[str]:
    """Patterns of the ignore file; the plain names this project's holds."""
    lines = (HERE / "Dockerfile.dockerignore").read_text().split()
    if any("/" in line or "!" in line for line in lines):
        raise SystemExit("Dockerfile.dockerignore: only plain name patterns are understood")
    return lines


def copy(root: Root, step: Instruction) -> None:
    """``COPY`` from the repository, as BuildKit does: a directory's content, owned by root."""
    sources, destination = step.copied()
    target = root.path / str(Path(root.workdir, destination)).lstrip("/")
    patterns = ignored()
    for name in sources:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(
                source,
                target,
                dirs_exist_ok=True,
                ignore=lambda _, names: [n for n in names if any(fnmatch.fnmatch(n, p) for p in patterns)],
            )
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    subprocess.run(["chown", "--recursive", "root:root", str(target)], check=True)


def apply(root: Root, step: Instruction) -> None:
    """Carry one instruction out."""
    if step.word == "ENV":
        root.environment |= step.pairs()
    elif step.word == "RUN":
        root.run(["/bin/sh", "-c", step.text])
    elif step.word == "WORKDIR":
        root.workdir = str(Path(root.workdir, step.text))
        (root.path / root.workdir.lstrip("/")).mkdir(parents=True, exist_ok=True)
    elif step.word == "COPY":
        copy(root, step)
    elif step.word == "USER":
        root.user = step.text
    elif step.word == "ENTRYPOINT":
        root.entrypoint = step.words()


def timed(label: str, work: Callable[[], None]) -> None:
    """Run and say how long it took."""
    print(f"==> {label}", file=sys.stderr, flush=True)
    begin = time.perf_counter()
    work()
    print(f"{time.perf_counter() - begin:7.1f} s  {label}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target")
    parser.add_argument("--keep", type=Path, help="build here and keep the root")
    parser.add_argument("--mirror", default="http://deb.debian.org/debian")
    options = parser.parse_args()
    image, steps = build_steps(HERE / "Dockerfile", options.target)
    root = Root(options.keep or Path(tempfile.mkdtemp(prefix="replay-", dir="/var/tmp")))
    try:
        timed(f"FROM {image} (debootstrap)", lambda: debootstrap(root, image, options.mirror))
        root.path.chmod(0o755)
        lend_host(root)
        for step in steps:
            timed(f"line {step.line} {step.word} {step.text[:90]}", lambda step=step: apply(root, step))
        print(f"{root.size_mb():7d} MB image of target {options.target}")
        for words in PROOFS:
            timed(f"proof: {shlex.join([*root.entrypoint, *words])}", lambda w=words: root.run([*root.entrypoint, *w]))
    finally:
        root.unmount()
        if options.keep is None:
            shutil.rmtree(root.path, ignore_errors=True)


if __name__ == "__main__":
    main()
