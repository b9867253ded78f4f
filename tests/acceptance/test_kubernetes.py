"""packaging/kubernetes, as kubectl builds it, against the schemas of Kubernetes and of the Prometheus operator (tests/kubernetes)."""

import pathlib
import subprocess

from conftest import need

HERE = pathlib.Path(__file__).parents[1] / "kubernetes"


def install():
    """What the lock file names, once a clone."""
    installed = HERE / "node_modules/.package-lock.json"
    lock = HERE / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=HERE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    installed.touch()


def test_the_manifests_are_what_the_schemas_say(capsys):
    need("npm"), need("kubectl")
    install()
    done = subprocess.run(["node", "--test", "--test-reporter=tap", "manifests.test.mjs"], cwd=HERE, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    for line in done.stdout.splitlines():
        if "# SKIP" in line:
            with capsys.disabled():
                print(f"\nSKIPPED {line}")
