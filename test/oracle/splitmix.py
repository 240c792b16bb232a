"""A small deterministic generator (SplitMix64), so that vectors do not depend on a library's random streams."""

from keccak import keccak256

_MASK = (1 << 64) - 1


class SplitMix:
    """Every method draws from one stream, which seed and name determine."""

    def __init__(self, seed, name):
        self.state = int.from_bytes(keccak256(f"{seed}/{name}".encode())[:8], "big")

    def word(self):
        """64 random bits."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def between(self, low, high):
        """An integer in low..high, both included."""
        wide = (self.word() << 64) | self.word()
        return low + wide % (high - low + 1)

    def choice(self, options):
        return options[self.between(0, len(options) - 1)]

    def data(self, n):
        """n random bytes."""
        return b"".join(self.word().to_bytes(8, "little") for _ in range((n + 7) // 8))[:n]
