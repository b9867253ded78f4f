"""Machines that lack what programs take for granted, and limits that leave little."""

import json
import os
import re
import subprocess

import pytest
from conftest import QANAT, SANITIZED, eventually, free_port, need, need_namespaces, need_root, qanat

SOURCE = ["--source", "exec:cat /dev/urandom?h=8"]


class Bare:
    """A process whose log and port are all that is known of it."""

    def __init__(self, command, log, port, **more):
        self.log_path, self.port = log, port
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=open(log, "w"), stderr=subprocess.STDOUT, **more)

    def log(self):
        return self.log_path.read_text()

    def ready(self):
        asked = lambda: subprocess.run(["curl", "-sf", f"http://127.0.0.1:{self.port}/readyz"], capture_output=True, text=True).stdout == "ready\n"
        eventually(lambda: self.process.poll() is not None or asked())
        assert self.process.poll() is None, self.log()
        return self


@pytest.fixture
def start(tmp_path):
    started = []

    def run(before, arguments, name="node", **more):
        port = free_port()
        node = Bare([*before, QANAT, *arguments, "--outlet", f"http://127.0.0.1:{port}"], tmp_path / f"{name}.log", port, **more)
        started.append(node)
        return node

    yield run
    for node in started:
        if node.process.poll() is None:
            node.process.terminate()
            node.process.wait(20)


# A root that can be read and no more: no /run, no /tmp, no /sys; a place for the state, or none.
ROOT = """set -e
mount --make-rprivate /
mount -t tmpfs none "$1"
cd "$1"
mkdir usr etc dev proc
for name in bin sbin lib lib32 lib64 libx32; do [ ! -L "/$name" ] || ln -s "usr/$name" "$name"; done
for name in usr dev; do mount --rbind "/$name" "$name"; done
cp /etc/passwd /etc/group etc
[ ! -e /etc/ld.so.cache ] || cp /etc/ld.so.cache etc
mount -t proc none proc
touch qanat; mount --bind "$2" qanat
if [ "$3" = keeps ]; then mkdir state; mount -t tmpfs -o mode=0700 none state; fi
mount -o remount,ro,bind . .
mount -o remount,ro "$1"
shift 3
exec env -i /usr/sbin/chroot . /qanat "$@"
"""


@pytest.mark.parametrize("state", ["keeps", "keeps-none"])
@pytest.mark.skipif(SANITIZED, reason="the sanitizer reads files of its own")
def test_a_root_that_is_read_only_and_has_no_run_no_tmp_no_home_and_no_locale(tmp_path, start, state):
    need_namespaces("-m", "-p", "-f")
    (tmp_path / "root").mkdir()
    port = free_port()
    node = Bare(["unshare", "-m", "-p", "-f", "--kill-child", "sh", "-c", ROOT, "sh", tmp_path / "root", QANAT, state, "serve", *SOURCE, "--state", "/state",
                 "--outlet", f"http://127.0.0.1:{port}"], tmp_path / "log", port)
    try:
        node.ready()
        got = subprocess.run(["curl", "-sf", f"http://127.0.0.1:{port}/v1/random?bytes=64&grade=full"], capture_output=True).stdout
        assert len(got) == 64
        # What it does without, it says.
        assert state == "keeps" or "/state" in node.log()
    finally:
        node.process.kill()
        node.process.wait()


def test_where_no_memory_may_be_locked_it_is_said_once(tmp_path, start):
    need_root(), need("setpriv")
    node = start(["prlimit", "--memlock=0:0", "setpriv", "--bounding-set", "-ipc_lock", "--inh-caps", "-all"],
                 ["serve", *SOURCE, "--state", str(tmp_path / "node")]).ready()
    if not SANITIZED:
        eventually(lambda: "RLIMIT_MEMLOCK" in node.log())
    for _ in range(5):
        subprocess.run(["curl", "-sf", f"http://127.0.0.1:{node.port}/v1/random?bytes=64"], capture_output=True, check=True)
    node.process.terminate()
    assert node.process.wait(20) == 0
    assert node.log().count("RLIMIT_MEMLOCK") == (0 if SANITIZED else 1), node.log()


def test_where_memory_may_be_locked_nothing_is_said(tmp_path, start):
    node = start([], ["serve", *SOURCE, "--state", str(tmp_path / "node")]).ready()
    node.process.terminate()
    assert node.process.wait(20) == 0 and "RLIMIT_MEMLOCK" not in node.log()


def test_commands_have_the_limit_of_descriptors_that_the_node_was_started_with(tmp_path, start):
    seen = tmp_path / "seen"
    start(["prlimit", "--nofile=1024:8192"], ["serve", "--source", f"exec:(ulimit -Sn; ulimit -Hn) >{seen}; exec cat /dev/urandom?h=8",
                                              "--state", str(tmp_path / "node")]).ready()
    assert eventually(lambda: seen.exists() and len(seen.read_text().split()) == 2 and seen.read_text().split())[0] == "1024"


@pytest.mark.parametrize("who", ["root of its own", "nobody it knows"])
def test_in_a_user_namespace_a_feed_mixes_in_and_says_so(tmp_path, start, who):
    need_namespaces("-U", "-r")
    hub = start([], ["serve", *SOURCE, "--state", str(tmp_path / "hub")], name="hub").ready()
    state = tmp_path / "feed"
    os.mkdir(state, 0o700)
    log = tmp_path / "feed.log"
    feed = Bare(["unshare", "-U", *(["-r"] if who == "root of its own" else []), QANAT, "feed", f"http://127.0.0.1:{hub.port}?credit=yes", "--state", str(state)],
                log, None)
    try:
        eventually(lambda: feed.process.poll() is not None or "credits none" in feed.log())
        assert feed.process.poll() is None, feed.log()
        status = eventually(lambda: qanat("status", "--json", "--state", str(state), check=False).stdout)
        assert json.loads(status)["outlets"][0]["deliveries"] >= 1
    finally:
        feed.process.terminate()
        assert feed.process.wait(20) == 0


# stderr is a file that JOURNAL_STREAM names, and the journal's socket is not there.
JOURNAL = """mount --make-rprivate /
mount -t tmpfs none /run
log=$1; shift
export JOURNAL_STREAM=$(stat -c %d:%i "$log")
exec "$@" 2>"$log"
"""


def journal_lines(tmp_path, *arguments, stop=None):
    need_namespaces("-m")
    log = tmp_path / "journal"
    log.touch()
    process = subprocess.Popen(["unshare", "-m", "sh", "-c", JOURNAL, "sh", log, QANAT, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        if stop:
            eventually(lambda: process.poll() is not None or re.search(stop, log.read_text()))
            process.terminate()
        process.wait(20)
    finally:
        process.kill()
        process.wait()
    return log.read_text().splitlines()


def test_lines_to_the_journal_begin_with_their_priority(tmp_path):
    outlet = ["--outlet", f"http://127.0.0.1:{free_port()}"]
    lines = journal_lines(tmp_path, "serve", "--source", "exec:exit 3?h=8", *outlet, "--state", str(tmp_path / "node"), stop="<4>")
    assert lines and all(re.match(r"<[3-7]>(?!\d{4}-|info|warning)", line) for line in lines), lines
    assert any(line.startswith("<6>qanat ") for line in lines) and any(line.startswith("<4>") and "ended with status 3" in line for line in lines), lines


def test_each_line_of_last_words_has_its_priority(tmp_path):
    lines = journal_lines(tmp_path, "serve", "--nonsense")
    assert len(lines) == 2 and all(line.startswith("<3>") for line in lines), lines
    lines = journal_lines(tmp_path, "serve", "--log", "json", "--outlet", "http://192.0.2.1:1?access=open", "--state", str(tmp_path / "node"))
    assert lines and all(re.match("<[3-7]>", line) for line in lines) and "192.0.2.1" in lines[-1], lines


def test_a_file_that_is_not_the_journal_gets_the_time(tmp_path):
    done = subprocess.run([QANAT, "serve", "--outlet", "http://192.0.2.1:1?access=open", "--state", tmp_path / "node"], capture_output=True, text=True,
                          env={**os.environ, "JOURNAL_STREAM": "8:1"}, timeout=60)
    assert done.returncode == 1 and not re.search("^<", done.stderr, re.M), done.stderr


# Libraries that the program loads when something of theirs is wanted: what wants them, whose are they, and the package that is named.
LOADED = {
    "audio": ("alsa", "libasound.so.2", "libasound2"), "pkcs11:token=t": ("pkcs11", "libp11-kit.so.0", "libp11-kit0"),
    "tpm": ("tpm", "libtss2-tctildr.so.0", "libtss2-tctildr0"), "netrng://_netrng._tcp.local": ("avahi", "libavahi-client.so.3", "libavahi-client3"),
    "https://_qanat._tcp.local": ("avahi", "libavahi-client.so.3", "libavahi-client3"), "--qr": ("qrencode", "libqrencode.so.4", "libqrencode4"),
}  # fmt: skip


@pytest.fixture
def without():
    """A command's beginning that hides those libraries from it; and of those that this qanat was built with, who wants which."""
    need_namespaces("-m")
    known = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True, env={**os.environ, "PATH": f"{os.environ['PATH']}:/sbin"}).stdout
    built = [word[1:] for word in qanat("version").stdout.split() if word.startswith("+")]
    wanted = {who: (name, package) for who, (library, name, package) in LOADED.items() if library in built}
    files = [path for name, _ in set(wanted.values()) for path in re.findall(rf"^\s*{re.escape(name)} .*=> (\S+)$", known, re.M)]
    assert len(files) >= len(set(wanted.values())), "they are here, or nothing is hidden"
    hide = 'while [ "$1" != -- ]; do mount --bind /dev/null "$1" || exit; shift; done; shift; exec "$@"'
    return ["unshare", "-m", "sh", "-c", hide, "sh", *files, "--"], wanted


def test_libraries_of_none_that_it_wants_may_be_missing(tmp_path, start, without):
    """Who asks for what takes one is told which; a node goes on without, and so does an outlet that is only not announced."""
    hidden, wanted = without
    say = lambda *words: subprocess.run([*hidden, QANAT, *words], capture_output=True, text=True, timeout=60)
    why = lambda name, package: f"{name} cannot be loaded; install Debian's {package}"
    for who, (name, package) in wanted.items():
        if who == "--qr":
            continue
        done = say("check", "--source", who, "--outlet", "stdout", "--state", str(tmp_path / "none"))
        assert done.returncode != 0 and done.stderr.count(why(name, package)) == 1 and who.split(":")[0] in done.stderr, done.stderr
    if "pkcs11:token=t" in wanted:
        assert re.search(r"^pkcs11(.|\n )*libp11-kit0$", say("sources", "--all").stdout, re.M)
    port = free_port()
    outlet = f"netrng://0.0.0.0:{port}?access=open&announce=yes"
    node = start(hidden, ["serve", *SOURCE, "--state", str(tmp_path / "node"), "--outlet", f"https://127.0.0.1:{free_port()}", "--outlet", outlet]).ready()
    if "https://_qanat._tcp.local" in wanted:
        told = f"mDNS: {why('libavahi-client.so.3', 'libavahi-client3')}"
        eventually(lambda: told in node.log())
        done = say("check", *SOURCE, "--outlet", outlet.replace(str(port), str(free_port())), "--state", str(tmp_path / "none"))
        assert done.returncode == 0 and told in done.stdout + done.stderr, done.stderr
    if "--qr" in wanted:
        done = say("invite", "router", "--qr", "--state", str(tmp_path / "node"))
        assert done.returncode == 1 and done.stdout == "" and done.stderr == f"qanat: {why(*wanted['--qr'])}\n"
        assert "router" not in say("clients", "--state", str(tmp_path / "node")).stdout
    got = subprocess.run(["curl", "-sf", f"http://127.0.0.1:{node.port}/v1/random?bytes=64&grade=full"], capture_output=True).stdout
    assert len(got) == 64 and node.process.poll() is None
