"""Real guests and their copies: Debian's cloud kernel under emulation, snapshots, restores."""

import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
from clones import FEED, MODULES, Guest, guest_image, run_clones, take_snapshot
from conftest import QANAT, balanced, eventually, free_port, need
from guest import make_initramfs, program, run_guest

# Of one snapshot; bench/clones takes 50.
COPIES = 8
pytestmark = pytest.mark.alone
FRESH = re.compile(r"a fresh seed of grade (\w+) for process (\d+), SHA-256 ([0-9a-f]{64})")


@pytest.fixture
def host(run, tmp_path):
    """A host whose guests connect to `port`."""
    need("gcc")
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"vmport:{tmp_path}/q", "--outlet", f"http://127.0.0.1:{free_port()}",
               name="host").ready()
    node.port = tmp_path / "q"
    return node


def fresh_seeds(node):
    return FRESH.findall(node.log())


def say(capsys, text):
    with capsys.disabled():
        print(f"\n  {text}", end="")


def test_without_seeds_copies_say_the_same(tmp_path, capsys):
    """What the rest is measured against; and that it would be noticed."""
    need("gcc")
    image = take_snapshot(tmp_path, None, feed=False)
    for count in (2, COPIES):
        clones = run_clones(tmp_path, image, None, count)
        say(capsys, "without qanat, " + clones.text())
        figures = clones.figures()
        assert figures["identical_median"] > 1000
        assert figures["identical_last_ms"] > 100


def test_with_seeds_no_two_copies_say_the_same(host, tmp_path, capsys):
    image = take_snapshot(tmp_path, host.port, more="--on-reseed 'echo RENEWED $QANAT_GENERATION $(od -An -t u8 -N 8 /run/qanat/generation) >/dev/console'")
    original = len(fresh_seeds(host))
    for count in (2, COPIES):
        clones = run_clones(tmp_path, image, host.port, count)
        say(capsys, "with qanat, " + clones.text())
        figures = clones.figures()
        assert figures["identical_median"] == 0
        # The guests' clocks are exact, and QEMU's threads have to share two cores with everything else: a seed may be late in a copy or two.
        assert figures["late"] <= 1
        # The programs of each were told: the original's generation was 2 after its own first seed.
        for number in range(count):
            renewed = re.findall(r"RENEWED (\d+) +(\d+)", (tmp_path / f"copy{number}.log").read_text(errors="replace"))
            assert renewed and all(told == mapped and int(told) > 2 for told, mapped in renewed), number
    seeds = fresh_seeds(host)
    assert len(seeds) == original + 2 + COPIES
    assert len({digest for _, _, digest in seeds}) == len(seeds), "no seed twice"
    assert all(grade == "full" for grade, _, _ in seeds)
    # Each paid for, once: what the guests have had is what the ledger says was delivered.
    assert eventually(lambda: host.outlet("vmport:")["connections"] == 0)
    ledger = host.status()["ledger"]
    assert ledger["delivered"] == 8 * host.outlet("vmport:")["full_bytes"]
    assert host.outlet("vmport:")["full_bytes"] >= 64 * len(seeds)
    assert balanced(ledger)


class HalfAFrame:
    """A host that dies in the middle of its first word."""

    def __init__(self, path, frame):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.frame = frame
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            connection.sendall(self.frame)
            threading.Thread(target=lambda c=connection: c.recv(1), daemon=True).start()


def one_frame(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
        s.settimeout(30)
        frame = b""
        while len(frame) < 112 and (piece := s.recv(112 - len(frame))):
            frame += piece
        return frame


def test_a_snapshot_with_half_a_frame_read(host, tmp_path, capsys):
    HalfAFrame(tmp_path / "half", one_frame(host.port)[:71])
    image = take_snapshot(tmp_path, tmp_path / "half")
    clones = run_clones(tmp_path, image, host.port, 2)
    say(capsys, "a snapshot with 71 of 112 bytes read, " + clones.text())
    assert clones.figures()["late"] == 0


def test_a_host_that_dies_and_comes_back(host, run, tmp_path):
    script = "mkdir -p /run /var/lib\n" + FEED.format(more="") + "\nsleep 1000"
    guest = Guest(tmp_path, "guest", make_initramfs(tmp_path / "initrd", script, MODULES, program()), host.port, icount=False)
    try:
        guest.wait_for("brings a fresh seed")
        host.process.send_signal(signal.SIGKILL)
        host.process.wait()
        guest.wait_for("nobody is at the host's end")
        again = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"vmport:{host.port}", name="host").ready()
        eventually(lambda: len(FRESH.findall(again.log())) == 1)
        eventually(lambda: (tmp_path / "guest.log").read_text(errors="replace").count("brings a fresh seed") == 2)
        # The guest, too: what it says next is asked for again.
        eventually(lambda: again.outlet("vmport:")["deliveries"] >= 2)
        assert balanced(again.status()["ledger"])
    finally:
        guest.end()


def request(number, bytes_wanted=64):
    import hashlib
    body = b"qanat\x8e\xd1\x01" + bytes([4, 0, bytes_wanted, 0]) + number.to_bytes(4, "big") + bytes(8)
    return body + hashlib.blake2b(body, digest_size=16).digest()[:8]


def test_a_guest_that_floods_and_one_that_sends_garbage(host, tmp_path):
    (tmp_path / "requests").write_bytes(b"".join(request(i) for i in range(2000)))
    flood = "exec 3<>/dev/vport0p1\n(while :; do cat /requests >&3; done) &\ncat <&3 >/dev/null &\necho FLOODS\nsleep 1000"
    # Closed, it is connected again (reconnect=1), and closed again.
    garbage = "echo SPEAKS\nwhile :; do cat /bin/busybox > /dev/vport0p1; sleep 0.1; done"
    guests = []
    try:
        for name, script, files in (("flood", flood, [(tmp_path / "requests", "/requests")]), ("garbage", garbage, [])):
            image = make_initramfs(tmp_path / f"initrd-{name}", script, MODULES, files)
            guests.append(Guest(tmp_path, name, image, host.port, icount=False, memory=128))
        guests[0].wait_for("FLOODS")
        guests[1].wait_for("SPEAKS")
        eventually(lambda: host.outlet("vmport:")["refused"]["malformed"] >= 2)
        before, began = host.outlet("vmport:")["deliveries"], time.monotonic()
        # A well-behaved one has its seed all the same, again and again.
        for _ in range(20):
            # One that has hung up counts among a process's connections until the host has seen it.
            assert eventually(lambda: one_frame(host.port)).startswith(b"qanat\x8e\xd1\x01\x01")
        eventually(lambda: host.outlet("vmport:")["deliveries"] > before + 20)
        # The dispenser's slices are the flooding guest's limit; memory is what it was.
        with open(f"/proc/{host.process.pid}/status") as status:
            rss = int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1))
        assert rss < 64 << 10, rss
        assert balanced(host.status()["ledger"])
        assert host.process.poll() is None
    finally:
        for guest in guests:
            guest.end()
    eventually(lambda: host.outlet("vmport:")["connections"] == 0)
    ledger = host.status()["ledger"]
    assert balanced(ledger) and ledger["delivered"] == 8 * host.outlet("vmport:")["full_bytes"]


NODE = """
mkdir -p /run /var/lib
head -c 16 /dev/random > /dev/null
/bin/qanat serve {sources} --source kernel --outlet {outlet} --outlet egd:/egd?grade=drbg --state /var/lib/node 2>/dev/console &
until /bin/qanat get 32 --state /var/lib/node > /dev/null 2>&1; do sleep 0.2; done
echo "NODE RUNS"
until read word < /dev/vport0p2; do sleep 0.1; done
/bin/qanat get 64 --format hex --state /var/lib/node > /tmp/out
echo "DRAWN $(cat /tmp/out)"
"""


@pytest.mark.parametrize("seeds", [True, False])
def test_what_a_node_in_a_guest_says(host, tmp_path, seeds):
    """Its DRBG's output, in two copies: the same without the host's seeds, which shows that the test would notice."""
    if seeds:
        sources, outlet_ = "--source vmport:/dev/virtio-ports/org.qanat.0", "kernel"
    else:
        (tmp_path / "noise").write_bytes(os.urandom(1 << 20))
        sources, outlet_ = "--source 'exec:cat /noise; sleep 100000?h=8'", "egd:/other"
    files = [*program(), *([] if seeds else [(tmp_path / "noise", "/noise")])]
    script = NODE.format(sources=sources, outlet=outlet_)
    image = make_initramfs(tmp_path / "initrd", script, MODULES, files)
    guest = Guest(tmp_path, "original", image, host.port if seeds else None)
    try:
        guest.wait_for("NODE RUNS", 120)
        guest.snapshot(tmp_path / "snapshot")
    finally:
        guest.end()
    drawn = []
    for number in range(2):
        copy = Guest(tmp_path, f"copy{number}", image, host.port if seeds else None, "-incoming", "defer")
        try:
            copy.restore(tmp_path / "snapshot")
            with copy.connect("draws") as s:
                copy.ask(s, 60, lambda: b"DRAWN" in copy.log.read_bytes())
                copy.wait_for("GUEST ENDS")
        finally:
            copy.end()
        drawn.append(re.search(r"DRAWN ([0-9a-f]{128})", copy.log.read_text(errors="replace")).group(1))
    assert (drawn[0] != drawn[1]) == seeds, drawn


TRIGGERS = """
mkdir -p /run /var/lib
/bin/qanat feed vmport:/dev/virtio-ports/org.qanat.0 --on-reseed 'echo "$QANAT_REASON" >> /why' --state /var/lib/feed 2>/log & FEED=$!
told() { until grep -q "$1" /why 2>/dev/null; do sleep 0.2; done; echo "TOLD $(od -An -t u8 -N 8 /run/qanat/generation) $(grep "$1" /why)"; sleep 1.5; }
told "fresh seed"
kill -USR1 $FEED
told SIGUSR1
date -s @2000000000 > /dev/null
told "clock was set forward"
ip link set eth0 up; sleep 2
ip link set eth0 down; sleep 0.5; ip link set eth0 up
told "link eth0"
"""


def test_every_trigger_does_the_same(host, tmp_path):
    """A seed, a signal, a clock that was set, a link that came back; what the kernel says of a new generation, Linux 6.1 does not (test_node)."""
    network = ["../net/core/failover", "net/net_failover", "net/virtio_net"]
    image = make_initramfs(tmp_path / "initrd", TRIGGERS, [*MODULES, *network], program())
    out = run_guest(image, "-device", "virtio-serial-pci", "-chardev", f"socket,path={host.port},id=q,reconnect=1",
                    "-device", "virtserialport,chardev=q,name=org.qanat.0", "-nic", "user,model=virtio-net-pci,restrict=on", limit=90)
    told = [(int(number), why) for number, why in re.findall(r"TOLD +(\d+) (.*?)\r?\n", out)]
    assert len(told) == 4, out
    assert told[0][0] >= 2 and [number for number, _ in told] == sorted({number for number, _ in told}), told
    assert "the link eth0 was lost and has come back" in told[3][1]
