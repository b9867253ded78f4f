"""Seeds for Xen's guests, through Debian's xenstored: dom0's side, a guest's, and xenstoreds that are none."""

import os
import pathlib
import socket
import struct
import subprocess
import threading

import pytest
from conftest import balanced, eventually, free_port
from xen import Xen

FAST = "exec:cat /dev/urandom?h=8"


@pytest.fixture
def xen(tmp_path):
    xen = Xen(tmp_path / "xen")
    yield xen
    xen.close()


def host(run, xen, options="", **more):
    return run("serve", "--source", FAST, "--outlet", f"xenstore:?socket={xen.socket}{options}", name="host", **more).up()


def test_each_guest_has_a_seed_of_its_own_which_no_other_may_read(run, xen):
    for number in (1, 5, 6):
        xen.domain(number)
    node = host(run, xen, "&every=1s")
    first = eventually(lambda: all(map(xen.seed, (1, 5, 6))) and [xen.seed(n) for n in (1, 5, 6)])
    assert len(set(first)) == 3 and all(len(bytes.fromhex(seed)) == 16 for seed in first)
    path = b"/local/domain/5/data/random-seed"
    assert xen.client.get_perms(path) == [b"n0", b"b5"]
    assert xen.client.get_perms(path + b"-generation") == [b"n0", b"r5"]
    generations = {xen.read(f"/local/domain/{n}/data/random-seed-generation") for n in (1, 5, 6)}
    assert len(generations) == 3

    # As each guest sees it, with Debian's own tool.
    def xenstore_read(number, of):
        return subprocess.run(["xenstore-read", of], env=dict(os.environ, XENSTORED_PATH=xen.guest(number).socket), capture_output=True, text=True, timeout=20)
    assert len(bytes.fromhex(xenstore_read(5, "data/random-seed").stdout)) == 16
    assert xenstore_read(6, path.decode()).returncode != 0, "another's"

    assert eventually(lambda: not {xen.seed(n) for n in (1, 5, 6)} & set(first)), "fresh ones by the clock"
    assert xen.read("/local/domain/0/data/random-seed") is None
    status = node.status()
    assert balanced(status["ledger"])
    assert node.outlet("xenstore:")["guests"] and node.outlet("xenstore:")["connections"] == 3
    assert node.stop() == 0


def test_a_new_guest_has_a_seed_at_once_and_one_that_asks_soon(run, xen):
    node = host(run, xen, "&every=20s")
    xen.domain(7)
    first = eventually(lambda: xen.seed(7))
    xen.client.delete(b"/local/domain/7/data/random-seed")
    assert eventually(lambda: xen.seed(7)) != first
    assert node.outlet("xenstore:")["deliveries"] == 2
    xen.end(7)
    eventually(lambda: node.outlet("xenstore:")["connections"] == 0)
    assert xen.read("/local/domain/7") is None
    assert node.outlet("xenstore:")["full_bytes"] == 32


def test_a_restarted_xenstored_has_all_seeds_again(run, xen):
    xen.domain(1)
    node = host(run, xen)
    first = eventually(lambda: xen.seed(1))
    xen.stop()
    assert eventually(lambda: node.outlet("xenstore:")["problem"])
    xen.start()
    xen.domain(1)
    assert eventually(lambda: xen.seed(1)) != first
    eventually(lambda: not node.outlet("xenstore:")["problem"])
    assert balanced(node.status()["ledger"])


def test_a_thousand_guests(run, xen):
    """More than one message can list."""
    numbers = range(20000, 21000)
    xen.client.transaction()
    for number in numbers:
        xen.client.mkdir(f"/local/domain/{number}".encode())
    assert xen.client.commit()
    node = host(run, xen)
    eventually(lambda: node.outlet("xenstore:")["deliveries"] == 1000)
    assert len({xen.seed(number) for number in numbers}) == 1000
    assert balanced(node.status()["ledger"])
    assert node.stop() == 0


def test_a_guest_takes_its_seed_and_knows_when_it_is_a_copy(run, xen, tmp_path):
    """The whole way: dom0's node, xenstored, the ring, the kernel's part, the guest's node."""
    xen.domain(5)
    node = host(run, xen, "&every=1s")
    guest = xen.guest(5)
    ran = tmp_path / "ran"
    config = tmp_path / "guest.toml"
    name = f"xenstore:data/random-seed?socket={guest.socket}"
    config.write_text(f"[node]\non-reseed = ['echo $QANAT_REASON >> {ran}']\n[[source]]\nname = \"{name}\"\n"
                      f"[[outlet]]\nname = \"http://127.0.0.1:{free_port()}\"\n")
    inside = run("serve", "--config", str(config), name="guest").up()
    renewals = lambda: ran.read_text().splitlines() if ran.exists() else []
    eventually(lambda: len(renewals()) == 1)
    assert "brings a fresh seed" in renewals()[0]
    # What comes by the clock is credited as far as it is wanted, 128 bits each, and renews nothing.
    eventually(lambda: inside.source(name)["bytes"] >= 48)
    ledger = inside.status()["ledger"]
    assert ledger["credited"] > 0 and ledger["credited"] % 128 == 0 and balanced(ledger)
    assert len(renewals()) == 1
    assert inside.source(name)["state"] == "healthy"
    # Restored from an image, as another domain.
    xen.domain(9)
    guest.restore(9)
    xen.end(5)
    eventually(lambda: len(renewals()) == 2)
    assert xen.read("/local/domain/9/data/random-seed-generation")
    assert balanced(inside.status()["ledger"]) and balanced(node.status()["ledger"])
    assert inside.stop() == 0


def header(kind, request, payload):
    return struct.pack("<4I", kind, request, 0, len(payload)) + payload


def garbage(peer):
    while True:
        peer.sendall(os.urandom(65536))


def silence(peer):
    while peer.recv(1 << 16):
        pass


def a_huge_length(peer):
    peer.recv(1 << 16)
    peer.sendall(struct.pack("<4I", 2, 1, 0, 0xFFFFFFFF))
    silence(peer)


def events_without_end(peer):
    _, request, _, _ = struct.unpack_from("<4I", peer.recv(1 << 16))
    peer.sendall(header(4, request, b"OK\0"))
    many = 1000 * header(15, 0, b"@introduceDomain\0seed\0")
    while True:
        peer.sendall(many)


def answers_that_nobody_asked_for(peer):
    while True:
        peer.recv(1 << 16)
        peer.sendall(header(2, 77, b"x"))


def a_directory_without_end(peer):
    """Every question but the list is answered well."""
    while (said := peer.recv(1 << 16)):
        while said:
            kind, request, _, length = struct.unpack_from("<4I", said)
            said = said[16 + length:]
            if kind == 1:
                peer.sendall(struct.pack("<4I", 16, request, 0, 6) + b"E2BIG\0")
            elif kind == 22:
                peer.sendall(header(22, request, b"1\0" + b"7\0" * 2000))
            else:
                peer.sendall(header(kind, request, b"1\0"))


def hanging_up(peer):
    pass


RUDE = (garbage, silence, a_huge_length, events_without_end, answers_that_nobody_asked_for, a_directory_without_end, hanging_up)


def serve_rudely(path, behaviour):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(64)

    def one(peer):
        with peer:
            try:
                behaviour(peer)
            except (OSError, struct.error):
                pass

    def run():
        while True:
            threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()
    threading.Thread(target=run, daemon=True).start()


def test_no_xenstored_disturbs_anybody_else(run, tmp_path):
    sockets = {behaviour.__name__: tmp_path / behaviour.__name__ for behaviour in RUDE}
    for behaviour in RUDE:
        serve_rudely(sockets[behaviour.__name__], behaviour)
    arguments = ["serve", "--source", FAST, "--outlet", f"http://127.0.0.1:{free_port()}"]
    for path in sockets.values():
        arguments += ["--source", f"xenstore:data/random-seed?socket={path}", "--outlet", f"xenstore:?socket={path}"]
    node = run(*arguments).ready()

    def settled():
        status = node.status()
        outlets = {o["name"]: o for o in status["outlets"] if o["name"].startswith("xenstore:")}
        sources = {s["name"]: s for s in status["sources"] if s["name"].startswith("xenstore:")}
        return all(s["state"] in ("gone", "suspect") for s in sources.values()) and all(o["problem"] for o in outlets.values())
    eventually(settled)
    status = node.status()
    assert balanced(status["ledger"])
    assert all(s["bytes"] == 0 for s in status["sources"] if s["name"].startswith("xenstore:"))
    resident = int(pathlib.Path(f"/proc/{node.process.pid}/statm").read_text().split()[1]) * 4096
    assert resident < (200 << 20)
    assert node.stop(limit=5) == 0
