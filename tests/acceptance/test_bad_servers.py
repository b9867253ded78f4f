"""What a server may do to each protocol's source, and that nobody else notices."""

import os
import socket
import threading
import time

import pytest
from conftest import MEMORY, eventually, free_port, qanat


def garbage(peer):
    while True:
        peer.sendall(os.urandom(65536))


def silence(peer):
    peer.recv(1 << 20) and silence(peer)


def half_a_message(peer):
    peer.sendall(b"0007\x00\x00\x00\x06sha5")
    silence(peer)


def four_gigabytes(peer):
    peer.sendall(b"0007\xff\xff\xff\xff\x82\xa4push\xa6sample\xa6sample\xdb\xff\xff\xff\xff")
    silence(peer)


def hanging_up(peer):
    pass


def dripping(peer):
    while True:
        peer.sendall(b"0")
        time.sleep(0.05)


BEHAVIOURS = (garbage, silence, half_a_message, four_gigabytes, hanging_up, dripping)


def dripping_http(peer):
    peer.recv(4096)
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + 64 * b"x":
        peer.sendall(bytes([byte]))
        time.sleep(0.5)


def endless_http(peer):
    peer.recv(4096)
    peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    garbage_chunk = b"10000\r\n" + os.urandom(65536) + b"\r\n"
    while True:
        peer.sendall(garbage_chunk)


class Server:
    def __init__(self, behaviour):
        self.behaviour, self.connections = behaviour, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            peer, _ = self.listener.accept()
            self.connections += 1
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        with peer:
            try:
                self.behaviour(peer)
            except OSError:
                pass


@pytest.mark.parametrize("kind", ["egd", "raw", "netrng", "broker"])
def test_bad_servers_cost_little_and_stop_nobody(kind, run, tmp_path):
    (tmp_path / "auth").write_text("joe\nmy_password1234\n")
    (tmp_path / "auth").chmod(0o600)
    account = f"joe:{tmp_path}/auth@" if kind == "broker" else ""
    servers = {f"{kind}://{account}127.0.0.1:{server.port}": server for server in map(Server, BEHAVIOURS)}
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", *(word for name in servers for word in ("--source", name)),
               "--outlet", f"http://127.0.0.1:{free_port()}").ready()
    assert eventually(lambda: all(server.connections for server in servers.values()))
    hangs_up = next(server for server in servers.values() if server.behaviour is hanging_up)
    # It is looked for again, less and less often, and told of once.
    assert eventually(lambda: hangs_up.connections >= 3)
    sources = {s["name"]: s for s in node.status()["sources"]}
    for name, server in servers.items():
        assert sources[name]["ledger"]["credited"] == 0, sources[name]
        # By its words, one for each way of hanging up.
        assert node.log().count(f"{name}: gone") <= 2, node.log()
    assert node.source("exec:cat /dev/urandom?h=8")["state"] == "healthy"
    assert int(open(f"/proc/{node.process.pid}/statm").read().split()[1]) * 4096 < MEMORY * (64 << 20)
    assert node.stop() == 0 and "stuck" not in node.log(), node.log()


@pytest.mark.parametrize("behaviour", [dripping_http, endless_http, silence])
def test_a_bad_hub_starves_nobody_and_holds_up_no_stop(behaviour, run, tmp_path):
    port = free_port()
    run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{port}", name="hub").ready()
    bad = Server(behaviour)
    began = time.monotonic()
    qanat("feed", f"http://127.0.0.1:{bad.port}", f"http://127.0.0.1:{port}", "--outlet", f"file:{tmp_path}/seed", "--once",
          "--wait", "60s", "--state", str(tmp_path / "feed"))
    assert time.monotonic() - began < 20 and bad.connections > 0
    # Alone it gives nothing, costs nothing, and a stop interrupts it.
    connections = bad.connections
    relay = run("serve", "--source", f"http://127.0.0.1:{bad.port}", "--outlet", f"http://127.0.0.1:{free_port()}", name="relay").up()
    assert eventually(lambda: bad.connections > connections)
    began = time.monotonic()
    assert relay.stop() == 0 and time.monotonic() - began < 5
    assert "stuck" not in relay.log() and int(relay.process.returncode) == 0
