"""The units under a real systemd, booted in a container (machine.py)."""

import ctypes
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading

import pytest
from conftest import eventually, need
from machine import PACKAGING, Machine

UNITS = PACKAGING / "systemd"
HUB, FEED = "/var/lib/qanat", "/var/lib/qanat/feed"


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    machine = Machine(tmp_path_factory.mktemp("machine"))
    try:
        yield machine.boot()
    finally:
        machine.end()


def ask(machine, *arguments, check=True):
    return machine.run("/usr/bin/qanat", *arguments, check=check)


@pytest.fixture
def hub(machine):
    machine.systemctl("reset-failed")
    machine.systemctl("restart", "qanat.service")
    eventually(lambda: '"ready":true' in ask(machine, "status", "--json", "--state", HUB, check=False).stdout)
    yield machine
    machine.systemctl("stop", "qanat.service", "qanat.socket", check=False)


@pytest.fixture
def impatient(hub):
    """Of a hang a test is not to wait for half a minute."""
    conf = hub.write("/etc/systemd/system/qanat.service.d/test.conf", "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\n")
    hub.systemctl("daemon-reload")
    hub.systemctl("restart", "qanat.service")
    yield hub
    conf.unlink()
    hub.systemctl("daemon-reload")


def main_pid(machine, unit="qanat.service"):
    """Out here; 0: none runs."""
    inside = machine.show(unit, "MainPID")
    return 0 if inside == "0" else machine.pid_outside(inside)


# -- what the units say

@pytest.mark.parametrize("unit, most", [("qanat.service", 1.9), ("qanat-feed.service", 1.9), ("qanat-guest.service", 2.9), ("qanat-wait.service", 1.9),
                                        ("qanat-ssh-keys.service", 2.9)])
def test_exposure(unit, most):
    need("systemd-analyze")
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={int(most * 10)}", UNITS / unit], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_every_directive_is_explained():
    """Directives stand in paragraphs: each has a comment, or follows one in the same block. What a name alone says needs none."""
    plain = {"Description", "Documentation", "ExecStart", "WantedBy", "Before", "After", "Conflicts", "Wants", "User", "Group", "RemainAfterExit"}
    for unit in sorted(UNITS.iterdir()):
        explained = False
        for line in unit.read_text().splitlines():
            if line.startswith("#"):
                explained = True
            elif not line or line.startswith("["):
                explained = False
            elif not line.startswith(" "):
                assert explained or line.split("=")[0] in plain, f"{unit.name}: {line}"


def test_systemd_understands_each_line(machine):
    names = sorted(path.name for path in UNITS.iterdir() if path.suffix in (".service", ".socket", ".target"))
    done = machine.run("systemd-analyze", "verify", "--man=no", *names, check=False)
    assert not [line for line in done.stderr.splitlines() if "qanat" in line], done.stderr


def settings(unit):
    """By section, and each with all its values."""
    sections, section = {}, None
    for line in unit.read_text().splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            section.setdefault(name, []).append(value)
    return sections


def test_what_is_restarted_is_so_however_often_it_fails():
    """systemd gives up after five starts in ten seconds, unless it is told not to."""
    restarted = 0
    for unit in sorted(UNITS.glob("*.service")):
        said = settings(unit)
        if "Restart" in said["Service"]:
            restarted += 1
            assert said["Unit"].get("StartLimitIntervalSec") == ["0"], unit.name
    assert restarted == 3


SSH = {"ssh.service": "[Service]\nExecStart=/bin/true\n", "ssh.socket": "[Socket]\nListenStream=127.0.0.1:22\n"}


@pytest.mark.parametrize("enabled", ["ssh.service", "ssh.socket"])
def test_no_boot_leaves_anything_out(tmp_path, enabled):
    """With all our units, and ssh as Debian has it or as Ubuntu has it: nothing is ordered in a circle, which systemd would break."""
    need("systemd-analyze")
    for unit in UNITS.iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/bin/qanat", "/bin/true"))
    for name, text in SSH.items():
        (tmp_path / name).write_text(text)
    wanted = {enabled: ["sockets.target" if enabled.endswith(".socket") else "multi-user.target"]}
    for unit in UNITS.iterdir():
        wanted[unit.name] = settings(unit).get("Install", {}).get("WantedBy", [])
    for name, targets in wanted.items():
        for target in targets:
            (tmp_path / f"{target}.wants").mkdir(exist_ok=True)
            (tmp_path / f"{target}.wants/{name}").symlink_to(tmp_path / name)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", "multi-user.target"], capture_output=True, text=True,
                          env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:/usr/lib/systemd/system"})
    assert done.returncode == 0 and not re.search("cycle|qanat|ssh", done.stderr), done.stderr


# -- the hub

def test_it_is_started_once_it_serves_and_says_what_it_does(hub):
    shown = hub.show("qanat.service", "ActiveState", "Type", "StatusText")
    assert shown["ActiveState"] == "active" and shown["Type"] == "notify"
    text = eventually(lambda: re.fullmatch(r"1 source, \d+ clients?, reserve .*iB, .*iB/s", hub.show("qanat.service", "StatusText")))
    assert text
    # As a user without powers.
    status = pathlib.Path(f"/proc/{main_pid(hub)}/status").read_text()
    for line in (r"Uid:\t900\t900", r"VmLck:\s+[1-9]", r"CapEff:\t0+$", r"CapBnd:\t0+$", r"NoNewPrivs:\t1", r"Seccomp:\t2"):
        assert re.search(line, status, re.M), line
    assert "libcap-ng" not in hub.journal("qanat.service")
    # Its own sandbox, too, where the kernel has Landlock.
    assert "in a seccomp filter" in hub.journal("qanat.service")
    assert os.path.exists("/sys/kernel/security/landlock") <= ("and Landlock;" in hub.journal("qanat.service"))


def test_a_reload_waits_for_its_end_and_keeps_the_clients(hub):
    join = ask(hub, "invite", "stays", "--state", HUB).stdout.strip()
    hub.write("/etc/qanat/qanat.toml", hub.read("/etc/qanat/qanat.toml") + '\n[[outlet]]\nname = "http://127.0.0.1:7747"\n')
    pid = main_pid(hub)
    # Stopped once its file is found valid, which it is asked for: its commands end, it does not turn, and systemd waits.
    check, *others = [line for line in (UNITS / "qanat.service").read_text().splitlines() if line.startswith("ExecReload=")]
    stop = hub.write("/etc/systemd/system/qanat.service.d/stop.conf",
                     "\n".join(["[Service]", "ExecReload=", check, "ExecReload=kill -STOP $MAINPID", *others, ""]))
    hub.systemctl("daemon-reload")
    reload = hub.begin("systemctl", "reload", "qanat.service")
    eventually(lambda: hub.show("qanat.service", "ActiveState", "ControlPID") == {"ActiveState": "reloading", "ControlPID": "0"})
    assert reload.poll() is None
    os.kill(pid, signal.SIGCONT)
    assert reload.wait(30) == 0
    stop.unlink()
    hub.systemctl("daemon-reload")
    # It listens there when the command is over.
    assert hub.run("curl", "-sf", "http://127.0.0.1:7747/healthz").stdout == "ok\n"
    assert main_pid(hub) == pid and hub.show("qanat.service", "ActiveState") == "active"
    # A wrong one fails, and is said; nothing changes.
    good = hub.read("/etc/qanat/qanat.toml")
    hub.write("/etc/qanat/qanat.toml", good + "\n[limits]\nconections = 5\n")
    assert hub.run("systemctl", "reload", "qanat.service", check=False).returncode != 0
    assert "conections" in hub.journal("qanat.service")
    assert main_pid(hub) == pid and hub.show("qanat.service", "ActiveState") == "active"
    hub.write("/etc/qanat/qanat.toml", good)
    # And a restart keeps them, too.
    hub.systemctl("restart", "qanat.service")
    assert main_pid(hub) != pid
    assert len(ask(hub, "get", "32", "--from", join, "--format", "hex").stdout.strip()) == 64


def test_a_stop_is_clean(hub):
    hub.systemctl("stop", "qanat.service")
    shown = hub.show("qanat.service", "ActiveState", "Result", "ExecMainStatus")
    assert shown == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}
    # systemd's own lines may come between.
    assert "stopping" in hub.journal("qanat.service", "-n", "8")


def test_a_process_that_is_stopped_is_restarted(impatient):
    pid, before = main_pid(impatient), impatient.show("qanat.service", "NRestarts")
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: impatient.show("qanat.service", "NRestarts") != before)
    assert "Watchdog timeout" in impatient.journal("qanat.service")
    eventually(lambda: impatient.show("qanat.service", "ActiveState") == "active" and main_pid(impatient) not in (0, pid))


PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000


@pytest.mark.parametrize("which", ["an I/O thread", "the main thread"])
def test_a_thread_that_is_stuck_is_a_restart(impatient, which):
    pid = main_pid(impatient)
    libc = ctypes.CDLL(None, use_errno=True)
    listening = [thread for thread in sorted(int(path.name) for path in pathlib.Path(f"/proc/{pid}/task").iterdir()) if is_io_thread(pid, thread)]
    before = impatient.show("qanat.service", "NRestarts")
    thread = pid if which == "the main thread" else listening[-1]
    assert libc.ptrace(PTRACE_SEIZE, thread, None, None) == 0, os.strerror(ctypes.get_errno())
    assert libc.ptrace(PTRACE_INTERRUPT, thread, None, None) == 0

    def restarted():
        # The end of a thread is its tracer's to hear; until then its process is there.
        try:
            os.waitpid(thread, os.WNOHANG | WALL)
        except ChildProcessError:
            pass
        return impatient.show("qanat.service", "NRestarts") != before

    eventually(restarted)
    assert "Watchdog timeout" in impatient.journal("qanat.service")


def is_io_thread(pid, thread):
    return pathlib.Path(f"/proc/{pid}/task/{thread}/wchan").read_text() == "ep_poll" or \
        pathlib.Path(f"/proc/{pid}/task/{thread}/syscall").read_text().split()[0] == "232"


def test_commands_run_in_its_sandbox_with_their_own_limits(hub):
    """exec: sources fork and exec; they hear nothing of systemd, and have 1024 descriptors."""
    out = "/var/lib/qanat/seen"
    hub.write("/etc/qanat/qanat.toml", hub.read("/etc/qanat/qanat.toml").replace(
        "exec:cat /dev/urandom", f"exec:(ulimit -Sn; ulimit -Hn; env) > {out}; exec cat /dev/urandom"))
    hub.systemctl("restart", "qanat.service")
    seen = eventually(lambda: hub.exists(out) and "PATH=" in hub.read(out) and hub.read(out))
    assert seen.split()[0] == "1024"
    assert not re.search("NOTIFY_SOCKET|WATCHDOG|LISTEN_", seen)
    eventually(lambda: '"ready":true' in ask(hub, "status", "--json", "--state", HUB, check=False).stdout)


def test_the_journal_knows_what_a_line_is_worth(hub):
    hub.systemctl("stop", "qanat.service")
    hub.write("/etc/qanat/broken.toml", "[[outlet]]\nname = 'nosuch:'\n")
    hub.run("systemd-run", "-q", "--wait", "--unit=wrong", "/usr/bin/qanat", "serve", "--config", "/etc/qanat/broken.toml", check=False)
    lines = [json.loads(line) for line in hub.journal("wrong.service", "-o", "json").splitlines()]
    assert [line["PRIORITY"] for line in lines if "nosuch" in line["MESSAGE"]] == ["3"], lines
    hub.run("systemd-run", "-q", "--wait", "--unit=usage", "/usr/bin/qanat", "serve", "--nonsense", check=False)
    said = [json.loads(line) for line in hub.journal("usage.service", "-o", "json").splitlines()]
    assert [line["PRIORITY"] for line in said if line.get("_COMM") == "qanat"] == ["3", "3"], said


def test_socket_activation(machine):
    machine.systemctl("stop", "qanat.service")
    machine.write("/etc/systemd/system/qanat.socket.d/more.conf", "[Socket]\nListenStream=127.0.0.1:7700\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("start", "qanat.socket")
    assert machine.show("qanat.service", "ActiveState") == "inactive"
    # The first who comes starts it; his connection waited.
    assert machine.run("curl", "-sf", "http://127.0.0.1:7748/healthz").stdout == "ok\n"
    eventually(lambda: machine.show("qanat.service", "ActiveState") == "active")
    # A socket that nobody serves is said.
    assert "127.0.0.1 port 7700" in machine.journal("qanat.service")
    # Who comes while it restarts waits, too; the EGD socket stays the same file.
    before = os.stat(machine.root / "run").st_dev, machine.run("stat", "-c", "%i", "/run/qanat/egd").stdout
    machine.systemctl("stop", "qanat.service")
    assert machine.run("curl", "-sf", "--unix-socket", "/run/qanat/egd", "http://x/", check=False).returncode != 7
    eventually(lambda: machine.show("qanat.service", "ActiveState") == "active")
    assert before == (os.stat(machine.root / "run").st_dev, machine.run("stat", "-c", "%i", "/run/qanat/egd").stdout)
    machine.systemctl("stop", "qanat.service", "qanat.socket")


# -- the feed

def test_a_feed_with_its_credential_feeds_with_one_power(hub):
    hub.write("/etc/qanat/join", ask(hub, "invite", "feed", "--state", HUB).stdout, 0o600)
    hub.systemctl("start", "qanat-feed.service")
    text = eventually(lambda: re.match(r"last fed [\d-]+ [\d:]+ from 127\.0\.0\.1:7749, next [\d:]+$", hub.show("qanat-feed.service", "StatusText")))
    assert text
    # Which its monitor has, and neither is root.
    node = main_pid(hub, "qanat-feed.service")
    monitor = pathlib.Path(f"/proc/{node}/task/{node}/children").read_text().split()[0]
    for pid, powers in ((node, "0{16}"), (monitor, "0+200000")):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        assert re.search(rf"^CapEff:\t{powers}$", status, re.M) and not re.search(r"^Uid:\t0", status, re.M), status
    ask(hub, "wait", "--ready", "--for", "10s", "--state", FEED)
    assert "qanat1." not in hub.journal("qanat-feed.service")
    hub.systemctl("start", "qanat-ready.target")
    hub.systemctl("stop", "qanat-feed.service", "qanat-ready.target", "qanat-wait.service")
    assert hub.show("qanat-feed.service", "Result") == "success"


# -- what waits for the first feed

class Door(threading.Thread):
    """A socket that takes whoever comes, and leads to the hub only once it is open."""

    def __init__(self, path, to):
        super().__init__(daemon=True)
        self.to, self.opened = to, threading.Event()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        self.start()

    def run(self):
        while True:
            came, _ = self.socket.accept()
            self.opened.wait()
            hub = socket.socket(socket.AF_UNIX)
            hub.connect(str(self.to))
            for a, b in ((came, hub), (hub, came)):
                threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    @staticmethod
    def pump(a, b):
        while data := a.recv(4096):
            b.sendall(data)


def test_host_keys_are_made_after_the_first_credited_feed(run, tmp_path):
    """A guest whose host gives nothing until the test says so: its feed runs, the keys are not made; then they are."""
    need("ssh-keygen")
    run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"vmport:{tmp_path}/guests", name="host").ready()
    door = Door(tmp_path / "port", tmp_path / "guests")
    machine = Machine(tmp_path, toml="")
    wants = machine.root / "etc/systemd/system"
    for target, unit in (("sysinit", "qanat-guest"), ("multi-user", "qanat-ssh-keys")):
        (wants / f"{target}.target.wants").mkdir()
        (wants / f"{target}.target.wants/{unit}.service").symlink_to(f"/usr/lib/systemd/system/{unit}.service")
    try:
        machine.nspawn(f"--bind={tmp_path}/port:/dev/virtio-ports/org.qanat.0", "-b")
        state = lambda unit: machine.run("systemctl", "show", unit, "-pActiveState", "--value", check=False).stdout.strip()
        eventually(lambda: state("qanat-guest.service") == "active" and state("qanat-wait.service") == "activating"
                   and state("basic.target") == "active")
        # All else has started, and the keys wait.
        assert state("qanat-ssh-keys.service") == "inactive" and state("qanat-ready.target") == "inactive"
        waiting = machine.systemctl("list-jobs", "--no-legend")
        assert re.search(r"qanat-ssh-keys.service +start +waiting", waiting), waiting
        assert not machine.exists("etc/ssh/ssh_host_ed25519_key")
        assert "not fed yet" in machine.show("qanat-guest.service", "StatusText")
        door.opened.set()
        eventually(lambda: state("qanat-ssh-keys.service") == "active")
        assert machine.exists("etc/ssh/ssh_host_ed25519_key")
        document = json.loads(ask(machine, "status", "--json", "--state", f"{HUB}-guest").stdout)
        assert document["outlets"][0]["deliveries"] >= 1
        # By systemd's own clock: the target, then the keys.
        reached = int(machine.show("qanat-ready.target", "ActiveEnterTimestampMonotonic"))
        assert 0 < reached <= int(machine.show("qanat-ssh-keys.service", "ExecMainStartTimestampMonotonic"))
    finally:
        machine.end()
