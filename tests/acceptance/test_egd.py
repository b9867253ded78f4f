"""EGD, with a daemon that speaks it: Entropy Broker's reader."""

import grp
import os
import socket
import subprocess

import pytest
from conftest import QANAT, eventually, free_port, let_in, need, need_namespaces, need_root, qanat

@pytest.fixture
def egd_hub(run, tmp_path):
    path = tmp_path / "egd"
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"egd:{path}?grade=drbg&mode=0660&group=nogroup",
               "--outlet", f"egd://127.0.0.1:{(port := free_port())}", name="hub").ready()
    node.path, node.port = path, port
    return node


@pytest.fixture
def daemons(tmp_path):
    """Starts the broker's programs, and ends them."""
    need("eb_server_egd")
    auth = tmp_path / "auth"
    auth.write_text("qanat\nsecret\n")
    auth.chmod(0o600)
    running = []

    def start(*words):
        log = open(tmp_path / f"{words[0]}.log", "w")
        running.append(subprocess.Popen([*map(str, words), "-n"], stdout=log, stderr=log, cwd=tmp_path))
        return running[-1]

    start.auth = auth
    yield start
    for process in running:
        process.kill()
        process.wait()


def test_unix_and_tcp_and_who_may(egd_hub):
    info = os.stat(egd_hub.path)
    assert info.st_mode & 0o777 == 0o660 and grp.getgrgid(info.st_gid).gr_name == "nogroup"
    with socket.create_connection(("127.0.0.1", egd_hub.port)) as tcp:
        tcp.sendall(b"\x02\x40" * 100)
        got = b""
        while len(got) < 6400:
            got += tcp.recv(10000)
    assert len(got) == 6400 and len({got[i:i + 8] for i in range(0, 6400, 8)}) == 800
    assert eventually(lambda: egd_hub.outlet("egd://")["full_bytes"] == 6400)
    for wrong in ("egd://0.0.0.0:18888", "egd:", "egd:/tmp/x?mode=999", "egd://127.0.0.1:1?mode=0600", "egd://127.0.0.1:1?access=join"):
        done = qanat("serve", "--outlet", wrong, "--state", str(egd_hub.path) + ".other", check=False, timeout=20)
        assert done.returncode == 2 and done.stderr.strip(), wrong


def test_serve_without_arguments_opens_an_egd_socket(run, tmp_path):
    """In a mount namespace of its own: /run/qanat belongs to this machine's node."""
    need_namespaces("-m", "-n")
    script = ("mount -t tmpfs tmpfs /run && \"$QANAT\" serve --state state 2> log & "
              "for i in $(seq 200); do test -S /run/qanat/egd && break; sleep 0.05; done; "
              "stat -c '%a %F' /run/qanat/egd; printf '\\004' | timeout 20 socat -t 5 - UNIX:/run/qanat/egd | od -An -c; kill $!; wait $!")
    script = "mount -t tmpfs tmpfs /run; " + script.replace("mount -t tmpfs tmpfs /run && ", "")
    done = subprocess.run(["unshare", "-m", "-n", "sh", "-c", "ip link set lo up; " + script], cwd=tmp_path, capture_output=True, text=True,
                          timeout=60, env={**os.environ, "QANAT": QANAT})
    assert done.stdout.startswith("666 socket\n"), done.stdout + done.stderr + (tmp_path / "log").read_text()
    assert len(done.stdout.split("\n")[1].split()) >= 3, "the length, and the digits of a process id"


def test_another_user_has_a_share_and_connections_of_his_own(run, tmp_path):
    need("socat"), need_root()
    let_in(tmp_path)
    path = tmp_path / "socket"
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"egd:{path}?mode=0666&grade=drbg&connections=2", name="few").ready()
    ask = f"printf '\\002\\020' | timeout 20 socat -t 5 - UNIX:{path} | wc -c"
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two:
        for s in (one, two):
            s.connect(str(path))
            s.sendall(b"\x02\x10")
            assert len(s.recv(16, socket.MSG_WAITALL)) == 16
        assert subprocess.run(ask, shell=True, capture_output=True, text=True).stdout.strip() == "0", "root's third connection"
        other = subprocess.run(ask, shell=True, capture_output=True, text=True, user=65534, group=65534, extra_groups=[])
        assert other.stdout.strip() == "16", other.stderr
    assert node.outlet("egd:")["refused"]["peer_connections"] == 1


def test_many_half_commands_disturb_nobody(egd_hub):
    held = []
    try:
        for _ in range(900):
            s = socket.socket(socket.AF_UNIX)
            s.connect(str(egd_hub.path))
            s.sendall(b"\x03\xff")  # half a command
            held.append(s)
        with socket.create_connection(("127.0.0.1", egd_hub.port), timeout=10) as other:
            other.sendall(b"\x02\x10")
            assert len(other.recv(16, socket.MSG_WAITALL)) == 16
    finally:
        for s in held:
            s.close()
    assert eventually(lambda: egd_hub.outlet("egd:/")["connections"] == 0)


def test_entropy_brokers_egd_reader_draws_from_us(egd_hub, daemons, tmp_path):
    daemons("eb_server_egd", "-X", daemons.auth, "-d", egd_hub.path, "-o", tmp_path / "out", "-a", 64, "-b", 1)
    assert eventually(lambda: (tmp_path / "out").exists() and (tmp_path / "out").stat().st_size >= 1000)
    assert egd_hub.outlet("egd:/")["drbg_bytes"] >= 1000


def test_an_egd_that_goes_away_is_noticed(egd_hub, run):
    name = f"egd://127.0.0.1:{egd_hub.port}"
    node = run("serve", "--source", name, "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}",
               name="taker").up()
    assert eventually(lambda: node.source(name)["state"] == "healthy")
    egd_hub.process.kill()
    assert eventually(lambda: node.source(name)["state"] == "gone")


def test_nobody_passes_descriptors_to_a_node(egd_hub):
    """One with SO_LINGER, whose peer reads nothing, would be closed by an I/O thread, which would wait for it as long as they please."""
    listener = socket.create_server(("127.0.0.1", 0))
    lingering = socket.create_connection(listener.getsockname())
    with socket.socket(socket.AF_UNIX) as client:
        so_passrights = 83
        try:
            client.getsockopt(socket.SOL_SOCKET, so_passrights)
        except OSError:
            pytest.skip("this kernel knows no SO_PASSRIGHTS (Linux 6.16)")
        client.connect(str(egd_hub.path))
        with pytest.raises(PermissionError):
            socket.send_fds(client, [b"\x02\x01"], [lingering.fileno()])
        client.sendall(b"\x02\x01")
        assert len(client.recv(1)) == 1
