"""Each outlet and each source under each misfortune: a stop under load, a reload that takes it away and brings it back, a renewal, a
peer that is stopped (SIGSTOP), descriptors used up, memory refused. One node gives through every outlet, another takes through every source, most of
which are the first one's outlets; so one misfortune tries all of them at once. Each ends within five seconds of SIGTERM, the ledgers
balance, everything goes on afterwards, and what went wrong is among the events."""

import contextlib
import os
import pathlib
import pty
import random
import resource
import signal
import socket
import struct
import subprocess
import threading
import time
import tty

import pytest
from conftest import SANITIZED, Node, balanced, eventually, fetch, free_port

# What the pages promise; a node under load on two busy cores needs some tenths of one. One with sanitizers is slower in all it does.
STOP_LIMIT = 15 if SANITIZED else 5
# Of requests for memory; a call to a node makes dozens.
ONE_IN = 100
NO_MEMORY = pathlib.Path(__file__).parents[1] / "chaos/no_memory.cpp"


class Load(threading.Thread):
    """Does something over and over, whether it succeeds or not."""

    def __init__(self, work, pause=0.02):
        super().__init__(daemon=True)
        self.work, self.pause, self.over = work, pause, threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(self.pause):
            try:
                self.work()
            except (OSError, EOFError, ValueError):
                pass
            except Exception as problem:  # http.client's are no OSError
                if "http" not in type(problem).__module__:
                    raise

    def end(self):
        self.over.set()
        self.join(20)
        assert not self.is_alive()


def draw(where, command=b"", count=64):
    with socket.socket(socket.AF_INET if isinstance(where, tuple) else socket.AF_UNIX) as s:
        s.settimeout(5)
        s.connect(where if isinstance(where, tuple) else str(where))
        if command:
            s.sendall(command)
        while count > 0:
            got = s.recv(count)
            if not got:
                raise EOFError
            count -= len(got)


class Fleet:
    """`above` gives, `below` takes."""

    def __init__(self, directory):
        self.directory = directory
        self.nodes = {}
        self.loads = []
        self.ports = {name: free_port() for name in
                      ("https", "http", "egd", "raw", "netrng", "broker", "rngnet", "below", "below_broker")}
        password = directory / "password"
        users = directory / "users"
        users.write_text("joe|my_password1234|0\nann|my_password1234|0\n")
        password.write_text("my_password1234\n")
        for file in (users, password):
            file.chmod(0o600)
        self.noise = socket.socket(socket.AF_UNIX)
        self.noise.bind(str(directory / "noise"))
        self.noise.listen(64)
        self.feeder = threading.Thread(target=self.feed, daemon=True)
        self.feeder.start()
        master, self.tty = pty.openpty()
        tty.setraw(self.tty)
        os.set_blocking(master, False)
        self.loads.append(Load(lambda: os.write(master, os.urandom(256))))
        p, d = self.ports, directory
        self.preload = {}
        if not SANITIZED:
            library = directory / "no_memory.so"
            subprocess.run(["g++", "-std=c++20", "-O2", "-shared", "-fPIC", "-o", library, NO_MEMORY], check=True)
            self.preload = {"LD_PRELOAD": str(library)}
        self.lists = {
            "above": ([f"raw:{d}/noise?h=8&credit=yes", "jitter", "exec:while head -c 4096 /dev/urandom; do sleep 0.1; done", f"device:{os.ttyname(self.tty)}",
                       f"broker://ann:{password}@127.0.0.1:{p['below_broker']}"],
                      [f"http://127.0.0.1:{p['http']}", f"https://127.0.0.1:{p['https']}?access=join", f"trickle://127.0.0.1:{p['https']}",
                       f"egd:{d}/egd", f"egd://127.0.0.1:{p['egd']}", f"raw:{d}/raw", f"raw://127.0.0.1:{p['raw']}",
                       f"rngnet:127.0.0.1:{p['rngnet']}?every=20ms&grade=drbg", f"netrng://127.0.0.1:{p['netrng']}?bytes=64",
                       f"broker://127.0.0.1:{p['broker']}?users={users}", f"broker://joe:{password}@127.0.0.1:{p['below_broker']}",
                       f"vmport:{d}/vmport", f"fifo:{d}/fifo", f"file:{d}/seed?every=1s", "stdout?every=1s&bytes=32&grade=drbg"]
                      + (["kernel?every=1s&grade=drbg"] if os.geteuid() == 0 else [])),
            "below": ([f"http://127.0.0.1:{p['http']}", f"egd:{d}/egd", f"egd://127.0.0.1:{p['egd']}", f"raw:{d}/raw", f"raw://127.0.0.1:{p['raw']}",
                       f"rngnet://127.0.0.1:{p['rngnet']}", f"netrng://127.0.0.1:{p['netrng']}", f"broker://joe:{password}@127.0.0.1:{p['broker']}",
                       f"vmport:{d}/vmport", f"file:{d}/fifo", "jitter", "kernel"],
                      [f"http://127.0.0.1:{p['below']}", f"broker://127.0.0.1:{p['below_broker']}?users={users}"]),
        }
        self.start("above")
        join = self.nodes["above"].invite("below", "--address", f"127.0.0.1:{p['https']}")
        self.lists["below"][0].append(join)
        self.start("below")

    def feed(self):
        """A noise source: whoever connects gets random bytes until he hangs up."""

        def give(peer):
            with peer:
                try:
                    while True:
                        peer.sendall(os.urandom(1024))
                        time.sleep(0.002)
                except OSError:
                    pass

        while True:
            try:
                peer, _ = self.noise.accept()
            except OSError:
                return
            threading.Thread(target=give, args=(peer,), daemon=True).start()

    def write_config(self, name, keep_sources=lambda _: True, keep_outlets=lambda _: True):
        sources, outlets = self.lists[name]
        text = '[reserve]\nsize = "16KiB"\n[node]\nthreads = 2\n'
        for text_of in (s for s in sources if keep_sources(s)):
            text += f"[[source]]\nname = '{text_of}'\n"
        for text_of in (o for o in outlets if keep_outlets(o)):
            text += f"[[outlet]]\nname = '{text_of}'\n"
        config = self.directory / f"{name}.toml"
        config.write_text(text)
        config.chmod(0o600)
        return config

    def start(self, name):
        log = self.directory / f"{name}.{len(os.listdir(self.directory))}.log"
        self.no_memory_of(name).write_bytes(struct.pack("IIQ", 0, 0, 0))
        node = Node(["serve", "--config", str(self.write_config(name))], self.directory / f"{name}.state", log,
                    dict(os.environ, **self.preload, QANAT_NO_MEMORY=str(self.no_memory_of(name))))
        # What stands on its standard output is nobody's.
        threading.Thread(target=node.process.stdout.read, daemon=True).start()
        self.nodes[name] = node
        node.up()

    def no_memory_of(self, name):
        return self.directory / f"{name}.no_memory"

    @contextlib.contextmanager
    def memory_refused(self, name):
        """One request of the node's for memory in ONE_IN fails; see no_memory.cpp. Yields how many have."""
        if not self.preload:
            pytest.skip("the runtime of a sanitizer has an allocator of its own, which refuses nothing")
        seed = random.SystemRandom().randrange(1 << 32)
        print(f"memory of {name} refused from seed {seed}")
        with self.no_memory_of(name).open("r+b", buffering=0) as shared:
            shared.write(struct.pack("IIQ", ONE_IN, seed, 0))
            try:
                yield lambda: struct.unpack("IIQ", self.no_memory_of(name).read_bytes())[2]
            finally:
                shared.seek(0)
                shared.write(struct.pack("I", 0))

    def begin_load(self):
        p, d = self.ports, self.directory
        full = lambda port: lambda: fetch(port, "/v1/random?bytes=64&grade=full&wait=1s")
        self.loads += [Load(full(p["http"])), Load(full(p["below"])), Load(full(p["below"])),
                       Load(lambda: draw(d / "egd", b"\x02\x40")), Load(lambda: draw(d / "raw", count=4096)),
                       # What `below` takes would come out of the buffers of its one connection for minutes.
                       Load(lambda: draw(("127.0.0.1", p["raw"]), count=4096)),
                       Load(lambda: fetch(p["http"], "/metrics")), Load(lambda: fetch(p["http"], "/v1/status"))]

    def signal(self, name, number):
        os.kill(self.nodes[name].process.pid, number)

    def stop(self, name):
        """Within the limit, whatever is under way."""
        node = self.nodes[name]
        begin = time.monotonic()
        node.process.terminate()
        try:
            code = node.process.wait(30)
        except subprocess.TimeoutExpired:
            node.process.kill()
            node.process.wait()
            pytest.fail(f"{name} does not end: {node.log()[-2000:]}")
        took = time.monotonic() - begin
        assert code == 0, node.log()[-4000:]
        assert took < STOP_LIMIT, f"{name} took {took:.1f} s to end: {node.log()[-2000:]}"

    def bytes_of(self, name):
        status = self.nodes[name].status()
        # A datagram that comes while nothing is wanted counts, too: it came.
        ins = {f"source {i} {s['name'][:60]}": s["bytes"] + s.get("dropped", {}).get("not_wanted", 0) for i, s in enumerate(status["sources"])}
        outs = {f"outlet {i} {o['name'][:60]}": o["full_bytes"] + o["drbg_bytes"] + o["deliveries"] for i, o in enumerate(status["outlets"])}
        return {**ins, **outs}

    def check_going(self, *names, limit=30, patiently=False):
        """Whatever a node has gives, or takes, more than it has so far; `patiently`: what needs some ten seconds for it, too."""
        for name in names:
            before = self.bytes_of(name)
            idle = set(before)

            def going():
                nonlocal idle
                now = self.bytes_of(name)
                idle = {what for what in before
                        if now.get(what, 0) <= (0 if rare(what) else before[what]) and not (rare(what) and not patiently or quiet(what))}
                return not idle

            try:
                eventually(going, limit)
            except AssertionError:
                pytest.fail(f"{name}: nothing more of {sorted(idle)}\n{self.nodes[name].log()[-3000:]}")

    def check_books(self):
        for node in self.nodes.values():
            status = node.status()
            assert balanced(status["ledger"]), status["ledger"]
            for source in status["sources"]:
                assert balanced(source["ledger"]), source

    def events(self, name):
        return [f"{e['subject']}: {e['text']}" for e in self.nodes[name].status()["events"]]

    def end(self):
        for load in self.loads:
            load.over.set()
        self.noise.close()
        for node in self.nodes.values():
            if node.process.poll() is None:
                node.process.send_signal(signal.SIGCONT)
                node.process.kill()
            node.process.wait()


def quiet(what):
    """What gives nothing although all is well: a seed is due at a connection, a renewal, a session only."""
    return any(word in what for word in ("vmport:", "trickle:"))


def rare(what):
    """The producer is told to come again in ten seconds whenever the reserve is full, which may be each time: that it gave is enough."""
    return "joe at " in what or (what.startswith("outlet") and "broker://joe:" in what)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("matrix"))
    fleet.begin_load()
    yield fleet
    fleet.end()


def test_all_give_and_take(fleet):
    fleet.check_going("above", "below", patiently=True)
    fleet.check_books()


def test_a_reload_takes_each_away_and_brings_it_back(fleet):
    # A producer's session is a source too, but not of the configuration.
    count = lambda name, kind: sum(not one["name"].startswith("joe at ") for one in fleet.nodes[name].status()[kind])
    for name, kind in (("above", "outlets"), ("below", "sources"), ("above", "sources"), ("below", "outlets")):
        whole = count(name, kind)
        kept = fleet.lists[name][kind == "outlets"][0]
        keep = {"keep_" + kind: lambda text: text == kept}
        fleet.write_config(name, **keep)
        fleet.signal(name, signal.SIGHUP)
        eventually(lambda: count(name, kind) == 1)
        fleet.check_books()
        fleet.write_config(name)
        fleet.signal(name, signal.SIGHUP)
        eventually(lambda: count(name, kind) == whole)
    fleet.check_going("above", "below")
    fleet.check_books()
    # Those below told of what they lost.
    lost = "\n".join(fleet.events("below"))
    for source in ("egd", "raw", "netrng", "broker"):
        assert source in lost, lost


def test_a_renewal_under_load(fleet):
    for _ in range(3):
        for name in ("above", "below"):
            fleet.signal(name, signal.SIGUSR1)
    for name in ("above", "below"):
        eventually(lambda: any("seeded anew" in e for e in fleet.events(name)))
    fleet.check_going("above", "below")
    fleet.check_books()


def use_up(fleet, name):
    """No new descriptor at all, as the least numbers are long taken; what the limit was before."""
    pid = fleet.nodes[name].process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, before[1]))
    return before


@pytest.mark.parametrize("name", ["above", "below"])
def test_descriptors_used_up(fleet, name):
    node = fleet.nodes[name]
    before = use_up(fleet, name)
    # Everything has to be opened again.
    fleet.signal(name, signal.SIGUSR1)
    os.unlink(fleet.directory / "fifo")
    os.mkfifo(fleet.directory / "fifo", 0o600)
    time.sleep(1.5)
    assert node.process.poll() is None, node.log()[-4000:]
    resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE, before)
    fleet.check_going("above", "below")
    fleet.check_books()
    log = node.log()
    assert "Too many open files" in log or "descriptor" in log, log[-4000:]


@pytest.mark.parametrize("name", ["above", "below"])
def test_a_stop_without_descriptors(fleet, name):
    use_up(fleet, name)
    fleet.stop(name)
    fleet.start(name)


@pytest.mark.parametrize("name, peer", [("below", "above"), ("above", "below")])
def test_a_stop_while_the_peer_is_stopped(fleet, name, peer):
    fleet.check_going("above", "below")
    fleet.signal(peer, signal.SIGSTOP)
    try:
        time.sleep(0.5)
        fleet.stop(name)
    finally:
        fleet.signal(peer, signal.SIGCONT)
    fleet.start(name)


def test_a_peer_that_was_stopped_goes_on(fleet):
    for name in ("above", "below"):
        fleet.signal(name, signal.SIGSTOP)
        time.sleep(1)
        fleet.signal(name, signal.SIGCONT)
    fleet.check_going("above", "below", patiently=True)
    fleet.check_books()


@pytest.mark.parametrize("name", ["above", "below"])
def test_a_stop_under_load(fleet, name):
    fleet.check_going(name)
    fleet.check_books()
    fleet.stop(name)
    fleet.start(name)
    fleet.check_going("above", "below")
    fleet.check_books()



@pytest.mark.parametrize("name", ["above", "below"])
def test_memory_refused(fleet, name):
    node = fleet.nodes[name]
    with fleet.memory_refused(name) as refused:
        # All of them begin anew, too.
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR1):
            seen = refused()
            fleet.signal(name, number)
            eventually(lambda: refused() >= seen + 20 or node.process.poll() is not None)
    assert node.process.poll() is None, node.log()[-4000:]
    fleet.check_going("above", "below")
    fleet.check_books()
    assert "bad_alloc" in node.log(), node.log()[-4000:]


@pytest.mark.parametrize("name", ["above", "below"])
def test_a_stop_while_memory_is_refused(fleet, name):
    with fleet.memory_refused(name) as refused:
        eventually(refused)
        fleet.stop(name)
    fleet.start(name)
