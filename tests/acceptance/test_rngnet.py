"""rngnet: nothing is packaged, so both of our ends, and plain sockets."""

import os
import re
import signal
import socket
import subprocess

import pytest
from conftest import QANAT, balanced, eventually, free_port, qanat

STAT = re.compile(r"STAT ok=(\d+)/(\d+) weak=(\d+)/(\d+) weak_rate=(\d+) recv_err=(\d+)/(\d+) bad_size=(\d+)/(\d+)")


def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    s.settimeout(20)
    return s


def test_each_recipient_gets_other_bytes_in_turn(run):
    sockets = [udp() for _ in range(3)]
    ports = [s.getsockname()[1] for s in sockets]
    name = "rngnet:" + ",".join(f"127.0.0.1:{p}" for p in ports) + "?bytes=256&every=0s"
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", name, "--outlet", f"http://127.0.0.1:{free_port()}", name="hub").up()
    got = [[s.recv(65536) for _ in range(50)] for s in sockets]
    assert all(len(d) == 256 for each in got for d in each)
    assert len({d for each in got for d in each}) == 150
    outlet = lambda: node.outlet(name)
    assert eventually(lambda: outlet()["full_bytes"] >= 150 * 256)
    assert balanced(node.status()["ledger"])


def test_the_stat_line_tells_what_came(run):
    port = free_port()
    name = f"rngnet://127.0.0.1:{port}"
    taker = run("serve", "--source", name, "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}", name="taker").up()
    sender = udp()
    for i in range(40):
        sender.sendto(os.urandom(512), ("127.0.0.1", port))
        sender.sendto(b"x" * (100 + i), ("127.0.0.1", port))
    assert eventually(lambda: taker.source(name)["state"] == "healthy")
    assert eventually(lambda: taker.source(name)["dropped"]["bad_size"] == 40)
    source = taker.source(name)
    assert source["credit"] is False and source["ledger"]["credited"] == 0
    assert source["bytes"] + 512 * source["dropped"]["not_wanted"] == 40 * 512
    taker.process.send_signal(signal.SIGUSR1)
    found = eventually(lambda: STAT.search(taker.log()))
    assert found.groups()[:2] == ("40", "40") and found.groups()[5:] == ("0", "0", "40", "40")


def test_our_ends_meet(run):
    port = free_port()
    run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"rngnet:127.0.0.1:{port}?every=0s&grade=drbg", "--outlet",
        f"http://127.0.0.1:{free_port()}", name="giver").up()
    name = f"rngnet://127.0.0.1:{port}?credit=yes&h=8"
    taker = run("serve", "--source", name, "--outlet", f"http://127.0.0.1:{free_port()}", name="taker").ready()
    assert taker.source(name)["ledger"]["credited"] > 0


@pytest.fixture
def names(tmp_path):
    for name in ("rngsend", "rngrecv"):
        (tmp_path / name).symlink_to(QANAT)
    return tmp_path


def test_rngsend_and_rngrecv_are_names_of_the_program(names):
    port = free_port()
    out = names / "out"
    receiver = subprocess.Popen([names / "rngrecv", "-d", out, "-p", str(port), "-b", "256", "-a", "127.0.0.1"], stdout=subprocess.PIPE, text=True)
    # Two devices, two senders, and no word of where they keep what they know.
    senders = [subprocess.Popen([names / "rngsend", "-d", f"{device}?h=8&credit=insist", "-p", str(port), "-b", "256", "127.0.0.1"], stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "STATE_DIRECTORY": str(names)}) for device in ("/dev/urandom", "/dev/random")]
    try:
        assert eventually(lambda: out.exists() and out.stat().st_size >= 25_600)
        receiver.send_signal(signal.SIGUSR1)
        found = STAT.match(receiver.stdout.readline())
        assert found and int(found.group(1)) >= 100 and found.group(1) == found.group(2)
        assert eventually(lambda: all((names / f"rngsend-dev-{device}").is_dir() for device in ("urandom", "random")))
    finally:
        for process in (*senders, receiver):
            process.terminate()
        assert [process.wait(20) for process in (*senders, receiver)] == [0] * 3, [s.stderr.read() for s in senders]
    data = out.read_bytes()
    assert len(data) % 256 == 0
    assert len({data[i:i + 256] for i in range(0, len(data), 256)}) == len(data) // 256


def test_what_is_wrong_with_it_is_said(names, tmp_path):
    for words, code, hint in ((["rngrecv", "-b", "5"], 2, "-b"), (["rngsend", "host"], 2, "-d"), (["rngrecv", "-d", "/nowhere/x"], 1, "/nowhere/x"),
                              (["rngrecv", "-d", "/dev/urandon"], 1, "/dev/urandon"),
                              (["rngsend", "-d", "/dev/urandom", "a:b"], 1, "a:b"), (["rngrecv", "--version"], 0, "")):
        done = subprocess.run([names / words[0], *words[1:]], capture_output=True, text=True, timeout=20)
        assert done.returncode == code and hint in done.stderr, (words, done.stderr)
    for wrong, code, hint in (("rngnet:", 2, "rngnet"), ("rngnet:no-such-host.invalid:1", 1, "cannot find"),
                              ("rngnet:127.0.0.1:1?bytes=9", 2, "between 16")):
        done = qanat("serve", "--outlet", wrong, "--state", str(tmp_path / "state"), check=False, timeout=20)
        assert done.returncode == code and hint in done.stderr, (wrong, done.stderr)
