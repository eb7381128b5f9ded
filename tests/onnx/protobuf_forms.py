"""Other encodings of a protobuf message with the same meaning: fields that occur more than once, and packed lists."""

# Of each message the fields that hold messages, and whether they may be repeated; and the singular numbers and texts.
MESSAGES = {
    "Model": {7: ("Graph", False), 8: ("OperatorSet", True)},
    "Graph": {1: ("Node", True), 5: ("Tensor", True), 11: ("Value", True), 12: ("Value", True)},
    "Node": {5: ("Attribute", True)},
    "Attribute": {5: ("Tensor", False)},
    "Value": {2: ("Type", False)},
    "Type": {1: ("TensorType", False)},
    "TensorType": {2: ("Shape", False)},
    "Shape": {1: ("Dimension", True)},
}
SINGLE = {"Model": [1], "Node": [3, 4], "Attribute": [1, 2, 3, 4], "Tensor": [2, 8, 9], "Value": [1], "OperatorSet": [2], "TensorType": [1]}
LISTS = {"Attribute": [8], "Tensor": [1]}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def to_varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def fields(data):
    """The fields of a message: number, wire type, content."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        start = at
        if key & 7 == 0:
            _, at = varint(data, at)
        elif key & 7 == 2:
            length, start = varint(data, at)
            at = start + length
        else:
            at += 8 if key & 7 == 1 else 4
        yield key >> 3, key & 7, data[start:at]


def field(number, wire, content):
    return to_varint(number << 3 | wire) + (to_varint(len(content)) if wire == 2 else b"") + content


def reencoded(data, rng, share, message="Model"):
    """The same message; a share of what can be written otherwise is."""
    out = b""
    for number, wire, content in fields(data):
        kind, repeated = MESSAGES.get(message, {}).get(number, (None, True))
        if kind:
            content = reencoded(content, rng, share, kind)
            parts = [field(*f) for f in fields(content)]
            if not repeated and rng.random() < share:
                # Two messages that together are this one.
                cut = rng.randint(0, len(parts))
                out += field(number, wire, b"".join(parts[:cut]))
                content = b"".join(parts[cut:])
        elif number in SINGLE.get(message, []) and rng.random() < share:
            # The last one counts.
            out += field(number, wire, decoy(wire, content, rng))
        elif number in LISTS.get(message, []) and rng.random() < share:
            if wire == 0:
                wire = 2
            else:
                at, single = 0, b""
                while at < len(content):
                    _, end = varint(content, at)
                    single += field(number, 0, content[at:end])
                    at = end
                out += single
                continue
        out += field(number, wire, content)
    return out


def decoy(wire, content, rng):
    if wire == 0:
        return to_varint(rng.choice([0, 1, 3]))
    return b"" if wire == 2 and rng.random() < 0.5 else content
