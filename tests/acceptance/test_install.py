"""`cmake --install --prefix`, and what was installed in use: one prefix, everywhere."""

import fcntl
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import QANAT, eventually, free_port, need

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(QANAT).parent
PLACES = re.compile(r"(\S*?)(/usr/bin/qanat|/etc/qanat|/usr/share/qanat|/usr/share/doc/qanat)")


def install(prefix, destdir=None):
    """What cmake says it has installed; its list is in the build directory, where others may be at it, too."""
    need("cmake")
    with open(BUILD / ".install-lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        env = {**os.environ, **({"DESTDIR": str(destdir)} if destdir else {})}
        done = subprocess.run(["cmake", "--install", str(BUILD), "--prefix", str(prefix)], check=True, capture_output=True, text=True, env=env)
        return done.stdout, (BUILD / "install_manifest.txt").read_text()


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("installed") / "local"
    install(prefix)
    return prefix


def texts(tree):
    for path in sorted(tree.rglob("*")):
        if path.is_file() and not path.is_symlink():
            try:
                yield path, path.read_text()
            except UnicodeDecodeError:
                pass


def run(*words, **more):
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60, **more)


def test_no_file_names_another_prefix(local):
    for path, text in texts(local):
        for before, place in PLACES.findall(text):
            assert (before + place).find(str(local)) >= 0, f"{path}: {before}{place}"
    units = list((local / "lib/systemd/system").rglob("*.service"))
    assert len(units) >= 3
    for unit in units:
        for program in re.findall(r"^Exec\w+=[-+!:@]*(/\S*qanat)\b", unit.read_text(), re.M):
            assert pathlib.Path(program).samefile(local / "bin/qanat"), f"{unit}: {program}"
    assert f"ExecStart={local}/bin/qanat serve" in (local / "lib/systemd/system/qanat.service").read_text()


def test_a_package_has_etc_and_usr(tmp_path):
    install("/usr", tmp_path)
    assert (tmp_path / "etc/qanat/qanat.toml").read_bytes() == (ROOT / "packaging/qanat.toml").read_bytes()
    assert not (tmp_path / "usr/etc").exists()
    assert "ExecStart=/usr/bin/qanat serve" in (tmp_path / "usr/lib/systemd/system/qanat.service").read_text()
    assert "prefix=/usr\n" in next(tmp_path.rglob("qanat.pc")).read_text()
    assert all(str(tmp_path) not in text for _, text in texts(tmp_path))


def test_the_configuration_of_the_prefix_is_read(local):
    file = local / "etc/qanat/qanat.toml"
    sample = file.read_text()
    done = run(local / "bin/qanat", "check")
    assert done.returncode == 0 and done.stdout.startswith(f"{file}: valid"), done.stderr
    # Broken over lines where the path is long.
    assert f"{file})" in "".join(run(local / "bin/qanat", "serve", "--help").stdout.split())
    file.write_text("[node]\nthreads = 0\n")
    try:
        broken = run(local / "bin/qanat", "check")
        assert broken.returncode == 1 and f"{file}:2" in broken.stderr
    finally:
        file.write_text(sample)


def test_the_configuration_of_the_operator_stays(tmp_path):
    install(tmp_path / "x")
    file = tmp_path / "x/etc/qanat/qanat.toml"
    file.write_text("# mine\n")
    said, _ = install(tmp_path / "x")
    assert file.read_text() == "# mine\n" and f"Kept: {file}" in said


PROGRAM = r"""
#include <qanat/qanat.h>
#include <stdio.h>
int main(int argc, char **argv) {
  unsigned char bytes[64];
  qanat_client *q;
  if (qanat_connect(&q, argc > 1 ? argv[1] : NULL) != 0 || qanat_get(q, bytes, sizeof bytes) != 0) {
    fprintf(stderr, "%s\n", qanat_error(q));
    qanat_close(q);
    return 1;
  }
  for (unsigned i = 0; i < sizeof bytes; ++i) printf("%02x", bytes[i]);
  puts("");
  qanat_close(q);
  return 0;
}
"""


def pkg_config(prefix, *words):
    need("pkg-config")
    folder = next(prefix.rglob("qanat.pc")).parent
    done = run("pkg-config", *words, "qanat", env={**os.environ, "PKG_CONFIG_PATH": str(folder)})
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def node(local, tmp_path):
    """Of the installed program."""
    process = subprocess.Popen([local / "bin/qanat", "serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"egd:{tmp_path}/egd",
                                "--outlet", f"http://127.0.0.1:{free_port()}", "--state", tmp_path / "state"],
                               stderr=open(tmp_path / "log", "w"))
    eventually(lambda: (tmp_path / "egd").exists() or process.poll() is not None)
    assert process.poll() is None, (tmp_path / "log").read_text()
    yield tmp_path / "egd"
    process.terminate()
    process.wait(20)


def test_a_stranger_builds_with_pkg_config_and_runs(local, node, tmp_path):
    (tmp_path / "p.c").write_text(PROGRAM)
    # Where the tree is now, wherever it was installed.
    moved = shutil.copytree(local, tmp_path / "moved", symlinks=True)
    flags = pkg_config(moved, "--cflags", "--libs")
    compiler = shutil.which("gcc") or shutil.which("cc")
    built = run(compiler, "-std=c99", "-pedantic", "-Wall", "-Werror", tmp_path / "p.c", "-o", tmp_path / "p", *flags)
    assert built.returncode == 0, built.stderr
    assert f"-L{tmp_path}" in " ".join(flags) and str(local) not in " ".join(flags)
    library = {**os.environ, "LD_LIBRARY_PATH": str(next(moved.rglob("libqanat.so.0")).parent)}
    done = run(tmp_path / "p", node, env=library)
    assert done.returncode == 0 and len(done.stdout.strip()) == 128, done.stderr
    by_name = run(tmp_path / "p", env={**library, "QANAT_SOCKET": str(node)})
    assert by_name.returncode == 0 and by_name.stdout != done.stdout
    missing = run(tmp_path / "p", "/nowhere", env=library)
    assert missing.returncode == 1 and "/nowhere" in missing.stderr


def test_openssl_finds_the_provider_by_what_the_installation_says(local, node, tmp_path):
    need("openssl")
    said, _ = install(local)
    (modules,) = pkg_config(local, "--variable=modulesdir")
    (named,) = re.findall(r"OPENSSL_MODULES=([^,\s]+)", said)
    assert os.path.samefile(named, modules) and named.startswith(str(local))
    env = {**os.environ, "QANAT_SOCKET": str(node)}
    done = run("openssl", "rand", "-provider", "qanat", "-hex", "32", env={**env, "OPENSSL_MODULES": named})
    assert done.returncode == 0 and len(done.stdout.strip()) == 64, done.stderr
    (module,) = re.findall(r"module = (\S+)", said)
    (tmp_path / "cnf").write_text(f"openssl_conf = i\n[i]\nproviders = p\nrandom = r\n[p]\ndefault = d\nqanat = q\n[d]\nactivate = 1\n"
                                  f"[q]\nmodule = {module}\nactivate = 1\n[r]\nrandom = QANAT\n")
    done = run("openssl", "rand", "-hex", "32", env={**env, "OPENSSL_CONF": str(tmp_path / "cnf")})
    assert done.returncode == 0 and len(done.stdout.strip()) == 64, done.stderr


def test_the_names_of_rngnet_are_there(local):
    for name in ("rngsend", "rngrecv"):
        assert (local / "bin" / name).samefile(local / "bin/qanat")


def test_pages_name_documents_that_are_installed(local):
    doc = local / "share/doc/qanat"
    named = set()
    for path, text in texts(local / "share"):
        named |= {(path, doc / name) for name in re.findall(r"\bdocs/[\w/-]+\.md\b", text.replace("\\-", "-"))}
        if path.suffix == ".md":
            links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
            named |= {(path, path.parent / link) for link in links}
    assert len(named) > 50
    assert not [f"{path} names {name}" for path, name in sorted(named) if not name.exists()]
    for page in (local / "share/man").rglob("*.[1-8]"):
        for name, section in re.findall(r"^\.BR (qanat\S*) \((\d)\)", page.read_text().replace("\\-", "-"), re.M):
            assert (local / f"share/man/man{section}/{name}.{section}").exists(), f"{page} names {name}({section})"


def test_pages_say_cmake_install(local):
    for path, text in texts(local / "share"):
        assert "make install" not in text, path


def test_uninstall_leaves_the_configuration_alone(tmp_path):
    _, manifest = install(tmp_path / "x")
    assert len(list((tmp_path / "x").rglob("*"))) > 30
    (tmp_path / "install_manifest.txt").write_text(manifest)
    done = run("cmake", "-P", ROOT / "packaging/uninstall.cmake", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [p for p in (tmp_path / "x").rglob("*") if not p.is_dir()] == [tmp_path / "x/etc/qanat/qanat.toml"]
    assert not list((tmp_path / "x").rglob("share/**/qanat"))
