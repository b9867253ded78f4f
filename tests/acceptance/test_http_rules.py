"""What an HTTP request must be, who sees what, what is free of no limit, and what a client believes. docs/http-api.md."""

import http.client
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading

import pytest
from conftest import eventually, fetch, free_port, need, need_namespaces, qanat


def raw(port, text):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.sendall(text)
        sock.shutdown(socket.SHUT_WR)
        got = b""
        while data := sock.recv(65536):
            got += data
        return got


def test_one_request_of_quotation_marks_ends_nothing(hub):
    answer = raw(hub.port, b'GET /v1/random?' + b'"' * 8164 + b" HTTP/1.0\r\n\r\n")
    header, body = answer.split(b"\r\n\r\n")
    assert header.startswith(b"HTTP/1.1 400") and len(answer) < 1000
    assert b"Content-Length: %d\r\n" % len(body) in header + b"\r\n" and json.loads(body)["error"]
    assert hub.process.poll() is None and fetch(hub.port, "/v1/random")[0] == 200


@pytest.mark.parametrize("fields, status", [
    ("Host: rebound.example", 403), ("Host: localhost\r\nSec-Fetch-Site: cross-site", 403), ("Host: localhost\r\nOrigin: http://evil.example", 403),
    ("X: y", 400), ("Host: localhost\r\nHost: localhost", 400), ("Host: localhost\r\nAuthorization: a\r\nAuthorization: a", 400),
    ("Host: localhost", 200), ("Host: 127.0.0.1:1", 200), ("Host: [::1]", 200),
])
def test_hosts_pages_and_doubles(hub, fields, status):
    answer = raw(hub.port, f"GET /v1/random HTTP/1.1\r\nConnection: close\r\n{fields}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 %d" % status), answer


@pytest.mark.parametrize("coding", ["chunked, chunked", "chunked, gzip", "gzip", "identity", '"chunked"', "", "xchunked", "chunked"])
@pytest.mark.parametrize("length", ["", "Content-Length: 11\r\n"])
def test_a_body_that_two_readers_see_differently_is_refused(hub, coding, length):
    inner = b"GET /v1/random?bytes=4&format=hex HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = raw(hub.port, f"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: {coding}\r\n{length}\r\n".encode() + b"challenge=a" * bool(length) + inner)
    assert answer.count(b"HTTP/1.1 ") == 1 and answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 411")), answer


def test_http_1_0_gets_no_chunks(hub):
    answer = raw(hub.port, b"GET /v1/stream?rate=16 HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 505") and b"chunked\r\n" not in answer, answer


@pytest.mark.parametrize("before", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_who_waits_for_a_word_before_the_body_is_told(hub, before):
    with socket.create_connection(("127.0.0.1", hub.port), timeout=5) as sock:
        sock.sendall(before + b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-Continue\r\nContent-Length: 11\r\nConnection: close\r\n\r\n")
        got = b""
        while not got.endswith(b"HTTP/1.1 100 Continue\r\n\r\n"):
            got += sock.recv(1000)
        assert got.startswith(b"HTTP/1.1 200" if before else b"HTTP/1.1 100")
        sock.sendall(b"challenge=a")
        assert sock.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("target, status", [("http://127.0.0.1:1/healthz", 200), ("HTTP://localhost/v1/random?bytes=8", 200), ("http://[::1]", 200),
                                            ("http://evil.example/v1/random", 403), ("http://localhost/nonsense", 404),
                                            ("http:///v1/random", 400)])
def test_a_target_may_name_its_host(hub, target, status):
    answer = raw(hub.port, f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 %d" % status), answer


def test_a_name_that_the_operator_gives_is_taken(run):
    port = free_port()
    run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{port}?host=hub.lan,other", name="hub").ready()
    for host, status in (("hub.lan", 200), ("Other:80", 200), ("hub.lan.example", 403)):
        answer = raw(port, f"GET /v1/random HTTP/1.1\r\nConnection: close\r\nHost: {host}\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 %d" % status), host


def test_head_draws_nothing(hub):
    before = hub.status()["ledger"]["delivered"]
    status, body, headers = fetch(hub.port, "/v1/random?grade=full&bytes=1000&format=hex", "HEAD")
    assert (status, body, headers["Content-Length"], headers["Qanat-Grade"]) == (200, b"", "2001", "full")
    assert hub.outlet("http://")["full_bytes"] == 0 and hub.status()["ledger"]["delivered"] == before
    status, _, headers = fetch(hub.port, "/v1/session", "HEAD")
    assert (status, headers["Allow"]) == (405, "POST")


class Client:
    """A named client over https, in the test's own words: the proof is the client program's business, so it comes by `qanat get` alone;
    here a certificate names it."""

    def __init__(self, directory, port, name):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(directory / f"{name}.pem")
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)

    def __call__(self, path, method="GET"):
        self.connection.request(method, path)
        response = self.connection.getresponse()
        return response.status, response.read().decode("latin-1"), response.headers


@pytest.fixture
def certified(run, tmp_path):
    """A hub that knows clients by certificates: `client("joe")` is one of them."""
    need("openssl")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=tmp_path)

    openssl("req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "1")
    port, trickle = free_port(), free_port()
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"https://127.0.0.1:{port}?access=ca&ca={tmp_path}/ca.pem",
               "--outlet", f"trickle://127.0.0.1:{trickle}", name="hub").ready()

    def client(name):
        openssl("req", "-newkey", "ed25519", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.crt", "-days", "1")
        (tmp_path / f"{name}.pem").write_text((tmp_path / f"{name}.crt").read_text() + (tmp_path / f"{name}.key").read_text())
        return Client(tmp_path, port, name)

    node.client = client
    return node


def test_a_client_sees_itself_alone_in_status_events_and_metrics(certified):
    alice, mallory = certified.client("alice"), certified.client("mallory")
    assert alice("/v1/random?bytes=1000")[0] == mallory("/v1/random")[0] == 200
    certified.invite("secretary")
    document = json.loads(mallory("/v1/status")[1])
    assert [c["name"] for c in document["clients"]] == ["mallory"]
    assert document["outlets"] == [] and document["drbg"]["bytes"] == 32
    assert document["sources"] and document["ledger"]["credited"] > 0
    everything = json.dumps(document) + mallory("/metrics")[1]
    for other in ("alice", "secretary", "trickle://"):
        assert other not in everything, other
    assert 'qanat_client_bytes_total{client="mallory",grade="drbg"}' in everything
    # The operator sees them all.
    seen = json.dumps(certified.status())
    assert all(name in seen for name in ("alice", "mallory", "secretary", "trickle://"))


def test_a_nameless_peer_beyond_loopback_sees_no_client(run, tmp_path):
    need_namespaces("--net")
    port = free_port()
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://0.0.0.0:{port}?access=open",
               "--outlet", f"https://127.0.0.1:{free_port()}", name="hub").ready()
    node.invite("secretary")
    name = f"q{os.getpid() % 100000}"
    address = f"10.213.{os.getpid() % 250}"

    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    guest = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    try:
        eventually(lambda: os.readlink(f"/proc/{guest.pid}/ns/net") != os.readlink("/proc/self/ns/net"))
        ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", str(guest.pid))
        ip("addr", "add", f"{address}.1/24", "dev", f"{name}a")
        ip("link", "set", f"{name}a", "up")
        enter = ["nsenter", "-t", str(guest.pid), "-n"]
        subprocess.run([*enter, "ip", "addr", "add", f"{address}.2/24", "dev", f"{name}b"], check=True)
        subprocess.run([*enter, "ip", "link", "set", f"{name}b", "up"], check=True)
        need("curl")
        url = f"http://hub.example:{port}"
        ask = [*enter, "curl", "-s", "-m", "20", "--resolve", f"hub.example:{port}:{address}.1"]
        document = json.loads(subprocess.run([*ask, f"{url}/v1/status"], check=True, capture_output=True).stdout)
        metrics = subprocess.run([*ask, f"{url}/metrics"], check=True, capture_output=True, text=True).stdout
    finally:
        guest.kill()
        guest.wait()
    assert document["clients"] == [] and "secretary" not in json.dumps(document) + metrics
    assert "qanat_reserve_bytes" in metrics and document["sources"]
    assert "secretary" in fetch(port, "/v1/status")[1].decode(), "on loopback sits the operator"


def test_documents_and_sessions_have_a_rate(certified):
    client = certified.client("eager")
    for method, path, most, reason in (("GET", "/v1/status", 60, "documents"), ("POST", "/v1/session", 150, "sessions")):
        for _ in range(10 * most):
            status, body, headers = client(path, method)
            if status != 200:
                break
        assert status == 429 and int(headers["Retry-After"]) >= 1 and "too often" in body, (status, body)
        assert certified.outlet("https://")["refused"][reason] == 1
    assert client("/v1/random")[0] == client("/healthz")[0] == 200


def test_a_missing_name_is_asked_for(hub):
    port = int(hub.outlet("https://")["detail"].rsplit(":", 1)[1])
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
    connection.request("GET", "/v1/random")
    response = connection.getresponse()
    assert response.status == 401 and response.headers["WWW-Authenticate"] == "Qanat"


@pytest.fixture
def liar():
    """A server that answers /v1/random as `answer(path)` says: headers and a body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            headers, body = self.server.answer(self.path)
            self.send_response(200)
            for name, value in {"Content-Length": len(body), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *_):
            pass

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    served.url = f"http://127.0.0.1:{served.server_port}"
    yield served
    served.shutdown()


@pytest.mark.parametrize("grade, headers, size, words", [
    ("full", {"Qanat-Grade": "drbg"}, 64, "grade 'drbg' instead of full"),
    ("full", {}, 64, "does not say of what grade"),
    ("drbg", {"Qanat-Grade": "best\xff"}, 64, "grade 'best?' instead of drbg"),
    ("full", {"Qanat-Grade": "full"}, 63, "63 bytes instead of 64"),
    ("drbg", {"Qanat-Grade": "drbg"}, 65, "65 bytes instead of 64"),
    ("drbg", {}, 32, "32 bytes instead of 64"),
])
def test_get_takes_no_other_grade_or_size_than_asked(liar, tmp_path, grade, headers, size, words):
    liar.answer = lambda path: (headers, bytes(size))
    done = qanat("get", "64", "--from", liar.url, "--grade", grade, "--state", str(tmp_path), check=False)
    assert done.returncode == 1 and words in done.stderr and done.stdout == "", done


def test_a_relay_credits_no_other_grade_than_asked(liar, run):
    liar.answer = lambda path: ({"Qanat-Grade": "drbg"}, os.urandom(64))
    source = f"{liar.url}?credit=yes"
    node = run("serve", "--source", source, "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}", name="relay").ready()
    report = eventually(lambda: next((s for s in node.status()["sources"] if "instead of full" in s["detail"]), None))
    assert report["ledger"]["credited"] == 0


def test_a_relay_below_a_thousand_nodes_is_useful(liar, run):
    path = ",".join(f"{i:08x}" for i in range(1, 1001))

    def answer(target):
        size = int(target.split("bytes=")[1].split("&")[0])
        return {"Qanat-Grade": "full", "Qanat-Path": path}, os.urandom(size)

    liar.answer = answer
    port, below = free_port(), free_port()
    run("serve", "--source", f"{liar.url}?credit=yes", "--outlet", f"http://127.0.0.1:{port}", name="relay").ready()
    status, body, headers = fetch(port, "/v1/random?grade=full&bytes=64&wait=30s")
    assert status == 200 and len(body) == 64 and headers["Qanat-Path"].count(",") == 1000
    leaf = run("serve", "--source", f"http://127.0.0.1:{port}?credit=yes", "--outlet", f"http://127.0.0.1:{below}", name="leaf").ready()
    assert leaf.status()["sources"][0]["state"] == "healthy"
    assert fetch(below, "/v1/random?grade=full&bytes=64&wait=30s")[2]["Qanat-Path"].count(",") == 1001


def test_promtool_has_no_complaint(certified):
    need("promtool")
    client = certified.client("alice")
    assert client("/v1/random")[0] == 200
    # The operator's, and a client's.
    for text in (raw_metrics(certified), client("/metrics")[1]):
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def raw_metrics(node):
    """As the control socket gives them."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(node.state / "control.sock"))
        sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        got = b""
        while data := sock.recv(65536):
            got += data
        return got.partition(b"\r\n\r\n")[2].decode()
