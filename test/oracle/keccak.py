"""Keccak-256 as Ethereum uses it (the original padding 0x01, not the one of SHA3-256)."""

_MASK = (1 << 64) - 1
_RATE = 136


def _round_constants():
    """The 24 iota constants, from the degree-8 linear feedback shift register of the Keccak reference."""
    register = 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            if register & 1:
                constant |= 1 << ((1 << j) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        yield constant


_IOTA = tuple(_round_constants())


def _rotate(lane, n):
    n %= 64
    return ((lane << n) | (lane >> (64 - n))) & _MASK


def _permute(lanes):
    """Keccak-f[1600] on a dict {(x, y): 64-bit lane}."""
    for constant in _IOTA:
        # theta
        column = [lanes[x, 0] ^ lanes[x, 1] ^ lanes[x, 2] ^ lanes[x, 3] ^ lanes[x, 4] for x in range(5)]
        for x in range(5):
            d = column[(x - 1) % 5] ^ _rotate(column[(x + 1) % 5], 1)
            for y in range(5):
                lanes[x, y] ^= d
        # rho and pi: walk the single cycle of the 24 lanes other than (0, 0)
        x, y, current = 1, 0, lanes[1, 0]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            current, lanes[x, y] = lanes[x, y], _rotate(current, (step + 1) * (step + 2) // 2)
        # chi
        for y in range(5):
            line = [lanes[x, y] for x in range(5)]
            for x in range(5):
                lanes[x, y] = line[x] ^ (~line[(x + 1) % 5] & _MASK & line[(x + 2) % 5])
        # iota
        lanes[0, 0] ^= constant


def keccak256(message):
    """The 32-byte Keccak-256 digest of `message`."""
    padded = bytearray(message) + b"\x01" + bytes(-(len(message) + 1) % _RATE)
    padded[-1] |= 0x80
    lanes = {(x, y): 0 for x in range(5) for y in range(5)}
    for start in range(0, len(padded), _RATE):
        for i in range(_RATE // 8):
            lanes[i % 5, i // 5] ^= int.from_bytes(padded[start + 8 * i : start + 8 * i + 8], "little")
        _permute(lanes)
    return b"".join(lanes[i, 0].to_bytes(8, "little") for i in range(4))


assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
assert keccak256(b"abc").hex() == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
