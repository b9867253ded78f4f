"""Prometheus, Grafana and Munin: what packaging/ has for them, with the real programs. docs/monitoring.md."""

import contextlib
import getpass
import grp
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import urllib.parse
import urllib.request

import pytest
from conftest import Node, eventually, fetch, free_port, need, qanat

PACKAGING = pathlib.Path(__file__).parents[2] / "packaging"
PLUGIN = PACKAGING / "munin/qanat_"
RULES = PACKAGING / "prometheus/qanat.rules.yml"
RULE_TESTS = PACKAGING / "prometheus/qanat.rules.test.yml"
SCRAPE = PACKAGING / "prometheus/scrape.yml"
DASHBOARD = PACKAGING / "grafana/qanat.json"
MUNIN_RUN = shutil.which("munin-run") or "/usr/sbin/munin-run"
GRAPHS = ["sources", "health", "estimate", "reserve", "deliveries", "refusals"]
STRANGE = 'we"ird\\ #1 $x, {y}=ü'

# Of all the metrics, a scrape lacks these alone: /metrics?clients=yes has them. (Those without a sample, as nothing of their kind is
# set up, have their HELP and TYPE.)
BY_CLIENT = {"qanat_client_bytes_total", "qanat_client_promised_bytes_per_second", "qanat_client_suspended", "qanat_client_waiting_bytes",
             "qanat_client_refused_total", "qanat_clients_left_out"}

# As a node writes it, shortened, with what breaks a reader: names with escapes, names that look alike, a number with an exponent,
# NaN, no estimate, a colon, and lines of something else.
FIXTURE = r"""# HELP qanat_info Always 1
# TYPE qanat_info gauge
qanat_info{id="c64c33ee5da1fd80",version="0.1.0",role="hub"} 1
qanat_ready 1
# TYPE qanat_source_state gauge
qanat_source_state{source="hwrng",state="healthy"} 1
qanat_source_state{source="hwrng",state="failed"} 0
qanat_source_state{source="file:/x?h=1",state="healthy"} 0
qanat_source_state{source="file:/x?h=1",state="failed"} 1
qanat_source_state{source="file:/x_h_1",state="gone"} 1
qanat_source_state{source="file:/q\"b\\n\n#1",state="suspect"} 1
qanat_source_state{source="}, odd=\"1\"} 5",state="refuted"} 1
qanat_source_bytes_per_second{source="hwrng"} 21889404.28536816
qanat_source_bytes_per_second{source="file:/x?h=1"} NaN
qanat_source_bytes_per_second{source="file:/q\"b\\n\n#1"} 12.5
qanat_source_samples_total{source="hwrng"} 1e+17
qanat_source_samples_total{source="file:/x?h=1"} 100
qanat_source_claimed_min_entropy_ratio{source="hwrng"} 0.875
qanat_source_claimed_min_entropy_ratio{source="file:/x?h=1"} 0.125
qanat_source_estimated_min_entropy_ratio{source="hwrng",estimator="most_common_value"} 0.9
qanat_source_estimated_min_entropy_ratio{source="hwrng",estimator="markov"} 0.85
qanat_source_test_failures_total{source="hwrng",test="repetition_count"} 2
qanat_source_test_failures_total{source="hwrng",test="adaptive_proportion"} 1
qanat_ledger_bytes_total{source="hwrng",kind="credited"} 1.25e+15
qanat_ledger_bytes_total{source="hwrng",kind="delivered"} 7
qanat_reserve_bytes 200000
qanat_reserve_target_bytes 262144
qanat_waiting_bytes 64
qanat_outlet_bytes_total{outlet="http://127.0.0.1:7748",grade="full"} 100
qanat_outlet_bytes_total{outlet="http://127.0.0.1:7748",grade="drbg"} 200
qanat_outlet_bytes_total{outlet="egd:/run/qanat/egd",grade="full"} 5
qanat_outlet_refused_total{outlet="http://127.0.0.1:7748",reason="over_share"} 3
qanat_outlet_refused_total{outlet="egd:/run/qanat/egd",reason="over_share"} 4
qanat_outlet_refused_total{outlet="egd:/run/qanat/egd",reason="undelivered_bytes"} 32
other_metric{source="stranger"} 9
"""


# A running node with a strange source, and what it shows

@pytest.fixture(scope="module")
def node(tmp_path_factory):
    directory = tmp_path_factory.mktemp("monitoring")
    (directory / STRANGE).write_bytes(os.urandom(200_000))
    port, tls = free_port(), free_port()
    node = Node(["serve", "--source", "exec:cat /dev/urandom?h=8", "--source", f"file:{directory / STRANGE}?h=1", "--outlet", f"http://127.0.0.1:{port}",
                 "--outlet", f"https://127.0.0.1:{tls}?access=join", "--outlet", f"trickle://127.0.0.1:{tls}"],
                directory / "node", directory / "node.log")
    try:
        node.port, node.tls = port, tls
        node.url = f"http://127.0.0.1:{port}/metrics"
        node.ready()
        assert fetch(port, "/v1/random?bytes=32&grade=full")[0] == 200
        yield node
    finally:
        node.process.kill()
        node.process.wait()


@pytest.fixture(scope="module")
def scrape(node):
    status, body, _ = fetch(node.port, "/metrics")
    assert status == 200
    return body.decode()


def promtool(*arguments, stdin=None):
    need("promtool")
    return subprocess.run(["promtool", *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=60)


def test_the_rules_are_right_and_every_alert_has_a_test():
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0 and "SUCCESS" in done.stdout, done.stdout + done.stderr
    done = promtool("test", "rules", RULE_TESTS)
    assert done.returncode == 0 and "SUCCESS" in done.stdout, done.stdout + done.stderr
    text = RULES.read_text()
    alerts = re.findall(r"- alert: (\w+)", text)
    assert len(alerts) == text.count("severity: ") == text.count(" summary: ") == text.count(" description: ") > 15
    assert set(alerts) == set(re.findall(r'alertname="(\w+)",alertstate="firing"', RULE_TESTS.read_text()))


def expressions():
    """Each with the file that it is of."""
    found = [("the dashboard", e) for e in dashboard_expressions()]
    text = re.sub(r"(?m)^ *#.*$", "", RULES.read_text())
    found += [("the rules", e) for e in re.findall(r"expr: (?:>-\n)?(.*?)(?=\n +(?:for|labels|- record|- alert|- name):|\n\n|\Z)", text, re.S)]
    found += [("the Munin plugin", m) for m in re.findall(r'metric == "(\w+)"', PLUGIN.read_text())]
    assert len(found) > 90
    return found


def dashboard_expressions():
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"].replace("$__rate_interval", "5m")
    for variable in dashboard["templating"]["list"]:
        yield variable.get("definition", "qanat_info")
    for annotation in dashboard["annotations"]["list"]:
        yield annotation.get("expr", "qanat_info")


SAMPLE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')
LABEL = re.compile(r'(\w+)(=~|!=|!~|=)"((?:[^"\\]|\\.)*)"')
SELECTOR = re.compile(r'(?<![:\w$"])(qanat_\w+)(?![\w:])(?:\{([^}]*)\})?')


def test_whatever_they_name_a_node_shows(scrape):
    """Names, labels, and the values of labels: a metric that is renamed breaks this, not somebody's alarm."""
    known = set(re.findall(r"(?m)^# TYPE (\w+) ", scrape))
    histograms = set(re.findall(r"(?m)^# TYPE (\w+) histogram", scrape))
    samples = {}
    for line in scrape.splitlines():
        if not line.startswith("#"):
            name, labels, _ = SAMPLE.fullmatch(line).groups()
            samples.setdefault(name, []).append({k: v for k, _, v in LABEL.findall(labels or "")})
    wrong = []
    for where, expression in expressions():
        for name, matchers in SELECTOR.findall(expression):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            if name not in known | BY_CLIENT and base not in histograms:
                wrong.append(f"{where}: {name}")
            for label, operator, value in LABEL.findall(matchers):
                if label in ("instance", "job") or not samples.get(name):
                    continue
                values = {s.get(label) for s in samples[name]}
                if None in values or (operator in ("=", "!=") and value not in values and not value.startswith("$")):
                    wrong.append(f"{where}: {name}{{{label}{operator}{value}}}, there are {values}")
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_those_by_client_are_there_when_asked_for(node):
    qanat("invite", "joe", "--state", str(node.state))
    status, body, _ = fetch(node.port, "/metrics?clients=yes")
    assert status == 200, body
    assert BY_CLIENT <= set(re.findall(r"(?m)^# TYPE (\w+) ", body.decode()))


def test_promtool_has_nothing_to_say_of_a_scrape(scrape):
    done = promtool("check", "metrics", stdin=scrape)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# Grafana

def test_the_dashboard_is_whole(tmp_path):
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    assert len({p["id"] for p in panels}) == len(panels) and dashboard["id"] is None
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert len(panel["description"]) > 40 and panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            assert all(t["datasource"]["uid"] == "${datasource}" and '$instance"' in t["expr"] for t in panel["targets"]), panel["title"]
            assert len({t["refId"] for t in panel["targets"]}) == len(panel["targets"]) > 0, panel["title"]
    # Its expressions as rules: promtool reads them.
    rules = [{"record": f"panel:{i}:value", "expr": e} for i, e in enumerate(dashboard_expressions()) if not e.startswith("label_values(")]
    (tmp_path / "dashboard.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = promtool("check", "rules", tmp_path / "dashboard.yml")
    assert done.returncode == 0 and f"{len(rules)} rules found" in done.stdout, done.stdout + done.stderr


# Prometheus

@pytest.fixture
def prometheus(node, tmp_path):
    """A Prometheus that reads the example, with this node's addresses, token and certificate."""
    need("prometheus")
    directory, port = tmp_path, free_port()
    token = qanat("invite", "--observer", "prometheus", "--state", str(node.state), check=False).stdout.strip() or "none"
    (directory / "token").write_text(token)
    text = SCRAPE.read_text()
    for old, new in (("127.0.0.1:7748", f"127.0.0.1:{node.port}"), ("hub.example:7749", f"127.0.0.1:{node.tls}"), ("interval: 15s", "interval: 1s"),
                     ("/usr/share/qanat/prometheus/qanat.rules.yml", str(RULES)), ("/etc/prometheus/qanat.token", str(directory / "token")),
                     ("/etc/prometheus/qanat-hub.crt", str(node.state / "server.crt")), ("qanat-0123456789abcdef", f"qanat-{node.status()['node']['id']}"),
                     ('# params:\n    #   clients', 'params:\n      clients')):
        assert old in text, old
        text = text.replace(old, new)
    (directory / "prometheus.yml").write_text(text)
    process = subprocess.Popen(["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
                                f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=open(directory / "log", "w"))

    def ask(path, **parameters):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as response:
                return json.load(response)["data"]
        except (OSError, ValueError):
            assert process.poll() is None, (directory / "log").read_text()
            return None

    yield ask
    process.terminate()
    process.wait(20)


def test_prometheus_scrapes_a_node_here_and_a_hub_over_https_and_evaluates_the_rules(prometheus):
    """One Prometheus for all: it looks for targets five seconds after its start."""
    def value(query):
        answer = prometheus("query", query=query)
        return answer and [s["value"][1] for s in answer["result"]]

    def rules():
        found = [r for g in prometheus("rules")["groups"] for r in g["rules"]]
        return all(r["health"] != "unknown" for r in found) and found

    def hub():
        return next((t for t in prometheus("targets")["activeTargets"] if t["scrapePool"] == "qanat-hubs" and t["health"] != "unknown"), None)

    assert eventually(lambda: value('qanat_ready{job="qanat"}')) == ["1"]
    assert eventually(lambda: value('instance:qanat_ledger_imbalance:bytes{job="qanat"}')) == ["0"]
    found = eventually(rules)
    assert len(found) == len(re.findall(r"- (?:alert|record): ", RULES.read_text()))
    assert all(r["health"] == "ok" for r in found), [r.get("lastError") for r in found if r["health"] != "ok"]
    for expression in dashboard_expressions():
        if not expression.startswith("label_values("):
            assert value(expression.replace("$instance", ".*")) is not None, expression
    # As an observer, by its token.
    found = eventually(hub)
    assert found["health"] == "up", found["lastError"]
    assert eventually(lambda: value('qanat_clients_left_out{job="qanat-hubs"}')) == ["0"]


# Munin

class Server:
    """Answers with a text, and keeps the headers of what it was asked. `hold`: not before that is set."""

    def __init__(self, text, token=None, hold=None):
        self.asked = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.authorization = self.headers["Authorization"]
                outer.asked.set()
                if hold:
                    hold.wait(20)
                allowed = token is None or self.headers["Authorization"] == f"Bearer {token}"
                body = (text if allowed else "{}").encode()
                self.send_response(200 if allowed else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/metrics"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve():
    servers = []

    def start(*arguments, **named):
        servers.append(Server(*arguments, **named))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def plugin(tmp_path):
    """Starts the plugin by the name of a link, as Munin does."""
    need("curl")

    def start(graph, mode="fetch", awk=None, **environment):
        path = os.environ["PATH"]
        if awk:
            (tmp_path / awk).mkdir(exist_ok=True)
            link = tmp_path / awk / "awk"
            if not link.exists():
                link.symlink_to(shutil.which(awk))
            path = f"{link.parent}:{path}"
        link = tmp_path / f"qanat_{graph}"
        if not link.is_symlink():
            link.symlink_to(PLUGIN)
        return subprocess.Popen([str(link), *([mode] if mode != "fetch" else [])], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env={"PATH": path, **environment})

    def run(*arguments, **named):
        process = start(*arguments, **named)
        out, err = process.communicate(timeout=20)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    run.start = start
    return run


def read_config(text):
    """{field: {attribute: value}}, and "" for the graph's own; fails on what Munin's master would not take."""
    fields = {}
    for line in text.splitlines():
        assert re.fullmatch(r"(\w+)(\.\w+)? \S.*", line) and not set(line) & set('#\\"<>|`\n'), line
        name, value = line.split(" ", 1)
        field, _, attribute = name.partition(".")
        if not attribute:
            assert field.startswith("graph_"), line
            fields.setdefault("", {})[field] = value
            continue
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", field) and field != "root", field
        assert attribute not in fields.setdefault(field, {}), f"twice: {name}"
        fields[field][attribute] = value
        if attribute in ("warning", "critical"):
            assert re.fullmatch(r"[\d.]*:[\d.]*", value) and value != ":", line
    for name, attributes in fields.items():
        assert {"graph_title", "graph_vlabel", "graph_category"} <= attributes.keys() if name == "" else {"label", "type"} <= attributes.keys(), name
        assert len(attributes.get("label", "")) <= 80
    return fields


def read_values(text, fields):
    """{field: value or None}, of each field of the config one."""
    values = {}
    for line in text.splitlines():
        name, value = re.fullmatch(r"(\w+)\.value (U|-?\d+(?:\.\d+)?)", line).groups()
        assert name not in values, f"twice: {name}"
        if fields[name]["type"] == "DERIVE":
            assert "." not in value, line
        values[name] = None if value == "U" else float(value)
    assert values.keys() == fields.keys() - {""}
    return values


@pytest.mark.parametrize("awk", ["mawk", "gawk", "busybox"])
def test_the_plugin_reads_whatever_a_source_is_called(plugin, serve, awk):
    need(awk)
    server = serve(FIXTURE)
    seen = {}
    for graph in GRAPHS:
        config, fetched = (plugin(graph, mode, awk=awk, url=server.url) for mode in ("config", "fetch"))
        assert (config.returncode, config.stderr, fetched.returncode, fetched.stderr) == (0, "", 0, ""), config.stderr + fetched.stderr
        fields = read_config(config.stdout)
        seen[graph] = fields, read_values(fetched.stdout, fields)

    fields, values = seen["sources"]
    assert values["speed_hwrng"] == 21889404.3 and values["credited_hwrng"] == 1.25e15 and len(values) == 10
    assert fields["speed_hwrng"]["label"] == "hwrng, speed"
    fields, values = seen["health"]
    by_label = {fields[f]["label"]: (f, v) for f, v in values.items()}
    assert {label: v for label, (_, v) in by_label.items() if "state" in label} == {
        "hwrng, state": 1, "file:/x?h=1, state": 3, "file:/x_h_1, state": 4, "file:/q%22b%5Cn%0A%231, state": 2, "%7D, odd=%221%22%7D 5, state": 5}
    assert by_label["hwrng, failures"] == ("failures_hwrng", 3 * 3600)
    assert by_label["file:/x?h=1, state"][0] == "state_file_x_h_1_543425ae", "the same on every machine"
    assert fields["state_hwrng"]["critical"] == ":2" and fields["failures_hwrng"]["warning"] == ":0"
    fields, values = seen["estimate"]
    assert (values["claimed_hwrng"], values["estimated_hwrng"]) == (7, 6.8) and fields["estimated_hwrng"]["warning"] == "7.00:"
    assert [f for f in fields if "warning" in fields[f]] == ["estimated_hwrng"], "too few samples of the other"
    fields, values = seen["reserve"]
    assert values == {"target": 262144, "reserve": 200000, "waiting": 64}
    assert (fields["reserve"]["warning"], fields["reserve"]["critical"]) == ("26214:", "1:")
    fields, values = seen["deliveries"]
    assert values["undelivered"] == 32 and sorted(v for v in values.values() if v) == [5, 32, 100, 200]
    assert {a["label"] for a in fields.values() if "label" in a} >= {"http://127.0.0.1:7748, full", "egd:/run/qanat/egd, drbg"}
    assert seen["refusals"][1] == {"refused_over_share": 7}


def test_the_plugin_shows_its_token_to_the_node_alone(plugin, serve):
    release, token = threading.Event(), "qanat-observer.joe+1@x.0a1b_2c-3d="
    server = serve(FIXTURE, token=token, hold=release)
    process = plugin.start("reserve", url=server.url, token=token)
    assert server.asked.wait(20)
    arguments = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            arguments.append(path.read_bytes())
    release.set()
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and "reserve.value 200000" in out, err
    assert server.authorization == f"Bearer {token}"
    assert any(server.url.encode() in a for a in arguments) and not any(token.encode() in a for a in arguments)
    wrong = plugin("reserve", url=server.url, token="wrong")
    assert wrong.returncode == 1 and wrong.stdout == "" and "401" in wrong.stderr and "qanat invite --observer" in wrong.stderr
    assert plugin("reserve", url=server.url, token="two\nlines").returncode == 1


def test_the_plugin_says_why_there_is_nothing(plugin, serve):
    down = f"http://127.0.0.1:{free_port()}/metrics"
    for options in ({"url": down}, {"url": serve("<html>hello</html>").url}, {"socket": "/nonexistent/control.sock"}, {"url": "file:///etc/passwd"}):
        done = plugin("sources", "autoconf", **options)
        assert done.returncode == 0 and re.fullmatch(r"no \(\S.*\)\n", done.stdout) and not done.stderr, done
        for mode in ("config", "fetch"):
            done = plugin("sources", mode, **options)
            assert done.returncode == 1 and not done.stdout and done.stderr.count("\n") == 1, done
    assert plugin("sources", "autoconf", url=serve(FIXTURE).url).stdout == "yes\n"
    for graph in ("deliveries", "refusals"):
        done = plugin(graph, url=serve("qanat_info 1\n").url)
        assert done.returncode == 1 and "operator" in done.stderr, done
    assert plugin("nonsense").returncode == 2
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        done = plugin("sources", url=f"http://127.0.0.1:{silent.getsockname()[1]}/metrics", timeout="0.5")
    assert done.returncode == 1 and not done.stdout and "timed out" in done.stderr, done


@pytest.fixture
def munin_run(tmp_path, node):
    """The real munin-run, with a link for each graph, and links of another node that is down."""
    need(MUNIN_RUN), need("curl")
    for directory in ("plugins", "plugin-conf.d", "library"):
        (tmp_path / directory).mkdir()
    config = tmp_path / "munin-node.conf"
    config.write_text(f"log_file {tmp_path}/log\npid_file {tmp_path}/pid\nbackground 0\nsetsid 0\nuser {getpass.getuser()}\n"
                      f"group {grp.getgrgid(os.getgid()).gr_name}\nhost 127.0.0.1\nport {free_port()}\nhost_name hub\nallow ^127\\.0\\.0\\.1$\n")
    (tmp_path / "library/qanat_").symlink_to(PLUGIN)
    (tmp_path / "plugin-conf.d/qanat").write_text(
        f"[qanat_*]\nuser {getpass.getuser()}\nenv.socket {node.state}/control.sock\n\n"
        f"[qanat_byurl_*]\nuser {getpass.getuser()}\nenv.url {node.url}\n\n"
        f"[qanat_down_*]\nuser {getpass.getuser()}\nenv.url http://127.0.0.1:{free_port()}/metrics\n")
    options = ["--config", str(config), "--servicedir", str(tmp_path / "plugins"), "--sconfdir", str(tmp_path / "plugin-conf.d")]

    def run(name, *mode):
        link = tmp_path / "plugins" / name
        if not link.is_symlink():
            link.symlink_to(PLUGIN)
        return subprocess.run([MUNIN_RUN, *options, name, *mode], capture_output=True, text=True, timeout=30)

    run.options = [*options, "--libdir", str(tmp_path / "library")]
    return run


def test_munin_draws_every_graph_of_a_node(munin_run, node):
    suggested = subprocess.run([MUNIN_RUN.replace("run", "node-configure"), *munin_run.options, "--suggest", "--shell"],
                               capture_output=True, text=True, timeout=30)
    names = re.findall(r"plugins/(qanat_\w+)'?$", suggested.stdout, re.M)
    assert sorted(names) == sorted(f"qanat_{g}" for g in GRAPHS), suggested.stdout + suggested.stderr
    seen = {}
    for name in names:
        config, fetched = munin_run(name, "config"), munin_run(name)
        assert (config.returncode, fetched.returncode) == (0, 0), config.stderr + fetched.stderr
        fields = read_config(config.stdout)
        seen[name] = fields, read_values(fetched.stdout, fields)

    fields, values = seen["qanat_health"]
    strange = [a["info"] for f, a in fields.items() if f.startswith("state_file")]
    assert len(strange) == 1 and "we%22ird%5C %231 %24x, %7By%7D=%C3%BC?h=1" in strange[0]
    assert [v for f, v in values.items() if f.startswith("state_exec_")] == [1] and None not in values.values()
    assert all(v is not None for v in seen["qanat_sources"][1].values())
    assert any(v for f, v in seen["qanat_estimate"][1].items() if f.startswith("estimated_exec_"))
    assert seen["qanat_reserve"][1]["target"] == node.status()["reserve"]["target"]
    assert seen["qanat_deliveries"][1]["undelivered"] == 0
    assert any(v == 32 for f, v in seen["qanat_deliveries"][1].items() if f.startswith("full_http_"))
    assert len(seen["qanat_refusals"][1]) > 10

    assert "(byurl)" in munin_run("qanat_byurl_reserve", "config").stdout
    down = munin_run("qanat_down_reserve")
    assert down.returncode != 0 and not down.stdout and "Failed to connect" in down.stderr, down
    assert munin_run("qanat_down_reserve", "autoconf").stdout.startswith("no (http://127.0.0.1:")
