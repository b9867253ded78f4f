"""NetRNG: nothing is packaged, so a plain client and a plain server from its documentation, with the msgpack library."""

import os
import socket
import threading
import time

import pytest
from conftest import eventually, free_port, need, qanat

msgpack = pytest.importorskip("msgpack", reason="python3-msgpack is not installed")
from test_discovery import MDNS, inside  # noqa: E402

DELIMITER = b"--NETRNG-SOCKET-DELIMITER"


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)

    def say(self, what):
        self.socket.sendall(msgpack.packb({b"get": what}, use_bin_type=False) + DELIMITER)

    def hear(self):
        """By MessagePack's lengths: the delimiter may stand in the sample."""
        reader = msgpack.Unpacker(raw=True, max_buffer_size=1 << 20)
        while True:
            data = self.socket.recv(65536)
            if not data:
                return None
            reader.feed(data)
            try:
                message = reader.unpack()
            except msgpack.OutOfData:
                continue
            rest = reader.read_bytes(1000)
            while len(rest) < len(DELIMITER):
                rest += self.socket.recv(len(DELIMITER) - len(rest))
            assert rest == DELIMITER
            return message

    def ask(self, what=b"sample"):
        self.say(what)
        return self.hear()


@pytest.fixture
def hub(run):
    def start(options="grade=drbg"):
        port = free_port()
        node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"netrng://127.0.0.1:{port}?{options}",
                   "--outlet", f"http://127.0.0.1:{free_port()}", name="hub").ready()
        node.port = port
        return node

    return start


def test_samples_and_heartbeats(hub):
    node = hub()
    client = Client(node.port)
    seen = set()
    for _ in range(100):
        reply = client.ask()
        assert set(reply) == {b"push", b"sample"} and reply[b"push"] == b"sample" and len(reply[b"sample"]) == 2048
        seen.add(reply[b"sample"])
    assert len(seen) == 100
    assert client.ask(b"heartbeat") == {b"push": b"heartbeat"}
    assert eventually(lambda: node.outlet("netrng")["drbg_bytes"] == 100 * 2048)


def test_the_samples_have_the_size_that_was_asked_for_and_full_is_paid(hub):
    client = Client(hub("grade=full&bytes=512").port)
    assert len(client.ask()[b"sample"]) == 512


@pytest.mark.alone
def test_samples_are_whole_where_sources_are_slow_and_short_where_they_are_too_slow(run, tmp_path):
    """The reserve holds two samples; what the client gets then is gathered as it comes."""
    for rate, whole in ((8192, True), (512, False)):
        port, config = free_port(), tmp_path / f"{rate}.toml"
        config.write_text(f"""[reserve]
size = "4KiB"
[[source]]
name = "exec:while head -c {rate // 8} /dev/urandom; do sleep 0.125; done?h=8"
[[outlet]]
name = "netrng://127.0.0.1:{port}"
""")
        run("serve", "--config", str(config), name=f"at{rate}").ready()
        client = Client(port)
        sizes = [len(client.ask()[b"sample"]) for _ in range(6)]
        assert set(sizes) == {2048} if whole else 64 <= min(sizes) < 2048, sizes


def test_a_client_that_says_nothing_for_three_seconds_is_hung_up_on(hub):
    node = hub()
    silent, lively = Client(node.port), Client(node.port)
    end = time.monotonic() + 20
    gone = threading.Event()
    threading.Thread(target=lambda: (silent.hear(), gone.set()), daemon=True).start()
    while not gone.wait(0.5):
        assert lively.ask(b"heartbeat") and time.monotonic() < end
    assert eventually(lambda: node.outlet("netrng")["refused"]["timeout"] == 1)
    assert lively.ask()


def test_a_full_server_lets_new_clients_wait(hub):
    node = hub("grade=drbg&clients=2")
    first, second, third = Client(node.port), Client(node.port), Client(node.port)
    assert first.ask() and second.ask()
    third.say(b"sample")
    third.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        third.hear()
    first.socket.close()
    third.socket.settimeout(20)
    assert third.hear()


def test_nonsense_is_counted_and_disturbs_nobody(hub):
    node = hub()
    other = Client(node.port)
    for words in (b"GET / HTTP/1.0\r\n\r\n", b"\x81\xa3get\xdb\xff\xff\xff\xff", b"\x81\xa3get" * 100, os.urandom(3000)):
        client = Client(node.port)
        client.socket.sendall(words)
        try:
            assert client.socket.recv(100) == b""
        except ConnectionResetError:
            pass
    for _ in range(500):
        client = Client(node.port)
        client.say(b"sample")
        client.socket.close()  # in the middle of the payload
    assert other.ask()
    assert eventually(lambda: node.outlet("netrng")["refused"]["malformed"] == 4)
    assert eventually(lambda: node.outlet("netrng")["connections"] <= 1)


def test_our_source_draws_from_a_server_and_survives_its_going(run):
    """A server in the test's own words, which hangs up on idle clients, and in the middle of a sample."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    served = []

    def serve():
        while True:
            connection, _ = listener.accept()
            with connection:
                for i in range(3):
                    reader = msgpack.Unpacker(raw=True)
                    try:
                        data = connection.recv(1000)
                    except ConnectionError:
                        break
                    if not data:
                        break
                    reader.feed(data)
                    assert reader.unpack() == {b"get": b"sample"}
                    reply = msgpack.packb({b"push": b"sample", b"sample": os.urandom(2048)}, use_bin_type=len(served) % 2 == 0) + DELIMITER
                    connection.sendall(reply[:1000] if len(served) == 1 else reply)
                    served.append(i)
                    if len(served) == 2:
                        break

    threading.Thread(target=serve, daemon=True).start()
    name = f"netrng://127.0.0.1:{port}"
    node = run("serve", "--source", f"{name}?credit=yes", "--outlet", f"http://127.0.0.1:{free_port()}", name="taker").up()
    assert eventually(lambda: node.source(f"{name}?credit=yes")["ledger"]["credited"] > 8 * 2048)


def test_our_source_draws_from_our_server(hub, run):
    node = hub()
    name = f"netrng://127.0.0.1:{node.port}"
    taker = run("serve", "--source", name, "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}", name="taker").up()
    assert eventually(lambda: taker.source(name)["state"] == "healthy")
    assert taker.source(name)["credit"] is False
    # Idle, it was hung up on; it is healthy nevertheless, and asks again when it is wanted.
    assert eventually(lambda: node.outlet("netrng")["connections"] == 0)
    assert taker.source(name)["state"] == "healthy"


def test_what_is_wrong_with_it_is_said(tmp_path):
    for wrong, hint in (("netrng://0.0.0.0:1", "access=open"), ("netrng:/x", "netrng://ADDR:PORT"), ("netrng://127.0.0.1:1?bytes=1", "between 16"),
                        ("netrng://127.0.0.1:1?clients=0", "1 or more"), ("netrng://127.0.0.1:1?announce=yes", "nobody else")):
        done = qanat("serve", "--outlet", wrong, "--state", str(tmp_path / "state"), check=False, timeout=20)
        assert done.returncode == 2 and hint in done.stderr, (wrong, done.stderr)


def test_it_is_announced_by_mdns_and_found(tmp_path):
    need("avahi-daemon"), need("avahi-browse"), need("dbus-daemon")
    out = inside(
        tmp_path,
        """
        mdns() { """ + MDNS + """ }
        hub() { "$QANAT" serve --source "exec:cat /dev/urandom?h=8" --outlet "netrng://*:8989?access=open&grade=drbg&announce=yes" \
          --outlet http://127.0.0.1:7001 --state "$1" 2> $1.log & }
        export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$PWD/bus
        hub hub; up hub
        wait_for grep -q "cannot announce" hub.log  # and goes on: there is not even a bus
        mdns
        wait_for grep -q "announced as" hub.log
        avahi-browse -rtp _netrng._tcp
        "$QANAT" serve --source "netrng://_netrng._tcp.local" --source "exec:cat /dev/urandom?h=8" --outlet http://127.0.0.1:7002 --state taker 2> taker.log &
        up taker
        healthy() { "$QANAT" status --state taker | grep -q "netrng.*healthy"; }
        wait_for healthy
        kill %1; wait %1 || true
        withdrawn() { ! avahi-browse -rtp _netrng._tcp | grep -q 8989; }
        wait_for withdrawn
        """,
    )
    found = [line.split(";") for line in out.splitlines() if line.startswith("=")]
    assert found and found[0][4] == "_netrng._tcp" and found[0][7] == "10.77.0.1" and found[0][8] == "8989"
    assert "version=" in found[0][9]
