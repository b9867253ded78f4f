"""A Simtec EntropyKey on a pseudo-terminal: docs/protocols/entropykey.md, written a second time and apart from src/wire.

Debian's ekeyd takes it for one (test_entropykey.py). It is faster than the real one, and does on demand what a real one does when it
breaks, is pulled out, or is tampered with on the way.
"""

import base64
import os
import pty
import select
import struct
import threading
import time
import tty

MASK = 2**64 - 1
ROTATIONS = ((5, 56), (36, 28), (13, 46), (58, 44), (26, 20), (53, 35), (11, 42), (59, 50))
KEY, CONFIG, PERSONALISATION, MESSAGE, OUTPUT = 0, 4, 8, 48, 63
FIRST, FINAL = 1 << 62, 1 << 63
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
NAMES = {
    "RS": "ReKeyingState",
    "PMS": "MessageAuthenticationCodeState",
    "EES": "EntropyEncryptionState",
    "LRS": "LongTermReKeyingState",
    "LKMS": "MessageAuthenticationCodeStateForLongTermReKeying",
}


def threefish(key, tweak, block):
    ks = (*key, 0x5555555555555555 ^ key[0] ^ key[1] ^ key[2] ^ key[3])
    ts = (*tweak, tweak[0] ^ tweak[1])
    a, b, c, d = block
    for s in range(19):
        a = a + ks[s % 5] & MASK
        b = b + ks[(s + 1) % 5] + ts[s % 3] & MASK
        c = c + ks[(s + 2) % 5] + ts[(s + 1) % 3] & MASK
        d = d + ks[(s + 3) % 5] + s & MASK
        if s == 18:
            return a, b, c, d
        for r, q in ROTATIONS[:4] if s % 2 == 0 else ROTATIONS[4:]:
            a = a + b & MASK
            b = (b << r | b >> 64 - r) & MASK ^ a
            c = c + d & MASK
            d = (d << q | d >> 64 - q) & MASK ^ c
            b, d = d, b


def chain(state, kind, data, last=True):
    """One input of that kind. `last` False: the blocks that are surely not the last, as the device's code does with
    a personalisation."""
    flags = kind << 56 | FIRST
    blocks = max(1, -(-len(data) // 32))
    for i in range(blocks if last else blocks - 1):
        piece = data[32 * i : 32 * i + 32]
        if last and i == blocks - 1:
            flags |= FINAL
        block = struct.unpack("<4Q", piece.ljust(32, b"\0"))
        out = threefish(state, (32 * i + len(piece), flags), block)
        state = tuple(o ^ w for o, w in zip(out, block))
        flags &= ~FIRST
    return state


def prepared(serial, secret, name):
    state = chain((0, 0, 0, 0), KEY, serial + secret)
    state = chain(state, CONFIG, struct.pack("<IHHQQQ", 0x33414853, 1, 0, 256, 0, 0))
    words = ("20090609 support@simtec.co.uk EntropyKey/v1/" + NAMES[name]).ljust(96).encode()
    return chain(state, PERSONALISATION, words, last=False)


def finish(state, message):
    return struct.pack("<4Q", *chain(chain(state, MESSAGE, message), OUTPUT, bytes(8)))


def short_mac(state, message):
    whole = struct.pack("<4Q", *chain(state, MESSAGE, message))
    return base64.b64encode(whole[:3] + whole[-3:])


def crc8(data):
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x31 if crc & 0x80 else 0)) & 0xFF
    return crc


def number(value):
    return (DIGITS[value & 63] + DIGITS[value >> 6]).encode()


class EntropyKey:
    """At `path`, a symbolic link to its line. Thread-safe enough for tests: attributes are set from there, read by its thread.

    mute: letters of what it does not answer: 'S' a reset, 'K' a re-key, 'E' entropy, 'I' information, 'M', 'L'.
    spoil: called with each whole frame and its number since the last reset; gives the bytes that go out instead.
    fail: its fail mode ('0': none): no entropy then.  refuses: re-keys are answered by B>.
    """

    def __init__(self, path, serial="NwBvBlg3OTBJORFD", master=None, long_term=None, entropy=os.urandom, pause=0.0, session=4096, raw=True):
        self.path = str(path)
        self.serial_text = serial
        self.serial = base64.b64decode(serial)
        self.master = master or os.urandom(32)
        self.long_term = long_term or os.urandom(32)
        self.entropy, self.pause, self.session, self.raw = entropy, pause, session, raw
        self.mute, self.fail, self.refuses = "", "0", False
        self.spoil = lambda frame, n: frame
        self.temperature, self.volts, self.fips = 3150, 3254, (7342, 3, 1, 2, 0)
        self.sent = bytearray()  # the entropy, in the clear
        self.resets = self.rekeys = self.long_term_rekeys = self.unknown = 0
        self.thread = None
        self.plug()

    # What can happen to it.

    def plug(self):
        self.controller, line = pty.openpty()
        if self.raw:
            tty.setraw(line)
        os.set_blocking(self.controller, False)
        if os.path.lexists(self.path):
            os.unlink(self.path)
        os.symlink(os.ttyname(line), self.path)
        os.close(line)
        self.reboot(silent=True)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def unplug(self):
        if self.thread is None:
            return
        self.stopping.set()
        self.thread.join()
        self.thread = None
        os.unlink(self.path)
        os.close(self.controller)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.unplug()

    def reboot(self, silent=False):
        """As a brown-out: the session is forgotten, and nobody is told."""
        self.input, self.command, self.out = b"", b"", b"" if silent else self.out
        self.nonce_mac = None
        self.keyed = False
        self._use(bytes(32))
        self.frames = 0

    # What it is asked.

    def keyring_line(self):
        return f"{self.serial_text} {base64.b64encode(self.long_term).decode()}\n"

    def master_text(self):
        """As it is printed: with its check digit, in groups of four."""
        text = base64.b64encode(self.master + bytes([crc8(self.master)])).decode()
        return " ".join(text[i : i + 4] for i in range(0, len(text), 4))

    # How it works.

    def _use(self, key):
        self.mac_state = prepared(self.serial, key, "PMS")
        self.pad_state = prepared(self.serial, key, "EES")
        self.next_number = 0

    def _frame(self, head, payload):
        content = head + payload.ljust(50)
        assert len(content) == 52
        if head[:1].decode() in self.mute:
            return
        frame = self.spoil(b"* " + content + short_mac(self.mac_state, content) + b"\r\n", self.frames)
        self.frames += 1
        self.out += frame

    def _binary(self, letter, value, data):
        self._frame(letter + b"!", number(value) + base64.b64encode(data))

    def _inform(self):
        self._frame(b"I>", b"T%05d V%05d" % (self.temperature, self.volts))
        self._frame(b"I>", b"F%05d:%05d:%05d:%05d:%05d" % self.fips)
        self._frame(b"I>", b"S08052:23751:23792:23584:07112:20876:08063:24150:" + self.fail.encode())

    def _block(self):
        """What it does about once a second: a block of entropy, and what it knows of itself."""
        if self.fail != "0":
            return self._inform()
        if not self.keyed or self.next_number >= self.session:
            return self._frame(b"k>", b"Unable to send entropy. Please re-key session.")
        for _ in range(min(16, self.session - self.next_number)):
            if "E" in self.mute:
                break
            data = self.entropy(32)
            value = number(self.next_number)
            pad = finish(self.pad_state, value)
            self._binary(b"E", self.next_number, bytes(x ^ y for x, y in zip(data, pad)))
            self.next_number += 1
            self.sent += data
        self._inform()

    def _work(self):
        due = 0.0  # its next block
        while not self.stopping.is_set():
            poll = select.poll()
            poll.register(self.controller, select.POLLIN | (select.POLLOUT if self.out else 0))
            wait = 0.01 if self.out else min(0.01, max(0.0, due - time.monotonic()))
            events = dict(poll.poll(int(1000 * wait))).get(self.controller, 0)
            if events & select.POLLHUP:  # nobody has its line open
                time.sleep(0.01)
                continue
            if events & select.POLLOUT:
                try:
                    self.out = self.out[os.write(self.controller, self.out) :]
                except BlockingIOError:
                    pass
            if events & select.POLLIN:
                for byte in os.read(self.controller, 4096):
                    if self._take(bytes([byte])):
                        break  # the rest of what came with an unknown one is thrown away
            elif not self.out and not self.command and time.monotonic() >= due:
                self._block()
                due = time.monotonic() + (self.pause if self.keyed and self.fail == "0" else 0.1)

    def _take(self, byte):
        if byte == b"\x03" or not self.command and byte in b"Rr":
            self.resets += 1
            self.reboot()
            self._frame(b"S!", number(0) + self.serial_text.encode())
        elif not self.command:
            if byte not in b"KkMmLl":
                self.unknown += 1
                self._frame(b"W>", b"Unknown Input Character 0x%02x" % byte[0])
                return True
            self.command = byte.upper()
        elif self.command[:1] == b"M":
            self.command += byte
            if len(self.command) == 9:
                self.nonce_mac, self.command = self.command[1:], b""
                self._frame(b"M>", b"Long-term rekey unlocked")
        elif byte != b".":
            self.command += byte
        else:
            command, nonce = self.command[:1], base64.b64decode(self.command[1:])
            self.command = b""
            self._rekey(nonce) if command == b"K" else self._set_long_term(nonce)
        return False

    def _rekey(self, nonce):
        if self.refuses:
            self._frame(b"B>", b"Generators have gone bad, rekeying abandoned.")
            return self._inform()
        if "K" in self.mute:
            return None
        ours = os.urandom(32)
        self._binary(b"K", len(nonce), ours)
        self._use(finish(prepared(self.serial, self.long_term, "RS"), ours + nonce))
        self.rekeys += 1
        self.keyed = True

    def _set_long_term(self, nonce):
        expected, self.nonce_mac = self.nonce_mac, None
        if expected is None:
            return self._frame(b"l>", b"Long-term rekey locked-out")
        if expected != short_mac(prepared(self.serial, self.master, "LKMS"), nonce):
            return self._frame(b"l>", b"Nonce MAC does not match")
        ours = os.urandom(32)
        self._binary(b"L", len(nonce), ours)
        self.long_term = finish(prepared(self.serial, self.master, "LRS"), ours + nonce)
        self.long_term_rekeys += 1
