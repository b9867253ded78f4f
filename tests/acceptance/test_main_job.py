"""Real sources, a real hub, a real client, the real kernel."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import pytest
from conftest import QANAT, Node, balanced, eventually, fetch, free_port, need, qanat


def test_real_sources_fill_the_reserve(run):
    node = run("serve", "--outlet", f"http://127.0.0.1:{free_port()}").ready()
    status = eventually(lambda: (s := node.status())["reserve"]["bytes"] >= s["reserve"]["target"] * 7 // 8 and s)
    names = {s["name"]: s for s in status["sources"]}
    assert {"jitter", "kernel"} <= set(names)
    assert names["kernel"]["ledger"]["credited"] == 0 and not names["kernel"]["credit"]
    for device, name in (("/dev/hwrng", "hwrng"),):
        if os.path.exists(device):
            assert eventually(lambda: node.source(name)["state"] == "healthy")
    assert balanced(status["ledger"])
    assert sum(s["ledger"]["credited"] for s in status["sources"]) == status["ledger"]["credited"]


@pytest.mark.skipif(not os.path.exists("/dev/hwrng"), reason="this machine has no /dev/hwrng")
def test_hwrng_alone_gives_full_entropy(run):
    node = run("serve", "--source", "hwrng", "--outlet", f"http://127.0.0.1:{(port := free_port())}").ready()
    status, body, headers = fetch(port, "/v1/random?bytes=512&grade=full&wait=30s")
    assert status == 200 and len(body) == 512
    assert eventually(lambda: node.status()["ledger"]["delivered"] == 512 * 8)
    assert balanced(node.status()["ledger"])


@pytest.mark.parametrize("grade, bits", [("full", 512), ("drbg", 256)])
def test_the_kernel_accepts_what_feed_gives(hub, tmp_path, grade, bits):
    need("strace")
    join = hub.invite("leaf")
    trace = tmp_path / "trace"
    subprocess.run(
        ["strace", "-f", "-e", "trace=ioctl", "-o", str(trace), QANAT, "feed", join, "--once", "--state", str(tmp_path / "feed"),
         "--outlet", f"kernel?grade={grade}"],
        check=True, timeout=60, capture_output=True,
    )
    calls = [line for line in trace.read_text().splitlines() if "RND" in line]
    if any("EPERM" in line for line in calls):
        pytest.skip("no CAP_SYS_ADMIN on this machine: the kernel credits nothing")
    added = re.search(r"RNDADDENTROPY, \{entropy_count=(\d+), buf_size=(\d+).*\) = 0", calls[0])
    assert added, calls
    assert int(added[1]) == bits and int(added[2]) > 64, "local noise with them uncredited"
    assert "RNDRESEEDCRNG) " in calls[1] and calls[1].endswith("= 0")
    if grade == "full":
        assert eventually(lambda: hub.status()["ledger"]["delivered"] == 512)


def test_without_the_capability_feed_mixes_and_says_so_once(hub, run, tmp_path):
    if os.geteuid() == 0:
        need("setpriv")
        command = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--ambient-caps", "-all"]
        probe = subprocess.run([*command, "grep", "CapEff", "/proc/self/status"], capture_output=True, text=True)
        if not re.search(r"CapEff:\s*0+$", probe.stdout.strip()):
            pytest.skip("cannot drop capabilities here")
    else:
        command = []
    join = tmp_path / "join"
    join.write_text(hub.invite("leaf") + "\n")
    join.chmod(0o600)
    state = tmp_path / "feed"
    feed = subprocess.Popen([*command, QANAT, "feed", f"@{join}", "--every", "1s", "--state", str(state)],
                            stderr=open(tmp_path / "feed.log", "w"))
    try:
        document = lambda: json.loads(qanat("status", "--json", "--state", str(state)).stdout)
        eventually(lambda: (state / "control.sock").exists())
        eventually(lambda: document()["outlets"][0]["deliveries"] >= 3)
        assert (tmp_path / "feed.log").read_text().count("no CAP_SYS_ADMIN") == 1
        assert "without credit" in document()["outlets"][0]["detail"]
    finally:
        feed.terminate()
        assert feed.wait(20) == 0


def test_feed_survives_its_hub_and_feeds_on_sigusr1(run, tmp_path):
    port = free_port()
    arguments = ("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"https://127.0.0.1:{port}")
    first = run(*arguments, name="hub").ready()
    join = first.invite("leaf")
    feed = run("feed", join, "--every", "1h", "--outlet", f"file:{tmp_path}/seed", name="feed").up()
    deliveries = lambda: feed.status()["outlets"][0]["deliveries"]
    eventually(lambda: deliveries() == 1)
    seed = (tmp_path / "seed").read_bytes()
    assert oct((tmp_path / "seed").stat().st_mode)[-3:] == "600"
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    feed.process.send_signal(signal.SIGUSR1)
    eventually(lambda: feed.status()["sources"][0]["state"] == "gone")
    # The same state directory: the same key, the same clients.
    again = run(*arguments, name="hub").ready()
    feed.process.send_signal(signal.SIGUSR1)
    eventually(lambda: deliveries() >= 2)
    assert (tmp_path / "seed").read_bytes() != seed
    assert balanced(feed.status()["ledger"]) and balanced(again.status()["ledger"])
    assert feed.stop() == 0


def test_sigusr1_reseeds_the_drbg(hub):
    fetch(hub.port, "/v1/random?bytes=64")
    before = hub.status()["drbg"]["reseeds"]
    hub.process.send_signal(signal.SIGUSR1)
    eventually(lambda: fetch(hub.port, "/v1/random?bytes=64")[0] == 200 and hub.status()["drbg"]["reseeds"] > before)
    assert balanced(hub.status()["ledger"])


def test_several_outlets_and_grades_of_feed(hub, tmp_path):
    join = hub.invite("leaf")
    out = subprocess.run([QANAT, "feed", join, "--once", "--outlet", "stdout", "--outlet", f"file:{tmp_path}/seed",
                          "--state", str(tmp_path / "feed")], capture_output=True, timeout=60)
    assert out.returncode == 0, out.stderr
    assert len(out.stdout) % 64 == 0 and len(out.stdout) >= 64
    assert (tmp_path / "seed").stat().st_size == 64


def test_a_hub_out_of_full_entropy_still_seeds_its_clients(run, tmp_path):
    # A source that gives enough for the DRBG and then dies.
    node = run("serve", "--source", "exec:head -c 2048 /dev/urandom; sleep 1000?h=8",
               "--outlet", f"https://127.0.0.1:{free_port()}", "--outlet", f"http://127.0.0.1:{(port := free_port())}", name="hub").ready()
    fill = node.status()["reserve"]["bytes"]
    assert fetch(port, f"/v1/random?bytes={fill}&grade=full")[0] == 200
    status, body, headers = fetch(port, "/v1/random?bytes=64&grade=full&wait=100ms")
    assert status == 503 and int(headers["Retry-After"]) > 0 and "hint" in json.loads(body)
    assert fetch(port, "/v1/random?bytes=64")[0] == 200, "drbg goes on"
    join = node.invite("leaf")
    qanat("feed", join, "--once", "--outlet", f"file:{tmp_path}/seed", "--wait", "60s", "--state", str(tmp_path / "feed"), timeout=90)
    assert (tmp_path / "seed").stat().st_size == 64


def test_pollinate_is_seeded(run):
    need("pollinate")
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{(port := free_port())}").ready()
    done = subprocess.run(["pollinate", "-t", "-r", "-s", f"http://127.0.0.1:{port}", "--binary"], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 64
    assert eventually(lambda: node.status()["ledger"]["delivered"] == 512)


def test_mutual_tls_with_the_operators_own_ca(run, tmp_path):
    need("openssl")
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=tmp_path)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
    for name, extension in (("server", "subjectAltName=IP:127.0.0.1"), ("vm-7", "subjectAltName=DNS:vm-7")):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}", "-addext", extension)
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-copy_extensions", "copy")
        (tmp_path / f"{name}.key").chmod(0o600)
    port = free_port()
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet",
               f"https://127.0.0.1:{port}?ca={tmp_path}/ca.pem&cert={tmp_path}/server.pem&key={tmp_path}/server.key", name="hub").ready()
    upstream = f"https://127.0.0.1:{port}?ca={tmp_path}/ca.pem"
    refused = qanat("get", "16", "--from", upstream, check=False)
    assert refused.returncode == 1 and "401" in refused.stderr
    mine = f"{upstream}&cert={tmp_path}/vm-7.pem&key={tmp_path}/vm-7.key"
    assert len(qanat("get", "16", "--from", mine, "--format", "hex").stdout) == 33
    assert node.status()["clients"][0]["name"] == "vm-7"
    qanat("revoke", "vm-7", "--state", str(node.state))
    assert qanat("get", "16", "--from", mine, check=False).returncode == 1
    wrong = qanat("get", "16", "--from", f"https://127.0.0.1:{port}", check=False)
    assert wrong.returncode == 1 and "certificate was refused" in wrong.stderr


def test_quickstart_shows_the_main_job():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    script = os.path.join(root, "quickstart")
    assert subprocess.run([script, "--nonsense"], capture_output=True).returncode == 2
    shown = subprocess.run([script, "--for", "7s"], capture_output=True, text=True, timeout=90, env={**os.environ, "QANAT": QANAT})
    assert shown.returncode == 0, shown.stderr
    last = re.split(r"^hub [0-9a-f]{16}", shown.stdout, flags=re.M)[-1]
    assert re.search(r"^jitter +healthy", last, re.M), shown.stdout
    assert re.search(r"^kernel +([2-9]|\d\d) +\d+ B", last, re.M), "the kernel was fed more than once"
    assert "Reserve" in last and "qanat feed 'JOINSTRING'" in last
    assert re.search(r"^A node's page, while it runs: http://127\.0\.0\.1:\d+/$", shown.stdout.splitlines()[-1])


@pytest.mark.parametrize("good", [True, False])
def test_quickstart_shows_how_far_the_build_is(tmp_path, good):
    """With a builder of the test's own."""
    root = pathlib.Path(__file__).parents[2]
    (tmp_path / "tools").mkdir()
    (tmp_path / "build/release").mkdir(parents=True)
    shutil.copy(root / "quickstart", tmp_path)
    (tmp_path / "build/release/qanat").symlink_to(QANAT)
    for name, text in (("tools/install-packages", ""), ("cmake", f"for i in $(seq 40); do echo \"[$i/40] Building $i\"; done; {'true' if good else 'echo broken; exit 3'}")):
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment.pop("QANAT", None)
    done = subprocess.run([tmp_path / "quickstart", "--for", "2s"], env=environment, capture_output=True, text=True, timeout=60)
    lines = [line for line in done.stdout.splitlines() if line.startswith("Building: ")]
    assert len(lines) == 10 and lines[-1] == "Building: 40 of 40 steps", done.stdout
    if good:
        assert done.returncode == 0 and "That was a hub and a client" in done.stdout, done.stderr
    else:
        assert done.returncode == 1 and "broken" in done.stdout and "build.log has all of it" in done.stderr
        assert "broken" in (tmp_path / "build.log").read_text()
