"""Recordings of one channel, 48,000 samples a second, 16 bits: noise and what is none, repeatable from a seed."""

import array
import math
import random
import sys

RATE = 48000


def recording(signal, seconds):
    """`signal`: of the time in seconds, in steps of the converter. As raw S16_LE."""
    samples = array.array("h", (max(-32768, min(32767, round(signal(t / RATE)))) for t in range(int(seconds * RATE))))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def white(sigma, seed=1):
    gauss = random.Random(seed).gauss
    return lambda _: gauss(0, sigma)


def sine(hertz, amplitude):
    return lambda time: amplitude * math.sin(2 * math.pi * hertz * time)


def melody(amplitude):
    """Notes of an eighth of a second with four harmonics, struck and fading."""
    def signal(time):
        hertz = 220 * 2 ** (int(time * 8) % 7 / 6)
        return amplitude * math.exp(-8 * (time % 0.125)) * sum(math.sin(2 * math.pi * hertz * k * time) / k for k in range(1, 5))
    return signal
