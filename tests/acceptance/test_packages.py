"""Packages by the ordinary tools, of what was built already: nothing is compiled here. Whole builds, in a clean chroot: packaging/test-debian."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import QANAT, let_in, need, need_namespaces

ROOT = pathlib.Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
BUILD = pathlib.Path(QANAT).parent
HERE = ROOT / "tests/packages"


def run(*words, **more):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=300, **more)
    assert done.returncode == 0, f"{words}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def make(system, out):
    # A copy: makepkg is not root's, who may keep others out of his builds.
    let_in(out)
    built = shutil.copytree(HERE / "built", out / "built")
    for file in (pathlib.Path(QANAT), *BUILD.glob("libqanat.*"), BUILD / "qanat.so"):
        shutil.copy(file, built, follow_symlinks=False)
    run("strip", "--strip-debug", built / "qanat")
    env = {**os.environ, "QANAT_BUILT": str(built), "PATH": f"{built}:{os.environ['PATH']}",
           "DEB_BUILD_OPTIONS": "nocheck noautodbgsym", "DPKG_DEB_COMPRESSOR_TYPE": "gzip", "DPKG_DEB_COMPRESSOR_LEVEL": "1",
           "PKGEXT": ".pkg.tar"}
    run(PACKAGING / "make-packages", system, out, env=env)


@pytest.fixture
def folder(tmp_path):
    """Large, and not needed afterwards."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def version():
    return re.search(r"^project\(qanat VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text(), re.M)[1]


def test_all_packages_have_the_version_of_the_program():
    assert re.match(r"qanat \((.+?)\)", (ROOT / "debian/changelog").read_text())[1] == version()
    assert re.search(r"^Version: +(.+)", (PACKAGING / "qanat.spec").read_text(), re.M)[1] == version()
    assert re.search(r"^pkgver=(.+)", (PACKAGING / "PKGBUILD").read_text(), re.M)[1] == version()


# Of each library that CMake looks for: what brings it on Debian, on Fedora, on Arch.
LIBRARIES = {
    "OpenSSL": ("libssl-dev", "openssl-devel", "openssl"),
    "Boost": ("libboost1.81-dev", "boost-devel", "boost"),
    "fmt": ("libfmt-dev", "fmt-devel", "fmt"),
    "spdlog": ("libspdlog-dev", "spdlog-devel", "spdlog"),
    "prometheus-cpp": ("prometheus-cpp-dev", "prometheus-cpp-devel", "prometheus-cpp"),
    "libsodium": ("libsodium-dev", "libsodium-devel", "libsodium"),
    "libseccomp": ("libseccomp-dev", "libseccomp-devel", "libseccomp"),
    "libcap-ng": ("libcap-ng-dev", "libcap-ng-devel", "libcap-ng"),
    "ncursesw": ("libncurses-dev", "ncurses-devel", "ncurses"),
    "libsystemd": ("libsystemd-dev", "systemd-devel", "systemd-libs"),
    "avahi-client": ("libavahi-client-dev", "avahi-devel", "avahi"),
    "tss2-tctildr": ("libtss2-dev", "tpm2-tss-devel", "tpm2-tss"),
    "p11-kit-1": ("libp11-kit-dev", "p11-kit-devel", "libp11-kit"),
    "alsa": ("libasound2-dev", "alsa-lib-devel", "alsa-lib"),
    "libqrencode": ("libqrencode-dev", "qrencode-devel", "qrencode"),
    "libavformat": ("libavformat-dev", "pkgconfig(libavformat)", "ffmpeg"),
}


def test_each_system_builds_with_each_library():
    """One that CMake does not find is left out without a word: the package could do less than the program."""
    cmake = (ROOT / "CMakeLists.txt").read_text()
    wanted = set(re.findall(r"^find_package\((\S+)", cmake, re.M)) - {"Threads", "PkgConfig"}
    wanted |= set(re.findall(r"^pkg_check_modules\(\w+ (?:REQUIRED )?(?:IMPORTED_TARGET )?([\w-]+)", cmake, re.M))
    assert wanted == LIBRARIES.keys()
    control = (ROOT / "debian/control").read_text().split("Build-Depends:")[1].split("\nStandards-Version")[0]
    debian = set(re.findall(r"^ ([\w.+-]+)", control, re.M))
    here = {line.split()[0] for line in (ROOT / "packages.txt").read_text().splitlines() if line}
    fedora = set(re.findall(r"^BuildRequires: +(\S+)", (PACKAGING / "qanat.spec").read_text(), re.M))
    arch = set(" ".join(re.findall(r"^(?:make)?depends=\(([^)]*)\)", (PACKAGING / "PKGBUILD").read_text(), re.M)).split())
    for on_debian, on_fedora, on_arch in LIBRARIES.values():
        assert on_debian in debian and on_debian in here and on_fedora in fedora and on_arch in arch, (on_debian, on_fedora, on_arch)
    # It turns the dashboard into C++.
    assert all("nodejs" in names for names in (debian, here, fedora, arch))


def test_a_source_package_needs_neither_npm_nor_a_network_for_its_dashboard(tmp_path):
    for program in ("node", "flock"):
        need(program)
    for name in ("tools/make-web", *run("git", "ls-files", "web", cwd=ROOT).split()):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "web/dist").mkdir()
    (tmp_path / "web/dist/index.html").write_text("made before")
    (tmp_path / "bin").mkdir()
    for program in ("node", "sh", "dirname", "realpath", "mkdir", "find", "flock"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program))
    run(tmp_path / "tools/make-web", tmp_path / "not/there/yet.cpp", env={"PATH": str(tmp_path / "bin")})
    assert "web_files()" in (tmp_path / "not/there/yet.cpp").read_text()


def in_order(text, *words):
    places = [text.find(word) for word in words]
    assert -1 not in places and places == sorted(places), (words, text)


def test_scripts_are_what_a_shell_takes():
    need("shellcheck")
    scripts = [PACKAGING / "make-packages", PACKAGING / "test-debian", *HERE.glob("[a-z]*[a-z]"),
               *(ROOT / f"debian/qanat.{name}" for name in ("postinst", "prerm", "postrm"))]
    scripts = [script for script in scripts if script.is_file()]
    assert len(scripts) >= 10
    run("shellcheck", *scripts)
    run("shellcheck", "--shell", "sh", "-x", *(ROOT / f"debian/tests/{name}" for name in ("hub", "library", "provider")), cwd=ROOT / "debian/tests")
    run("bash", "-n", PACKAGING / "PKGBUILD")


def test_debian(folder):
    """Lintian has nothing to say; then a life on a copy of this machine: tests/packages/life."""
    for program in ("dh", "lintian"):
        need(program)
    need_namespaces("--mount", "--net", "--pid", "--fork")
    make("debian", folder)
    packages = sorted(folder.glob("*.deb"))
    assert [p.name.split("_")[0] for p in packages] == ["libqanat-dev", "libqanat0", "openssl-provider-qanat", "qanat"]
    said = run("lintian", "-EvIL", "+pedantic", "--allow-root", "--fail-on=error,warning,info,pedantic", *packages)
    assert not said, said
    program = packages[-1]
    # By the numbers of this release.
    suggested = run("dpkg-deb", "-f", program, "Suggests").strip()
    assert re.match(r"libavcodec\d+, libavformat\d+, ", suggested), suggested
    recommended = run("dpkg-deb", "-f", program, "Recommends").strip()
    loaded = (r"libasound\d+", r"libavahi-client\d+", r"libp11-kit\d+", r"libqrencode\d+", r"libtss2-rc\d+", r"libtss2-tctildr\d+")
    assert re.match(", ".join(loaded) + ", openssl", recommended), recommended
    assert not re.search("|".join(loaded), run("dpkg-deb", "-f", program, "Depends")), "linked"
    run("dpkg-deb", "-e", program, folder / "scripts")
    # The rules name the group; the hub that is started finds the devices open to it.
    in_order((folder / "scripts/postinst").read_text(), "systemd-sysusers", "udevadm control --reload", "udevadm trigger", "udevadm settle",
             "deb-systemd-invoke $_dh_action")
    # The socket would start the hub again.
    in_order((folder / "scripts/prerm").read_text(), "stop qanat.socket qanat-ssh-keys.service", "stop 'qanat-feed.service'")
    run(HERE / "older", folder, folder / "old")
    said = run(HERE / "overlay", folder, HERE / "life", folder / "old", folder)
    assert said.endswith("life: done\n")


def test_fedora(folder):
    for program in ("rpmbuild", "rpmlint"):
        need(program)
    make("fedora", folder)
    packages = sorted(folder.rglob("*.rpm"))
    assert len(packages) == 4
    said = run("rpmlint", "-c", PACKAGING / "rpmlint.toml", *packages, PACKAGING / "qanat.spec")
    assert "0 errors, 0 warnings" in said, said
    files = run("rpm", "-qp", "--queryformat", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]", *packages)
    scripts = run("rpm", "-qp", "--scripts", next(p for p in packages if p.name.startswith("qanat-0")))
    in_order(scripts, "systemd-sysusers", "udevadm control --reload", "udevadm trigger", "udevadm settle")
    assert "/etc/qanat/qanat.toml cn" in files and "/usr/lib64/ossl-modules/qanat.so" in files


def test_arch(folder):
    need("makepkg")
    make("arch", folder)
    (package,) = folder.rglob("*.pkg.tar")
    names = run("bsdtar", "-tf", package).splitlines()
    for name in ("usr/bin/qanat", "etc/qanat/qanat.toml", "usr/lib/systemd/system/qanat.service", "usr/lib/ossl-modules/qanat.so"):
        assert name in names
