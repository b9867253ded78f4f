"""Bytes for nc and socat, and from them."""

import socket
import subprocess

import pytest
from conftest import balanced, eventually, free_port, need, qanat


@pytest.fixture
def raw_hub(run, tmp_path):
    path, port = tmp_path / "raw", free_port()
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"raw:{path}?grade=drbg", "--outlet", f"raw://127.0.0.1:{port}",
               name="hub").ready()
    node.path, node.port = path, port
    return node


def test_nc_and_socat_get_bytes(raw_hub):
    need("socat"), need("nc")
    shell = lambda text: subprocess.run(text, shell=True, capture_output=True, timeout=60).stdout
    full = shell(f"socat -u TCP:127.0.0.1:{raw_hub.port} - | head -c 4096")
    much = shell(f"socat -u UNIX:{raw_hub.path} - | head -c 30000000")
    assert len(full) == 4096 and len(much) == 30000000
    for at in (f"127.0.0.1 {raw_hub.port}", f"-U {raw_hub.path}"):
        assert len(shell(f"nc {at} < /dev/null | head -c 1000")) == 1000
    assert len({much[i:i + 8] for i in range(0, 800000, 8)}) == 100000
    # Who ends his half at once is served all the same.
    with socket.create_connection(("127.0.0.1", raw_hub.port), timeout=20) as s:
        s.shutdown(socket.SHUT_WR)
        assert len(s.recv(1000, socket.MSG_WAITALL)) == 1000
    eventually(lambda: raw_hub.outlet("raw")["connections"] == 0 and raw_hub.outlet("raw://")["connections"] == 0)
    assert balanced(raw_hub.status()["ledger"])


def test_a_reader_that_takes_nothing_costs_little(raw_hub):
    lazy = socket.create_connection(("127.0.0.1", raw_hub.port))
    with socket.create_connection(("127.0.0.1", raw_hub.port), timeout=20) as s:
        got = b""
        while len(got) < 2000:
            piece = s.recv(2000 - len(got))
            assert piece, f"hung up after {len(got)} bytes"
            got += piece
    lazy.close()


def test_what_somebody_sends_is_a_source_credited_nothing(run, tmp_path):
    need("socat")
    path = tmp_path / "sender"
    sender = subprocess.Popen(["socat", "-U", f"UNIX-LISTEN:{path},fork", "OPEN:/dev/urandom,rdonly"])
    try:
        eventually(path.exists)
        node = run("serve", "--source", f"raw:{path}", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}",
                   name="taker").up()
        assert eventually(lambda: node.source(f"raw:{path}")["state"] == "healthy")
        assert node.source(f"raw:{path}")["ledger"]["credited"] == 0
    finally:
        sender.kill()
        sender.wait()
    for wrong in ("raw://0.0.0.0:7750", "raw://127.0.0.1", "raw:"):
        assert qanat("serve", "--outlet", wrong, "--state", str(tmp_path / "x"), check=False).returncode == 2
