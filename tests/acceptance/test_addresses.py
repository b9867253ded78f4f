"""Addresses: names with several, machines without IPv6, ports that somebody has."""

import http.client
import os
import socket
import subprocess

import pytest
from conftest import QANAT, Node, eventually, fetch, free_port, need_namespaces, qanat


def refusal(*arguments, state):
    done = subprocess.run([QANAT, "serve", "--source", "jitter", *arguments, "--state", str(state)],
                          capture_output=True, text=True, timeout=30)
    return done.returncode, done.stderr


def test_the_second_node_at_a_port_is_told_that_it_is_in_use(run, tmp_path):
    http_port, udp, egd = free_port(), free_port(), tmp_path / "egd"
    first = run("serve", "--source", "jitter", "--threads", "2", "--outlet", f"http://127.0.0.1:{http_port}",
                "--outlet", f"https://127.0.0.1:{udp}?access=join", "--outlet", f"trickle://127.0.0.1:{udp}",
                "--outlet", f"egd:{egd}").up()
    for outlet, address in ((f"http://127.0.0.1:{http_port}", f"127.0.0.1:{http_port}"),
                            (f"raw://127.0.0.1:{udp}", f"127.0.0.1:{udp}"),
                            (f"trickle://127.0.0.1:{udp}", f"127.0.0.1:{udp}"),
                            (f"egd:{egd}", str(egd))):
        code, words = refusal("--outlet", outlet, state=tmp_path / "second")
        assert code == 1 and "in use" in words and address in words, (outlet, code, words)
    # And the first has all of what comes.
    for _ in range(20):
        assert fetch(http_port, "/healthz")[0] == 200
    assert first.stop() == 0


def test_a_file_at_a_sockets_path_is_left_alone(run, tmp_path):
    path = tmp_path / "egd"
    path.write_text("precious")
    code, words = refusal("--outlet", f"egd:{path}", state=tmp_path / "state")
    assert code == 1 and str(path) in words and "not a socket" in words, words
    assert path.read_text() == "precious"
    # What a killed node left behind is replaced.
    path.unlink()
    for _ in range(2):
        node = run("serve", "--source", "jitter", "--outlet", f"egd:{path}").up()
        node.process.kill()
        node.process.wait()
    # A socket that another has made at the path meanwhile is not ours to delete.
    node = run("serve", "--source", "jitter", "--outlet", f"egd:{path}").up()
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        assert node.stop() == 0
        assert path.exists()


@pytest.fixture
def inside(tmp_path):
    """Runs the program in namespaces of their own: names from a file of ours, and loopback alone."""
    need_namespaces("--net", "--mount")
    running = []

    def start(hosts, *arguments, prepare="true", wait=True):
        file = tmp_path / f"hosts{len(running)}"
        file.write_text(hosts)
        script = (f'set -e; mount --bind {file} /etc/hosts; ip link set lo up; {prepare}; "$@"')
        process = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", script, "sh", *map(str, arguments)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        if not wait:
            return process
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()


# Starts a node with the outlets given, in the background; then asks it at each address of the rest.
ASK = r"""
import http.client, json, subprocess, sys, time
qanat, state, outlet, addresses = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
node = subprocess.Popen([qanat, "serve", "--source", "jitter", "--outlet", outlet, "--state", state], stderr=subprocess.PIPE, text=True)
answers = {}
for address in addresses:
    for _ in range(100):
        try:
            connection = http.client.HTTPConnection(address, 7748, timeout=10)
            connection.request("GET", "/healthz")
            answers[address] = connection.getresponse().status
            break
        except OSError as problem:
            answers[address] = str(problem)
            time.sleep(0.05)
            if len(answers) > 1: break
node.terminate()
print(json.dumps([answers, node.communicate(timeout=20)[1]]))
"""


def ask(inside, tmp_path, hosts, outlet, *addresses, **options):
    import json

    code, out, err = inside(hosts, "python3", "-c", ASK, QANAT, tmp_path / "state", outlet, *addresses, **options)
    assert code == 0, err
    return json.loads(out)


NO_IPV6 = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"


def test_a_name_is_listened_on_at_all_its_addresses(inside, tmp_path):
    hosts = "127.0.0.2 many.test\n127.0.0.3 many.test\n::1 many.test\n"
    answers, log = ask(inside, tmp_path, hosts, "http://many.test:7748?access=open", "127.0.0.2", "127.0.0.3", "::1")
    assert answers == {"127.0.0.2": 200, "127.0.0.3": 200, "::1": 200}, log


def test_every_address_is_both_families(inside, tmp_path):
    answers, log = ask(inside, tmp_path, "127.0.0.1 localhost\n", "http://*:7748?access=open", "127.0.0.1", "::1")
    assert answers == {"127.0.0.1": 200, "::1": 200}, log


def test_without_ipv6_ipv4_is_taken_and_that_is_said(inside, tmp_path):
    hosts = "::1 both.test\n127.0.0.1 both.test\n"
    answers, log = ask(inside, tmp_path, hosts, "http://both.test:7748?access=open", "127.0.0.1", prepare=NO_IPV6)
    assert answers == {"127.0.0.1": 200} and "IPv6" in log, log
    # An address of IPv6 alone has nothing to take its place.
    code, _, err = inside(hosts, QANAT, "serve", "--source", "jitter", "--outlet", "http://[::1]:7748", "--state", tmp_path / "other",
                          prepare=NO_IPV6)
    assert code == 1 and "[::1]:7748" in err and "IPv6" in err, err


def test_all_addresses_of_a_name_are_tried(inside, tmp_path):
    hosts = "::1 hub.test\n127.0.0.9 hub.test\n192.0.2.1 hub.test\n127.0.0.1 hub.test\n"
    state = tmp_path / "state"
    script = (f"{QANAT} serve --source jitter --outlet http://127.0.0.1:7748?host=hub.test --state {state} & node=$!; "
              f"for i in $(seq 100); do {QANAT} status --state {state} >/dev/null 2>&1 && break; sleep 0.1; done; "
              f"{QANAT} get 16 --grade drbg --format hex --from http://hub.test:7748; code=$?; "
              f"{QANAT} get 16 --from http://hub.test:7749; "
              f"kill $node; wait $node; exit $code")
    code, out, err = inside(hosts, "sh", "-c", script)
    assert code == 0 and len(out.strip()) == 32, err
    # Nothing listens there: each that was tried is named.
    for address in ("::1", "127.0.0.9", "192.0.2.1", "127.0.0.1"):
        assert address in err, err
