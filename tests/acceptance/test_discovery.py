"""Hubs found by DNS SRV (dnsmasq) and by mDNS (Avahi), in a network namespace of the test's own."""

import os
import subprocess
import textwrap

import pytest
from conftest import QANAT, need

# Everything dies with the namespace's first process.
NAMESPACE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]

SETUP = """
set -eu
cd "$1"
ip link set lo up
wait_for() { for _ in $(seq 300); do if "$@" >/dev/null 2>&1; then return; fi; sleep 0.05; done; echo "never: $*"; exit 1; }
up() { wait_for "$QANAT" status --state "$1"; }
"""

DNS = """
echo "nameserver 127.0.0.1" > resolv.conf
mount --bind resolv.conf /etc/resolv.conf
dnsmasq --no-daemon --no-hosts --no-resolv --conf-file=/dev/null --listen-address=127.0.0.1 --bind-interfaces \
  --user=root --local=/test/ "$@" > dns.log 2>&1 &
wait_for grep -q started dns.log
"""

MDNS = """
ip link add v0 type veth peer name v1
ip addr add 10.77.0.1/24 dev v0
ip link set v0 up
ip link set v1 up
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$PWD/bus
cat > dbus.conf <<X
<busconfig><type>system</type><listen>unix:path=$PWD/bus</listen>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
<allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
X
dbus-daemon --config-file=dbus.conf --nofork --nopidfile > dbus.log 2>&1 &
wait_for test -S bus
mount -t tmpfs tmpfs /run
mkdir /run/avahi-daemon
printf '[server]\\nhost-name=hubhost\\nuse-ipv6=no\\nallow-interfaces=v0\\n[publish]\\npublish-workstation=no\\n' > avahi.conf
avahi-daemon -f avahi.conf --no-drop-root --no-chroot --no-rlimits > avahi.log 2>&1 &
wait_for grep -q "startup complete" avahi.log
"""


def inside(tmp_path, script, *arguments):
    need("unshare")
    need("ip")
    if os.geteuid() != 0:
        pytest.skip("a network namespace takes root")
    probe = subprocess.run([*NAMESPACE, "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"no namespaces here: {probe.stderr.strip()}")
    done = subprocess.run(
        [*NAMESPACE, "bash", "-c", SETUP + textwrap.dedent(script), "script", str(tmp_path), *arguments],
        capture_output=True, text=True, timeout=120, env={**os.environ, "QANAT": QANAT},
    )
    logs = "".join(f"--- {log.name}\n{log.read_text()}" for log in tmp_path.glob("*.log"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    return done.stdout


def test_a_hub_is_found_by_dns_srv(tmp_path):
    need("dnsmasq")
    # The one of lower priority is down; the next has another key; the last is the right one.
    out = inside(
        tmp_path,
        """
        dns() { shift; """ + DNS + """ }
        dns "$@"
        "$QANAT" serve --source "exec:cat /dev/urandom?h=8" --outlet "https://127.0.0.1:7002?access=open" --state other 2> other.log &
        "$QANAT" serve --source "exec:cat /dev/urandom?h=8" --outlet https://127.0.0.1:7003?access=join --state hub 2> hub.log &
        up other; up hub
        JOIN=$("$QANAT" invite leaf --address _qanat._tcp.example.test --state hub)
        "$QANAT" get 32 --grade full --format hex --from "$JOIN"
        echo "--- a name that is not there, and one that is no service"
        "$QANAT" get 32 --from https://_qanat._tcp.nothing.test 2>&1 || true
        "$QANAT" get 32 --from https://_qanat._tcp.plain.test 2>&1 || true
        echo "--- no pin, and no CA that knows it: found, and not trusted"
        "$QANAT" get 32 --from https://_qanat._tcp.example.test 2>&1 || true
        """,
        "--srv-host=_qanat._tcp.example.test,localhost,7001,1,0",
        "--srv-host=_qanat._tcp.example.test,localhost,7002,2,0",
        "--srv-host=_qanat._tcp.example.test,localhost,7003,3,0",
        "--txt-record=_qanat._tcp.plain.test,x",
    )
    lines = out.splitlines()
    assert len(lines[0]) == 64 and int(lines[0], 16) >= 0
    assert "there is no such name" in out
    assert "has no SRV records" in out
    assert "certificate was refused" in lines[-1]


def test_a_ca_must_vouch_for_the_domain_and_not_for_where_srv_points(tmp_path):
    need("dnsmasq")
    need("openssl")
    out = inside(
        tmp_path,
        """
        dns() { shift; """ + DNS + """ }
        dns "$@"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2 2>/dev/null
        certificate() {
          openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$2" 2>/dev/null
          printf "subjectAltName=DNS:%s" "$2" > "$1.ext"
          openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
        }
        certificate domain example.test
        certificate target localhost
        for which in domain target; do
          port=$([ $which = domain ] && echo 7001 || echo 7002)
          "$QANAT" serve --source "exec:cat /dev/urandom?h=8" --state $which \
            --outlet "https://127.0.0.1:$port?access=open&cert=$PWD/$which.pem&key=$PWD/$which.key" 2> $which.log &
          up $which
        done
        "$QANAT" get 32 --format hex --from "https://_qanat._tcp.example.test?ca=$PWD/ca.pem"
        "$QANAT" get 32 --format hex --from "https://_qanat._tcp.stolen.test?ca=$PWD/ca.pem" 2>&1 || true
        """,
        "--srv-host=_qanat._tcp.example.test,localhost,7001,1,0",
        "--srv-host=_qanat._tcp.stolen.test,localhost,7002,1,0",
    )
    first, second = out.splitlines()
    assert len(first) == 64
    assert "certificate was refused" in second


def test_a_hub_is_found_by_mdns(tmp_path):
    need("avahi-daemon")
    need("avahi-publish-service")
    need("dbus-daemon")
    out = inside(
        tmp_path,
        """
        mdns() { """ + MDNS + """ }
        echo "--- without a daemon"
        DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere "$QANAT" get 32 --from https://_qanat._tcp.local 2>&1 || true
        mdns
        echo "--- with nobody there"
        "$QANAT" get 32 --from https://_qanat._tcp.local 2>&1 || true
        avahi-publish-service hub _qanat._tcp 7001 > publish.log 2>&1 &
        wait_for grep -q Established publish.log
        "$QANAT" serve --source "exec:cat /dev/urandom?h=8" --outlet "https://10.77.0.1:7001" --state hub 2> hub.log &
        up hub
        "$QANAT" invite leaf --address _qanat._tcp.local --state hub > join
        chmod 600 join
        echo "--- with a hub"
        "$QANAT" get 32 --grade full --format hex --from @join
        """,
    )
    assert "no Avahi daemon answers" in out
    assert "nobody on this link offers _qanat._tcp" in out
    assert len(out.splitlines()[-1]) == 64
