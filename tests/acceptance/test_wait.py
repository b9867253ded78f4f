"""`qanat wait --ready`: each time it says why not, and it never hangs (a hang ends by the time limit of conftest's qanat)."""

import os
import signal
import subprocess

from conftest import QANAT, Node, eventually, free_port, need, need_root, qanat


def wait(*arguments, limit="30s", **more):
    return qanat("wait", "--ready", "--for", limit, *arguments, check=False, **more)


def test_usage():
    for arguments, word in ((["--ready", "--for", "soon"], "is not a duration"), (["--ready", "--for", "-1s"], "is not a duration"),
                            (["--ready", "please"], "please"),
                            (["--for", "30s1m"], "is not a duration"), (["--for", "1h30"], "is not a duration")):
        done = qanat("wait", *arguments, check=False)
        assert done.returncode == 2 and word in done.stderr, done.stderr


def test_without_a_node_the_kernel_decides(tmp_path):
    done = wait(limit="0s", env={**os.environ, "STATE_DIRECTORY": str(tmp_path / "none")})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # There is nothing else to wait for.
    alone = qanat("wait", "--for", "1m30s", env={**os.environ, "STATE_DIRECTORY": str(tmp_path / "none")})
    assert (alone.stdout, alone.stderr) == ("", "")
    # One that is named must run.
    done = wait("--state", str(tmp_path / "none"), limit="100ms")
    assert done.returncode == 1 and "not ready within 100ms: no node runs with the state directory" in done.stderr, done.stderr


def test_a_hub_is_ready_once_its_generator_has_a_seed(run, tmp_path):
    node = run("serve", "--source", f"exec:cat {tmp_path}/more?h=8", "--outlet", f"http://127.0.0.1:{free_port()}", name="hub")
    os.mkfifo(tmp_path / "more")
    node.up()
    done = wait("--state", str(node.state), limit="200ms")
    assert done.returncode == 1 and "start-up test" in done.stderr, done.stderr
    fd = os.open(tmp_path / "more", os.O_RDWR)
    try:
        for _ in range(16):
            os.write(fd, os.urandom(4096))
        assert wait("--state", str(node.state)).returncode == 0
    finally:
        os.close(fd)


def test_a_feed_is_ready_once_it_has_fed(run, tmp_path):
    port, out = free_port(), tmp_path / "out"
    feed = run("feed", f"http://127.0.0.1:{port}?credit=yes", "--outlet", f"file:{out}", name="feed").up()
    done = wait("--state", str(feed.state), limit="200ms")
    assert done.returncode == 1 and "refused" in done.stderr, done.stderr
    hub = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{port}", name="hub").ready()
    assert wait("--state", str(feed.state), "--state", str(hub.state), limit="50s").returncode == 0
    assert out.exists()


def test_a_feed_that_the_kernel_does_not_credit_is_not_ready(run, tmp_path):
    """As whoever has no CAP_SYS_ADMIN: what it delivers is mixed in, and counts nothing."""
    need_root(), need("setpriv")
    hub = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{(port := free_port())}", name="hub").ready()
    for powers, code in (("-sys_admin", 1), ("+sys_admin", 0)):
        log = tmp_path / f"feed{code}.log"
        node = PoweredNode(powers, ["feed", f"http://127.0.0.1:{port}?credit=yes"], tmp_path / f"feed{code}", log)
        try:
            node.up()
            if code:
                eventually(lambda: node.outlet("kernel")["deliveries"] > 0)
            done = wait("--state", str(node.state), limit="200ms" if code else "30s")
            assert done.returncode == code and (code == 0 or "CAP_SYS_ADMIN" in done.stderr), done.stderr
        finally:
            node.process.kill()
            node.process.wait()
    assert hub.process.poll() is None


class PoweredNode(Node):
    def __init__(self, powers, arguments, state, log):
        self.state, self.log_path = state, log
        self.process = subprocess.Popen(["setpriv", "--bounding-set", powers, "--inh-caps", "-all", QANAT, *arguments, "--state", str(state)],
                                        stdin=subprocess.DEVNULL, stderr=open(log, "w"))


def test_a_node_that_is_stopped_takes_no_more_time_than_there_is(run):
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}").ready()
    node.process.send_signal(signal.SIGSTOP)
    try:
        done = wait("--state", str(node.state), limit="100ms", timeout=20)
        assert done.returncode == 1 and "not ready within 100ms" in done.stderr, done.stderr
    finally:
        node.process.send_signal(signal.SIGCONT)
    assert wait("--state", str(node.state)).returncode == 0
