"""What gives the kernel's generator under another name counts nothing, unless an operator says that it does; and what is plugged in."""

import os
import pty
import re
import subprocess
import tty

import pytest
from conftest import QANAT, eventually, free_port, need_namespaces, need_root, qanat

WHY = "already counted at its source"


def configure(tmp_path, sources):
    config = tmp_path / "qanat.toml"
    config.write_text("".join(f"[[source]]\nname = '{s}'\n" for s in sources)
                      + f"[[outlet]]\nname = 'http://127.0.0.1:{free_port()}'\n")
    return config


def test_lookalikes_count_nothing_and_an_operators_word_counts_and_is_doubted(run, tmp_path):
    (tmp_path / "link").symlink_to("/dev/urandom")
    hidden = tmp_path / "hidden"
    hidden.write_text("exec < /dev/urandom\nexec cat\n")
    told = [f"device:{tmp_path}/link", f"file:{tmp_path}/link", "exec:openssl rand 4096; sleep 1000", "exec:sh -c \"cat /dev/urandom\"",
            "exec:cat < /dev/random 2>/dev/null"]
    seen = f"exec:sh {hidden}"
    config = configure(tmp_path, told + [seen])
    said = qanat("check", "--config", str(config)).stdout
    assert said.count("mixed in, credited 0") == len(told) and said.count("already counted at its source") >= len(told), said
    node = run("serve", "--config", str(config)).up()
    for name in told + [seen]:
        state = eventually(lambda: (s := node.source(name))["state"] == "healthy" and not s["credit"] and s)
        assert state["ledger"]["credited"] == 0 and WHY in state["detail"], (name, state)
    log = node.log()
    assert log.count("credited 0: ") >= len(told) + 1 and re.search(r"has the kernel's generator open", log), log
    node.stop()


def test_credit_yes_is_enough_for_each_kind_and_the_log_says_why_it_is_wrong(run, tmp_path):
    names = ["device:/dev/urandom?credit=yes", "file:/dev/random?credit=yes", "exec:cat /dev/urandom?credit=yes"]
    config = configure(tmp_path, names)
    said = qanat("check", "--config", str(config)).stdout
    assert said.count("credited 4 bits a byte") == len(names) and said.count(WHY) == len(names), said
    node = run("serve", "--config", str(config)).ready()
    eventually(lambda: node.log().count("is counted twice") >= len(names))
    assert all(node.source(name)["credit"] for name in names)
    node.stop()


def test_device_numbers_are_looked_at_and_not_names(tmp_path):
    need_root()
    copy = tmp_path / "true-random"
    subprocess.run(["mknod", str(copy), "c", "1", "9"], check=True)
    try:
        copy.open("rb").close()
    except PermissionError:
        pytest.skip("a file system without devices")
    bound = tmp_path / "bound"
    bound.touch()
    names = [f"device:{copy}", f"exec:cat {copy}", "device:/proc/self/fd/0"]
    with open("/dev/urandom", "rb") as noise:
        check = subprocess.run([QANAT, "check", "--config", str(configure(tmp_path, names))],
                               stdin=noise, capture_output=True, text=True)
    assert check.stdout.count("mixed in, credited 0") == len(names), check.stdout + check.stderr
    # A mount over a file; in a namespace of its own.
    config = configure(tmp_path, [f"device:{bound}"])
    script = f'mount --bind /dev/urandom {bound} && exec "$QANAT" check --config {config}'
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True,
                          env={**os.environ, "QANAT": QANAT})
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"no mounts here: {done.stderr.strip()}")
    assert "mixed in, credited 0" in done.stdout, done.stdout + done.stderr


def test_a_one_rng_is_told_to_begin_and_to_end(run):
    controller, line = pty.openpty()
    tty.setraw(controller)
    os.set_blocking(controller, False)
    name = f"device:{os.ttyname(line)}?model=onerng&skip=0&h=8"
    node = run("serve", "--source", name, "--outlet", f"http://127.0.0.1:{free_port()}").up()
    told = b""

    def hears():
        nonlocal told
        try:
            told += os.read(controller, 4096)
        except BlockingIOError:
            pass
        return told

    eventually(lambda: hears() == b"cmd1\ncmdw\ncmdO\n")

    def credited():
        try:
            os.write(controller, os.urandom(256))
        except BlockingIOError:
            pass
        return node.source(name)["ledger"]["credited"] > 0

    eventually(credited)
    assert node.stop() == 0
    eventually(lambda: hears().endswith(b"cmdo\ncmd4\ncmdw\n"))
    os.close(controller)
    os.close(line)


def test_mistakes_name_what_is_right():
    for model, right in (("hotbits", ("truerng3", "onerng")), ("infnoise", ("exec:infnoise --raw",)), ("onerng&mode=x", ("raw, avalanche",))):
        refused = qanat("sources", f"device:/dev/ttyUSB0?model={model}", check=False)
        assert refused.returncode == 2 and all(word in refused.stderr for word in right), refused.stderr


def test_what_is_plugged_in_is_recognised_and_the_unknown_is_not_opened(tmp_path):
    need_namespaces("-m")
    lines = tmp_path / "tty"
    for node, vendor, product, name in (("ttyACM7", "1d50", "6086", "00"), ("ttyUSB7", "0403", "6015", "Infinite Noise TRNG"),
                                        ("ttyUSB8", "2341", "0043", "Arduino"), ("ttyACM8", "20df", "0001", "Entropy Key")):
        device = tmp_path / "devices" / node
        (device / "interface").mkdir(parents=True)
        (device / "idVendor").write_text(vendor + "\n")
        (device / "idProduct").write_text(product + "\n")
        (device / "product").write_text(name + "\n")
        (lines / node).mkdir(parents=True)
        (lines / node / "device").symlink_to(device / "interface")
    script = f'mount --bind {lines} /sys/class/tty && exec "{QANAT}" sources --for 50ms'
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True)
    said = done.stdout
    for line in ("Found: OneRNG at /dev/ttyACM7 (1d50:6086): write device:/dev/ttyACM7?model=onerng",
                 "Found: Infinite Noise at /dev/ttyUSB7 (0403:6015): write exec:infnoise --raw?h=4",
                 "Found: EntropyKey at /dev/ttyACM8 (20df:0001): write entropykey:/dev/ttyACM8",
                 "Unknown serial device, not opened: /dev/ttyUSB8. To try it: qanat sources device:/dev/ttyUSB8"):
        assert line in said, said + done.stderr
    table = said.split("\nClaimed and Measured")[0]
    assert "device:/dev/ttyACM7?model=onerng" in table and "ttyUSB" not in table and "entropykey" not in table, table
