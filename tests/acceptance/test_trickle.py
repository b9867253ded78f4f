"""Seeds by UDP, as a machine that boots, moves, is copied and sleeps gets them."""

import collections
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import pytest
from conftest import QANAT, eventually, free_port, need, qanat
from lossy_relay import LossyRelay


@pytest.fixture
def trickle_hub(run):
    """HTTPS and trickle on one port, as they usually are."""
    port = free_port()

    def start():
        node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"https://127.0.0.1:{port}?access=join",
                   "--outlet", f"trickle://127.0.0.1:{port}", name="hub").ready()
        node.port = port
        return node

    node = start()
    node.again = start
    return node


def feed(join, state, *more):
    return qanat("feed", join, "--once", "--outlet", f"file:{state}.seed", "--state", str(state), *more)


def trace(*arguments, calls="connect,sendto,sendmsg,ioctl"):
    need("strace")
    log = pathlib.Path(arguments[arguments.index("--state") + 1] + ".trace")
    # The leak sanitizer cannot look at a traced process.
    options = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    done = subprocess.run(["strace", "-f", "-e", f"trace={calls}", "-o", str(log), QANAT, *arguments],
                          capture_output=True, timeout=60, env={**os.environ, "ASAN_OPTIONS": options})
    assert done.returncode == 0, done.stderr
    return log.read_text().splitlines()


def test_the_next_boot_needs_one_datagram_each_way_and_no_tls(trickle_hub, tmp_path):
    join = trickle_hub.invite("leaf")
    feed(join, tmp_path / "leaf")
    jar, = (tmp_path / "leaf/cookies").iterdir()
    assert jar.stat().st_mode & 0o777 == 0o600 and jar.parent.stat().st_mode & 0o777 == 0o700
    lines = trace("feed", join, "--once", "--state", str(tmp_path / "leaf"))
    network = [line for line in lines if "AF_INET" in line or "sendto(" in line]
    assert len([line for line in network if "connect(" in line]) == 1, "a connected UDP socket, and nothing else"
    assert len([line for line in network if "sendto(" in line]) == 1, network
    kernel = [line for line in lines if "RNDADDENTROPY" in line]
    assert len(kernel) == 1 and ("entropy_count=512" in kernel[0] or "EPERM" in kernel[0])
    if "EPERM" not in kernel[0]:
        assert any("RNDRESEEDCRNG" in line and "= 0" in line for line in lines)
    assert eventually(lambda: trickle_hub.outlet("trickle")["full_bytes"] == 64)


def test_a_running_feed_moves_to_trickle_by_itself(trickle_hub, run, tmp_path):
    join = trickle_hub.invite("leaf")
    leaf = run("feed", join, "--every", "1s", "--outlet", f"file:{tmp_path}/seed", name="leaf").up()
    eventually(lambda: trickle_hub.outlet("trickle")["deliveries"] >= 3)
    counts = leaf.source(leaf.status()["sources"][0]["name"])["trickle"]
    # A machine whose clock jumps begins a new session, rightly.
    renewals = leaf.log().count("everything is seeded anew")
    assert 1 <= counts["sessions"] <= 1 + renewals and counts["silent"] == 0
    https = trickle_hub.outlet("https")
    assert https["deliveries"] <= 2 * (1 + renewals), "the seed and the session"
    assert eventually(lambda: trickle_hub.status()["outlets"][0]["connections"] == 0)


def test_a_hub_that_was_killed_knows_its_clients_again(trickle_hub, tmp_path):
    join = trickle_hub.invite("leaf")
    feed(join, tmp_path / "leaf")
    trickle_hub.process.kill()
    trickle_hub.process.wait()
    hub = trickle_hub.again()
    feed(join, tmp_path / "leaf")
    assert eventually(lambda: hub.outlet("trickle")["deliveries"] == 1)
    assert hub.status()["outlets"][0]["deliveries"] == 0, "nobody needed TLS"


def test_hubs_that_share_a_cookie_key_serve_each_others_clients(run, tmp_path):
    """The clients have certificates: no hub needs to know them beforehand."""
    need("openssl")
    command = lambda text: subprocess.run(text, shell=True, cwd=tmp_path, check=True, capture_output=True)
    command("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -subj /CN=ca -days 2")
    for name, more in (("hub", "subjectAltName=IP:127.0.0.1"), ("leaf", "extendedKeyUsage=clientAuth")):
        command(f"openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}")
        command(f"echo {more} > {name}.ext; openssl x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial "
                f"-out {name}.crt -days 2 -extfile {name}.ext")
    port = free_port()

    def hub(name):
        return run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet",
                   f"https://127.0.0.1:{port}?access=ca&ca={tmp_path}/ca.crt&cert={tmp_path}/hub.crt&key={tmp_path}/hub.key",
                   "--outlet", f"trickle://127.0.0.1:{port}", name=name).ready()

    upstream = (f"https://127.0.0.1:{port}?ca={tmp_path}/ca.crt&cert={tmp_path}/leaf.crt&key={tmp_path}/leaf.key")
    first = hub("one")
    feed(upstream, tmp_path / "leaf")
    first.stop()
    (tmp_path / "two").mkdir(mode=0o700)
    shutil.copy(tmp_path / "one/trickle.key", tmp_path / "two/trickle.key")
    second = hub("two")
    feed(upstream, tmp_path / "leaf")
    assert eventually(lambda: second.outlet("trickle")["deliveries"] == 1)
    assert second.status()["clients"] == [], "served from its cookie alone"


def test_where_udp_does_not_pass_https_does(run, tmp_path):
    """HTTPS on every address, trickle on another than the one that clients reach."""
    port = free_port()
    hub = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"https://*:{port}?access=join",
              "--outlet", f"trickle://127.0.0.1:{port}", name="hub").ready()
    join = hub.invite("leaf", "--address", f"127.0.0.2:{port}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.2", port))
        feed(join, tmp_path / "leaf")
        begun = time.monotonic()
        feed(join, tmp_path / "leaf")
        waited = time.monotonic() - begun
        assert waited > 2, "it tried"
        assert len(silent.recv(2000)) > 172
        lines = trace("feed", join, "--once", "--state", str(tmp_path / "leaf"))
        assert not any("SOCK_DGRAM" in line for line in lines)
        feed(join, tmp_path / "leaf")
    assert hub.outlet("trickle")["deliveries"] == 0
    # Where the network says that nobody is there, nobody waits.
    feed(join, tmp_path / "other")
    begun = time.monotonic()
    feed(join, tmp_path / "other")
    assert time.monotonic() - begun < waited


def test_get_takes_few_bytes_by_trickle(trickle_hub, tmp_path):
    join = trickle_hub.invite("leaf")
    (tmp_path / "leaf").mkdir(mode=0o700)
    get = lambda *more: qanat("get", *more, "--from", join, "--state", str(tmp_path / "leaf")).stdout
    seen = {get("32", "--format", "hex") for _ in range(10)}
    assert len(seen) == 10 and all(len(line) == 65 for line in seen)
    assert eventually(lambda: trickle_hub.outlet("trickle")["drbg_bytes"] == 9 * 32)
    assert len(get("33", "--format", "base64").strip()) == 44
    assert len(get("100", "--grade", "full", "--format", "hex").strip()) == 200
    assert eventually(lambda: trickle_hub.outlet("trickle")["full_bytes"] == 100)
    assert len(get("4000", "--format", "hex").strip()) == 8000, "more than a datagram holds"


def test_copies_of_a_machine_get_different_seeds(trickle_hub, run, tmp_path):
    """One machine's state directory, copied to twenty, as images are; all of them boot."""
    join = trickle_hub.invite("leaf")
    feed(join, tmp_path / "image")
    copies = [tmp_path / f"copy{i}" for i in range(20)]
    for copy in copies:
        shutil.copytree(tmp_path / "image", copy, ignore=shutil.ignore_patterns("control.sock", "lock"))
    jars = lambda: [next((copy / "cookies").iterdir()).read_bytes() for copy in copies]
    assert len(set(jars())) == 1
    boots = [subprocess.Popen([QANAT, "--quiet", "feed", join, "--once", "--outlet", f"file:{copy}.seed", "--state", str(copy)])
             for copy in copies]
    assert [boot.wait(60) for boot in boots] == [0] * 20
    seeds = {pathlib.Path(f"{copy}.seed").read_bytes() for copy in copies}
    assert len(seeds) == 20
    assert eventually(lambda: trickle_hub.outlet("trickle")["deliveries"] == 20)
    # No cookie, and so no key, is in two of them any more.
    slots = collections.Counter(jar[128 + 224 * i + 8:128 + 224 * i + 72] for jar in jars() for i in range(8))
    del slots[bytes(64)]
    assert len(slots) == 20 * 6 and set(slots.values()) == {1}


def test_a_clock_that_jumps_is_a_resume(trickle_hub, run, tmp_path):
    join = trickle_hub.invite("leaf")
    leaf = run("feed", join, "--every", "1h", "--outlet", f"file:{tmp_path}/seed", name="leaf").up()
    eventually(lambda: leaf.status()["outlets"][0]["deliveries"] == 1)
    first = (tmp_path / "seed").read_bytes()
    try:
        time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME) + 2)
    except PermissionError:
        pytest.skip("this machine does not let us set its clock")
    try:
        eventually(lambda: leaf.status()["outlets"][0]["deliveries"] == 2)
        assert "the clock was set forward by 2.0 s: everything is seeded anew" in leaf.log()
    finally:
        time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME) - 2)
    assert (tmp_path / "seed").read_bytes() != first
    eventually(lambda: leaf.status()["outlets"][0]["deliveries"] == 3)
    assert "set back" in leaf.log()


def test_bench_puts_load_on_a_hub_and_measures(trickle_hub):
    join = trickle_hub.invite("bench")
    text = qanat("bench", "trickle", join, "--clients", "50", "--rate", "2000", "--for", "1s").stdout
    fields = {line.split()[0]: line for line in text.splitlines()}
    count = lambda what: int(fields[what].split()[1])
    # A machine with other things to do sends fewer in its second, and loses some.
    assert 1000 <= count("answered") <= count("sent") <= 2000 and count("lost") == count("sent") - count("answered")
    assert count("equal") == 0
    assert all(what in fields["latency"] for what in ("p50", "p99", "p99.9"))
    assert eventually(lambda: trickle_hub.outlet("trickle")["deliveries"] >= count("answered"))
    result = json.loads(qanat("bench", "trickle", join, "--clients", "5", "--for", "1s", "--grade", "full", "--json").stdout)
    assert result["answered"] + result["refused"] + result["lost"] == result["sent"] > 0
    port = free_port()
    for odd in (["--clients", "0"], ["--rate", "-1"], ["--bytes", "2000"], ["--for", "long"], ["--grade", "best"]):
        assert qanat("bench", "trickle", join, *odd, check=False).returncode in (1, 2), odd
    nobody = qanat("bench", "trickle", f"https://127.0.0.1:{port}", check=False)
    assert nobody.returncode == 1 and "no session" in nobody.stderr


def test_half_of_all_datagrams_may_be_lost(run, tmp_path):
    port = free_port()
    hub = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"https://*:{port}?access=join",
              "--outlet", f"trickle://127.0.0.1:{port}", name="hub").ready()
    join = hub.invite("leaf", "--address", f"127.0.0.2:{port}")
    feed(join, tmp_path / "image")
    relay = LossyRelay(port, 0.5)
    relay.start()
    for i in range(12):
        shutil.copytree(tmp_path / "image", tmp_path / f"{i}", ignore=shutil.ignore_patterns("control.sock", "lock"))
    boots = [subprocess.Popen([QANAT, "--quiet", "feed", join, "--once", "--outlet", f"file:{tmp_path}/{i}.seed",
                               "--state", str(tmp_path / f"{i}")]) for i in range(12)]
    assert [boot.wait(60) for boot in boots] == [0] * 12
    assert len({(tmp_path / f"{i}.seed").read_bytes() for i in range(12)}) == 12
    assert relay.lost > 0 and hub.outlet("trickle")["deliveries"] > 0


def test_a_hub_whose_trickle_was_revoked_for_us_says_so(trickle_hub, tmp_path):
    join = trickle_hub.invite("leaf")
    feed(join, tmp_path / "leaf")
    qanat("revoke", "leaf", "--state", str(trickle_hub.state))
    done = qanat("feed", join, "--once", "--outlet", f"file:{tmp_path}/seed", "--state", str(tmp_path / "leaf"), check=False)
    assert done.returncode == 1 and "401" in done.stderr
    assert trickle_hub.outlet("trickle")["refused"]["session"] == 1


def test_the_key_file_is_a_copy(trickle_hub, tmp_path):
    """Sessions and datagrams have one key, in memory: a file that is lost costs no client a cookie."""
    join = trickle_hub.invite("leaf")
    feed(join, tmp_path / "before")
    (trickle_hub.state / "trickle.key").unlink()
    feed(join, tmp_path / "after")
    for leaf in ("before", "after"):
        feed(join, tmp_path / leaf)
    assert eventually(lambda: trickle_hub.outlet("trickle")["deliveries"] == 2)
    assert trickle_hub.outlet("trickle")["refused"]["cookie"] == 0
    trickle_hub.process.send_signal(signal.SIGHUP)
    eventually(lambda: (trickle_hub.state / "trickle.key").exists())


def test_cookie_keys_of_the_future_are_begun_anew(run, tmp_path):
    """A clock that was in 2038 once, when the key was written, is right now."""
    port = free_port()
    (tmp_path / "hub").mkdir(mode=0o700)
    key = tmp_path / "hub/trickle.key"
    key.write_text(f"qanat-cookie-key 1 {2147483647 // 3600} {'5a' * 32}\n")
    key.chmod(0o600)
    hub = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"https://127.0.0.1:{port}?access=join",
              "--outlet", f"trickle://127.0.0.1:{port}", name="hub").ready()
    assert abs(int(key.read_text().split()[2]) - time.time() // 3600) <= 2
    assert any(event["alarm"] and "ahead of the clock" in event["text"] for event in hub.status()["events"])
    join = hub.invite("leaf")
    feed(join, tmp_path / "leaf")
    feed(join, tmp_path / "leaf")
    assert eventually(lambda: hub.outlet("trickle")["deliveries"] == 1)


def test_a_limit_that_a_question_exceeds_is_refused_at_the_start(tmp_path):
    # What a server does that is asked for more than a request may have is in test_outlets: no question is as long as the least limit.
    (tmp_path / "small.toml").write_text('[limits]\nfull_bytes = "256"\n')
    done = qanat("serve", "--config", str(tmp_path / "small.toml"), "--state", str(tmp_path / "s"), check=False)
    assert done.returncode == 1 and f"{tmp_path}/small.toml:2:14: limits.full_bytes: write a size from 8KiB to 16MiB" in done.stderr, done.stderr
