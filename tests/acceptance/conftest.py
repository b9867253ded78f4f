"""The real binary on the real machine. QANAT names it; each test has directories of its own."""

import http.client
import itertools
import json
import mmap
import os
import pathlib
import random
import shutil
import socket
import ssl
import subprocess
import time

import pytest

QANAT = os.environ.get("QANAT", str(pathlib.Path(__file__).parents[2] / "build/release/qanat"))




def _sanitized():
    if not os.path.exists(QANAT):
        return False
    with open(QANAT, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as binary:
        return binary.find(b"__asan_init") >= 0


# Of a build with sanitizers (preset asan): each process that starts in a test writes what they report into a file of its own, and any
# report fails the test, whatever the process's exit code is and whoever started it. Memory is measured with this factor.
SANITIZED = _sanitized()
MEMORY = 12 if SANITIZED else 1


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures rates or times; not beside other tests")


def eventually(condition, limit=30.0):
    """What `condition` returns once it is true; fails when that does not happen in time."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


def _ports():
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 6
    ports = list(range(20000 + 2000 * worker, 22000 + 2000 * worker))
    random.shuffle(ports)
    return itertools.cycle(ports)


PORTS = _ports()


def free_port():
    """Below those that the kernel gives to outgoing connections, of this worker's alone where several run at once, and none twice:
    by chance one of two thousand would soon be what another test, or the same, was given before."""
    while True:
        port = next(PORTS)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


@pytest.fixture(autouse=True)
def _no_reports(tmp_path_factory, monkeypatch):
    if not SANITIZED:
        yield
        return
    reports = tmp_path_factory.mktemp("sanitizer")
    monkeypatch.setenv("ASAN_OPTIONS", f"log_path={reports}/report:exitcode=99:allocator_may_return_null=1")
    monkeypatch.setenv("UBSAN_OPTIONS", f"log_path={reports}/report:print_stacktrace=1")
    yield
    found = [report.read_text(errors="replace") for report in sorted(reports.iterdir())]
    assert not found, "\n".join(found)


def let_in(directory):
    """Other users may pass through it, and through what pytest has made above it."""
    while "pytest-" in str(directory):
        os.chmod(directory, 0o755)
        directory = directory.parent


def need(program):
    """Skips, loudly, where a real peer is missing: CI installs it (packages.txt)."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def need_root():
    if os.geteuid() != 0:
        pytest.skip("takes root")


def need_namespaces(*kinds):
    """Skips, loudly, where this machine gives us no namespaces of these kinds (options of unshare)."""
    need("unshare")
    need_root()
    probe = subprocess.run(["unshare", *kinds, "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"no namespaces here: {probe.stderr.strip()}")


class Node:
    """A running `qanat serve` or `qanat feed`."""

    def __init__(self, arguments, state, log, env=None, limit=None):
        """`limit`: of descriptors, the hard one."""
        self.state = state
        self.log_path = log
        self.process = subprocess.Popen(
            [*(["prlimit", f"--nofile={limit}:{limit}"] if limit else []), QANAT, *arguments, "--state", str(state)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=open(log, "w"),
            env=env,
        )

    def log(self):
        return self.log_path.read_text()

    def up(self):
        # A socket that an earlier node left behind answers nobody.
        answers = lambda: qanat("status", "--state", str(self.state), check=False).returncode == 0
        eventually(lambda: self.process.poll() is not None or answers())
        assert self.process.poll() is None, self.log()
        return self

    def ready(self):
        self.up()
        eventually(lambda: self.status()["node"]["ready"])
        return self

    def status(self):
        return json.loads(qanat("status", "--json", "--state", str(self.state)).stdout)

    def source(self, name):
        return next(s for s in self.status()["sources"] if s["name"] == name)

    def outlet(self, kind):
        """The first whose name begins with `kind`."""
        return next(o for o in self.status()["outlets"] if o["name"].startswith(kind))

    def invite(self, name, *more):
        return qanat("invite", name, "--state", str(self.state), *more).stdout.strip()

    def stop(self, limit=20):
        self.process.terminate()
        return self.process.wait(limit)


def qanat(*arguments, check=True, stdin=None, timeout=60, env=None):
    done = subprocess.run([QANAT, *arguments], capture_output=True, text=True, input=stdin, timeout=timeout, env=env)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def balanced(ledger):
    return ledger["credited"] == ledger["delivered"] + ledger["discarded"] + ledger["reseed"] + ledger["reserve"]


@pytest.fixture
def run(tmp_path):
    """Starts nodes and ends them after the test."""
    started = []

    def start(*arguments, name="node", env=None, limit=None):
        node = Node(arguments, tmp_path / name, tmp_path / f"{name}.log", env, limit)
        started.append(node)
        return node

    yield start
    for node in started:
        if node.process.poll() is None:
            node.process.kill()
        node.process.wait()


@pytest.fixture
def hub(run):
    """A hub on a fast source, with HTTPS and HTTP on ports of its own."""
    node = run(
        "serve", "--source", "exec:cat /dev/urandom?h=8",
        "--outlet", f"https://127.0.0.1:{free_port()}?access=join",
        "--outlet", f"http://127.0.0.1:{(port := free_port())}",
        name="hub",
    ).ready()
    node.port = port
    return node


def fetch(port, path, method="GET", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body=body)
    response = connection.getresponse()
    return response.status, response.read(), response.headers
