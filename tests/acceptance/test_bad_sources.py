"""Sources that are not what they are said to be, and what they leave behind."""

import json
import os
import pathlib
import random
import re
import signal
import subprocess

import pytest
from conftest import QANAT, eventually, free_port, need, qanat

# Passes each health test at h=4, and is easily guessed: words, of which the last letter follows from the first two. From a seed.
RANDOM = random.Random(13)
WORDS = ["".join(RANDOM.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(4)) for _ in range(300)]
TEXT = "".join(RANDOM.choice(WORDS) for _ in range(5000))


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "passwd"
    path.write_text(TEXT)
    return path


def test_a_claim_that_is_refuted_is_said_and_credits_nothing(run, text):
    claimed, corrected, insisted = f"file:{text}", f"file:{text}?h=0.25", f"file:{text}?credit=insist"
    for i, (name, credits) in enumerate(((claimed, False), (corrected, True), (insisted, True))):
        node = run("serve", "--source", name, "--outlet", f"http://127.0.0.1:{free_port()}", name=f"node-{i}").up()
        state = eventually(lambda: (s := node.source(name))["state"] not in ("start-up", "healthy") and s)
        assert state["state"] == ("gone" if credits else "refuted"), state
        assert (state["ledger"]["credited"] > 0) == credits, state
        if not credits:
            assert re.search(r"measured [0-3]\.\d\d bits a byte, 4 claimed", state["detail"]) and not state["credit"], state
            assert "refuted" in qanat("status", "--state", str(node.state)).stdout
        node.stop()
    probed = qanat("sources", claimed, check=False)
    assert probed.returncode == 1 and "refuted" in probed.stdout and "4 claimed" in probed.stdout, probed.stdout
    assert claimed in probed.stderr and "h=" in probed.stderr, probed.stderr
    assert json.loads(qanat("sources", "--json", claimed, check=False).stdout)[0]["state"] == "refuted"
    assert qanat("sources", corrected).returncode == 0


def test_the_defaults_of_this_machine_are_not_refuted():
    probes = json.loads(qanat("sources", "--json").stdout)
    assert {p["name"] for p in probes} >= {"jitter"} and all(p["state"] != "refuted" for p in probes), probes


def test_the_kernels_generator_and_what_has_two_names_count_once(run, tmp_path):
    node_of_mknod = tmp_path / "node-of-mknod"
    names = ["device:/dev/urandom", "file:/dev/random", "exec:cat /dev/urandom"]
    if os.geteuid() == 0:
        subprocess.run(["mknod", str(node_of_mknod), "c", "1", "9"], check=True)
        try:
            node_of_mknod.open("rb").close()
            names.append(f"device:{node_of_mknod}")
        except PermissionError:
            pass  # a file system without devices
    data = tmp_path / "data"
    data.write_bytes(os.urandom(8192))
    (tmp_path / "again").symlink_to(data)
    twice = [f"file:{data}", f"file:{tmp_path}/./data"]
    config = tmp_path / "qanat.toml"

    def configure(sources):
        config.write_text("".join(f'[[source]]\nname = "{s}"\n' for s in sources) + f'[[outlet]]\nname = "http://127.0.0.1:{port}"\n')

    port = free_port()
    configure(names + twice)
    said = qanat("check", "--config", str(config)).stdout
    assert said.count("mixed in, credited 0") == len(names) + 1, said
    assert f"the same as {twice[0]}" in said and said.count("generator") + said.count("entropy was counted") >= len(names), said
    node = run("serve", "--config", str(config)).up()
    # Whichever is read first.
    counts = eventually(lambda: [name for name in twice if node.source(name)["ledger"]["credited"] > 0])
    second = next(name for name in twice if name != counts[0])
    late = f"file:{tmp_path}/again"
    configure(names + twice + [late])
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: any(s["name"] == late and s["bytes"] >= 1024 for s in node.status()["sources"]))
    eventually(lambda: node.source(second)["bytes"] >= 1024)
    for name in [*names, second, late]:
        source = node.source(name)
        assert source["ledger"]["credited"] == 0 and not source["credit"], source
        assert "credited 0: " in source["detail"] or name.startswith("exec:"), source


def test_nothing_of_a_command_outlives_the_node(run, tmp_path):
    mark = f"{41000000 + os.getpid()}"
    command = f"(trap '' TERM; sleep {mark}) & (ulimit -S -n >{tmp_path}/limit); while :; do head -c 512 /dev/urandom; sleep 0.1; done"

    def left():
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if path.read_bytes() == f"sleep\0{mark}\0".encode():
                    found.append(path)
            except OSError:
                pass
        return found

    for end in (signal.SIGKILL, signal.SIGTERM):
        node = run("serve", "--source", f"exec:{command}?h=4", "--outlet", f"http://127.0.0.1:{free_port()}", name=end.name).up()
        eventually(left)
        node.process.send_signal(end)
        node.process.wait(20)
        eventually(lambda: not left())
    began_with = subprocess.run(["sh", "-c", "ulimit -S -n"], capture_output=True, text=True).stdout
    assert (tmp_path / "limit").read_text() == began_with


def test_without_a_free_descriptor_a_command_is_said_to_be_gone(tmp_path):
    need("prlimit")
    log = tmp_path / "log"
    for limit in range(7, 24):
        with log.open("w") as errors:
            node = subprocess.Popen(["prlimit", f"--nofile={limit}:{limit}", QANAT, "serve", "--state", str(tmp_path / f"state{limit}"),
                                     "--source", "exec:exec >&-; sleep 100?h=4", "--outlet", f"http://127.0.0.1:{free_port()}"],
                                    stdin=subprocess.DEVNULL, stderr=errors)
        try:
            node.wait(1.5)
        except subprocess.TimeoutExpired:
            node.terminate()
        code = node.wait(20)
        # It does not start, with a word, or goes on with what it has; it never aborts.
        assert code in (0, 1) and "terminate called" not in log.read_text(), (limit, code, log.read_text())
