"""What a peer may do to each protocol's outlet, and that nobody else notices."""

import os
import pathlib
import random
import resource
import select
import signal
import socket
import ssl
import struct
import subprocess

import pytest
from conftest import MEMORY, QANAT, SANITIZED, eventually, fetch, free_port

PASSWORD = "my_password1234"
DELIMITER = b"--NETRNG-SOCKET-DELIMITER"


def egd(sock):
    sock.sendall(b"\x02\x20")
    return receive(sock, 32)


def raw(sock):
    return receive(sock, 32)


def netrng(sock):
    sock.sendall(b"\x81\xa3get\xa6sample" + DELIMITER)
    return receive(sock, 2095)


def broker(sock):
    """As far as its hello: the test has no ciphers."""
    return receive(sock, 30)


def http(sock):
    sock.sendall(b"GET /v1/random?bytes=32&grade=drbg HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return receive(sock, 100)


PROTOCOLS = {
    # name: a good question, one that asks for much, half a frame, a length of 4 GiB
    "egd": (egd, b"\x02\xff" * 500, b"\x03\xff", b"\x03\xff\xff\xff"),
    "raw": (raw, b"", b"x", b"\xff" * 8),
    "netrng": (netrng, (b"\x81\xa3get\xa6sample" + DELIMITER) * 20, b"\x81\xa3get", b"\x81\xa3get\xdb\xff\xff\xff\xff"),
    "broker": (broker, b"", struct.pack(">I", 3) + b"jo", b"\xff\xff\xff\xff"),
    "http": (http, b"GET /v1/random?bytes=100000&grade=drbg HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20, b"GET /v1/ra",
             b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4294967295\r\n\r\n"),
}


def receive(sock, count):
    got = b""
    while len(got) < count:
        data = sock.recv(65536)
        assert data, "hung up on"
        got += data
    return got


@pytest.fixture(params=PROTOCOLS)
def node(request, run, tmp_path):
    (tmp_path / "users").write_text(f"joe|{PASSWORD}|0\n")
    (tmp_path / "users").chmod(0o600)
    port, kind = free_port(), request.param
    options = f"?users={tmp_path}/users&grade=drbg" if kind == "broker" else "" if kind == "http" else "?grade=drbg"
    # The good peer and the bad ones are one address block here: all of loopback.
    options += "" if kind == "http" else "&connections=20000"
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"{kind}://127.0.0.1:{port}{options}", name="hub").ready()
    node.kind, node.port = kind, port
    node.good, node.much, node.half, node.huge = PROTOCOLS[kind]
    return node


def connect(node):
    sock = socket.create_connection(("127.0.0.1", node.port), timeout=20)
    return sock


def memory(node):
    return int(open(f"/proc/{node.process.pid}/statm").read().split()[1]) * 4096


def served(node):
    with connect(node) as sock:
        assert node.good(sock)


def test_nonsense_half_frames_and_huge_lengths(node):
    chance = random.Random(5)
    for i in range(300):
        with connect(node) as sock:
            try:
                sock.sendall((chance.randbytes(chance.randrange(1, 600)), node.half, node.huge)[i % 3])
                if i % 3 == 2 and node.kind != "raw":
                    # Hung up on, or at least never waited for.
                    select.select([sock], [], [], 0.01)
            except (ConnectionResetError, BrokenPipeError):
                pass
        if i % 50 == 0:
            served(node)
    served(node)
    assert eventually(lambda: node.outlet(node.kind)["connections"] == 0)
    if node.kind != "raw":
        assert node.outlet(node.kind)["refused"]["malformed"] > 0
    assert node.process.poll() is None


def test_peers_that_never_read_and_peers_that_vanish(node):
    before = memory(node)
    greedy = [connect(node) for _ in range(100)]
    try:
        for sock in greedy:
            sock.setblocking(False)
            for _ in range(20):
                try:
                    sock.sendall(node.much or b"x")
                except (BlockingIOError, ConnectionResetError, BrokenPipeError):
                    break
        for _ in range(20):
            served(node)
        # Sockets of the kernel aside, each costs its connection and one answer under way.
        assert memory(node) - before < MEMORY * (64 << 20)
    finally:
        for sock in greedy:
            # With data unread this is a reset, in the middle of a payload.
            sock.close()
    served(node)
    assert eventually(lambda: node.outlet(node.kind)["connections"] == 0)


def test_ten_thousand_connections(node):
    before = memory(node)
    held = []
    try:
        for i in range(10_000):
            sock = connect(node)
            if i % 10 == 0:
                held.append(sock)
            else:
                sock.close()
        served(node)
        assert memory(node) - before < MEMORY * (128 << 20)
    finally:
        for sock in held:
            sock.close()
    served(node)
    assert eventually(lambda: node.outlet(node.kind)["connections"] == 0)
    assert node.process.poll() is None


def test_a_guest_that_begins_again_and_again_fills_no_log(run, tmp_path):
    path = tmp_path / "guests"
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"vmport:{path}?grade=drbg", name="host").ready()
    before = len(node.log().splitlines())
    for _ in range(60):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(str(path))
            receive(sock, 112)
    assert node.outlet("vmport")["deliveries"] >= 60
    assert len(node.log().splitlines()) - before < 20
    node.stop()
    assert "more in 60 s" in node.log(), "what was held back is said at the end"


def test_a_peer_that_begins_and_ends_without_a_pause_keeps_no_guest_out(run, tmp_path):
    path = tmp_path / "guests"
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"vmport:{path}", name="host").ready()
    for _ in range(40):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(path))
        assert len(receive(sock, 112)) == 112
    assert node.outlet("vmport")["refused"]["peer_connections"] == 0


def test_one_peer_leaves_room_for_others_before_it_has_a_name(run, tmp_path):
    (tmp_path / "limits.toml").write_text("[limits]\nconnections = 100\n")
    port = free_port()
    node = run("serve", "--config", f"{tmp_path}/limits.toml", "--source", "exec:cat /dev/urandom?h=8",
               "--outlet", f"https://[::]:{port}?access=open", name="hub").ready()
    node.port = port
    held = []
    try:
        # Wherever they come from within it, all of 127.0.0.0/8 is one.
        for i in range(120):
            held.append(socket.create_connection(("127.0.0.1", port), source_address=(f"127.{i}.0.1", 0)))
        # Another block of addresses, and the same.
        for host in ("::1", "127.0.0.1"):
            with socket.create_connection((host, port), timeout=20) as sock:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                with context.wrap_socket(sock) as secure:
                    secure.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert secure.recv(100).startswith(b"HTTP/1.1 200")
        assert node.outlet("https")["connections"] <= 100
        assert node.outlet("https")["refused"]["displaced"] > 0
    finally:
        for sock in held:
            sock.close()


def test_silent_connections_at_https_cost_little_and_it_is_given_back(run):
    port = free_port()
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"https://127.0.0.1:{port}", name="hub").ready()
    node.port = port
    before = memory(node)
    held = []
    try:
        for _ in range(3000):
            held.append(connect(node))
        assert eventually(lambda: node.outlet("https")["connections"] == 3000)
        assert memory(node) - before < 3000 * 12_000
    finally:
        for sock in held:
            sock.close()
    # What Asio keeps for the next ones stays. (The address sanitizer keeps what was freed, to see uses of it.)
    assert SANITIZED or eventually(lambda: memory(node) - before < 3000 * 4_000)


def test_nobody_reads_standard_output_and_all_others_are_served(run):
    port = free_port()
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{port}",
               "--outlet", "stdout?every=1h&grade=drbg", "--threads", "1").ready()
    # The pipe is full, and a delivery is due.
    pipe = os.open(f"/proc/{node.process.pid}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(pipe, bytes(4096))
    before = node.outlet("stdout")["drbg_bytes"]
    node.process.send_signal(signal.SIGUSR1)
    eventually(lambda: any("seeded anew" in e["text"] for e in node.status()["events"]))
    assert fetch(port, "/healthz")[0] == 200
    assert node.outlet("stdout")["drbg_bytes"] == before
    # Whoever reads after all gets what is due.
    os.read(node.process.stdout.fileno(), 65536)
    assert eventually(lambda: node.outlet("stdout")["drbg_bytes"] > before)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(pipe, bytes(4096))
    node.process.send_signal(signal.SIGUSR1)
    eventually(lambda: sum("seeded anew" in e["text"] for e in node.status()["events"]) == 2)
    node.process.terminate()
    assert node.process.wait(20) == 0
    assert "left behind" not in node.log()


def test_nobody_reads_the_log_and_the_node_ends(run):
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}").ready()
    # Its standard error is a pipe that is full, in place of the file.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    other = subprocess.Popen([QANAT, "serve", "--source", "kernel", "--outlet", f"http://127.0.0.1:{free_port()}",
                              "--state", str(node.state.parent / "other")], stdin=subprocess.DEVNULL, stderr=writer)
    try:
        # It has not got beyond its first line; whatever comes first, it ends.
        eventually(lambda: "pipe_write" in pathlib.Path(f"/proc/{other.pid}/wchan").read_text())
        other.terminate()
        assert other.wait(20) == 0
    finally:
        other.kill()
        os.close(reader)
        os.close(writer)


def test_one_peer_cannot_use_up_all_descriptors(run, tmp_path):
    port, other = free_port(), free_port()
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{port}", "--outlet", f"https://127.0.0.1:{other}?access=open",
               "--outlet", f"egd:{tmp_path}/egd", name="hub").ready()
    hard = resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE)[1]
    node.stop()
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{port}", "--outlet", f"https://127.0.0.1:{other}?access=open",
               "--outlet", f"egd:{tmp_path}/egd", name="hub", limit=512).ready()
    assert hard > 512 and "raise LimitNOFILE=" in node.log()
    sockets = []
    for _ in range(1000):
        sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        try:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        except OSError:
            pass
        sockets.append(sock)
    # The operator, the other outlets, and everybody else who comes.
    assert node.status()["node"]["ready"]
    assert subprocess.run(["curl", "-ksf", "-m", "10", f"https://127.0.0.1:{other}/healthz"]).returncode == 0
    assert fetch(port, "/healthz")[0] == 200
    for sock in sockets:
        sock.close()


def test_when_no_descriptor_is_free_it_is_told(run, tmp_path):
    port = free_port()
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{port}", name="hub").ready()
    before = resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE, (8, before[1]))
    with socket.create_connection(("127.0.0.1", port), timeout=10):
        assert eventually(lambda: "cannot accept connections: Too many open files; raise RLIMIT_NOFILE" in node.log())
    resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE, before)
    assert eventually(lambda: fetch(port, "/healthz")[0] == 200)
