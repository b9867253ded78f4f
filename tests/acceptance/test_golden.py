"""Word for word: what the program says of itself, of a configuration, of a mistake, and the shape of its documents. A change of words is
made on purpose: QANAT_GOLDEN=write makes the files in golden/ anew, and the commit shows what changed."""

import itertools
import json
import os
import pathlib
import re
import subprocess

import pytest
from conftest import QANAT, eventually, fetch, free_port, qanat

GOLDEN = pathlib.Path(__file__).with_name("golden")


def same(name, text):
    path = GOLDEN / name
    if os.environ.get("QANAT_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text(), f"{name}: if this is meant, write the files anew (see {pathlib.Path(__file__).name})"


def test_help():
    words = [["--help"], ["--version"]]
    for line in qanat("--help").stdout.split("COMMANDS:\n")[1].splitlines():
        if not line.startswith("  "):
            break
        words.append([line.split()[0], "--help"])
    words.append(["bench", "trickle", "--help"])
    same("help.txt", "".join(f"$ qanat {' '.join(w)}\n{qanat(*w).stdout}\n" for w in words))


# A value for each option of each type, and what goes before it; D is a directory with the files that are named.
SOURCES = [
    "hwrng", "hwrng:/dev/absent?skip=32", "rdseed", "rdrand", "rdrand?credit=yes", "jitter", "jitter?h=0.5", "kernel", "kernel?credit=yes",
    "device:D/absent?baud=115200&skip=1KiB", "file:D/fifo", "file:D/fifo?credit=insist&h=1", "exec:true", "exec:cat /dev/urandom",
    "exec:cat /dev/urandom?credit=yes", "exec:cat D/fifo?skip=16", "egd:D/egd", "egd://127.0.0.1", "egd://127.0.0.1:1?credit=yes&h=2",
    "rngnet://127.0.0.1", "rngnet://127.0.0.1:4000?bytes=64", "netrng://127.0.0.1", "netrng://_netrng._tcp.local", "raw:D/raw",
    "raw://127.0.0.1:4001", "broker://joe:D/password@127.0.0.1", "vmport:D/port", "vmport:D/port?credit=no", "vsock:2:774", "vsock:3:774",
    "http://127.0.0.1", "http://127.0.0.1:1?credit=no", "http://192.0.2.1", "https://127.0.0.1", "https://192.0.2.1?credit=no",
    "https://192.0.2.1:1?pin=" + 64 * "0", "https://192.0.2.1?pollen=yes", "https://_qanat._tcp.local",
]
OUTLETS = [
    "https://127.0.0.1:7749", "https://192.0.2.1", "https://192.0.2.2?access=open", "https://192.0.2.3?ca=D/ca.pem&cert=D/c.pem&key=D/k.pem",
    "https://127.0.0.2?access=join&connections=10", "http://127.0.0.1:7748", "http://192.0.2.1?access=open&host=hub,hub.lan&grade=drbg",
    "trickle://127.0.0.1", "egd:D/e", "egd:D/e2?mode=0666&group=root&grade=drbg", "egd://127.0.0.1", "egd://192.0.2.1:1?access=open", "raw:D/r",
    "raw://127.0.0.1:4001?grade=drbg&connections=5", "rngnet:127.0.0.1:4000,127.0.0.1:4001?bytes=64&every=20ms", "netrng://127.0.0.1",
    "netrng://192.0.2.1?access=open&announce=yes&bytes=64&clients=5", "broker://127.0.0.1?users=D/users",
    "broker://192.0.2.1?users=D/users&access=password&cipher=aes&mac=ripemd160&hash=sha512&credit=yes&h=2", "broker://joe:D/password@127.0.0.1",
    "vmport:D/v", "vmport:D/v2?mode=0660", "vsock:774", "kernel", "file:D/seed", "file:D/seed2?every=10s&bytes=32&grade=drbg", "stdout",
    "fifo:D/f?grade=drbg", "http://127.0.0.1:1?rate=1KiB/s&burst=4KiB&weight=2",
]


def config_of(directory, sources=(), outlets=(), more=""):
    text = more
    for kind, names in (("source", sources), ("outlet", outlets)):
        for name in names:
            text += f"[[{kind}]]\nname = '{name.replace('D/', f'{directory}/')}'\n"
    path = directory / "qanat.toml"
    path.write_text(text)
    return path


def said(directory, *arguments):
    """Output, messages and exit code, without what differs from machine to machine."""
    done = subprocess.run([QANAT, *arguments], capture_output=True, text=True, timeout=20)
    text = done.stdout + done.stderr + (f"exit {done.returncode}\n" if done.returncode else "")
    return re.sub(r"egd:/run/user/\d+/", "egd:/run/", text.replace(str(directory), "D"))


@pytest.fixture
def files(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name in ("password", "users"):
        (tmp_path / name).write_text("joe|a_password|0\n")
        (tmp_path / name).chmod(0o600)
    return tmp_path


def test_check(files):
    # One at a time where several cannot be together.
    text = said(files, "check", "--elsewhere", "--config", str(config_of(files, [s for s in SOURCES if not s.startswith("hwrng")], OUTLETS)))
    text += said(files, "check", "--elsewhere", "--config", str(config_of(files, ["hwrng:/dev/absent", "https://192.0.2.1", "https://192.0.2.2"], ["stdout"], """
[node]
threads = 2
quorum = 2
on-reseed = ["systemctl reload nginx"]
[reserve]
size = "64KiB"
[drbg]
reseed_interval = "30s"
reseed_bytes = "1MiB"
[[client]]
name = "router"
rate = "1KiB/s"
weight = 2
""")))
    same("check.txt", text)


def mistakes():
    """Each as it would stand in a file or on the command line."""
    options = {
        "source": ["h=0", "h=9", "h=x", "credit=maybe", "baud=1", "skip=2MiB", "skip=x", "bytes=1", "pin=12", "pollen=x", "nonsense=1"],
        "outlet": ["grade=best", "mode=0999", "mode=rw", "access=all", "connections=0", "connections=x", "every=5x", "every=1ms", "bytes=1", "bytes=x",
                   "rate=x", "burst=x", "weight=x", "weight=0", "host=,", "clients=0", "announce=x", "cipher=x", "mac=x", "hash=x", "nonsense=1"],
    }
    plain = {
        "source": ["hwrng", "rdseed", "jitter", "kernel", "device:/dev/x", "file:/x", "exec:true", "egd:/x", "egd://127.0.0.1", "rngnet://127.0.0.1",
                   "netrng://127.0.0.1", "broker://joe:/x@127.0.0.1", "raw:/x", "vmport:/x", "vsock:2:774", "http://127.0.0.1", "https://127.0.0.1"],
        "outlet": ["https://127.0.0.1", "http://127.0.0.1", "trickle://127.0.0.1", "egd:/x", "egd://127.0.0.1", "raw:/x", "raw://127.0.0.1:1",
                   "rngnet:127.0.0.1:1", "netrng://127.0.0.1", "broker://127.0.0.1?users=/x", "broker://joe:/x@127.0.0.1", "vmport:/x", "vsock:1",
                   "kernel", "file:/x", "stdout", "fifo:/x"],
    }
    for kind in ("source", "outlet"):
        for name, option in itertools.product(plain[kind], options[kind]):
            yield kind, name + ("&" if "?" in name else "?") + option
    odd = {
        "source": ["", "nonsense", "nonsense:x", "jitter:x", "device", "device:", "file", "exec:", "egd", "egd://", "egd://:1", "egd://h:x", "raw://127.0.0.1",
                   "rngnet:x", "netrng:x", "netrng", "broker:x", "broker://joe@h", "vmport", "vsock:x", "vsock:2:x", "vsock:99999999999:1", "https://", "http://h:0",
                   "https://h:99999", "https://h?ca=/x&pin=" + 64 * "0", "qanat1.AAAA", "qanat2.AAAA", "qanat1-kept.0", "qanat1-given.0", "jitter?h=1&h=2", "jitter?h"],
        "outlet": ["", "nonsense", "https://", "https://h:99999", "https://127.0.0.1?access=ca", "http://127.0.0.1?ca=/x", "http://127.0.0.1?access=join",
                   "http://192.0.2.1", "trickle://", "egd", "egd://192.0.2.1", "egd://127.0.0.1?mode=0600", "raw://127.0.0.1", "rngnet:", "rngnet:h", "netrng:x",
                   "netrng://127.0.0.1?announce=yes", "broker:x", "broker://127.0.0.1", "broker://192.0.2.1?users=/x", "broker://127.0.0.1?users=/x&access=open",
                   "vmport", "vmport://127.0.0.1:1", "vsock:", "vsock:x", "file", "fifo", "kernel:x", "stdout:x"],
    }
    for kind in ("source", "outlet"):
        for name in odd[kind]:
            yield kind, name


def test_mistakes(files):
    text = ""
    for kind, name in mistakes():
        lists = {"source": ([name], ["stdout"]), "outlet": (["jitter"], [name])}[kind]
        answer = said(files, "check", "--elsewhere", "--config", str(config_of(files, *lists)))
        # What is right is told elsewhere; of options that are unknown, one for each type.
        if "exit" in answer and ("unknown option" not in answer or "nonsense" in name):
            text += f"{kind} {name}\n{answer}"
    same("mistakes.txt", text)


COMMAND_LINES = """
|
nonsense
--nonsense
serve --nonsense
serve nonsense
serve --source
serve --source= --state D/s
serve --quorum x
serve --threads 0
serve --config D/absent.toml
serve --source nonsense --state D/s
serve --outlet nonsense --state D/s
serve --source exec:true?h=x --state D/s
invite
invite a b
invite a/b --state D/s
invite a --rate x --state D/s
invite a --weight x --state D/s
invite a --burst x --rate 1KiB/s --state D/s
invite a --address x:y --state D/s
revoke
revoke a --state D/s
allow a --state D/s
clients --state D/s
status --state D/s
status --nonsense
feed
feed nonsense
feed https://127.0.0.1:1 --every 5x
feed https://127.0.0.1:1 --bytes 1
feed https://127.0.0.1:1 --bytes x
feed https://127.0.0.1:1 --wait 5x
feed https://127.0.0.1:1 --quorum 0
feed https://127.0.0.1:1 --quorum 2 --once
feed https://127.0.0.1:1 --outlet http://127.0.0.1
feed https://127.0.0.1:1 --outlet fifo:D/f --once
feed @D/absent
feed @D/open
feed qanat1.AAAA
get
get x
get 0
get 1 2
get 32 --grade best
get 32 --format json
get 32 --wait 5x
get 32 --from nonsense
get 32 --from @D/absent
get 32 --from qanat1.AAAA
get 32 --from https://127.0.0.1:1
get 32 --state D/s
seed
seed --for-guest nonsense
seed --for-guest file --bytes 1
seed --for-guest file --wait 5x
sources --nonsense
sources nonsense
check --config D/absent.toml
check nonsense
bench
bench nonsense
bench trickle
bench trickle nonsense
"""


def test_wrong_usage(files):
    (files / "open").write_text("https://127.0.0.1:1\n")
    (files / "open").chmod(0o644)
    text = ""
    for line in COMMAND_LINES.strip().splitlines():
        words = [] if line == "|" else line.replace("D/", f"{files}/").split(" ")
        text += f"$ qanat {line}\n{said(files, *words)}"
    same("usage.txt", text)


def shape(value):
    """A document without its figures: the types of what is in it."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        shapes = [shape(item) for item in value]
        return [s for i, s in enumerate(shapes) if s not in shapes[:i]]
    return {bool: "bool", int: "number", float: "number", str: "text"}.get(type(value), "null")


def test_documents(run, files):
    """Of a node with an outlet of nearly every type, and some sources."""
    port = free_port()
    tcp = lambda: f"127.0.0.1:{free_port()}"
    outlets = [f"http://127.0.0.1:{port}", f"https://{(https := tcp())}?access=join", f"trickle://{https}", "egd:D/e", f"raw://{tcp()}", f"netrng://{tcp()}",
               f"rngnet:{tcp()}?every=1s", f"broker://{tcp()}?users=D/users", "vmport:D/v", "file:D/seed", "fifo:D/f", "stdout?grade=drbg"]
    sources = ["exec:cat /dev/urandom?h=8", "kernel", "egd:D/absent", f"rngnet://{tcp()}"]
    node = run("serve", "--config", str(config_of(files, sources, outlets))).ready()
    node.invite("leaf")
    eventually(lambda: node.status()["supply"]["proved"] > 0)
    status = node.status()
    for event in status["events"]:
        assert set(shape(event)) == set(shape(status["events"][0]))
    document = shape(status)
    document["events"] = document["events"][:1]
    text = json.dumps(document, indent=1) + "\n"

    def hide(words):
        words = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", words.replace(str(files), "D"))
        return re.sub(r'id="[0-9a-f]{16}"', 'id="ID"', words)

    same("status.txt", hide(text))
    code, body, _ = fetch(port, "/metrics")
    assert code == 200
    lines = []
    for line in body.decode().splitlines():
        # The groups of a handshake and the like come with what happens.
        line = hide(line if line.startswith("#") else line.rsplit(" ", 1)[0])
        if line not in lines:
            lines.append(line)
    same("metrics.txt", "\n".join(lines) + "\n")
