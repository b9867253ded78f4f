"""`qanat doctor` on this machine and on one that is made worse; `status --check`; what a feed says of itself."""

import json
import os
import re
import socket
import subprocess
import time

import pytest
from conftest import QANAT, eventually, free_port, need_root, qanat


@pytest.fixture
def doctor(tmp_path):
    """Its findings, for a configuration of these outlets."""

    def look(*arguments, outlets=None, more="", state=tmp_path / "state", check=None):
        path = tmp_path / "qanat.toml"
        names = outlets if outlets is not None else [f"http://127.0.0.1:{free_port()}"]
        path.write_text(more + "".join(f'[[outlet]]\nname = "{name}"\n' for name in names))
        done = qanat("doctor", "--json", "--config", str(path), "--state", str(state), *arguments, check=False)
        assert done.stderr == "", done.stderr
        said = json.loads(done.stdout)
        assert said["well"] == (done.returncode == 0) == all(f["level"] != "fail" for f in said["findings"])
        for finding in said["findings"]:
            assert finding["level"] in ("ok", "note", "warn", "fail") and finding["text"]
            assert bool(finding["remedy"]) == (finding["level"] != "ok"), finding
        return said["findings"]

    return look


def of(findings, subject, words=""):
    found = [f for f in findings if f["subject"] == subject and words in f["text"]]
    assert found, findings
    return found[0]


def test_without_a_node_it_says_how_this_machine_is(doctor, tmp_path):
    findings = doctor("http://127.0.0.1:1")
    for subject in ("kernel", "kernel RNG", "hardware RNG", "powers", "limits", "clock", "configuration", "state", "port", "upstream", "node"):
        of(findings, subject)
    assert of(findings, "configuration")["level"] == "ok"
    assert of(findings, "state")["level"] == "note" and not (tmp_path / "state").exists(), "it makes nothing"
    assert of(findings, "port")["level"] == "ok"
    assert of(findings, "upstream")["level"] == "fail"
    text = qanat("doctor", "--state", str(tmp_path / "state"), check=False).stdout
    assert re.search(r"^ok    kernel ", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 80
    for line in re.findall(r"(?m)^(?:note|warn|fail) .*(?:\n {20}.*)*", text):
        assert "\n" + " " * 20 + "-> " in line, line


def test_what_is_wrong_is_found(doctor, tmp_path):
    assert "3:" in of(doctor(more='[node]\nthreads = 1\nnonsense = 1\n'), "configuration")["text"]
    (tmp_path / "file").write_text("")
    assert of(doctor(state=tmp_path / "file"), "state")["level"] == "fail"
    unsafe = tmp_path / "unsafe"
    unsafe.mkdir()
    unsafe.chmod(0o777)
    assert "chmod" in of(doctor(state=unsafe), "state")["text"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = of(doctor(outlets=[f"http://127.0.0.1:{taken.getsockname()[1]}"]), "port")
        assert port["level"] == "fail" and f"(pid {os.getpid()})" in port["text"]
        # Another address of the same port is none of its business.
        assert of(doctor(outlets=[f"http://127.0.0.2:{taken.getsockname()[1]}"]), "port")["level"] == "ok"
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = of(doctor(outlets=[f"trickle://127.0.0.1:{taken.getsockname()[1]}"]), "port")
        assert port["level"] == "fail" and "udp" in port["text"]
    absent = of(doctor(more='[[source]]\nname = "device:/dev/absent"\n'), "source")
    assert absent["level"] == "warn" and "/dev/absent" in absent["text"]


def test_upstreams_are_asked_side_by_side_and_draw_nothing(doctor, hub, tmp_path):
    before = hub.status()["ledger"]["delivered"]
    join = hub.invite("leaf")
    path = tmp_path / "join"
    path.write_text(join)
    path.chmod(0o600)
    https = re.search(r"https://\S+", of(doctor(f"@{path}"), "upstream")["text"])[0]
    assert of(doctor(f"@{path}"), "upstream")["level"] == "ok"
    assert hub.status()["ledger"]["delivered"] == before
    # Those that hang cost what one does.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        findings = doctor(f"@{path}", *[f"http://{address}?credit=no"] * 4, more=f'[[source]]\nname = "https://{address}"\n')
        assert time.monotonic() - began < 30
        levels = [f["level"] for f in findings if f["subject"] == "upstream"]
        assert levels == ["ok", *["fail"] * 5], findings
    qanat("revoke", "leaf", "--state", str(hub.state))
    refused = of(doctor(f"@{path}"), "upstream")
    assert refused["level"] == "fail" and "join string" in refused["remedy"]
    # Another key than the one that is pinned.
    wrong = of(doctor(f"{https}?pin={'0' * 64}"), "upstream")
    assert wrong["level"] == "fail" and "invite" in wrong["remedy"]
    path.chmod(0o644)
    assert of(doctor(f"@{path}"), "upstream")["level"] == "fail"
    assert join not in json.dumps(findings)


def test_a_running_node_says_how_it_is(doctor, hub):
    findings = doctor(state=hub.state, outlets=[f"http://127.0.0.1:{hub.port}"])
    assert of(findings, "hub")["level"] == "ok" and "All is well" in of(findings, "hub")["text"]
    assert of(findings, "port")["level"] == "ok" and "qanat" in of(findings, "port")["text"]
    assert of(findings, "state")["level"] == "ok"


def test_without_root_it_tells_what_it_cannot_see(doctor, hub, tmp_path):
    need_root()
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", QANAT, "doctor", "--json",
         "--state", str(hub.state)], capture_output=True, text=True, timeout=60, cwd="/")
    findings = json.loads(done.stdout)["findings"]
    assert of(findings, "powers")["level"] == "note"
    assert of(findings, "state")["level"] == "note" and "sudo" in of(findings, "state")["remedy"]


def test_a_feed_says_once_that_it_fed(hub, run, tmp_path):
    seed = tmp_path / "seed"
    feed = run("feed", hub.invite("leaf"), "--every", "1s", "--outlet", f"file:{seed}", name="feed").ready()
    eventually(lambda: feed.outlet("file:")["deliveries"] >= 3)
    assert feed.log().count(f"file:{seed}: 64 bytes\n") == 1
    text = qanat("status", "--state", str(feed.state)).stdout
    assert re.match(r"file:\S+seed: last fed (\d+ s ago|now), next ", text), text
    # A failure, and that it works again.
    seed.unlink()
    seed.mkdir()
    eventually(lambda: feed.outlet("file:")["problem"])
    seed.rmdir()
    eventually(lambda: feed.log().count(f"file:{seed}: 64 bytes\n") == 2)


def test_the_kernel_says_what_was_credited(hub, run):
    feed = run("feed", hub.invite("leaf"), name="feed").ready()
    bits = eventually(lambda: re.search(r"kernel: 64 bytes, credited (\d+) bits\n", feed.log()))[1]
    assert bits == ("0" if "no CAP_SYS_ADMIN" in feed.log() else "512")
    first = qanat("status", "--state", str(feed.state)).stdout.splitlines()[0]
    assert re.match(rf"kernel: last fed (now|\d+ s ago), credited {bits} bits, next in ", first), first
    line = qanat("status", "--check", "--state", str(feed.state)).stdout
    assert re.fullmatch(rf"OK: kernel: last fed (now|\d+ s ago), credited {bits} bits, next in .* s\n", line), line


def test_one_line_for_monitoring(hub, run, tmp_path):
    done = qanat("status", "--check", "--state", str(hub.state))
    assert re.fullmatch(r"OK: 1 source healthy, reserve \S+ KiB, 0 clients\n", done.stdout), done.stdout
    bad = run("serve", "--source", "exec:cat /dev/zero?h=8", "--outlet", f"http://127.0.0.1:{free_port()}", name="bad").up()
    eventually(lambda: bad.source("exec:cat /dev/zero?h=8")["state"] == "failed")
    done = qanat("status", "--check", "--state", str(bad.state), check=False)
    assert done.returncode == 1 and re.fullmatch(r"FAILED: No source delivers\. Source 'exec:.*' has failed: .*\n", done.stdout), done.stdout
    # Of two the worse one first; one that is not there has failed, and that is a line, too.
    done = qanat("status", "--check", "--state", str(hub.state), "--state", str(bad.state), check=False)
    assert done.returncode == 1 and re.fullmatch(r"FAILED: .*; OK: .*\n", done.stdout), done.stdout
    done = qanat("status", "--check", "--state", str(tmp_path / "none"), check=False)
    assert (done.returncode, done.stderr) == (1, "") and re.fullmatch(r"FAILED: .*\n", done.stdout)
    assert qanat("status", "--check", "--json", check=False).returncode == 2
