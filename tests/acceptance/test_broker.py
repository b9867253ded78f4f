"""Entropy Broker: its own programs on both sides of ours."""

import os
import signal
import socket
import subprocess

import pytest
from conftest import eventually, free_port, need, need_namespaces, qanat

PASSWORD = "my_password1234"


@pytest.fixture
def files(tmp_path):
    need("entropy_broker")
    (tmp_path / "users").write_text(f"joe|{PASSWORD}|0\nslow|{PASSWORD}|80000\n")
    for user in ("joe", "slow"):
        (tmp_path / f"{user}.auth").write_text(f"{user}\n{PASSWORD}\n")
    for file in tmp_path.iterdir():
        file.chmod(0o600)
    return tmp_path


@pytest.fixture
def daemon(files):
    """Starts the broker's programs, and ends them."""
    running = []

    def start(*words):
        log = open(files / f"{words[0]}.{len(running)}.log", "w")
        running.append(subprocess.Popen([*map(str, words), "-n", "-L", "0"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=files))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def ours(run, files):
    """Our outlet in the broker's place."""

    def start(*sources, options="grade=drbg"):
        port = free_port()
        name = f"broker://127.0.0.1:{port}?users={files}/users&{options}"
        node = run("serve", *(sources or ("--source", "exec:cat /dev/urandom?h=8")), "--outlet", name,
                   "--outlet", f"http://127.0.0.1:{free_port()}", name="hub")
        node.up() if sources else node.ready()
        node.at, node.port = f"127.0.0.1:{port}", port
        return node

    return start


def fetch(node, files, count, user="joe", name="out", wait=20):
    return subprocess.run(["eb_client_file", "-I", node.at, "-c", str(count), "-f", str(files / name), "-n", "-L", "0",
                           "-X", str(files / f"{user}.auth")], stdin=subprocess.DEVNULL, capture_output=True, timeout=wait, text=True)


@pytest.mark.parametrize("cipher", ["blowfish", "3des"])
@pytest.mark.parametrize("mac", ["md5", "sha512", "ripemd160", "whirlpool"])
def test_its_consumer_draws_from_us(ours, files, cipher, mac):
    node = ours(options=f"grade=drbg&cipher={cipher}&mac={mac}&hash={mac}")
    done = fetch(node, files, 100_000)
    assert done.returncode == 0, done.stdout + done.stderr
    got = (files / "out").read_bytes()
    assert len(got) == 100_000 and len({got[i:i + 8] for i in range(0, 100_000, 8)}) == 12_500
    assert eventually(lambda: next(c for c in node.status()["clients"] if c["name"] == "broker-joe")["drbg_bytes"] == 100_000)


def test_grade_full_is_paid_for(ours, files):
    node = ours(options="grade=full")
    done = fetch(node, files, 20_000)
    assert done.returncode == 0, done.stdout + done.stderr
    status = node.status()
    assert eventually(lambda: node.outlet("broker")["full_bytes"] == 20_000)
    assert status["ledger"]["delivered"] >= 8 * 20_000


def test_a_user_has_its_rate(ours, files):
    node = ours()
    with pytest.raises(subprocess.TimeoutExpired):
        fetch(node, files, 10_000_000, user="slow", wait=4)
    assert node.outlet("broker")["refused"]["over_share"] > 0
    assert node.outlet("broker")["drbg_bytes"] < 10 * 10_000 + 3 * 4096


@pytest.mark.parametrize("program", ["eb_server_stream", "eb_server_timers"])
def test_its_producers_deliver_to_us(ours, files, daemon, program):
    node = ours("--source", "jitter?credit=no", options="grade=full&credit=yes&h=1")
    words = {"eb_server_stream": ("-d", "/dev/urandom"), "eb_server_timers": ()}[program]
    daemon(program, "-I", node.at, "-X", files / "joe.auth", *words)
    name = f"joe at {node.at}"

    def delivers():
        found = [s for s in node.status()["sources"] if s["name"] == name]
        return found and found[0]["state"] == "healthy" and found[0]["ledger"]["credited"] > 0

    assert eventually(delivers), node.status()["sources"]
    with_credit = node.status()["ledger"]["credited"]
    assert with_credit > 0


def test_its_proxy_stirs_what_its_producers_deliver_to_us(ours, files, daemon):
    """eb_proxy_knuth_b shuffles what two producers say: a broker to them, one of our producers to us."""
    node = ours("--source", "jitter?credit=no", options="grade=full&credit=yes&h=1")
    port = free_port()
    daemon("eb_proxy_knuth_b", "-I", node.at, "-X", files / "joe.auth", "-U", files / "users", "-j", "::FFFF:127.0.0.1", "-p", port,
           "-V", files / "knuth", "-P", files / "proxy.pid")
    assert eventually(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    for i in range(2):
        daemon("eb_server_stream", "-I", f"127.0.0.1:{port}", "-X", files / "slow.auth", "-d", "/dev/urandom", "-P", files / f"{i}.pid")
    assert eventually(lambda: any(s["name"] == f"joe at {node.at}" and s["ledger"]["credited"] > 0 for s in node.status()["sources"]))


def test_our_egd_source_draws_from_its_egd_server(ours, files, daemon, run):
    """eb_client_egd is an EGD server that draws from a broker: our outlet; our EGD source draws from it."""
    node = ours()
    path = files / "egd"
    daemon("eb_client_egd", "-I", node.at, "-X", files / "joe.auth", "-d", path)
    assert eventually(path.exists)

    def ask():
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(str(path))
            s.sendall(b"\x02\x40")
            return len(s.recv(64, socket.MSG_WAITALL))

    assert ask() == 64
    taker = run("serve", "--source", f"egd:{path}", "--outlet", f"http://127.0.0.1:{free_port()}", name="taker").up()
    assert eventually(lambda: taker.source(f"egd:{path}")["state"] == "healthy")


def test_the_kernel_client_draws_from_us(ours, files, daemon):
    """On a kernel since 5.18 it never asks: the pool has 256 of 256 bits and is not writable. So it is shown a larger
    pool, and strace says in select's place that it may be written."""
    need("strace"), need_namespaces("-m")
    node = ours()
    (files / "poolsize").write_text("4096\n")
    script = (f"mount --bind {files}/poolsize /proc/sys/kernel/random/poolsize && exec strace -f -qq -e trace=pselect6,ioctl "
              f"-e inject=pselect6:retval=1:when=1..2 -o {files}/trace eb_client_linux_kernel -I {node.at} -X {files}/joe.auth -b 1 -n -L 0")
    client = subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        assert eventually(lambda: "RNDADDENTROPY" in ((files / "trace").read_text() if (files / "trace").exists() else ""))
        assert eventually(lambda: node.outlet("broker")["drbg_bytes"] > 0)
    finally:
        os.killpg(client.pid, signal.SIGKILL)
        client.wait()


def broker_config(files, port):
    """The configuration that Debian ships, with what this test needs."""
    lines = {"listen_adapter": "::FFFF:127.0.0.1", "listen_port": port, "users": files / "users", "webserver_port": -1, "allow_prng": 1,
             "default_max_get_bps": 2_000_000_000, "default_max_bits_per_interval": 2_000_000_000, "stream_cipher": "3des",
             "mac_hasher": "md5", "hash_hasher": "sha512", "max_get_put_size": 32768, "disable_nagle": 1,
             "max_number_of_mem_pools": 512, "max_number_of_disk_pools": 256, "min_store_on_disk_n": 5, "pool_size_in_bytes": 2048,
             "ignore_rngtest_fips140": 1, "ignore_rngtest_scc": 1, "add_entropy_even_if_all_full": 0, "stirrer_type": "aes", "hash_type": "sha512"}
    config = files / "broker.conf"
    config.write_text("".join(f"{k} = {v}\n" for k, v in lines.items()))
    config.chmod(0o600)
    (files / "users").write_text(f"joe|{PASSWORD}|2000000000\n")
    return config


@pytest.fixture
def theirs(files, daemon):
    port = free_port()
    daemon("entropy_broker", "-c", broker_config(files, port))

    def answers():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0

    assert eventually(answers)
    return port


def test_we_deliver_to_it_and_draw_from_it(theirs, files, run):
    giver = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"broker://joe:{files}/joe.auth@127.0.0.1:{theirs}?grade=drbg",
                name="giver").ready()
    assert eventually(lambda: giver.outlet("broker")["drbg_bytes"] > 20_000), giver.outlet("broker")
    source = f"broker://joe:{files}/joe.auth@127.0.0.1:{theirs}"
    taker = run("serve", "--source", source, "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}", name="taker").up()
    assert eventually(lambda: taker.source(source)["state"] == "healthy"), taker.source(source)
    assert taker.source(source)["credit"] is False and taker.source(source)["ledger"]["credited"] == 0


def test_clients_that_vanish_kill_it_not_us(ours, files):
    """The scenario of which the original dies: clients that are killed in the middle of payloads, many at once."""
    node = ours()
    before = node.process.pid
    for _ in range(5):
        clients = [subprocess.Popen(["eb_client_file", "-I", node.at, "-c", "100000000", "-f", str(files / f"out{i}"), "-n", "-L", "0", "-X",
                                     str(files / "joe.auth")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                   for i in range(8)]
        assert eventually(lambda: node.outlet("broker")["connections"] == 8)
        for client in clients:
            client.send_signal(signal.SIGKILL)
            client.wait()
        assert eventually(lambda: node.outlet("broker")["connections"] == 0)
    assert fetch(node, files, 10_000).returncode == 0
    assert node.process.poll() is None and node.process.pid == before


def test_ten_thousand_connections_cost_little_and_stop_nobody(ours, files):
    node = ours()
    rss = int(open(f"/proc/{node.process.pid}/statm").read().split()[1]) * 4096
    held = []
    try:
        for i in range(10_000):
            s = socket.create_connection(("127.0.0.1", node.port))
            if i < 2_000:
                held.append(s)  # and says nothing
            else:
                s.close()
        assert eventually(lambda: node.outlet("broker")["connections"] <= 1_000)
        grown = int(open(f"/proc/{node.process.pid}/statm").read().split()[1]) * 4096 - rss
        assert grown < 64 << 20, grown
        # All of loopback is one block: its thousand places are taken until their ten seconds are over.
        assert node.outlet("broker")["refused"]["peer_connections"] > 0
    finally:
        for s in held:
            s.close()
    assert eventually(lambda: node.outlet("broker")["connections"] == 0)
    assert fetch(node, files, 10_000).returncode == 0


def test_what_is_wrong_with_it_is_said(files):
    users = f"users={files}/users"
    (files / "open").write_text("joe|x\n")
    (files / "open").chmod(0o644)
    for wrong, hint in ((f"broker://127.0.0.1:1", "users=FILE"), (f"broker://0.0.0.0:1?{users}", "access=password"),
                        (f"broker://127.0.0.1:1?{users}&cipher=rot13", "blowfish"), (f"broker://127.0.0.1:1?users={files}/none", "none"),
                        (f"broker://127.0.0.1:1?users={files}/open", "chmod 600"), ("broker://joe@127.0.0.1:1", "USER:PASSFILE@HOST")):
        done = qanat("serve", "--outlet", wrong, "--state", str(files / "state"), check=False, timeout=20)
        # What the name alone tells is usage; what is in a file is not.
        code = 1 if hint in ("none", "chmod 600") else 2
        assert done.returncode == code and hint in done.stderr, (wrong, done.stderr)
    config = files / "qanat.toml"
    config.write_text(f'[[outlet]]\nname = "broker://127.0.0.1:5522?{users}"\n[[source]]\nname = "broker://joe:{files}/joe.auth@127.0.0.1:5523"\n')
    shown = qanat("check", "--config", str(config)).stdout
    assert shown.count("passwords") >= 2, shown
