"""vsock: in a guest, whose kernel has the loopback transport (this machine's need not have any)."""

import os
import re

from conftest import eventually, free_port
from guest import make_initramfs, program, run_guest
from test_clones import FRESH, one_frame

VSOCK = [f"../net/vmw_vsock/{name}" for name in ("vsock", "vmw_vsock_virtio_transport_common", "vsock_loopback")]

SCRIPT = """
mkdir -p /run /var/lib
host() { /bin/qanat serve --source 'exec:cat /dev/urandom?h=8' --outlet vsock:774 --state /var/lib/$1 2>>/host.log & HOST=$!; }
seeds() { until [ $(grep -c "brings a fresh seed" /feed.log) -ge $1 ]; do sleep 0.1; done; }
host first
/bin/qanat feed 'vsock:1:774?credit=yes' --state /var/lib/feed 2>/feed.log &
seeds 1
# What a restore looks like from within: the connection is reset, and there is a host again.
kill -9 $HOST
host second
seeds 2
/bin/qanat status --json --state /var/lib/feed > /status
cat /feed.log /host.log
grep -o '"ledger":{[^}]*}' /status
"""


def test_a_reset_connection_is_made_again_and_brings_a_seed(tmp_path):
    out = run_guest(make_initramfs(tmp_path / "initrd", SCRIPT, VSOCK, program()))
    seeds = re.findall(r"vsock:774: a fresh seed of grade (\w+) for CID 1, SHA-256 ([0-9a-f]{64})", out)
    assert len(seeds) == 2 and seeds[0][1] != seeds[1][1], out
    assert out.count("vsock:1:774?credit=yes brings a fresh seed") == 2
    ledger = dict(re.findall(r'"(\w+)":(\d+)', re.search(r'"ledger":\{[^}]*\}', out).group(0)))
    assert int(ledger["delivered"]) >= 2 * 256, "each went to the kernel, and was paid for"


def test_firecrackers_and_cloud_hypervisors_sockets_lead_to_ours(run, tmp_path):
    """Their guests' vsock port N is a UNIX socket on the host, PATH_N, to which the monitor connects: a link of that name will do."""
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"vmport:{tmp_path}/q", "--outlet", f"http://127.0.0.1:{free_port()}",
               name="host").ready()
    for name, link in (("v1.sock_774", os.symlink), ("v2.sock_774", os.link)):
        link(tmp_path / "q", tmp_path / name)
        assert one_frame(tmp_path / name).startswith(b"qanat\x8e\xd1\x01\x01")
    assert eventually(lambda: len(FRESH.findall(node.log())) == 2)
    assert node.outlet("vmport:")["full_bytes"] == 128
