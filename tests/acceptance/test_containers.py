"""The image's root file system, run under the restrictions of packaging/kubernetes by a real container runtime."""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import stat

import pytest
from conftest import SANITIZED, eventually, free_port, let_in
from container import ROOT, USER, Container, make_rootfs, secret, volume

pytestmark = pytest.mark.skipif(SANITIZED, reason="the sanitizers' libraries are in no image")
PROCESS = pathlib.Path("/proc")


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("image")
    let_in(directory)
    return make_rootfs(directory / "rootfs")


@pytest.fixture
def container(rootfs, tmp_path):
    let_in(tmp_path)
    started = []

    def start(name, *arguments, root=rootfs, **more):
        started.append(Container(tmp_path, root, name, arguments, **more))
        return started[-1]

    yield start
    for one in started:
        one.end()


def ask(port, path):
    """As the kubelet probes: it checks no certificate."""
    anybody = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=anybody)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def hub_files(directory, port):
    """What packaging/kubernetes/hub mounts."""
    config = volume(directory / "etc", 0o755)
    (config / "qanat.toml").write_text(f'[[outlet]]\nname = "https://127.0.0.1:{port}"\n[[outlet]]\nname = "trickle://127.0.0.1:{port}"\n')
    return {"/var/lib/qanat": volume(directory / "state"), "/run/qanat": volume(directory / "run"), "/etc/qanat": config}


def start_hub(container, tmp_path, **more):
    port = free_port()
    hub = container("hub", "serve", volumes=hub_files(tmp_path / "hub", port), read_only=["/etc/qanat"], **more)
    eventually(lambda: hub.process.poll() is not None or ask(port, "/readyz") == 200, 60)
    assert hub.process.poll() is None, hub.log()
    return hub, port


def test_the_image_and_the_manifests_agree(rootfs):
    container_file = (ROOT / "packaging/container/Containerfile").read_text()
    assert f"USER {USER}:{USER}\n" in container_file
    assert f"qanat:x:{USER}:{USER}:" in (rootfs / "etc/passwd").read_text()
    for name in ("hub/statefulset.yaml", "sidecar/deployment.yaml"):
        manifest = (ROOT / "packaging/kubernetes" / name).read_text()
        assert all(f"{key}: {USER}\n" in manifest for key in ("runAsUser", "runAsGroup", "fsGroup")), name
    # Nobody in there who could run anything else, and nothing that gives power.
    programs = [path for path in rootfs.rglob("*") if path.is_file() and os.access(path, os.X_OK) and ".so" not in path.name]
    assert programs == [rootfs / "usr/bin/qanat"]
    assert not [path for path in rootfs.rglob("*") if path.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID)]
    # What it copies is there.
    for word in re.findall(r"^COPY (?!--)(\S+)|/src/(packaging/\S+)", container_file, re.MULTILINE):
        assert all((ROOT / path).exists() for path in word if path), word


def status_of(pid):
    return dict(line.split(":\t", 1) for line in (PROCESS / str(pid) / "status").read_text().splitlines() if ":\t" in line)


def children_of(pid):
    """Of a process: {pid: status}, also of those that have ended and that nobody has asked for."""
    found = {}
    for entry in PROCESS.iterdir():
        try:
            if entry.name.isdigit() and (status := status_of(entry.name))["PPid"] == str(pid):
                found[int(entry.name)] = status
        except (OSError, KeyError):
            continue  # it has just ended
    return found


def test_a_hub_a_feed_and_a_sidecar(container, tmp_path):
    hub, port = start_hub(container, tmp_path)
    assert ask(port, "/healthz") == 200
    # It has nothing that it could lose, and is not alone with its duties as process 1.
    for pid in (hub.pid, next(iter(children_of(hub.pid)))):
        status = status_of(pid)
        assert {status[kind] for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2" and status["Uid"].split()[0] == str(USER)
    # Names are looked up in there, too.
    joins = [hub.exec("invite", name, "--address", f"{host}:{port}").stdout for name, host in (("once", "hub.example"), ("machine", "127.0.0.1"), ("pod", "127.0.0.1"))]
    assert "warning" not in hub.log().lower(), hub.log()

    # Somebody without any power, from a Secret.
    (tmp_path / "hosts").write_text("127.0.0.1 hub.example\n")
    once = container("once", "get", "32", "--from", "@/etc/qanat/join/join",
                     volumes={"/etc/hosts": tmp_path / "hosts", "/etc/qanat": None, "/etc/qanat/join": secret(tmp_path / "once", "join", joins[0])})
    assert once.wait() == 0, once.log()
    assert len(once.output()) == 32

    # The DaemonSet: root with one capability, which feeds the machine's kernel by TCP, then by UDP.
    feed = container("feed", "feed", "--every", "1s", "@/etc/qanat/join/join", user=0, capabilities=["SYS_ADMIN"],
                     volumes={"/var/lib/qanat": volume(tmp_path / "feed-state", 0o777, group=0), "/run/qanat": None, "/etc/qanat": None,
                              "/etc/qanat/join": secret(tmp_path / "feed", "join", joins[1], 0o400, 0)})
    eventually(lambda: feed.process.poll() is not None or "CAP_SYS_ADMIN" in feed.log() or fed(feed))
    assert fed(feed), feed.log()
    assert "CAP_SYS_ADMIN" not in feed.log(), feed.log()
    eventually(lambda: outlet_of(hub, "trickle:")["deliveries"] > 0)

    # The sidecar: another container of the pod finds its socket in the volume that both have.
    run = volume(tmp_path / "pod")
    sidecar = container("sidecar", "serve", "--source", "@/etc/qanat/join/join", "--source", "jitter", "--outlet", "egd:/run/qanat/egd?mode=0666",
                        volumes={"/var/lib/qanat": volume(tmp_path / "sidecar-state"), "/run/qanat": run, "/etc/qanat": None,
                                 "/etc/qanat/join": secret(tmp_path / "sidecar", "join", joins[2])})
    eventually(lambda: sidecar.process.poll() is not None or (run / "egd").exists())
    assert sidecar.process.poll() is None, sidecar.log()
    assert stat.S_IMODE((run / "egd").stat().st_mode) == 0o666
    assert (run / "generation").exists()
    with socket.socket(socket.AF_UNIX) as egd:
        egd.settimeout(30)
        # The file is there a moment before anybody listens.
        eventually(lambda: egd.connect_ex(str(run / "egd")) == 0)
        egd.sendall(b"\x02\x20")
        answer = b""
        while len(answer) < 32 and (piece := egd.recv(32)):
            answer += piece
    assert len(answer) == 32

    # As `kubectl delete pod` does; each ends by itself.
    for one in (sidecar, feed, hub):
        one.kill(signal.SIGTERM)
        assert one.wait() == 0, one.log()


def fed(node):
    done = node.exec("status", "--json", "--state", "/var/lib/qanat/feed", check=False)
    return done.returncode == 0 and any(outlet["deliveries"] > 0 for outlet in json.loads(done.stdout)["outlets"])


def outlet_of(node, kind):
    return next(outlet for outlet in json.loads(node.exec("status", "--json").stdout)["outlets"] if outlet["name"].startswith(kind))


def test_a_hub_keeps_its_key_and_its_clients_in_the_volume(container, tmp_path):
    hub, port = start_hub(container, tmp_path)
    join = hub.exec("invite", "web", "--address", f"127.0.0.1:{port}").stdout
    # By a library that it loads by name.
    if "+qrencode" in hub.exec("version").stdout:
        assert "█" in hub.exec("invite", "phone", "--address", f"127.0.0.1:{port}", "--qr").stdout
    hub.kill(signal.SIGKILL)
    hub.wait()
    again = container("again", "serve", volumes={"/var/lib/qanat": tmp_path / "hub/state", "/run/qanat": tmp_path / "hub/run", "/etc/qanat": tmp_path / "hub/etc"})
    eventually(lambda: again.process.poll() is not None or ask(port, "/readyz") == 200, 60)
    once = container("once", "get", "32", "--from", "@/etc/qanat/join/join", volumes={"/etc/qanat": None, "/etc/qanat/join": secret(tmp_path / "once", "join", join)})
    assert once.wait() == 0, once.log()


def test_process_1_reaps_and_hears_signals(container, rootfs, tmp_path):
    # An image of somebody's who put a shell into it.
    root = tmp_path / "with-shell"
    shutil.copytree(rootfs, root, symlinks=True, copy_function=os.link)
    (root / "bin").mkdir()
    for name in ("sh", "setsid", "true", "cat", "head", "touch"):
        shutil.copy(shutil.which("busybox"), root / "bin" / name)
    run = volume(tmp_path / "run")
    orphans = "exec:for i in 1 2 3 4 5 6 7 8 9; do setsid sh -c 'true & true'; done; touch /run/qanat/orphans; exec cat /dev/urandom"
    node = container("node", "serve", "--source", orphans, "--outlet", "egd:/run/qanat/egd", root=root, env=["PATH=/bin"],
                     volumes={"/var/lib/qanat": volume(tmp_path / "state"), "/run/qanat": run})
    eventually(lambda: node.process.poll() is not None or ((run / "orphans").exists() and (run / "egd").exists()))
    assert node.process.poll() is None, node.log()
    eventually(lambda: len(children_of(node.pid)) == 1)
    node.kill(signal.SIGUSR1)
    eventually(lambda: "SIGUSR1" in node.log())
    node.kill(signal.SIGTERM)
    assert node.wait() == 0, node.log()


def test_wrong_arguments_are_the_exit_code_of_the_container(container):
    wrong = container("wrong", "serve", "--outlet", "nonsense:")
    assert wrong.wait() == 2, wrong.log()



def said_at_the_end(container, name, *arguments, **more):
    one = container(name, *arguments, **more)
    assert one.wait() == 1, one.log()
    said = one.log().strip().splitlines()
    return said[-1]


JITTER = ["serve", "--source", "jitter", "--outlet", "egd:/run/qanat/egd?mode=0666"]


def serving(node, run):
    """Whether it has come as far as an answer."""
    def asked():
        if node.process.poll() is not None:
            return True
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(str(run / "egd"))
                s.sendall(b"\x01\x08")
                return s.recv(1) == b"\x08"
        except OSError:
            return False
    eventually(asked, 60)
    return node.process.poll() is None


def test_what_is_missing_is_named(container, tmp_path):
    run = volume(tmp_path / "run")
    # Nobody mounted a volume, or one for somebody else.
    node = container("no-volume", *JITTER, volumes={"/run/qanat": run})
    assert serving(node, run), node.log()
    lost = [line for line in node.log().splitlines() if "/var/lib/qanat" in line]
    assert lost and any("Read-only file system" in line for line in lost), node.log()
    node.end()
    (run / "egd").unlink(missing_ok=True)
    theirs = container("theirs", *JITTER, volumes={"/run/qanat": run, "/var/lib/qanat": volume(tmp_path / "theirs", 0o755, group=0)})
    assert serving(theirs, run), theirs.log()
    assert "/var/lib/qanat" in theirs.log() and "Permission denied" in theirs.log(), theirs.log()
    # No /run/qanat to write to.
    said = said_at_the_end(container, "no-run", *JITTER, volumes={"/var/lib/qanat": volume(tmp_path / "state")})
    assert "/run/qanat/egd" in said and "Read-only file system" in said, said
    # A Secret that everybody can read, as defaultMode 0644 makes it.
    files = secret(tmp_path / "open", "join", "x", 0o644)
    said = said_at_the_end(container, "open", "get", "1", "--from", "@/etc/qanat/join/join", volumes={"/etc/qanat": None, "/etc/qanat/join": files})
    assert "/etc/qanat/join/join has mode 0644" in said, said
    # The kernel's device kept from it.
    nothing = tmp_path / "nothing"
    nothing.touch(mode=0)
    said = said_at_the_end(container, "no-random", "serve", "--source", "jitter", "--outlet", "kernel",
                           volumes={"/dev/random": nothing, "/var/lib/qanat": volume(tmp_path / "other")})
    assert "cannot open /dev/random: Permission denied" in said, said


def test_a_bare_container(container, tmp_path):
    """Without /proc, /sys, environment, home, account, and without a byte of memory that may be locked."""
    run = volume(tmp_path / "run")
    node = container("bare", *JITTER, "--state", "/var/lib/qanat", user=1000660000, state=None, without=["/proc", "/sys"], limits=[("MEMLOCK", 0), ("NOFILE", 1024)],
                     volumes={"/run/qanat": run, "/var/lib/qanat": volume(tmp_path / "state", 0o777)})
    assert serving(node, run), node.log()
    warnings = [line for line in node.log().splitlines() if "warning" in line]
    assert sum("RLIMIT_MEMLOCK is 0 KiB" in line for line in warnings) == 1, node.log()
    node.kill(signal.SIGTERM)
    assert node.wait() == 0, node.log()
    # Who gives it no state is told how.
    said = said_at_the_end(container, "homeless", *JITTER, user=1000660000, state=None)
    assert "uid 1000660000 has no home directory" in said and "--state DIR" in said, said


def test_root_of_a_user_namespace_is_not_the_machine_s(container, tmp_path):
    """As in rootless podman, or with hostUsers: false."""
    port = free_port()
    node = container("node", "serve", "--source", "jitter", "--outlet", "kernel?every=1s", user=0, capabilities=["SYS_ADMIN"], user_namespace=True,
                     volumes={"/run/qanat": volume(tmp_path / "run", 0o777), "/var/lib/qanat": volume(tmp_path / "state", 0o777)})
    eventually(lambda: node.process.poll() is not None or "no CAP_SYS_ADMIN" in node.log())
    assert node.process.poll() is None, node.log()
    assert "of a user namespace" in node.log(), node.log()
    node.kill(signal.SIGTERM)
    assert node.wait() == 0, node.log()
