"""QEMU's rng-egd: an emulated guest whose hardware random number generator is our EGD outlet."""

import re
import socket
import threading

import pytest
from conftest import eventually, free_port
from guest import make_initramfs, run_guest


class Recorder:
    """Between QEMU and the node: keeps what the node sends."""

    def __init__(self, path, target):
        self.sent, self.asked, self.target = bytearray(), bytearray(), str(target)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            for a, b, kept in ((client, server, self.asked), (server, client, self.sent)):
                threading.Thread(target=self.copy, args=(a, b, kept), daemon=True).start()

    @staticmethod
    def copy(a, b, kept):
        while data := a.recv(65536):
            kept += data
            b.sendall(data)
        b.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("grade", ["full", "drbg"])
def test_a_guests_hwrng_yields_our_bytes(run, tmp_path, grade):
    initramfs = make_initramfs(tmp_path / "initrd", "cat /sys/class/misc/hw_random/rng_current; head -c 2048 /dev/hwrng | xxd -p")
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"egd:{tmp_path}/egd?grade={grade}", "--outlet",
               f"http://127.0.0.1:{free_port()}", name="hub").ready()
    recorder = Recorder(tmp_path / "proxy", tmp_path / "egd")
    out = run_guest(initramfs, "-chardev", f"socket,path={tmp_path}/proxy,id=c", "-object", "rng-egd,chardev=c,id=r",
                    "-device", "virtio-rng-pci,rng=r")
    assert "virtio_rng.0" in out
    read = bytes.fromhex("".join(re.findall(r"^[0-9a-f]+\s*$", out, re.M)))
    assert len(read) == 2048
    assert all(read[i:i + 8] in recorder.sent for i in range(0, 2048, 8)), "every byte is one that the node sent"
    assert recorder.asked[:2] == b"\x02\x40", "64 bytes, waiting"
    outlet = lambda: node.outlet("egd:")
    assert eventually(lambda: outlet()[f"{grade}_bytes"] == len(recorder.sent))
    assert eventually(lambda: outlet()["connections"] == 0)
