"""Gets the outside suites and keeps them in a folder outside the repository (~/.cache/weir-tests, or WEIR_TEST_CACHE).

redis-py comes as sdist from PyPI (pinned by version and hash) into a virtual environment; Redis's own Tcl suite comes
as Debian's source package, through a private apt configuration: nothing of the system is changed. Unavailable() says
why a suite cannot be had; its runs are then skipped with that reason.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

REDIS_PY = "8.1.0"
REDIS_PY_SHA256 = "6e1a19beef9225c83efd689c7e6b7da2d5215b1f42cd13b7fc3714d0a09c7b25"
PYTEST = ["pytest==9.2.0", "pytest-asyncio==1.5.0", "pytest-timeout==2.4.0"]
REDIS_TCL = "7.0.15"


class Unavailable(Exception):
    """A suite cannot be had here; the text says why."""


def cache():
    folder = pathlib.Path(os.environ.get("WEIR_TEST_CACHE", pathlib.Path.home() / ".cache" / "weir-tests"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode:
        last = done.stdout.strip().splitlines()[-1:] or ["no output"]
        raise Unavailable(f"'{command[0]} {command[1]} …' failed: {last[0][:200]}")
    return done.stdout


def _made(name, make):
    """The folder `name` of the cache; made whole by make(folder) or not at all."""
    final = cache() / name
    if final.exists():
        return final
    work = pathlib.Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache()))
    try:
        make(work)
        work.rename(final)
    except OSError as error:
        raise Unavailable(str(error)) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return final


def _extract(tar, folder):
    """Unpacks into a folder and nowhere else; Python before 3.11.4 has no filter of its own."""
    if hasattr(tarfile, "data_filter"):
        return tar.extractall(folder, filter="data")
    for member in tar.getmembers():
        if member.name.startswith("/") or ".." in member.name.split("/"):
            raise Unavailable(f"the archive holds the path {member.name}")
    tar.extractall(folder)


def redis_py():
    """The folder of redis-py's source and the Python that runs its tests."""
    python = environment()

    def source(folder):
        _run([str(python), "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest",
              str(folder), f"redis=={REDIS_PY}"])
        archive = folder / f"redis-{REDIS_PY}.tar.gz"
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != REDIS_PY_SHA256:
            raise Unavailable(f"{archive.name} has SHA-256 {digest}, expected {REDIS_PY_SHA256}")
        with tarfile.open(archive) as tar:
            _extract(tar, folder)

    return _made(f"redis-py-{REDIS_PY}", source) / f"redis-{REDIS_PY}", python


def environment():
    """The Python with pytest."""
    marker = cache() / "venv" / ".complete"
    wanted = " ".join(PYTEST)
    if not (marker.exists() and marker.read_text() == wanted):
        shutil.rmtree(cache() / "venv", ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(cache() / "venv")])
        _run([str(cache() / "venv" / "bin" / "pip"), "install", "--quiet", *PYTEST])
        marker.write_text(wanted)
    return cache() / "venv" / "bin" / "python"


def redis_tcl():
    """The folder of Redis's source with its Tcl suite."""
    if not shutil.which("tclsh"):
        raise Unavailable("tclsh is not installed (apt: tcl)")

    def make(folder):
        if not shutil.which("apt-get"):
            raise Unavailable("apt-get is needed to fetch Debian's source package of redis")
        for name in ("lists/partial", "archives/partial", "parts"):
            (folder / "apt" / name).mkdir(parents=True)
        (folder / "apt" / "parts" / "source.sources").write_text(
            "Types: deb-src\nURIs: http://deb.debian.org/debian\nSuites: bookworm\nComponents: main\n"
            "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n")
        options = ["-o", "Dir::Etc::SourceList=/dev/null", "-o", f"Dir::Etc::SourceParts={folder}/apt/parts",
                   "-o", f"Dir::State::Lists={folder}/apt/lists", "-o", f"Dir::Cache={folder}/apt",
                   "-o", "APT::Sandbox::User=root" if os.geteuid() == 0 else "Debug::NoLocking=1"]
        _run(["apt-get", "--error-on=any", *options, "update"])
        _run(["apt-get", *options, "source", "--download-only", "redis"], cwd=folder)
        archive = folder / f"redis_{REDIS_TCL}.orig.tar.gz"
        if not archive.exists():
            raise Unavailable(f"Debian's source package holds no {archive.name}")
        with tarfile.open(archive) as tar:
            _extract(tar, folder)
        shutil.rmtree(folder / "apt")

    return _made(f"redis-tcl-{REDIS_TCL}", make) / f"redis-{REDIS_TCL}"
