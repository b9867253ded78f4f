"""runit, daemontools, s6 and OpenRC: each real, with a machine of its own, all of them side by side."""

import concurrent.futures
import json
import os
import re
import signal
import subprocess

import pytest
from conftest import eventually, need, qanat
from machine import PACKAGING, Machine

HUB, FEED = "/var/lib/qanat", "/var/lib/qanat/feed"


def ask(machine, *arguments, check=True):
    return machine.run("/usr/bin/qanat", *arguments, check=check)


def node(machine, state):
    """The status document; None while nobody answers."""
    done = ask(machine, "status", "--json", "--state", state, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def pid_of(machine, words):
    """By its own account, of the one whose command line has these words."""
    found = machine.run("pgrep", "-o", "-f", "-x", f"/usr/bin/qanat {words}.*", check=False).stdout.split()
    return int(found[0]) if found else None


class Supervisor:
    """How one is started, and told to stop and to go on."""

    def __init__(self, name, program, first, stop, start, log):
        self.name, self.program, self.first, self.stop, self.start, self.log = name, program, first, stop, start, log


LINKED = """mkdir -p /run/service; {make}
cp -r {scripts}/qanat-hub {scripts}/qanat-feed /run/service/; exec {scan} /run/service"""
OPENRC = """mkdir -p /run/openrc; cd /run/openrc; mkdir daemons exclusive failed hotplugged inactive options scheduled started starting stopping tmp wasinactive
echo default > softlevel
for s in qanat qanat-feed; do cp /usr/share/qanat/openrc/$s /etc/init.d/; done
rc-service qanat start; rc-service qanat-feed start; touch /run/begun; exec sleep infinity"""
KEYS = f"""#!/sbin/openrc-run
depend() {{
  need entropy
}}
start() {{
  /usr/bin/qanat status --json --state {FEED} >/run-seen
}}
"""
SUPERVISORS = [
    Supervisor("runit", "runsvdir", LINKED.format(make="", scripts="/usr/share/qanat/runit", scan="runsvdir -P"),
               "sv -w 10 down /run/service/{}", "sv up /run/service/{}", "/var/log/qanat/{}/current"),
    Supervisor("daemontools", "svscan", LINKED.format(make="", scripts="/usr/share/qanat/daemontools/service", scan="svscan"),
               "svc -d /run/service/{}", "svc -u /run/service/{}", "/var/log/qanat/{}/current"),
    Supervisor("s6", "s6-svscan", LINKED.format(make="", scripts="/usr/share/qanat/s6", scan="s6-svscan"),
               "s6-svc -wD -T 10000 -d /run/service/{}", "s6-svc -u /run/service/{}", "/var/log/qanat/{}/current"),
    Supervisor("openrc", "openrc-run", OPENRC, "rc-service {} stop", "rc-service {} start", "/var/log/qanat-{}.log"),
]


# What the account can put where root, or a supervisor that is root, is about to work. The directories for logs are everybody's, so
# that who follows a link as the account gets by, and what would change is whose they are.
VICTIMS = """mkdir -m 0755 /victim /victim/state; mkdir -m 0777 /victim/hub /victim/feed; echo of root >/victim/file
install -d -o qanat -g qanat /var/log/qanat"""
LINKS = {FEED: "state", "/var/log/qanat/hub": "hub", "/var/log/qanat/feed": "feed", "/var/log/qanat/hub.log": "file", "/var/log/qanat/feed.log": "file"}
PLANT = "\n".join(f"mv {path} {path}.aside; ln -s ../../../victim/{victim} {path}" for path, victim in LINKS.items())


def victims(machine):
    listed = machine.run("stat", "-c", "%n %U:%G %a", "/victim", *[f"/victim/{name}" for name in sorted(set(LINKS.values()))]).stdout
    return listed, sorted(os.listdir(machine.root / "victim/state")), machine.read("/victim/file")


def links_lead_nowhere(machine, supervisor):
    """The account has planted links while nothing ran; all is started again, and what they lead to is as it was."""
    if supervisor.name == "openrc":
        parts = ["qanat", "qanat-feed"]
        machine.write("/etc/conf.d/qanat-feed", "QANAT_FEED_WAIT=1s\n")  # it will not feed
    else:
        parts = ["qanat-hub", "qanat-feed", "qanat-hub/log", "qanat-feed/log"]
    for part in parts:
        machine.run("sh", "-c", supervisor.stop.format(part))
    eventually(lambda: machine.run("pgrep", "-u", "qanat", check=False).stdout == "")
    machine.run("sh", "-c", f"umask 0022; {VICTIMS}")
    machine.run("setpriv", "--reuid", "qanat", "--regid", "qanat", "--clear-groups", "sh", "-c", PLANT)
    before = victims(machine)
    logs = [machine.root / supervisor.log.format(name).lstrip("/") for name in ("hub", "feed")]
    said = [log.exists() and log.stat().st_size for log in logs]
    for part in parts:
        machine.run("sh", "-c", supervisor.start.format(part))
    # Both have begun, and the feed has said that this is no directory for it.
    eventually(lambda: victims(machine) != before or all(log.exists() and log.stat().st_size > size for log, size in zip(logs, said)))
    assert victims(machine) == before
    eventually(lambda: (node(machine, HUB) or {}).get("node", {}).get("ready"))


def check(supervisor, directory):
    machine = Machine(directory)
    log = supervisor.log.format("hub")
    try:
        machine.supervise(supervisor.first)
        service = "qanat" if supervisor.name == "openrc" else "qanat-hub"
        eventually(lambda: (node(machine, HUB) or {}).get("node", {}).get("ready"))
        join = ask(machine, "invite", "feed", "--state", HUB).stdout
        file = machine.write("/etc/qanat/join", join, 0o400)
        os.chown(file, 900, 900)
        if supervisor.name == "openrc":
            # Without the file it was not started; what needs entropy pulls it in, and begins once it has fed.
            machine.write("/etc/init.d/keys", KEYS, 0o755)
            machine.run("rc-update", "-u")  # it may be as old, to the second, as what was read of the others
            machine.run("rc-service", "keys", "start")
            assert json.loads(machine.read("/run-seen"))["outlets"][0]["deliveries"] >= 1
        eventually(lambda: (node(machine, FEED) or {}).get("node", {}).get("ready"), 60)
        assert machine.run("stat", "-c", "%U:%G %a", HUB, FEED).stdout.split("\n")[:2] == ["qanat:qanat 700"] * 2
        # The hub has no power, the feed the one that it needs, and neither is root.
        for words, powers in ((f"serve --state {HUB}", 0), ("feed @", 1 << 21)):
            status = machine.run("cat", f"/proc/{pid_of(machine, words)}/status").stdout
            assert re.search(r"^Uid:\s900\s900", status, re.M), f"{supervisor.name}: {status}"
            assert int(re.search(r"^CapBnd:\s(\w+)", status, re.M)[1], 16) == powers, f"{supervisor.name}: {status}"
            assert re.search(r"^NoNewPrivs:\s1", status, re.M), f"{supervisor.name}: {status}"
        # Killed, each comes back, and the hub still knows its client.
        for words, state in ((f"serve --state {HUB}", HUB), ("feed @", FEED)):
            before = pid_of(machine, words)
            machine.signal(signal.SIGKILL, before)
            eventually(lambda: pid_of(machine, words) not in (None, before))
            eventually(lambda: (node(machine, state) or {}).get("node", {}).get("ready"), 60)
        assert len(ask(machine, "get", "32", "--from", "@/etc/qanat/join", "--format", "hex").stdout.strip()) == 64
        # Asked to stop, it ends and stays away; its last line is in the log.
        machine.run("sh", "-c", supervisor.stop.format(service))
        eventually(lambda: pid_of(machine, f"serve --state {HUB}") is None)
        assert "stopping" in eventually(lambda: machine.exists(log) and machine.read(log).rstrip().splitlines()[-1])
        assert ask(machine, "status", "--state", HUB, check=False).returncode == 1
        machine.run("sh", "-c", supervisor.start.format(service))
        eventually(lambda: (node(machine, HUB) or {}).get("node", {}).get("ready"))
        links_lead_nowhere(machine, supervisor)
    except Exception as problem:
        logs = "".join(f"\n{log}: {log.read_text()[-1500:]}" for log in [machine.log_path, *machine.root.glob("var/log/qanat/**/*"), *machine.root.glob("var/log/qanat-*.log")] if log.is_file())
        raise AssertionError(f"{problem!r}{logs}") from problem
    finally:
        machine.end()


def test_each_supervisor_starts_restarts_and_stops_hub_and_feed(tmp_path):
    for supervisor in SUPERVISORS:
        need(supervisor.program)
    with concurrent.futures.ThreadPoolExecutor(len(SUPERVISORS)) as pool:
        runs = {}
        for supervisor in SUPERVISORS:
            (tmp_path / supervisor.name).mkdir()
            runs[supervisor.name] = pool.submit(check, supervisor, tmp_path / supervisor.name)
    for run in runs.values():
        if isinstance(run.exception(), pytest.skip.Exception):
            raise run.exception()
    problems = {name: str(run.exception()) for name, run in runs.items() if run.exception()}
    assert not problems, "\n".join(f"== {name}: {text}" for name, text in problems.items())


def test_the_index_of_daemontools_names_each_service_and_this_version():
    version = qanat("--version").stdout.split()[1]
    services = sorted(path.name for path in (PACKAGING / "daemontools/service").iterdir())
    assert (PACKAGING / "daemontools/qanat_services.idx").read_text().split() == [f"{name}:{version}" for name in reversed(services)]


@pytest.mark.parametrize("script", sorted(PACKAGING.glob("**/run")) + sorted(PACKAGING.glob("**/check")), ids=lambda path: str(path.relative_to(PACKAGING)))
def test_each_script_is_executable_and_is_posix_shell(script):
    assert os.access(script, os.X_OK) and script.read_text().startswith("#!/bin/sh\n")
    subprocess.run(["dash", "-n", script], check=True)
