"""Certificates of https outlets: renewed while the node runs."""

import http.client
import os
import signal
import socket
import ssl
import subprocess

import pytest
from conftest import eventually, free_port


def make(directory, name, days=30, issuer=None):
    """A key and a certificate, self-signed or of an issuer."""
    key, certificate = directory / f"{name}.key", directory / f"{name}.crt"
    by = ["-CA", f"{directory}/{issuer}.crt", "-CAkey", f"{directory}/{issuer}.key"] if issuer else []
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-days", str(days), "-keyout", key, "-out", certificate, *by],
                   check=True, capture_output=True)
    key.chmod(0o600)
    return certificate, key


def put(source, target):
    """In one step, as those who renew certificates do it."""
    temporary = target.with_suffix(".new")
    temporary.write_bytes(source.read_bytes())
    temporary.chmod(0o600)
    os.replace(temporary, target)


@pytest.fixture
def hub(run, tmp_path):
    pairs = {name: make(tmp_path, name) for name in ("old", "new", "third")}
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    put(pairs["old"][0], certificate)
    put(pairs["old"][1], key)
    port = free_port()
    config = tmp_path / "qanat.toml"
    config.write_text(f"""
[[source]]
name = "jitter"
[[outlet]]
name = "https://127.0.0.1:{port}?access=open&cert={certificate}&key={key}"
""")
    node = run("serve", "--config", str(config)).up()
    node.port, node.pairs, node.certificate, node.key = port, pairs, certificate, key
    node.reload = lambda: os.kill(node.process.pid, signal.SIGHUP)
    node.told = lambda word: [e["text"] for e in node.status()["events"] if word in e["text"]]
    return node


def connect(hub, name):
    """A connection to a server that shows this certificate; None when it shows another."""
    context = ssl.create_default_context(cafile=str(hub.pairs[name][0]))
    connection = http.client.HTTPSConnection("127.0.0.1", hub.port, context=context, timeout=20)
    try:
        connection.connect()
    except ssl.SSLCertVerificationError:
        return None
    return connection


def served(connection):
    connection.request("GET", "/healthz")
    response = connection.getresponse()
    response.read()
    return response.status == 200


def test_a_renewed_certificate_is_taken_up_at_sighup(hub):
    before = connect(hub, "old")
    assert served(before)
    put(hub.pairs["new"][0], hub.certificate)
    put(hub.pairs["new"][1], hub.key)
    hub.reload()
    eventually(lambda: connect(hub, "new"))
    assert connect(hub, "old") is None
    assert served(before), "what was open goes on"
    assert hub.told("renewed")
    tls = hub.outlet("https")["tls"]
    assert tls["certificate_until"] > 0 and sum(tls["groups"].values()) >= 2


def test_a_pair_that_does_not_belong_together_is_told_and_the_old_one_stays(hub):
    put(hub.pairs["new"][0], hub.certificate)
    hub.reload()
    eventually(lambda: "does not belong" in hub.outlet("https")["problem"])
    assert hub.told("does not belong")
    assert served(connect(hub, "old"))
    put(hub.pairs["new"][1], hub.key)
    hub.reload()
    eventually(lambda: hub.outlet("https")["problem"] == "")
    assert served(connect(hub, "new"))


def test_without_a_sighup_it_is_noticed_too(hub):
    put(hub.pairs["third"][1], hub.key)
    put(hub.pairs["third"][0], hub.certificate)
    eventually(lambda: connect(hub, "third"), limit=60)
    assert hub.outlet("https")["problem"] == ""


def test_a_pair_that_does_not_belong_together_does_not_start(run, tmp_path):
    certificate, _ = make(tmp_path, "one")
    _, key = make(tmp_path, "other")
    node = run("serve", "--source", "jitter", "--outlet", f"https://127.0.0.1:{free_port()}?access=open&cert={certificate}&key={key}")
    assert node.process.wait(20) == 1
    assert "does not belong to the certificate" in node.log()


def test_a_client_with_a_certificate_cannot_hold_all_connections_by_asking_nothing(run, tmp_path):
    make(tmp_path, "ca")
    certificate, key = make(tmp_path, "leaf", issuer="ca")
    other, other_key = make(tmp_path, "other", issuer="ca")
    port = free_port()
    (tmp_path / "limits.toml").write_text("[limits]\nconnections = 40\n")
    node = run("serve", "--config", f"{tmp_path}/limits.toml", "--source", "exec:cat /dev/urandom?h=8",
               "--outlet", f"https://127.0.0.1:{port}?access=ca&ca={tmp_path}/ca.crt").ready()

    def come(certificate, key):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(certificate, key)
        return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20))

    held = [come(certificate, key) for _ in range(44)]
    try:
        # Those above its part are told, and closed, before they ask anything.
        last = held[-1].recv(1000)
        assert last.startswith(b"HTTP/1.1 429") and b"too many connections of this client" in last
        with come(other, other_key) as s:
            s.sendall(b"GET /v1/random?bytes=32&grade=drbg HTTP/1.1\r\nHost: hub\r\n\r\n")
            assert s.recv(1000).startswith(b"HTTP/1.1 200")
        refused = node.outlet("https")["refused"]
        assert refused["client_connections"] > 0 and refused["connections"] == 0
    finally:
        for s in held:
            s.close()


@pytest.mark.parametrize("file", ["certificate", "key"])
def test_a_file_that_never_opens_holds_up_nobody(hub, file):
    path = getattr(hub, file)
    path.unlink()
    os.mkfifo(path, 0o600)
    hub.reload()
    eventually(lambda: hub.told("is not a regular file"))
    assert connect(hub, "old"), "the one of before is still shown"
    assert "is not a regular file" in hub.outlet("https")["problem"]
    path.unlink()
    put(hub.pairs["new"][0], hub.certificate)
    put(hub.pairs["new"][1], hub.key)
    hub.reload()
    assert eventually(lambda: connect(hub, "new"))
    assert not hub.outlet("https")["problem"]
