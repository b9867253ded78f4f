"""The C client library and the OpenSSL provider, as other programs use them."""

import os
import pathlib
import subprocess

import pytest
from conftest import QANAT, eventually, free_port, need

BUILD = pathlib.Path(QANAT).parent
ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def node(run, tmp_path):
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"egd:{tmp_path}/egd?grade=full", "--outlet",
               f"http://127.0.0.1:{free_port()}", name="hub").ready()
    node.path = tmp_path / "egd"
    return node


def openssl(*words, socket=None, config=None, check=True):
    need("openssl")
    env = {**os.environ, "OPENSSL_MODULES": str(BUILD)}
    if socket:
        env["QANAT_SOCKET"] = str(socket)
    if config:
        env["OPENSSL_CONF"] = str(config)
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, env=env, timeout=60)
    if check:
        assert done.returncode == 0, done.stderr.decode()
    return done


def test_openssl_rand_draws_from_the_node(node):
    seen = {openssl("rand", "-provider", "qanat", "32", socket=node.path).stdout for _ in range(3)}
    assert len(seen) == 3 and all(len(s) == 32 for s in seen)
    assert eventually(lambda: node.outlet("egd:")["full_bytes"] == 96)
    big = openssl("rand", "-provider", "qanat", "100000", socket=node.path).stdout
    assert len(big) == 100_000


def test_the_provider_and_its_algorithms_are_listed(node):
    listed = openssl("list", "-providers", "-provider", "qanat", "-verbose").stdout.decode()
    assert "qanat" in listed and "status: active" in listed
    rands = openssl("list", "-random-generators", "-provider", "qanat").stdout.decode()
    assert "QANAT" in rands and "SEED-SRC" in rands


CONFIG = """openssl_conf = init
[init]
providers = providers
random = random
[providers]
default = default_part
qanat = qanat_part
[default_part]
activate = 1
[qanat_part]
activate = 1
{socket}
[random]
{random}
"""


@pytest.mark.parametrize("random, least, most", [("random = QANAT", 32, 10_000), ("seed = SEED-SRC\nseed_properties = provider=qanat", 32, 400)])
def test_a_program_that_configures_it(node, tmp_path, random, least, most):
    """Every byte from the node, or the seeds of OpenSSL's own DRBG."""
    config = tmp_path / "openssl.cnf"
    config.write_text(CONFIG.format(socket=f"socket = {node.path}", random=random))
    key = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", config=config).stdout
    assert key.startswith(b"-----BEGIN PRIVATE KEY-----")
    assert eventually(lambda: least <= node.outlet("egd:")["full_bytes"] <= most), node.outlet("egd:")


def test_without_a_node_there_are_no_bytes_and_it_is_said_why(tmp_path):
    done = openssl("rand", "-provider", "qanat", "32", socket=tmp_path / "nothing", check=False)
    assert done.returncode != 0 and done.stdout == b""
    assert f"cannot reach a qanat node at {tmp_path}/nothing" in done.stderr.decode()
