"""Promises, shares and refusals, as a client and an operator see them."""

import concurrent.futures
import resource
import select
import socket
import time

import pytest
from conftest import balanced, eventually, fetch, free_port, qanat

# About 4 kB/s of full entropy, while the file `go` is there.
SLOW = "exec:cd {directory}; while [ -e go ]; do head -c 512 /dev/urandom; sleep 0.1; done?h=8"


def slow_hub(run, tmp_path, *more):
    (tmp_path / "go").touch()
    return run("serve", "--source", SLOW.format(directory=tmp_path), *more, name="hub").ready()


def test_what_the_sources_do_not_deliver_is_not_promised(hub):
    hub.invite("router", "--rate", "1KiB/s", "--burst", "4KiB", "--weight", "2")
    refused = qanat("invite", "greedy", "--rate", "1GiB/s", "--state", str(hub.state), check=False)
    assert refused.returncode == 1 and "could be promised now" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    for odd in (["--weight", "0"], ["--weight", "-3"], ["--rate", "fast"], ["--rate", "-5"], ["--burst", "1KiB"],
                ["--rate", "99999999999999999999"]):
        done = qanat("invite", "odd", *odd, "--state", str(hub.state), check=False)
        assert done.returncode in (1, 2) and done.stderr, odd
    status = hub.status()
    assert [c["name"] for c in status["clients"]] == ["router"]
    assert status["supply"]["promised"] == 1024 and status["supply"]["suspended"] == 0
    assert status["supply"]["proved"] > 1024


def test_a_promise_made_while_no_node_runs_is_kept_later(run, tmp_path):
    state = tmp_path / "hub"
    made = qanat("invite", "router", "--rate", "100B/s", "--address", "127.0.0.1:7749", "--state", str(state))
    assert made.stdout.startswith("qanat1.") and "will be kept as soon as" in made.stderr
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}", name="hub")
    node.ready()
    assert eventually(lambda: not node.status()["clients"][0]["suspended"])


def test_clients_shows_who_was_promised_what_and_drew_how_much(hub):
    join = hub.invite("router", "--rate", "1KiB/s")
    hub.invite("idle-machine-with-a-long-name.example.org")
    assert len(qanat("get", "5000", "--grade", "full", "--format", "hex", "--from", join).stdout) > 0
    client = eventually(lambda: (c := hub.status()["clients"][1])["full_bytes"] == 5000 and c)
    assert client["minute_bytes"] == 5000 and client["waiting_bytes"] == 0 and client["last_seen"] > 0
    text = qanat("clients", "--state", str(hub.state)).stdout
    assert all(len(line) <= 80 for line in text.splitlines()), text
    header, idle, router = text.splitlines()
    assert header.split() == ["Client", "Promised", "Weight", "1", "min", "Total", "Waiting", "Refused", "Seen"]
    assert "1 KiB/s" in router and "4.9 KiB" in router
    assert "never" in idle


def test_a_source_that_dies_suspends_what_it_was_to_keep(run, tmp_path):
    port = free_port()
    node = slow_hub(run, tmp_path, "--outlet", f"http://127.0.0.1:{port}", "--outlet", f"https://127.0.0.1:{free_port()}")
    node.invite("router", "--rate", "500B/s")
    assert not node.status()["clients"][0]["suspended"]
    (tmp_path / "go").unlink()
    assert eventually(lambda: node.status()["clients"][0]["suspended"])
    assert any("is suspended" in e["text"] and e["alarm"] for e in node.status()["events"])
    assert "500 B/s!" in qanat("clients", "--state", str(node.state)).stdout


@pytest.mark.alone
def test_over_ones_share_is_429_and_never_a_dropped_connection(run, tmp_path):
    port, *ports = [free_port() for _ in range(11)]
    node = slow_hub(run, tmp_path, *(word for p in (port, *ports) for word in ("--outlet", f"http://127.0.0.1:{p}")))
    eventually(lambda: node.status()["supply"]["proved"] > 0)
    # Others keep the hub busy: a stream takes all that comes. Each outlet has visitors of its own.
    others = []
    for p in ports:
        others.append(socket.create_connection(("127.0.0.1", p)))
        others[-1].sendall(b"GET /v1/stream?grade=full HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def drain():
        readable, _, _ = select.select(others, [], [], 0)
        for s in readable:
            s.recv(65536)

    def empty():
        drain()
        return node.status()["reserve"]["bytes"] < 256

    eventually(empty, 60)
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(size, wait):
        drain()
        connection.request("GET", f"/v1/random?bytes={size}&grade=full&wait={wait}")
        response = connection.getresponse()
        return response.status, response.read(), response.headers.get("Retry-After")

    # Alone in one or two seconds, in line in more than ten.
    status, body, later = ask(4096, "3s")
    assert status == 429 and b"over your share" in body and int(later) >= 1
    status, body, later = ask(65536, "3s")
    assert status == 503 and int(later) >= 1
    status, body, later = ask(32, "30s")
    assert status == 200 and len(body) == 32, "the same connection goes on"
    refused = node.status()["outlets"][0]["refused"]
    assert refused["over_share"] == 1 and refused["unavailable"] == 1
    for s in others:
        s.close()
    assert balanced(node.status()["ledger"])


def test_ten_thousand_connections_are_one_share(run, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(10000, (hard if hard > 0 else 1 << 20) - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, count + 500), hard), hard))
    port = free_port()
    node = slow_hub(run, tmp_path, "--outlet", f"http://[::]:{port}?access=open")

    # Loopback has two blocks of addresses: two visitors.
    def visitor(address):
        return socket.create_connection((address, port))

    request = b"GET /v1/random?bytes=64&grade=full&wait=10m HTTP/1.1\r\nHost: localhost\r\n\r\n"
    greedy = []
    for _ in range(count):
        s = visitor("127.0.0.1")
        s.sendall(request)
        greedy.append(s)
    eventually(lambda: node.status()["outlets"][0]["connections"] == count, 60)
    # Most of them are in line by now: what was in the reserve is gone.
    eventually(lambda: node.status()["reserve"]["waiting_requests"] > 1000, 60)
    modest = visitor("::1")
    modest.settimeout(60)
    before = node.status()["ledger"]["delivered"]
    got = 0
    end = time.monotonic() + 5
    while time.monotonic() < end:
        # Always something in line: bytes come in bursts.
        modest.sendall(request.replace(b"bytes=64", b"bytes=2048"))
        answer = b""
        while b"\r\n\r\n" not in answer or len(answer.split(b"\r\n\r\n", 1)[1]) < 2048:
            answer += modest.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
        got += 2048
    total = (node.status()["ledger"]["delivered"] - before) // 8
    print(f"{count} connections of one visitor, one of another: the one had {got} of {total} bytes")
    assert got >= 0.4 * total
    assert node.status()["outlets"][0]["connections"] == count + 1, "nobody was dropped"
    for s in [*greedy, modest]:
        s.close()
    eventually(lambda: node.status()["outlets"][0]["connections"] == 0, 60)
    assert node.status()["reserve"]["waiting_requests"] == 0
    assert balanced(node.status()["ledger"])


def test_a_hub_a_relay_and_readers_over_the_real_wire(run, hub):
    relay = run("serve", "--source", hub.invite("relay"), "--outlet", f"https://127.0.0.1:{free_port()}", name="relay").ready()
    joins = [relay.invite(f"reader-{i}") for i in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        bodies = list(pool.map(lambda join: qanat("get", "4KiB", "--grade", "full", "--format", "hex", "--from", join).stdout, joins))
    assert len({body[:64] for body in bodies}) == 4
    for node in (hub, relay):
        assert balanced(node.status()["ledger"])
    # Paid for in both ledgers.
    eventually(lambda: relay.status()["ledger"]["credited"] <= hub.status()["ledger"]["delivered"])
    assert eventually(lambda: relay.status()["ledger"]["delivered"] == 4 * 4096 * 8)
    hub.process.kill()
    hub.process.wait()
    eventually(lambda: qanat("get", "64KiB", "--grade", "full", "--format", "hex", "--wait", "0s", "--from", joins[0], check=False).returncode == 1)
    assert qanat("get", "64KiB", "--grade", "drbg", "--format", "hex", "--from", joins[0]).returncode == 0


def test_feed_wants_its_quorum(run, hub, tmp_path):
    first = hub.invite("leaf")
    # One upstream twice is one.
    twice = qanat("feed", first, hub.invite("leaf-again"), "--quorum", "2", "--once", "--outlet", f"file:{tmp_path}/seed",
                  "--state", str(tmp_path / "feed"), check=False)
    assert twice.returncode == 1 and "different keys" in twice.stderr
    other = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"https://127.0.0.1:{free_port()}", name="other").ready()
    done = qanat("feed", first, other.invite("leaf"), "--quorum", "2", "--once", "--outlet", f"file:{tmp_path}/seed",
                 "--state", str(tmp_path / "feed"))
    assert done.returncode == 0 and (tmp_path / "seed").stat().st_size == 64
    other.process.kill()
    other.process.wait()
    alone = qanat("feed", first, other_invite(other), "--quorum", "2", "--once", "--wait", "3s", "--outlet",
                  f"file:{tmp_path}/seed2", "--state", str(tmp_path / "feed"), check=False)
    assert alone.returncode == 1 and "1 of 2 upstreams have contributed" in alone.stderr, alone.stderr


def other_invite(node):
    """An invitation to a node that does not run."""
    return qanat("invite", "late", "--state", str(node.state)).stdout.strip()
