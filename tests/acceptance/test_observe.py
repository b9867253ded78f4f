"""What a node shows and tells: events, observers, history, alarms, log lines. docs/monitoring.md, docs/http-api.md."""

import base64
import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

from conftest import QANAT, eventually, fetch, free_port, need_namespaces, qanat

NASTY = 'q"uo<b>te\u202egnp.exe\\'


class Stream:
    """One who follows /v1/events."""

    def __init__(self, port, path="/v1/events", headers={}, context=None):
        make = http.client.HTTPConnection if context is None else lambda *a, **k: http.client.HTTPSConnection(*a, context=context, **k)
        self.connection = make("127.0.0.1", port, timeout=30)
        self.connection.request("GET", path, headers=headers)
        self.response = self.connection.getresponse()
        self.status = self.response.status

    def next(self):
        """(id, type, data) of the next event; None at the end."""
        fields = {"event": "message"}
        while True:
            line = self.response.readline().decode()
            if line == "":
                return None
            line = line.rstrip("\n")
            if line == "" and "data" in fields:
                return fields.get("id"), fields["event"], json.loads(fields["data"])
            name, _, value = line.partition(":")
            if name:
                fields[name] = value.lstrip()

    def until(self, wanted):
        while (event := self.next()) is not None:
            if wanted(event):
                return event
        raise AssertionError("the stream ended")


def unverified():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def https_port(hub):
    return int(re.search(r":(\d+)", hub.outlet("https")["name"])[1])


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def https_get(hub, path, headers={}):
    connection = http.client.HTTPSConnection("127.0.0.1", https_port(hub), context=unverified(), timeout=30)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read(), response.headers


@pytest.fixture
def config(tmp_path):
    """Writes a configuration with outlets and a source of their own, and more; gives its path and the port of its http outlet."""
    port, tls = free_port(), free_port()

    def write(more="", source="exec:cat /dev/urandom?h=8"):
        path = tmp_path / "qanat.toml"
        path.write_text(
            f'{more}\n[[source]]\nname = {json.dumps(source)}\n[[outlet]]\nname = "http://127.0.0.1:{port}"\n'
            f'[[outlet]]\nname = "https://127.0.0.1:{tls}?access=join"\n'
        )
        return path

    write.port = port
    return write


# Events


def test_a_follower_gets_what_is_kept_then_what_comes_and_goes_on_where_it_was(hub):
    stream = Stream(hub.port)
    assert stream.response.headers["Content-Type"].startswith("text/event-stream")
    ident, kind, first = stream.next()
    assert kind == "message" and first["id"] == ident and set(first) == {"id", "time", "subject", "text", "alarm", "kind"}
    hub.invite("leaf")
    told = stream.until(lambda e: "leaf" in e[2]["text"])
    assert told[2]["kind"] == "note" and told[2]["subject"] == "clients"
    again = Stream(hub.port, headers={"Last-Event-ID": told[0]})
    hub.invite("twig")
    assert "twig" in again.next()[2]["text"], "nothing that was seen before"
    other_run = Stream(hub.port, headers={"Last-Event-ID": "1-99999"})
    assert other_run.next()[0] == ident, "of another run: all of them"
    broken = Stream(hub.port, headers={"Last-Event-ID": "\u00ff;drop"})
    assert broken.next()[0] == ident


def test_with_status_the_whole_comes_at_once_and_each_second(hub):
    hub.invite("leaf")
    stream = Stream(hub.port, "/v1/events?status=yes")
    frames = [stream.until(lambda e: e[1] == "status")[2] for _ in range(3)]
    assert all(f["verdict"]["level"] == "good" and f["clients"][0]["name"] == "leaf" and f["events"] == [] for f in frames), frames[0]["verdict"]
    assert frames[0]["node"]["time"] < frames[1]["node"]["time"] < frames[2]["node"]["time"]


def test_events_on_the_command_line(hub):
    shown = qanat("events", "--state", str(hub.state)).stdout
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d   note                 exec:cat /dev/urandom\?h=8: healthy", shown, re.M), shown
    lines = [json.loads(line) for line in qanat("events", "--json", "--state", str(hub.state)).stdout.splitlines()]
    assert lines == hub.status()["events"]
    follower = subprocess.Popen([QANAT, "events", "--follow", "--state", str(hub.state)], stdout=subprocess.PIPE, text=True)
    hub.invite("leaf")
    line = ""
    while "leaf" not in line:
        line = follower.stdout.readline()
        assert line, "it has ended"
    follower.terminate()
    follower.wait(10)


def test_events_of_the_nodes_that_status_finds(run, tmp_path):
    here = {**os.environ, "STATE_DIRECTORY": str(tmp_path / "hub")}
    told = qanat("events", env=here, check=False)
    assert told.returncode == 1 and f"there is no state directory {tmp_path}/hub" in told.stderr
    (tmp_path / "hub").mkdir(mode=0o700)
    feed = run("feed", "http://127.0.0.1:1", "--outlet", f"file:{tmp_path}/seed", name="hub/feed").up()
    eventually(lambda: feed.status()["events"])
    subjects = lambda: {json.loads(line)["subject"] for line in qanat("events", "--json", env=here).stdout.splitlines()}
    of_feed = subjects()
    assert of_feed
    hub = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}", name="hub").ready()
    assert subjects() >= of_feed | {"exec:cat /dev/urandom?h=8"}
    times = [json.loads(line)["time"] for line in qanat("events", "--json", env=here).stdout.splitlines()]
    assert times == sorted(times)
    follower = subprocess.Popen([QANAT, "events", "--follow"], stdout=subprocess.PIPE, text=True, env=here)
    hub.invite("leaf", "--address", "hub:1")
    feed.process.send_signal(signal.SIGUSR1)
    seen = ""
    while "leaf" not in seen or "SIGUSR1" not in seen:
        line = follower.stdout.readline()
        assert line, "it has ended"
        seen += line
    follower.terminate()
    follower.wait(10)


def test_a_hundred_browsers_that_never_read_harm_nobody(hub):
    browsers = []
    for _ in range(100):
        browser = socket.create_connection(("127.0.0.1", hub.port))
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        browser.sendall(b"GET /v1/events?status=yes HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        browsers.append(browser)
    for i in range(50):
        hub.invite(f"leaf-{i}")
    reader = Stream(hub.port, "/v1/events?status=yes")
    times = [reader.until(lambda e: e[1] == "status")[2]["node"]["time"] for _ in range(4)]
    assert times == sorted(set(times))
    assert fetch(hub.port, "/v1/random?bytes=32")[0] == 200
    while browsers:
        browsers.pop().close()
    reader.connection.close()
    # Gone, and noticed, before there is a word to send.
    eventually(lambda: hub.outlet("http:")["connections"] == 0)
    assert hub.stop() == 0


def test_those_who_follow_do_not_hold_up_the_end(hub):
    streams = [Stream(hub.port, path) for path in 20 * ("/v1/events", "/v1/events?status=yes")]
    assert all(stream.status == 200 for stream in streams)
    hub.process.terminate()
    assert hub.process.wait(5) == 0
    assert "left behind" not in hub.log()
    while streams[0].next() is not None:
        pass


def test_too_many_followers_are_refused_and_the_others_go_on(hub):
    streams = []
    while len(streams) < 1000:
        stream = Stream(hub.port)
        if stream.status == 200:
            streams.append(stream)
        elif "follow" in stream.response.read().decode():
            break
        # Else it was asked too often: a document a hundredth of a second.
    assert stream.status == 429 and len(streams) == 256
    streams.pop().connection.sock.close()
    streams[0].next()
    eventually(lambda: Stream(hub.port).status == 200)


def test_a_page_of_another_site_hears_nothing(hub):
    for path in ("/v1/events", "/v1/history", "/", "/metrics"):
        connection = http.client.HTTPConnection("127.0.0.1", hub.port)
        connection.request("GET", path, headers={"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"})
        assert connection.getresponse().status == 403


# Who sees what


def test_an_observer_sees_all_and_draws_nothing(hub):
    token = hub.invite("prometheus", "--observer")
    assert token.startswith("qanat-observer.prometheus.")
    hub.invite("leaf")
    key = token.rpartition(".")[2]
    assert key not in (hub.state / "clients.json").read_text()
    status, body, _ = https_get(hub, "/v1/status", bearer(token))
    document = json.loads(body)
    assert status == 200 and document["outlets"] and [c["name"] for c in document["clients"]] == ["leaf"]
    assert [o["name"] for o in document["observers"]] == ["prometheus"]
    metrics = https_get(hub, "/metrics?clients=yes", bearer(token))[1].decode()
    assert 'qanat_client_waiting_bytes{client="leaf"}' in metrics
    as_password = {"Authorization": "Basic " + base64.b64encode(f"me:{token}".encode()).decode(), "Accept": "text/html"}
    assert https_get(hub, "/", as_password)[0] == 200
    for path in ("/v1/random?bytes=16", "/v1/random?bytes=16&grade=full", "/v1/stream"):
        status, body, _ = https_get(hub, path, bearer(token))
        assert status == 403 and "observer" in json.loads(body)["error"], body
    shown = qanat("clients", "--state", str(hub.state)).stdout
    assert "Observers" in shown and "prometheus" in shown


def test_a_token_speaks_for_its_request_and_not_for_those_behind_it(hub):
    """As a proxy sends those of several people over one connection."""
    token = hub.invite("me", "--observer")
    connection = http.client.HTTPSConnection("127.0.0.1", https_port(hub), context=unverified(), timeout=30)
    for headers, status in ((bearer(token), 200), ({}, 401), (bearer("x"), 401), (bearer(token), 200), ({"Authorization": "Qanat me " + 64 * "0"}, 401)):
        connection.request("GET", "/v1/status", headers=headers)
        response = connection.getresponse()
        assert response.status == status, headers
        response.read()


def test_who_shows_no_token_or_a_wrong_one_is_asked_for_it(hub):
    token = hub.invite("prometheus", "--observer")
    wrong = token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB")
    for headers in ({}, bearer(wrong), bearer(token.replace("prometheus", "grafana")), bearer("x"), {"Authorization": "Basic AAAA"}):
        status, _, answer = https_get(hub, "/metrics", headers)
        assert status == 401 and "Basic" not in answer["WWW-Authenticate"], headers
    status, _, answer = https_get(hub, "/", {"Accept": "text/html"})
    assert status == 401 and any(v.startswith("Basic ") for v in answer.get_all("WWW-Authenticate"))


def test_a_revoked_observer_hears_no_more_and_the_others_do(hub):
    first, second = (hub.invite(name, "--observer") for name in ("one", "two"))
    port = https_port(hub)
    revoked = Stream(port, headers=bearer(first), context=unverified())
    kept = Stream(port, headers=bearer(second), context=unverified())
    qanat("revoke", "one", "--state", str(hub.state))
    # It may hear of it, and then nothing.
    with pytest.raises((AssertionError, http.client.HTTPException, OSError)):
        revoked.until(lambda e: False)
    kept.until(lambda e: "revoked 'one'" in e[2]["text"])
    assert https_get(hub, "/metrics", bearer(first))[0] == 401


def test_loopback_may_be_closed_and_opened_by_a_reload(run, config):
    path = config('[observe]\nloopback = "closed"\n')
    node = run("serve", "--config", str(path)).ready()
    token = node.invite("me", "--observer")
    node.invite("leaf")
    seen = json.loads(fetch(config.port, "/v1/status")[1])
    assert seen["outlets"] == [] and seen["clients"] == [] and seen["threads"] == []
    assert "qanat_thread" not in fetch(config.port, "/metrics")[1].decode()
    stream = Stream(config.port, "/v1/events?status=yes")
    assert stream.until(lambda e: e[1] == "status")[2]["outlets"] == []
    connection = http.client.HTTPConnection("127.0.0.1", config.port)
    connection.request("GET", "/", headers={"Accept": "text/html"})
    asked = connection.getresponse()
    assert asked.status == 401 and any(v.startswith("Basic ") for v in asked.headers.get_all("WWW-Authenticate"))
    connection = http.client.HTTPConnection("127.0.0.1", config.port)
    connection.request("GET", "/v1/status", headers=bearer(token))
    assert json.loads(connection.getresponse().read())["outlets"]
    assert node.status()["outlets"], "the control socket is the operator's"
    config("")
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: json.loads(fetch(config.port, "/v1/status")[1])["outlets"])
    # Who looks on sees what may be seen now.
    stream.until(lambda e: e[1] == "status" and e[2]["outlets"])
    path.write_text('[observe]\nloopback = "closed"\n' + path.read_text())
    node.process.send_signal(signal.SIGHUP)
    stream.until(lambda e: e[1] == "status" and not e[2]["outlets"])
    node.invite("secret")
    assert not any("secret" in json.dumps(stream.next()[2]) for _ in range(3))


def test_history_stays_over_a_reload_of_the_configuration(run, config):
    path = config()
    node = run("serve", "--config", str(path)).ready()
    lines = lambda span="10m": {(s["kind"], s["of"]): s["values"] for s in json.loads(fetch(config.port, f"/v1/history?span={span}")[1])["series"]}
    eventually(lambda: len(lines().get(("reserve", ""), [])) >= 3)
    before = len(lines()[("reserve", "")])
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: "configuration reloaded" in node.log())
    after = lines()
    assert len(after[("reserve", "")]) >= before
    assert len(after[("source_rate", "exec:cat /dev/urandom?h=8")]) >= before
    document = json.loads(fetch(config.port, "/v1/history?span=2h")[1])
    assert document["step"] == 10 and abs(document["end"] / 1000 - time.time()) < 60


# Alarms


class Hook(http.server.BaseHTTPRequestHandler):
    """Answers as the path says; remembers what came."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Content-Type"], json.loads(body)))
        seen = sum(1 for path, *_ in self.server.got if path == self.path)
        if self.path == "/hangs":
            self.server.released.wait(60)
            return
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/stolen")
        elif self.path == "/old":
            # As many a small server answers: the body ends with the connection.
            self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nthanks")
            return
        else:
            self.send_response(500 if self.path == "/broken" or (self.path == "/once" and seen == 1) else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.server.got.append((self.path, None, None))
        self.send_error(404)

    def log_message(self, *_):
        pass


@pytest.fixture
def hooks():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.got, server.released = [], threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()


def alarm(hooks, path, more=""):
    return f'[[alarm]]\nwebhook = "http://127.0.0.1:{hooks.server_port}{path}"\n{more}\n'


def writes(fifo):
    """A device that gives bytes until it is killed."""
    return subprocess.Popen(["sh", "-c", 'exec cat /dev/urandom >"$1"', "sh", str(fifo)], stderr=subprocess.DEVNULL)


def counts(port):
    return {
        (name, outcome): float(value)
        for name, outcome, value in re.findall(r'qanat_alarms_total\{alarm="([^"]*)",outcome="(\w+)"\} (\S+)', fetch(port, "/metrics")[1].decode())
    }


def test_alarms_tell_of_a_source_that_goes_and_comes_back(run, config, hooks, tmp_path):
    fifo = tmp_path / NASTY
    os.mkfifo(fifo)
    writer = writes(fifo)
    told = tmp_path / "told"
    command = f"""printf '%s|%s|%s\\n' "$QANAT_KIND" "$QANAT_SUBJECT" "$QANAT_TEXT" >>{told}"""
    path = config(
        alarm(hooks, "/ok") + alarm(hooks, "/once") + alarm(hooks, "/hangs", 'timeout = "1s"\nretries = 0') + alarm(hooks, "/elsewhere", "retries = 0")
        + alarm(hooks, "/back", 'on = "source-back"') + f"[[alarm]]\ncommand = {json.dumps(command)}\n",
        source=f"file:{fifo}?h=4",
    )
    node = run("serve", "--config", str(path)).ready()
    writer.kill()
    eventually(lambda: [g for g in hooks.got if g[0] == "/ok"])
    _, content_type, body = next(g for g in hooks.got if g[0] == "/ok")
    assert content_type == "application/json"
    assert body["kind"] == "source-gone" and body["subject"] == f"file:{fifo}?h=4" and body["alarm"] and body["node"] == node.status()["node"]["id"]
    eventually(lambda: sum(1 for g in hooks.got if g[0] == "/once") == 2, limit=20)
    # Of three at one host the second hangs and the third redirects; they are told apart.
    host = f"http://127.0.0.1:{hooks.server_port}"
    eventually(lambda: [counts(config.port).get((f"{host} #{n}", "failed")) for n in (3, 4)] == [1, 1])
    assert not [g for g in hooks.got if g[0] == "/stolen"], "a redirect is not followed"
    writer = writes(fifo)
    eventually(lambda: [g for g in hooks.got if g[0] == "/back"])
    line = eventually(lambda: told.exists() and told.read_text().count("\n") >= 2 and told.read_text().splitlines())
    assert [entry.split("|")[0] for entry in line] == ["source-gone", "source-back"]
    assert "\\u{202e}" in line[0] and "\u202e" not in line[0]
    warned = [e["text"] for e in node.status()["events"] if e["subject"] == "alarm"]
    assert any("302" in text for text in warned) and any("was not told" in text for text in warned), warned
    assert not any("elsewhere" in text for text in warned), "paths of webhooks may be secret"
    writer.kill()


def test_alarms_are_tried(run, config, hooks):
    alarms = alarm(hooks, "/ok") + alarm(hooks, "/old", 'name = "pager"') + alarm(hooks, "/broken", "retries = 0") + "[[alarm]]\ncommand = 'exit 3'\nretries = 0\n"
    node = run("serve", "--config", str(config(alarms))).ready()
    tried = qanat("alarm", "test", "--state", str(node.state), check=False)
    assert tried.returncode == 1
    host = f"http://127.0.0.1:{hooks.server_port}"
    assert tried.stdout.splitlines() == [f"ok      {host}", "ok      pager", f"failed  {host} #2: {host} answered 500: ", "failed  exit 3: ended with status 3"]
    assert hooks.got[0][2]["subject"] == "alarm test"
    assert qanat("status", "--state", str(node.state)).returncode == 0
    from_file = qanat("alarm", "test", "--config", str(config(alarm(hooks, "/ok"))), check=False)
    assert from_file.returncode == 0 and len(hooks.got) == 4
    none = qanat("alarm", "test", "--config", str(config("")), check=False)
    assert none.returncode == 1 and "has no [[alarm]]" in none.stderr


@pytest.mark.parametrize("text, said", [
    ("[[alarm]]\n", "an alarm needs a command or a webhook"),
    ('[[alarm]]\ncommand = "x"\nwebhook = "http://a/"\n', "either a command or a webhook"),
    ('[[alarm]]\nwebhook = "ftp://a/"\n', "not a URL"),
    ('[[alarm]]\nwebhook = "https://user:pass@a/"\n', "user names"),
    ('[[alarm]]\ncommand = "x"\non = ["source-gone", "source-faild"]\n', "'source-faild' is no kind that an alarm tells of; those are warning source-failed"),
    ('[[alarm]]\ncommand = "x"\non = []\n', "names nothing"),
    ('[[alarm]]\ncommand = "x"\ntimeout = "1h"\n', "alarm.timeout: write a time from 1s to 10m"),
    ('[[alarm]]\ncommand = "x"\nca = "/none"\n', "ca= is for a webhook"),
    ("[[alarm]]\ncommand = 'x'\n" * 17, "at most 16"),
    ('[observe]\nloopback = "yes"\n', 'must be "open" or "closed"'),
    ('[observe]\nstat = "10ms"\n', "observe.stat: write a time from 1s to 24h"),
    ('[observe]\nlog = "xml"\n', 'must be "text" or "json"'),
    ('[observe]\nlogs = "json"\n', "known"),
])
def test_what_is_wrong_in_the_configuration_is_said(config, text, said):
    done = qanat("check", "--config", str(config(text)), check=False)
    assert done.returncode == 1 and said in done.stderr, done.stderr
    assert re.search(r"qanat\.toml:\d+:\d+: ", done.stderr)


def test_alarms_that_hang_end_side_by_side_with_the_node(run, config, tmp_path):
    started = tmp_path / "started"
    hangs = f"[[alarm]]\ncommand = \"trap '' TERM; echo >>{started}; sleep 60\"\non = 'source-gone'\ntimeout = '10m'\n"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = writes(fifo)
    node = run("serve", "--config", str(config(16 * hangs, source=f"file:{fifo}?h=8"))).ready()
    writer.kill()
    eventually(lambda: started.exists() and started.read_text().count("\n") == 16)
    # Each is given half a second: one after the other they would be cut off by the clock of the end.
    assert node.stop() == 0 and "left behind" not in node.log() and "too long" not in node.log()


def test_a_fifo_that_nobody_writes_to_is_gone_and_one_in_its_place_is_found(run, config, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = writes(fifo)
    node = run("serve", "--config", str(config(source=f"file:{fifo}?h=8"))).ready()
    source = lambda: node.status()["sources"][0]
    writer.kill()

    def opened():
        for fd in pathlib.Path(f"/proc/{node.process.pid}/fd").iterdir():
            try:
                if os.readlink(fd) == str(fifo):
                    return True
            except FileNotFoundError:
                pass
        return False

    eventually(lambda: not opened())
    eventually(opened)
    assert source()["state"] == "gone" and "No source delivers" in node.status()["verdict"]["text"]
    fifo.unlink()
    os.mkfifo(fifo)
    # Looked at when it is woken: by the pulse within a minute, or by the operator at once.
    qanat("sources", "--retest", "--state", str(node.state))
    writer = writes(fifo)
    eventually(lambda: source()["state"] == "healthy")
    assert all(t["still"] == 0 for t in node.status()["threads"])
    writer.kill()


# The log


def test_names_act_in_no_line(run, config, tmp_path):
    name = f"file:{tmp_path}/a\nforged: \x1b[2J{NASTY}"
    node = run("serve", "--config", str(config(source=name))).up()
    eventually(lambda: "gone" in node.log())
    for text in (node.log(), qanat("status", "--state", str(node.state)).stdout, qanat("events", "--state", str(node.state)).stdout):
        assert "\x1b" not in text and "\u202e" not in text and not re.search("^forged", text, re.M)
    assert any(s["name"] == name for s in node.status()["sources"])
    metrics = fetch(config.port, "/metrics")[1].decode()
    assert f'{{source="file:{tmp_path}/a\\nforged: \x1b[2Jq\\"uo<b>te\u202egnp.exe\\\\"}}' in metrics


def test_log_lines_are_json_on_request(run, config):
    node = run("serve", "--config", str(config()), "--log", "json").ready()
    node.invite("leaf")
    lines = eventually(lambda: "leaf" in node.log() and [json.loads(line) for line in node.log().splitlines()])
    event = next(line for line in lines if "leaf" in line["text"])
    assert event["kind"] == "note" and event["subject"] == "clients" and event["level"] == "info"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])


def test_stat_lines_on_request(run, config):
    node = run("serve", "--config", str(config('[observe]\nstat = "1s"\n'))).ready()
    pattern = r"info: (.+): STAT ok=(\d+)/(\d+) weak=(\d+)/(\d+) weak_rate=(\d+) recv_err=(\d+)/(\d+) bad_size=(\d+)/(\d+)\n"
    found = eventually(lambda: len(re.findall(pattern, node.log())) >= 6 and re.findall(pattern, node.log()))
    assert {name for name, *_ in found} == {"exec:cat /dev/urandom?h=8", *(o["name"] for o in node.status()["outlets"])}
    of_source = [(int(new), int(total)) for name, new, total, *_ in found if name.startswith("exec")]
    assert of_source[1][1] == of_source[0][1] + of_source[1][0]


# Stands in for journald, and starts a node whose stderr is the journal's.
JOURNAL = """
import os, socket, subprocess, sys
os.makedirs("/run/systemd/journal")
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
read, write = os.pipe()
info = os.fstat(write)
environment = dict(os.environ, JOURNAL_STREAM=f"{info.st_dev}:{info.st_ino}")
node = subprocess.Popen(sys.argv[1:], stderr=write, env=environment)
"""

READ_JOURNAL = JOURNAL + """
while True:
    message = journal.recv(65536)
    if b"QANAT_KIND" in message:
        print(message.decode(), flush=True)
        break
node.terminate()
node.wait()
"""


def test_under_systemd_lines_have_fields(tmp_path, config):
    need_namespaces("-m")
    shell = f"mount -t tmpfs tmpfs /run && exec {sys.executable} -c \"$1\" {QANAT} serve --config {config()} --state {tmp_path}/state"
    done = subprocess.run(["unshare", "-m", "sh", "-c", shell, "sh", READ_JOURNAL], capture_output=True, text=True, timeout=60)
    fields = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert fields["QANAT_SUBJECT"] == "exec:cat /dev/urandom?h=8" and fields["QANAT_KIND"] == "note", done.stderr
    assert fields["PRIORITY"] == "6" and fields["SYSLOG_IDENTIFIER"] == "qanat" and fields["MESSAGE"].startswith("exec:cat")


FULL_JOURNAL = JOURNAL + """
qanat, state = sys.argv[1], sys.argv[-1]
ask = lambda *words: subprocess.run([qanat, *words, "--state", state], capture_output=True, text=True)
while ask("status").returncode != 0:
    assert node.poll() is None
# Each invitation is a line: more than any such queue holds (net.unix.max_dgram_qlen), and nobody reads.
for i in range(600):
    if ask("invite", f"leaf-{i}").returncode != 0:
        sys.exit(f"the node does not answer after {i} lines")
    if i == 300:
        break
journal.setblocking(False)
lines = []
while True:
    try:
        lines.append(journal.recv(65536).decode())
    except BlockingIOError:
        break
ask("invite", "last")
journal.setblocking(True)
note = journal.recv(65536).decode()
node.terminate()
print(len(lines), note.splitlines()[0], node.wait())
"""


def test_a_journal_that_takes_nothing_holds_up_nobody(tmp_path, config):
    need_namespaces("-m")
    limit = int(open("/proc/sys/net/unix/max_dgram_qlen").read())
    if limit > 250:
        pytest.skip(f"the kernel queues {limit} datagrams here")
    shell = f"mount -t tmpfs tmpfs /run && exec {sys.executable} -c \"$1\" {QANAT} serve --config {config()} --state {tmp_path}/state"
    done = subprocess.run(["unshare", "-m", "sh", "-c", shell, "sh", FULL_JOURNAL], capture_output=True, text=True, timeout=120)
    kept, note, code = re.fullmatch(r"(\d+) (.*) (\d+)\n", done.stdout).groups()
    assert int(kept) < 250 and re.fullmatch(r"MESSAGE=\d+ lines were not logged, as the journal took none", note) and code == "0", done


SILENT_NAMES = """
import socket, subprocess, sys, time
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("127.0.0.1", 53))
qanat, path, state = sys.argv[1:]
node = subprocess.Popen([qanat, "serve", "--config", path, "--state", state])
while subprocess.run([qanat, "status", "--state", state], capture_output=True).returncode != 0:
    assert node.poll() is None
began = time.monotonic()
tried = subprocess.run([qanat, "alarm", "test", "--state", state], capture_output=True, text=True)
print(tried.stdout.strip(), "|", tried.returncode, time.monotonic() - began < 4)
subprocess.Popen([qanat, "alarm", "test", "--state", state], stdout=subprocess.DEVNULL)
names.recv(512)
names.recv(512)
began = time.monotonic()
node.terminate()
print(node.wait(), time.monotonic() - began < 3)
"""


def test_a_name_server_that_is_silent_holds_up_neither_an_alarm_nor_the_end(tmp_path, config):
    need_namespaces("-mn")
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    path = config('[[alarm]]\nwebhook = "http://hooks.example.org/"\ntimeout = "1s"\nretries = 0\n')
    shell = f"ip link set lo up && mount --bind {tmp_path}/resolv.conf /etc/resolv.conf && exec {sys.executable} -c \"$1\" {QANAT} {path} {tmp_path}/state"
    done = subprocess.run(["unshare", "-mn", "sh", "-c", shell, "sh", SILENT_NAMES], capture_output=True, text=True, timeout=60)
    first, last = done.stdout.splitlines()
    assert first == "failed  http://hooks.example.org: cannot find hooks.example.org: no name server answers | 1 True", done
    assert last == "0 True", done


# What stands still


def test_a_process_that_was_stopped_is_told_of(hub):
    hub.process.send_signal(signal.SIGSTOP)
    eventually(lambda: open(f"/proc/{hub.process.pid}/stat").read().split()[2] == "T")
    end = time.monotonic() + 6
    eventually(lambda: time.monotonic() > end)
    hub.process.send_signal(signal.SIGCONT)
    event = eventually(lambda: next((e for e in hub.status()["events"] if e["kind"] == "thread-stuck"), None))
    assert re.match(r"the whole process stood still for [\d.]+ s", event["text"])
    turns = {t["name"]: t for t in hub.status()["threads"]}
    assert {"io-0", "pulse", "source exec:cat /dev/urandom?h=8"} <= set(turns)
    eventually(lambda: all(t["still"] == 0 for t in hub.status()["threads"]))


# The page


def test_a_browser_gets_a_page_and_curl_its_text(hub):
    def get(path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", hub.port)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    status, headers, body = get("/", Accept="*/*")
    assert status == 200 and headers["Content-Type"].startswith("text/plain") and b"/v1/events" in body
    status, headers, body = get("/", Accept="text/html,*/*;q=0.8")
    assert status == 200 and headers["Content-Type"].startswith("text/html") and body.lower().startswith(b"<!doctype html>")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and headers["X-Content-Type-Options"] == "nosniff"
    for asset in re.findall(rb'(?:src|href)="(/assets/[^"]+)"', body):
        status, headers, plain = get(asset.decode())
        assert status == 200 and "immutable" in headers["Cache-Control"]
        status, headers, packed = get(asset.decode(), **{"Accept-Encoding": "gzip"})
        assert headers["Content-Encoding"] == "gzip" and len(packed) < len(plain)
    assert get("/assets/../etc/passwd")[0] in (400, 404) and get("/assets/none.js")[0] == 404
