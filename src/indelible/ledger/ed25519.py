"""Verification of Ed25519 signatures (RFC 8032 section 5.1.7) with nothing but the standard library.

It takes about as long as reading a file and holds no secret, so it need not run in constant time. Signing is done by
`cryptography`, in `signing.py`.
"""

from hashlib import sha512

__all__ = ["is_public_key", "verify"]

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)

# Extended coordinates (section 5.1.4): x = X/Z, y = Y/Z, x*y = T/Z.
_Point = tuple[int, int, int, int]
# A point as the second operand of an addition: Y - X, Y + X, 2dT, 2Z.
_Addend = tuple[int, int, int, int]

_NEUTRAL = (0, 1, 1, 0)


def is_public_key(public_key: bytes) -> bool:
    """Whether it is the one encoding of a point under which not everything is signed.

    For the eight points of small order there are signatures that fit every message.
    """
    return _open_key(public_key) is not None


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether it is the signature of `message`; False, too, for anything that is no key or no signature.

    Strict: S < L, the key in its canonical encoding and not of small order, R equal byte by byte.
    """
    key = _open_key(public_key)
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or len(signature) != 64 or scalar >= _ORDER:
        return False
    digest = sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % _ORDER
    x, y, z, t = key
    commitment = _sum_of_products(scalar, _BASE_MULTIPLES, challenge, _multiples((-x, y, z, -t)))
    return _encode(commitment) == signature[:32]


def _open_key(public_key: bytes) -> _Point | None:
    point = _decode(public_key)
    if point is None:
        return None
    # Eight times a point is the neutral one, the only one here with x = 0, just if its order is small.
    x, _, _, _ = _double(_double(_double(point)))
    return point if x else None


def _decode(data: bytes) -> _Point | None:
    """Section 5.1.3; None for bytes that `_encode` would not have written."""
    if len(data) != 32:
        return None
    number = int.from_bytes(data, "little")
    sign = number >> 255
    y = number & (1 << 255) - 1
    if y >= _P:
        return None
    u = (y * y - 1) % _P
    v = (_D * y * y + 1) % _P
    x = u * v**3 * pow(u * v**7, (_P - 5) // 8, _P) % _P
    square = v * x * x % _P
    if square == _P - u:
        x = x * _ROOT_OF_MINUS_ONE % _P
    elif square != u:
        return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


def _encode(point: _Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, _P)
    return (y * inverse % _P | (x * inverse % _P & 1) << 255).to_bytes(32, "little")


def _double(point: _Point) -> _Point:
    x, y, z, _ = point
    a = x * x
    b = y * y
    h = a + b
    e = (h - (x + y) ** 2) % _P
    g = (a - b) % _P
    f = (2 * z * z + g) % _P
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _add(point: _Point, addend: _Addend) -> _Point:
    x, y, z, t = point
    difference, total, twice_dt, twice_z = addend
    a = (y - x) * difference
    b = (y + x) * total
    c = t * twice_dt
    d = z * twice_z
    e = (b - a) % _P
    f = (d - c) % _P
    g = (d + c) % _P
    h = (b + a) % _P
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _addend(point: _Point) -> _Addend:
    x, y, z, t = point
    return ((y - x) % _P, (y + x) % _P, 2 * _D * t % _P, 2 * z % _P)


def _multiples(point: _Point) -> list[_Addend]:
    """0 to 15 times the point."""
    step = _addend(point)
    multiple: _Point = _NEUTRAL
    addends = []
    for _ in range(16):
        addends.append(_addend(multiple))
        multiple = _add(multiple, step)
    return addends


def _sum_of_products(m: int, p_multiples: list[_Addend], n: int, q_multiples: list[_Addend]) -> _Point:
    """m*P + n*Q, by four bits of both at a time (Straus)."""
    total: _Point = _NEUTRAL
    for shift in range(252, -1, -4):
        total = _double(_double(_double(_double(total))))
        total = _add(total, p_multiples[m >> shift & 15])
        total = _add(total, q_multiples[n >> shift & 15])
    return total


_BASE_POINT = _decode((4 * pow(5, -1, _P) % _P).to_bytes(32, "little")) or _NEUTRAL
_BASE_MULTIPLES = _multiples(_BASE_POINT)
