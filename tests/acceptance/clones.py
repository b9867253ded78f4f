"""Copies of one snapshot of an emulated guest in which a program draws UUIDs, without a pause, of the kernel: with and without seeds of a host's.

The guest runs Debian's cloud kernel, `qanat feed` (or not) and draws.c. Its clock counts instructions
(-icount shift=2: 4 ns each), so the times below are the guest's own. `sleep=off` lets a `sleep 200` of an idle
guest pass at once: the snapshot is taken beyond the 120 s of uptime from which the kernel reseeds once a minute."""

import json
import mmap
import pathlib
import shutil
import socket
import statistics
import struct
import subprocess
import time

from guest import command, make_initramfs, program

PORT = "org.qanat.0"
MODULES = ["char/virtio_console"]
MAGIC = b"qanat's draws of " + b"UUIDs\0"
HEAD = struct.Struct("<24sQQQ")
DRAW = struct.Struct("<Q16s")

SCRIPT = """
mkdir -p /run /var/lib
# The kernel makes a seed of its own: from here on it gives itself a new one once a minute, and no sooner.
head -c 16 /dev/random > /dev/null
{feed}
sleep {sleep}
/bin/draws /dev/vport0p2 & DRAWS=$!
echo "GUEST DRAWS"
until read word < /dev/vport0p2; do sleep 0.1; done
kill -USR1 $DRAWS
wait $DRAWS
# Until the host has read all of it and hangs up: a guest that powers off takes with it what is on the way.
cat /dev/vport0p2 > /dev/null
"""
FEED = "/bin/qanat feed vmport:/dev/virtio-ports/org.qanat.0 {more} --state /var/lib/feed 2>/dev/console & sleep 2"


class Guest:
    """A QEMU with two ports: the host's socket for seeds, and one of ours for the draws."""

    def __init__(self, directory, name, initramfs, host, *more, icount=True, memory=160):
        self.directory, self.name = directory, name
        self.log = directory / f"{name}.log"
        port = ["-device", "virtio-serial-pci"]
        seeds = f"socket,path={host},id=q,reconnect=1" if host else "null,id=q"
        port += ["-chardev", seeds, "-device", f"virtserialport,chardev=q,name={PORT}"]
        port += ["-chardev", f"socket,path={directory}/{name}.draws,id=t,server=on,wait=off", "-device", "virtserialport,chardev=t,name=org.test.0"]
        port += ["-qmp", f"unix:{directory}/{name}.qmp,server=on,wait=off"]
        clock = ["-icount", "shift=2,sleep=off"] if icount else []
        self.process = subprocess.Popen(command(initramfs, *port, *clock, *more, memory=memory), stdin=subprocess.DEVNULL,
                                        stdout=open(self.log, "wb"), stderr=subprocess.STDOUT)

    def wait_for(self, word, limit=120):
        end = time.monotonic() + limit
        while word.encode() not in self.log.read_bytes():
            assert self.process.poll() is None and time.monotonic() < end, f"no '{word}':\n" + self.log.read_text(errors="replace")[-2000:]
            time.sleep(0.05)

    def connect(self, kind, limit=20):
        end = time.monotonic() + limit
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(f"{self.directory}/{self.name}.{kind}")
                return s
            except OSError:
                assert time.monotonic() < end and self.process.poll() is None, self.log.read_text(errors="replace")[-2000:]
                time.sleep(0.02)

    def order(self, *orders):
        """QMP commands, one after the other; the last one's answer."""
        with self.connect("qmp") as s, s.makefile("rw") as lines:
            json.loads(lines.readline())
            for name, arguments in (("qmp_capabilities", {}), *orders):
                lines.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
                lines.flush()
                answer = json.loads(lines.readline())
                while "event" in answer:
                    answer = json.loads(lines.readline())
                assert "return" in answer, answer
            return answer["return"]

    def snapshot(self, path):
        """Keeps all that it is in `path`: as it was while it ran, so that a copy runs at once."""
        self.order(("migrate-set-parameters", {"max-bandwidth": 1 << 33}), ("migrate", {"uri": f"exec:cat > {path}"}))
        end = time.monotonic() + 120
        while (state := self.order(("query-migrate", {}))["status"]) != "completed":
            assert state != "failed" and time.monotonic() < end, state
            time.sleep(0.05)
        self.end()

    def restore(self, path):
        """Of one that was started with `-incoming defer`, as libvirt does: its ports are connected before it is what the snapshot was."""
        self.order(("migrate-incoming", {"uri": f"exec:cat {path}"}))
        self.wait_running()

    def wait_running(self):
        end = time.monotonic() + 120
        while not self.order(("query-status", {}))["running"]:
            assert time.monotonic() < end
            time.sleep(0.02)

    @staticmethod
    def ask(s, limit, answered=lambda: False):
        """Says the word that the guest's script waits for; what it answers at first. A word that comes while the guest's shell closes the port
        is lost: it is said again."""
        end = time.monotonic() + limit
        s.settimeout(1)
        while not answered():
            assert time.monotonic() < end, "the guest says nothing"
            try:
                s.sendall(b"enough\n")
                if piece := s.recv(1 << 20):
                    return piece
            except TimeoutError:
                continue
            except ConnectionError:
                pass
            time.sleep(0.1)  # it has ended, and what it said is in its log
        return b""

    def draws(self, limit=120):
        """Ends the drawing: [(ns, uuid)], the last of them, and how many came before those."""
        with self.connect("draws") as s:
            data = bytearray(self.ask(s, limit))
            s.settimeout(limit)
            size = HEAD.size + 8
            while True:
                if size == HEAD.size + 8 and len(data) >= size:
                    size += struct.unpack_from("<Q", data, HEAD.size)[0] * DRAW.size
                if len(data) >= size:
                    break
                piece = s.recv(1 << 20)
                assert piece, "the guest hung up"
                data += piece
        magic, begun, done, last = HEAD.unpack_from(data)
        assert magic.startswith(MAGIC), magic
        places = struct.unpack_from("<Q", data, HEAD.size)[0]
        first = max(0, done - places)
        at = lambda number: DRAW.unpack_from(data, HEAD.size + 8 + number % places * DRAW.size)
        return first, [at(number) for number in range(first, done)]

    def end(self):
        self.process.kill()
        self.process.wait()


def head_in(snapshot):
    """begun, done and last_ns of the drawing program, as they are in the guest's memory."""
    with open(snapshot, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        # A page that changed while the snapshot was written stands there again: the last is the guest's.
        at = memory.rfind(MAGIC)
        assert at >= 0, "the drawing program is not in the snapshot"
        return HEAD.unpack_from(memory, at)[1:]


def guest_image(directory, feed=True, sleep=200, more=""):
    """An initramfs with the binary, the drawing program, and a script that runs both."""
    draws = directory / "draws"
    subprocess.run(["gcc", "-O2", "-static", "-o", draws, pathlib.Path(__file__).with_name("draws.c")], check=True)
    script = SCRIPT.format(feed=FEED.format(more=more) if feed else "", sleep=sleep)
    return make_initramfs(directory / f"initrd-{'feed' if feed else 'plain'}", script, MODULES, [*program(), (draws, "/bin/draws")])


def take_snapshot(directory, host, feed=True, sleep=200, more=""):
    image = guest_image(directory, feed, sleep, more)
    guest = Guest(directory, "original", image, host)
    try:
        guest.wait_for("GUEST DRAWS", 240)
        time.sleep(0.5)
        guest.snapshot(directory / "snapshot")
    finally:
        guest.end()
    return image


class Clones:
    """What the copies of one snapshot drew after it."""

    def __init__(self, head):
        self.begun, self.done, self.last_ns = head
        self.runs = []  # of each: [(ns after the snapshot, uuid)]
        # A draw that was under way when the snapshot was taken is the snapshot's, though it came to its end afterwards: told apart.
        self.under_way = self.begun - self.done
        self.ended_after = []

    def add(self, first, draws):
        after = self.done + self.under_way
        assert first <= after, "the guest drew more than it has room for: watch it for less time"
        self.ended_after += [uuid for _, uuid in draws[self.done - first:after - first]]
        self.runs.append([(ns - self.last_ns, uuid) for ns, uuid in draws[after - first:]])

    def shared(self):
        """Of each copy, the times (ns) of draws that another one made too."""
        seen = {}
        for number, run in enumerate(self.runs):
            for _, uuid in run:
                seen.setdefault(uuid, set()).add(number)
        return [[ns for ns, uuid in run if len(seen[uuid]) > 1] for run in self.runs]

    def figures(self):
        """`late`: copies that said what another did more than 5 ms after the resume."""
        shared = self.shared()
        counts = [len(times) for times in shared]
        last = [max(times) / 1e6 for times in shared if times]
        drawn = [len(run) for run in self.runs]
        watched = [run[-1][0] / 1e6 for run in self.runs]
        late = sum(times[-1] > 5e6 for times in shared if times)
        return {"late": late, "copies": len(self.runs), "drawn_median": statistics.median(drawn), "watched_ms_median": statistics.median(watched),
                "identical_median": statistics.median(counts), "identical_worst": max(counts), "identical_last_ms": max(last, default=0.0),
                "under_way": len(self.ended_after), "under_way_different": len(set(self.ended_after))}

    def text(self):
        f = self.figures()
        return (f"{f['copies']} copies, each watched for {f['watched_ms_median']:.0f} ms of its own time and {f['drawn_median']:.0f} draws (medians): "
                f"identical draws {f['identical_median']:g} at the median, {f['identical_worst']} at the worst, the last of them "
                f"{f['identical_last_ms']:.3f} ms after the resume (the draw that was under way when the snapshot was taken: "
                f"{f['under_way_different']} different results in {f['under_way']} copies)")


def run_clones(directory, image, host, count, watch=0.5, at_once=2):
    """Restores the snapshot `count` times, `at_once` at a time, and lets each draw for `watch` seconds."""
    clones = Clones(head_in(directory / "snapshot"))
    running = []

    def finish():
        guest = running.pop(0)
        try:
            guest.restore(directory / "snapshot")
            time.sleep(watch)
            clones.add(*guest.draws())
        finally:
            guest.end()

    for number in range(count):
        running.append(Guest(directory, f"copy{number}", image, host, "-incoming", "defer"))
        if len(running) == at_once:
            finish()
    while running:
        finish()
    return clones
