"""pollen as a source: a server in the test's own words, and ours. (pollinate draws from us in test_main_job.py.)"""

import hashlib
import http.server
import os
import threading
import urllib.parse

import pytest
from conftest import eventually, free_port, qanat


@pytest.fixture
def server():
    """As the original answers; `wrong` makes it answer another challenge."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        questions, seeds, wrong = [], [], False

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            assert self.path == "/" and self.headers["Content-Type"] == "application/x-www-form-urlencoded"
            challenge = urllib.parse.parse_qs(body)["challenge"][0]
            self.questions.append(challenge)
            self.seeds.append(os.urandom(64).hex())
            text = hashlib.sha512(("x" if self.wrong else "") .encode() + challenge.encode()).hexdigest() + "\n" + self.seeds[-1] + "\n"
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def do_GET(self):
            self.send_error(404)

        def log_message(self, *_):
            pass

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    served.url = f"http://127.0.0.1:{served.server_port}?pollen=yes"
    served.handler = Handler
    yield served
    served.shutdown()


def test_a_machine_is_fed_from_a_pollen_server(server, tmp_path):
    out = tmp_path / "seed"
    qanat("feed", server.url, "--outlet", f"file:{out}", "--once", "--state", str(tmp_path / "state"))
    # 64 bytes, at 256 bits a seed.
    assert len(server.handler.questions) == 2 and len(set(server.handler.questions)) == 2
    assert all(len(q) == 128 for q in server.handler.questions)
    fed = out.read_bytes()
    assert len(fed) == 64
    # Local noise is mixed in: what the server sent is not what came out.
    assert all(seed[:64] not in fed.hex() for seed in server.handler.seeds)


def test_a_node_asks_it_politely_and_credits_nothing(server, run):
    node = run("serve", "--source", server.url, "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}", name="node").ready()
    name = f"http://127.0.0.1:{server.server_port}"
    assert eventually(lambda: node.source(name)["bytes"] == 64)
    assert node.source(name)["credit"] is False and node.source(name)["ledger"]["credited"] == 0
    qanat("get", "256k", "--grade", "full", "--format", "hex", "--state", str(node.state))
    assert len(server.handler.questions) == 1, "the next is due in 10 s"


def test_an_answer_to_another_challenge_is_none(server, tmp_path):
    server.handler.wrong = True
    done = qanat("feed", server.url, "--outlet", f"file:{tmp_path}/seed", "--once", "--wait", "2s", "--state", str(tmp_path / "state"), check=False)
    assert done.returncode == 1 and "no pollen for our challenge" in done.stderr, done.stderr
    assert not (tmp_path / "seed").exists()


def test_ours_feeds_ours(hub, tmp_path):
    qanat("feed", f"http://127.0.0.1:{hub.port}?pollen=yes", "--outlet", f"file:{tmp_path}/seed", "--once", "--state", str(tmp_path / "state"))
    assert (tmp_path / "seed").stat().st_size == 64
    outlet = hub.outlet("http://")
    assert outlet["full_bytes"] == 128


def test_get_is_told_apart(server):
    done = qanat("get", "32", "--from", server.url, check=False)
    assert done.returncode == 1 and "pollen" in done.stderr
