"""Two processes: the node, which has no power, and its monitor. As root, as anybody, in a container, as process 1; and with somebody
else's code in the node's place (tests/intruder.cpp)."""

import ctypes
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess

import pytest
from conftest import QANAT, SANITIZED, Node, eventually, free_port, let_in, need, need_namespaces, need_root, qanat

INTRUDER = pathlib.Path(QANAT).parent / "tests/intruder"
# What the seccomp filter ends, and what is refused without that.
KILLED = ["exec", "fork", "ptrace", "poke", "kill", "mount", "module", "unshare", "become", "keys", "type", "type64", "own", "mode", "setuid",
          "cut", "dump", "x32", "packets", "pairs", "rules", "lite", "console", "link"]
REFUSED = {"shadow": "EACCES", "write": "EACCES", "memory": "EACCES", "environment": "EACCES", "command": "EACCES", "entropy": "EPERM",
           "garbage": "EBADMSG", "future": "ENOSYS", "terminal": "ENOTTY"}


def status_of(pid):
    """What /proc says of a process, by name."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, value in (line.split(":", 1) for line in lines)}


def monitor_of(pid):
    """The monitor: a child of the node's of that name."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if pathlib.Path(f"/proc/{child}/comm").read_text() == "qanat-monitor\n":
                return int(child)
    return None


def is_gone(pid):
    """Ended; one whose parent has ended before it may wait for the end of the session."""
    try:
        return status_of(pid)["State"][0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.fixture
def account(tmp_path):
    """A command line that runs what follows on a machine with an account 'qanat', of uid 61771."""
    need_namespaces("--mount")
    for name, line in (("passwd", "qanat:x:61771:61771::/nonexistent:/usr/sbin/nologin\n"), ("group", "qanat:x:61771:\n")):
        (tmp_path / name).write_text(pathlib.Path(f"/etc/{name}").read_text() + line)
    let_in(tmp_path)
    # A /run of its own: what is there is given to the account.
    binds = f"mount -t tmpfs none /run && mount --bind {tmp_path}/passwd /etc/passwd && mount --bind {tmp_path}/group /etc/group && exec \"$@\""
    return ["unshare", "--mount", "sh", "-c", binds, "sh"]


@pytest.fixture
def node_under(tmp_path):
    """Starts a node by another command line before its own."""
    started = []

    def start(before, *arguments):
        node = Node.__new__(Node)
        node.state, node.log_path = tmp_path / "node", tmp_path / "node.log"
        node.process = subprocess.Popen([*before, QANAT, *arguments, "--state", str(node.state)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=open(node.log_path, "w"))
        started.append(node)
        return node

    yield start
    for node in started:
        node.process.kill()
        node.process.wait()


@pytest.mark.skipif(SANITIZED, reason="sanitizers make calls of their own: there is no filter")
@pytest.mark.parametrize("what", KILLED)
def test_other_code_in_the_nodes_place_is_ended_when_it_tries_to(what, tmp_path):
    done = subprocess.run([INTRUDER, tmp_path, what], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == -signal.SIGSYS, done


@pytest.mark.parametrize("what", REFUSED)
def test_other_code_in_the_nodes_place_is_refused(what, tmp_path):
    done = subprocess.run([INTRUDER, tmp_path, what], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, REFUSED[what]), done


def test_the_kernel_is_not_credited_without_end(tmp_path):
    need_root()
    done = subprocess.run([INTRUDER, tmp_path, "flood"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "491520 bits, then EDQUOT\n"), done


def test_root_gives_up_its_powers(run):
    need_root()
    node = run("serve", "--source", "rdseed", "--outlet", "kernel?every=1s", "--outlet", f"http://127.0.0.1:{free_port()}").ready()
    here = status_of(node.process.pid)
    assert {int(here[name][0], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")} == {0}, here
    assert here["NoNewPrivs"] == ["1"] and (SANITIZED or here["Seccomp"] == ["2"]), here
    assert "without capabilities" in node.log() and "there is no account 'qanat'" in node.log()
    # The kernel is credited by the monitor.
    eventually(lambda: node.outlet("kernel")["deliveries"] > 0)
    assert "without credit" not in json.dumps(node.outlet("kernel"))
    monitor = monitor_of(node.process.pid)
    assert node.stop() == 0
    eventually(lambda: is_gone(monitor))


def test_root_becomes_the_account_where_there_is_one(account, node_under, tmp_path):
    """With what takes power: a port below 1024, a device that is root's, a command that runs as root."""
    (tmp_path / "device").write_bytes(os.urandom(100_000))
    os.chmod(tmp_path / "device", 0o600)
    port = next(port for port in range(700, 1023) if is_free(port))
    node = node_under(account, "serve", "--source", f"file:{tmp_path}/device?h=8&credit=yes", "--source", f"exec:id -u >{tmp_path}/id; cat /dev/urandom?h=8",
                      "--outlet", f"http://127.0.0.1:{port}", "--outlet", f"https://127.0.0.1:{free_port()}").ready()
    here = status_of(node.process.pid)
    assert here["Uid"] == ["61771"] * 4 and here["Gid"] == ["61771"] * 4 and int(here["CapEff"][0], 16) == 0, here
    assert node.state.stat().st_uid == 61771 and (node.state / "server.key").stat().st_uid == 61771
    assert node.source(f"file:{tmp_path}/device?h=8&credit=yes")["ledger"]["credited"] > 0
    assert (tmp_path / "id").read_text() == "0\n"
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert s.recv(100).split()[1] == b"200"
    # What it left can be used again, and clients stay.
    node.invite("someone")
    node.stop()
    again = node_under(account, "serve", "--source", "rdseed", "--outlet", f"http://127.0.0.1:{port}").up()
    assert [client["name"] for client in again.status()["clients"]] == ["someone"]
    again.stop()


def is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def test_where_the_account_cannot_reach_the_state_the_node_stays_who_it_is(account, node_under, tmp_path):
    os.chmod(tmp_path, 0o700)
    node = node_under(account, "serve", "--source", "rdseed", "--outlet", f"http://127.0.0.1:{free_port()}").up()
    assert status_of(node.process.pid)["Uid"][0] == "0" and int(status_of(node.process.pid)["CapEff"][0], 16) == 0
    assert f"the account 'qanat' cannot reach {node.state}" in node.log()
    node.stop()


def test_what_is_not_a_nodes_is_not_given_to_the_account(account, node_under, tmp_path):
    """A wrong --state, /etc say, changes hands with all that is in it."""
    (tmp_path / "node").mkdir(mode=0o700)
    (tmp_path / "node/other").write_text("root's")
    node = node_under(account, "serve", "--source", "rdseed", "--outlet", f"http://127.0.0.1:{free_port()}").up()
    assert "is not a node's alone" in node.log()
    assert (tmp_path / "node").stat().st_uid == (tmp_path / "node/other").stat().st_uid == 0
    node.stop()
    # Nor is what others have a name for in one that is.
    for name in ("other", "server.crt", "server.key"):
        (tmp_path / "node" / name).unlink(missing_ok=True)
    (tmp_path / "outside").write_text("root's")
    os.link(tmp_path / "outside", tmp_path / "node/used-seeds")
    os.symlink(tmp_path / "outside", tmp_path / "node/server.crt")
    node = node_under(account, "serve", "--source", "rdseed", "--outlet", f"http://127.0.0.1:{free_port()}")
    eventually(lambda: node.process.poll() is not None or (tmp_path / "node").stat().st_uid == 61771)
    assert (tmp_path / "outside").stat().st_uid == 0


def test_a_monitor_that_does_not_answer_is_noticed(run):
    need_root()
    node = run("serve", "--source", "rdseed", "--outlet", "kernel?every=1s", "--outlet", f"http://127.0.0.1:{free_port()}").ready()
    monitor = monitor_of(node.process.pid)
    os.kill(monitor, signal.SIGSTOP)
    eventually(lambda: any(event["subject"] == "monitor" for event in node.status()["events"]))
    assert node.stop() == 0
    os.kill(monitor, signal.SIGCONT)
    eventually(lambda: is_gone(monitor))


def test_anybody_may_run_a_node_and_is_told_what_is_missing(node_under, tmp_path):
    need_root()
    need("setpriv")
    let_in(tmp_path)
    (tmp_path / "node").mkdir(mode=0o700)
    os.chown(tmp_path / "node", 61772, 61772)
    anybody = ["setpriv", "--reuid=61772", "--regid=61772", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    node = node_under(anybody, "serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", "kernel?every=1s").ready()
    here = status_of(node.process.pid)
    assert here["Uid"][0] == "61772" and (SANITIZED or here["Seccomp"] == ["2"]), here
    eventually(lambda: "no CAP_SYS_ADMIN" in node.log())
    assert node.stop() == 0


def test_as_process_1_it_reaps_and_stops(tmp_path):
    """In a container: what a command leaves behind is the node's to reap, and no signal is lost."""
    need_namespaces("--pid", "--fork", "--mount-proc")
    # Each start leaves an orphan behind, in a session of its own.
    command = "exec:setsid sh -c 'sleep 0.05' & head -c 600 /dev/urandom?h=8"
    container = subprocess.Popen(["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", QANAT, "serve", "--source", command, "--outlet",
                                  f"http://127.0.0.1:{free_port()}", "--state", str(tmp_path / "s")], stderr=subprocess.PIPE, text=True)
    try:
        inside = eventually(lambda: pathlib.Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split())[0]
        eventually(lambda: qanat("status", "--state", str(tmp_path / "s"), check=False).returncode == 0)

        def children():
            return [pid for task in pathlib.Path(f"/proc/{inside}/task").iterdir() for pid in (task / "children").read_text().split()]

        assert pathlib.Path(f"/proc/{inside}/status").read_text().split("NSpid:")[1].split()[1] == "1"
        # Orphans come, and go.
        eventually(lambda: len(children()) > 1)
        eventually(lambda: len(children()) == 1 or not any(status_of(pid)["State"][0] == "Z" for pid in children()[1:]))
        os.kill(int(inside), signal.SIGTERM)
        assert container.wait(20) == 0
    finally:
        container.kill()
        container.wait()


def test_a_monitor_that_is_killed_is_noticed_and_the_node_serves_on(run, tmp_path):
    need_root()
    heard = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        service_manager.bind(str(heard))
        service_manager.settimeout(20)
        port = free_port()
        node = run("serve", "--source", "rdseed", "--source", "exec:cat /dev/urandom", "--outlet", "kernel?every=1s", "--outlet",
                   f"http://127.0.0.1:{port}", env=os.environ | {"NOTIFY_SOCKET": str(heard)}).ready()
        os.kill(monitor_of(node.process.pid), signal.SIGKILL)
        # systemd starts both again when it hears this.
        while b"WATCHDOG=trigger" not in service_manager.recv(4096):
            pass
    eventually(lambda: any(event["subject"] == "monitor" for event in node.status()["events"]))
    assert "the monitor process has ended" in node.log()
    # Outlets that need no power go on; the kernel's says why it does not.
    assert len(qanat("get", "32", "--from", f"http://127.0.0.1:{port}", "--format", "hex").stdout.strip()) == 64
    eventually(lambda: "monitor" in node.outlet("kernel")["problem"])
    assert node.stop() == 0


def test_a_node_that_is_killed_leaves_nothing_behind(run, tmp_path):
    node = run("serve", "--source", f"exec:echo $$ >{tmp_path}/pid; exec cat /dev/urandom", "--outlet", f"http://127.0.0.1:{free_port()}").up()
    command = int(eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()))
    monitor = monitor_of(node.process.pid)
    node.process.kill()
    node.process.wait()
    eventually(lambda: is_gone(command) and is_gone(monitor))


def test_a_monitor_serves_nobody_but_its_node(run, tmp_path):
    """The node, or what runs in its place, may have left its end of their socket to another process."""
    need_root()
    node = run("serve", "--source", f"exec:echo $$ >{tmp_path}/pid; exec cat /dev/urandom", "--outlet", f"http://127.0.0.1:{free_port()}").up()
    eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    monitor = monitor_of(node.process.pid)
    pidfd = os.pidfd_open(node.process.pid)
    pidfd_getfd = 438
    ends = [fd for fd in os.listdir(f"/proc/{node.process.pid}/fd") if os.readlink(f"/proc/{node.process.pid}/fd/{fd}").startswith("socket:")]
    kept = [ctypes.CDLL(None).syscall(pidfd_getfd, pidfd, int(fd), 0) for fd in ends]
    assert any(socket.socket(fileno=os.dup(fd)).type == socket.SOCK_SEQPACKET for fd in kept)
    node.process.kill()
    node.process.wait()
    eventually(lambda: is_gone(monitor) and is_gone(int((tmp_path / "pid").read_text())))


def test_a_configuration_that_the_node_could_write_is_refused(run, tmp_path):
    """It could name commands there, which root would run."""
    need_root()
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    text = f'[[source]]\nname = "jitter"\n[[outlet]]\nname = "http://127.0.0.1:{free_port()}"\n'
    (state / "qanat.toml").write_text(text)
    (tmp_path / "link.toml").symlink_to(state / "qanat.toml")
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds/qanat.toml").write_text(text + f'[[outlet]]\nname = "file:{tmp_path}/seeds/seed"\n')
    (tmp_path / "outside.toml").write_text(text)
    (state / "out.toml").symlink_to(tmp_path / "outside.toml")
    for config in (state / "qanat.toml", tmp_path / "link.toml", state / "out.toml"):
        for spelling in (str(state), f"{state}/", f"{state}/../state"):
            done = qanat("serve", "--config", str(config), "--state", spelling, check=False)
            assert done.returncode == 1 and "could write its configuration" in done.stderr, done
            checked = qanat("check", "--config", str(config), "--state", spelling, check=False)
            assert checked.returncode == 1 and "could write its configuration" in checked.stderr, checked
    # Beside a boot seed it is taken once, and what root runs stays as it was.
    node = run("serve", "--config", str(tmp_path / "seeds/qanat.toml")).up()
    eventually(lambda: "a reload brings no commands" in node.log())
    with (tmp_path / "seeds/qanat.toml").open("a") as file:
        file.write('[[source]]\nname = "exec:id"\n')
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: "the configuration does not name it" in node.log())
    node.stop()
    # Nor is one taken that is put there later.
    config = tmp_path / "etc" / "qanat.toml"
    config.parent.mkdir()
    config.write_text(text)
    node = run("serve", "--config", str(config)).up()
    (node.state / "qanat.toml").write_text(text + '[[source]]\nname = "exec:id"\n')
    config.unlink()
    config.symlink_to(node.state / "qanat.toml")
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: "could write its configuration" in node.log())
    assert len(node.status()["sources"]) == 1
    node.stop()


def changed_by_the_account(tmp_path, case):
    """A configuration that the node's account can change in some way, and what undoes it."""
    text = f'[[source]]\nname = "exec:cat /dev/urandom"\n[[outlet]]\nname = "http://127.0.0.1:{free_port()}"\n'
    place = tmp_path / "place"
    place.mkdir(mode=0o755)
    config = place / "qanat.toml"
    config.write_text(text)
    if case == "a sticky directory of its own":
        os.chown(place, 61771, 61771)
        place.chmod(0o1755)
    elif case == "a directory of its own that it may not write now":
        os.chown(place, 61771, 61771)
        place.chmod(0o555)
    elif case == "a file of its own that it may not write now":
        os.chown(config, 61771, 61771)
        config.chmod(0o444)
    elif case == "a directory of a group":
        os.chown(place, 0, 61771)
        place.chmod(0o2775)
    elif case == "an ACL":
        need("setfacl")
        subprocess.run(["setfacl", "-m", "u:61771:rw", config], check=True)
    elif case == "a FIFO of its own":
        config.unlink()
        os.mkfifo(config)
        os.chown(place, 61771, 61771)
        os.chown(config, 61771, 61771)
    elif case == "a read-only mount of a directory of its own":
        os.chown(place, 61771, 61771)
        (tmp_path / "mount").mkdir()
        return tmp_path / "mount/qanat.toml"
    elif case in ("links to links", "a link and .."):
        away = tmp_path / "away"
        (away / "below").mkdir(parents=True)
        (away / "qanat.toml").write_text(text)
        os.chown(away, 61771, 61771)
        if case == "a link and ..":
            (place / "k").symlink_to(away / "below")
            return place / "k" / ".." / "qanat.toml"
        (away / "l").symlink_to(place)
        (tmp_path / "e").symlink_to(away / "l")
        return tmp_path / "e" / "qanat.toml"
    return config


@pytest.mark.parametrize("case", ["a sticky directory of its own", "a directory of its own that it may not write now",
                                  "a file of its own that it may not write now", "a directory of a group", "an ACL", "links to links", "a link and ..",
                                  "a FIFO of its own", "a read-only mount of a directory of its own"])
def test_commands_of_a_configuration_that_the_account_can_change_are_not_run(account, tmp_path, case, request):
    """At the next start they would be the node's own, and root's."""
    config = changed_by_the_account(tmp_path, case)
    if "mount" in case:
        account += ["sh", "-c", f'mount --bind {tmp_path}/place {tmp_path}/mount && mount -o remount,bind,ro {tmp_path}/mount && exec "$@"', "sh"]
    if "FIFO" in case:
        (tmp_path / "text").write_text(f'[[source]]\nname = "exec:cat /dev/urandom"\n[[outlet]]\nname = "http://127.0.0.1:{free_port()}"\n')
    for command in ("check", "serve"):
        if "FIFO" in case:
            writer = subprocess.Popen(["sh", "-c", f"exec cat {tmp_path}/text >{config}"])
            request.addfinalizer(writer.kill)
        done = subprocess.run([*account, QANAT, command, "--config", str(config), "--state", str(tmp_path / "state")], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "could write its configuration" in done.stderr, done
    # Root's own is taken.
    (tmp_path / "roots.toml").write_text(f'[[source]]\nname = "exec:id"\n[[outlet]]\nname = "http://127.0.0.1:{free_port()}"\n')
    done = subprocess.run([*account, QANAT, "check", "--config", str(tmp_path / "roots.toml"), "--state", str(tmp_path / "state")], capture_output=True, text=True)
    assert done.returncode == 0 and "could write" not in done.stdout, done


def test_check_warns_of_a_program_that_others_can_change(tmp_path):
    need_root()
    hook = tmp_path / "hook"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    config = tmp_path / "qanat.toml"
    config.write_text(f'[node]\non-reseed = ["{hook} x", "cat /dev/null"]\n[[source]]\nname = "jitter"\n')
    assert "root's powers" not in qanat("check", "--config", str(config)).stdout
    os.chown(hook, 61771, 61771)
    said = qanat("check", "--config", str(config)).stdout
    assert f"{hook} is run with root's powers, and {hook} belongs to uid 61771" in said, said


def test_the_same_of_an_account_with_capabilities(tmp_path):
    """A unit with AmbientCapabilities: its monitor keeps them."""
    need_root(), need("setpriv")
    let_in(tmp_path)
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "qanat.toml").write_text(f'[[source]]\nname = "jitter"\n[[outlet]]\nname = "http://127.0.0.1:{free_port()}"\n')
    for path in (state, state / "qanat.toml"):
        os.chown(path, 61771, 61771)
    powers = ["setpriv", "--reuid", "61771", "--regid", "61771", "--clear-groups", "--inh-caps", "+sys_admin", "--ambient-caps", "+sys_admin"]
    for command in ("check", "serve"):
        done = subprocess.run([*powers, QANAT, command, "--config", str(state / "qanat.toml"), "--state", str(state)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "could write its configuration" in done.stderr, done


def test_a_fifo_in_the_place_of_a_ca_keeps_no_monitor_waiting(run, tmp_path):
    """Its opening would wait for a writer, at the reload of root's own configuration."""
    need_root()
    (tmp_path / "etc").mkdir()
    config, ca = tmp_path / "etc/qanat.toml", tmp_path / "ca"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", tmp_path / "key", "-out", ca,
                    "-subj", "/CN=x", "-days", "2"], check=True, capture_output=True)
    config.write_text(f'[[source]]\nname = "jitter"\n[[outlet]]\nname = "http://127.0.0.1:{free_port()}"\n'
                      f'[[alarm]]\nwebhook = "https://127.0.0.1:7/"\nca = "{ca}"\n')
    node = run("serve", "--config", str(config)).up()
    monitor = monitor_of(node.process.pid)
    ca.unlink()
    os.mkfifo(ca)
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: "is not a file" in node.log())
    assert not is_gone(monitor)
    node.stop()
    eventually(lambda: is_gone(monitor))


def opens_at_a_reload(node, config):
    """How often the file is opened: by the node, and by the monitor where it trusts it."""
    libc = ctypes.CDLL(None)
    # With the ends, as events that are alike become one.
    in_open, in_close_nowrite = 0x20, 0x10
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, str(config).encode(), in_open | in_close_nowrite) >= 0
    before = node.log().count("configuration reloaded")
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: node.log().count("configuration reloaded") > before)
    events = os.read(watch, 65536)
    os.close(watch)
    return sum(mask == in_open for _, mask, _, _ in struct.iter_unpack("iIII", events))


def test_a_configuration_that_the_node_can_change_is_not_read_again_by_the_monitor(run, tmp_path):
    """Between a look at it and the reading it changes: a node that renamed its own away and back won that race."""
    need_root()
    text = f'[[source]]\nname = "jitter"\n[[outlet]]\nname = "http://127.0.0.1:{free_port()}"\n'
    opens = {}
    for place, more in (("etc", ""), ("seeds", f'[[outlet]]\nname = "file:{tmp_path}/seeds/seed"\n')):
        (tmp_path / place).mkdir()
        config = tmp_path / place / "qanat.toml"
        config.write_text(text + more)
        node = run("serve", "--config", str(config), name=place + ".state").up()
        opens[place] = opens_at_a_reload(node, config)
        node.stop()
    assert opens["etc"] == 2 * opens["seeds"] > 0, opens


def test_root_looks_at_a_hub_of_the_account(account, node_under, tmp_path):
    """check and doctor; and a feed beside it."""
    outlet = ["--outlet", f"http://127.0.0.1:{free_port()}"]
    node = node_under(account, "serve", "--source", "rdseed", *outlet).ready()
    for command in (["check", "--source", "rdseed", *outlet], ["doctor"]):
        done = subprocess.run([*account, QANAT, *command, "--state", node.state], capture_output=True, text=True)
        assert "belongs to" not in done.stdout + done.stderr, done
        assert done.returncode == 0 or command == ["doctor"], done
    node.stop()
    done = subprocess.run([*account, QANAT, *command, "--state", node.state], capture_output=True, text=True)
    assert "belongs to" not in done.stdout + done.stderr, done


def test_after_a_reload_what_is_new_may_be_asked_for_and_what_is_gone_may_not(run, tmp_path):
    config = tmp_path / "qanat.toml"

    def write(*commands):
        sources = "".join(f'[[source]]\nname = "exec:{command}"\n' for command in commands)
        config.write_text(f'{sources}[[outlet]]\nname = "http://127.0.0.1:{port}"\n')

    port = free_port()
    write("cat /dev/urandom")
    node = run("serve", "--config", str(config)).up()
    # The file is read again by both; one that is wrong changes nothing.
    write("cat /dev/urandom", f"echo x >>{tmp_path}/new; cat /dev/zero")
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: (tmp_path / "new").exists())
    config.write_text("[[source]]\nname = 'no such'\n")
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: "the configuration stays as it was" in node.log())
    assert len(node.status()["sources"]) == 2
    node.stop()


def test_inside_the_sandbox_of_systemd(node_under, tmp_path):
    """What a unit leaves of the machine: no /proc of others, nothing writable but the state, no capability, few system calls."""
    need("bwrap")
    state = tmp_path / "node"
    state.mkdir()
    box = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/run", "--bind", str(state), str(state),
           "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--cap-drop", "ALL", "--die-with-parent"]
    node = node_under(box, "serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}").ready()
    assert "in a seccomp filter" in node.log() or SANITIZED
    node.process.terminate()
    node.process.wait(20)


