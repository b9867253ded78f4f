"""Xen's xenstored of Debian, without a hypervisor (xenstored_stub.c), and guests that reach it as real ones do: by a ring in a page
of theirs. Run by the Python of the system, which has pyxs."""

import mmap
import os
import pathlib
import selectors
import shutil
import socket
import struct
import subprocess
import tempfile
import threading

import pytest
from conftest import QANAT, eventually

PACKAGES = ("xen-utils-4.17", "libxenmisc4.17")
WATCH, REPLAYED = 4, 0xFFFFFFFF


def _unpacked():
    """The daemon's package wants a hypervisor to be installed: it is fetched and unpacked, once for a build."""
    place = pathlib.Path(QANAT).parent / "xen-4.17"
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=place.parent) as work:
            fetched = subprocess.run(["apt-get", "download", *PACKAGES], cwd=work, capture_output=True, text=True, timeout=120)
            if fetched.returncode != 0:
                pytest.skip(f"xenstored cannot be had: apt-get download {' '.join(PACKAGES)}: {fetched.stderr.strip()[-200:]}")
            for package in pathlib.Path(work).glob("*.deb"):
                subprocess.run(["dpkg", "-x", package, f"{work}/root"], check=True)
            stub = pathlib.Path(__file__).parent / "xenstored_stub.c"
            subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", f"{work}/root/stub.so", stub, "-ldl"], check=True)
            try:
                os.rename(f"{work}/root", place)
            except OSError:
                assert place.exists()  # another worker was first
    return place


def need_xenstored():
    if shutil.which("xenstore-read") is None:
        pytest.skip("xenstore-utils is not installed")
    pytest.importorskip("pyxs", reason="python3-pyxs is not installed, or this is not the system's Python")
    return _unpacked()


class Xen:
    """A running xenstored; `client` is pyxs's, in dom0."""

    def __init__(self, directory):
        self.root, self.directory, self.process, self.client, self.guests = need_xenstored(), directory, None, None, []
        for name in ("rings", "run", "lib"):
            (directory / name).mkdir(parents=True)
        for name in ("bell", "chime"):
            os.mkfifo(directory / name)
        (directory / "port").write_text("1")
        (directory / "kva").write_bytes(bytes(4096))
        self.socket = str(directory / "run/socket")
        self.start()

    def start(self):
        env = dict(os.environ, XENSTUB=str(self.directory), LD_PRELOAD=str(self.root / "stub.so"),
                   LD_LIBRARY_PATH=str(self.root / "usr/lib/x86_64-linux-gnu"), XENSTORED_RUNDIR=str(self.directory / "run"),
                   XENSTORED_ROOTDIR=str(self.directory / "lib"))
        daemon = self.root / "usr/lib/xen-4.17/bin/xenstored"
        self.process = subprocess.Popen([daemon, "-N", "--internal-db=on", "-F", self.directory / "pid"], env=env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.directory / "log", "a"))

        def connected():
            assert self.process.poll() is None, (self.directory / "log").read_text()
            import pyxs
            try:
                self.client = pyxs.Client(unix_socket_path=self.socket)
                self.client.connect()
                return True
            except Exception:
                return False
        eventually(connected)

    def stop(self):
        self.client.close()
        self.process.kill()
        self.process.wait()
        os.unlink(self.socket)
        (self.directory / "pid").unlink(missing_ok=True)

    def close(self):
        for guest in self.guests:
            guest.close()
        self.client.close()
        self.process.kill()
        self.process.wait()

    def domain(self, number):
        """Made as libxl does it: its directories first, then it is introduced."""
        home = f"/local/domain/{number}"
        (self.directory / f"rings/{number}").write_bytes(bytes(4096))
        self.client.transaction()
        self.client.write(f"{home}/domid".encode(), str(number).encode())
        self.client.mkdir(f"{home}/data".encode())
        for path, permissions in ((home, ["n0", f"r{number}"]), (f"{home}/domid", ["n0", f"r{number}"]), (f"{home}/data", [f"n{number}"])):
            self.client.set_perms(path.encode(), [p.encode() for p in permissions])
        assert self.client.commit()
        self.client.introduce_domain(number, 1, 7)

    def end(self, number):
        (self.directory / f"rings/{number}").unlink()
        self.client.delete(f"/local/domain/{number}".encode())
        with open(self.directory / "bell", "w") as bell:
            bell.write("e")

    def guest(self, number):
        self.guests.append(Guest(self, number))
        return self.guests[-1]

    def read(self, path):
        try:
            return self.client.read(path.encode()).decode()
        except Exception:
            return None

    def seed(self, number):
        return self.read(f"/local/domain/{number}/data/random-seed")


class Ring:
    """xs_wire.h, xenstore_domain_interface; the guest's side."""

    SIZE, REQUESTS, REPLIES, COUNTERS = 1024, 0, 1024, 2048  # req_cons, req_prod, rsp_cons, rsp_prod

    def __init__(self, xen, number):
        with open(xen.directory / f"rings/{number}", "r+b") as page:
            self.page = mmap.mmap(page.fileno(), 4096)
        self.bell = os.open(xen.directory / "bell", os.O_RDWR | os.O_NONBLOCK)

    def _counter(self, index, add=None):
        at = self.COUNTERS + 4 * index
        value = struct.unpack_from("<I", self.page, at)[0]
        if add is not None:
            struct.pack_into("<I", self.page, at, (value + add) & 0xFFFFFFFF)
        return value

    def send(self, data):
        """As much as there is room for; the rest."""
        produced = self._counter(1)
        room = self.SIZE - (produced - self._counter(0) & 0xFFFFFFFF)
        for i, byte in enumerate(data[:room]):
            self.page[self.REQUESTS + (produced + i) % self.SIZE] = byte
        self._counter(1, min(room, len(data)))
        os.write(self.bell, b"x")
        return data[room:]

    def receive(self):
        consumed = self._counter(2)
        there = self._counter(3) - consumed & 0xFFFFFFFF
        data = bytes(self.page[self.REPLIES + (consumed + i) % self.SIZE] for i in range(there))
        if there:
            self._counter(2, there)
            os.write(self.bell, b"x")
        return data


def messages(buffer):
    """The whole ones at its beginning, which are cut off."""
    while len(buffer) >= 16 and len(buffer) >= 16 + (length := struct.unpack_from("<I", buffer, 12)[0]):
        yield bytes(buffer[: 16 + length])
        del buffer[: 16 + length]


class Guest:
    """What the kernel of a domain does for /dev/xen/xenbus, for one program at a time, at a UNIX socket."""

    def __init__(self, xen, number):
        self.xen, self.ring, self.watches, self.client = xen, Ring(xen, number), [], None
        self.asked, self.told, self.to_ring = bytearray(), bytearray(), bytearray()
        self.socket = str(xen.directory / f"guest{number}")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket)
        self.listener.listen(8)
        self.chime = os.open(xen.directory / "chime", os.O_RDWR | os.O_NONBLOCK)
        self.lock, self.ending = threading.Lock(), False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def close(self):
        self.ending = True
        self.thread.join()

    def restore(self, number):
        """It runs on as another domain, from an image of its memory: its kernel makes all watches again (xs_resume)."""
        with self.lock:
            self.ring = Ring(self.xen, number)
            for payload in self.watches:
                self.to_ring += struct.pack("<4I", WATCH, REPLAYED, 0, len(payload)) + payload

    def run(self):
        while not self.ending:
            with selectors.DefaultSelector() as ready:
                for fd in (self.listener, self.chime, self.client):
                    if fd is not None:
                        ready.register(fd, selectors.EVENT_READ)
                found = [key.fileobj for key, _ in ready.select(0.02)]
            with self.lock:
                self.turn(found)

    def turn(self, found):
        if self.listener in found:
            self.client, _ = self.listener.accept()
        if self.chime in found:
            try:
                os.read(self.chime, 64)
            except BlockingIOError:
                pass  # somebody else has heard it
        if self.client in found:
            try:
                said = self.client.recv(65536)
            except OSError:
                said = b""
            if not said:
                self.client = None
            self.asked += said
            for message in messages(self.asked):
                if message[:4] == struct.pack("<I", WATCH):
                    self.watches.append(message[16:])
                self.to_ring += message
        if self.to_ring:
            self.to_ring = bytearray(self.ring.send(bytes(self.to_ring)))
        self.told += self.ring.receive()
        for message in messages(self.told):
            if struct.unpack_from("<I", message, 4)[0] != REPLAYED and self.client is not None:
                self.client.sendall(message)
