#!/usr/bin/env python3
"""StrictJSON against Python's json and, where it is installed, orjson: same texts accepted, same values read.

Usage: strictjson.py [number of texts] [seed]; run from anywhere. Compiles StrictJSONProbe.swift with Sources/StrictJSON.
"""

import json
import math
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

try:
    import orjson
except ImportError:
    orjson = None

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = sorted((HERE.parent.parent / "Sources" / "StrictJSON").glob("*.swift"))
MAX_DEPTH = 128


class Refused(Exception):
    pass


class Number(str):
    """A number in its own spelling."""


class Members(tuple):
    """The members of an object, in order."""


def members(pairs):
    # As the gateway forwards them: a lone surrogate is the replacement character.
    names = [repaired(name) for name, _ in pairs]
    if len(set(names)) != len(names):
        raise Refused("duplicate")
    return Members((name, value) for name, (_, value) in zip(names, pairs))


def refuse_constant(name):
    raise Refused(name)


def repaired(text):
    return "".join("\ufffd" if 0xD800 <= ord(c) <= 0xDFFF else c for c in text)


def walk(value, depth, from_server):
    """The value as it should be read; refuses what only the gateway refuses."""
    if isinstance(value, Number):
        return value
    if isinstance(value, str):
        fixed = repaired(value)
        if fixed != value and not from_server:
            raise Refused("lone surrogate")
        return fixed
    if isinstance(value, (list, Members)) and depth == MAX_DEPTH:
        raise Refused("depth")
    if isinstance(value, list):
        return [walk(element, depth + 1, from_server) for element in value]
    if isinstance(value, Members):
        return Members((name, walk(member, depth + 1, from_server)) for name, member in value)
    return value


def has_lone_name(value):
    if isinstance(value, list):
        return any(has_lone_name(element) for element in value)
    if isinstance(value, dict):
        return any(repaired(n) != n for n in value) or any(has_lone_name(v) for v in value.values())
    return False


def overflows(value):
    if isinstance(value, Number):
        return math.isinf(float(value))
    if isinstance(value, Members):
        return any(overflows(member) for _, member in value)
    return isinstance(value, list) and any(overflows(element) for element in value)


def python_reading(data, from_server):
    try:
        text = data.decode("utf-8")  # strict: no surrogates, no overlong forms; a byte order mark stays
        if text.startswith("\ufeff"):
            raise Refused("byte order mark")
        value = json.loads(
            text, object_pairs_hook=members, parse_constant=refuse_constant, parse_int=Number, parse_float=Number
        )
        if not from_server and has_lone_name(json.loads(text, parse_int=Number, parse_float=Number)):
            raise Refused("lone surrogate in a name")
        return walk(value, 0, from_server)
    except (UnicodeDecodeError, json.JSONDecodeError, Refused, RecursionError) as error:
        return Refused(str(error))


class Generator:
    PIECES = [b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b"\\u", b"\\ud83d", b"\\ude00", b"0", b"-", b"1e5", b".",
              b"e", b"true", b"null", b"NaN", b" ", b"\n", b"\x00", b"\x1f", b"\x7f", b"\x80", b"\xc3", b"\xc3\xa9",
              b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xef\xbb\xbf", b"\xf4\x90\x80\x80", b"\xff"]

    def __init__(self, seed):
        self.random = random.Random(seed)

    def string(self):
        pick = self.random.random
        characters = []
        for _ in range(self.random.choice([0, 1, 2, 3, 5, 9, 17, 40])):
            kind = pick()
            if kind < 0.5:
                character = chr(self.random.randrange(0x20, 0x7F))
            elif kind < 0.6:
                character = chr(self.random.randrange(0x20))
            elif kind < 0.8:
                character = chr(self.random.choice([0xE9, 0x7FF, 0x800, 0xFFFF, 0x2028, 0xFEFF, 0x10000, 0x10FFFF]))
            elif kind < 0.97:
                character = chr(self.random.randrange(0xA0, 0xD800))
            else:
                character = chr(self.random.randrange(0xD800, 0xE000))
            characters.append(character)
        text = "".join(characters)
        # Surrogates can only be written as escapes.
        ascii_only = pick() < 0.3 or repaired(text) != text
        return json.dumps(text, ensure_ascii=ascii_only)

    def value(self, depth):
        choice = self.random.randrange(8 if depth else 5)
        space = self.random.choice(["", "", "", " ", "\n\t", "\r "])
        if choice == 0:
            return self.random.choice(["null", "true", "false"])
        if choice in (1, 2):
            return self.random.choice(["-", ""]) + str(self.random.choice([0, 7, 10**5, 2**63, 10**30])) + \
                self.random.choice(["", "", ".5", ".000"]) + self.random.choice(["", "", "e9", "E+400", "e-0"])
        if choice in (3, 4):
            return self.string()
        count = self.random.choice([0, 1, 2, 3, 20])
        if choice == 5:
            return "[" + ("," + space).join(self.value(depth - 1) for _ in range(count)) + space + "]"
        return "{" + ("," + space).join(
            self.string() + space + ":" + self.value(depth - 1) for _ in range(count)) + space + "}"

    def text(self):
        data = bytearray(self.value(3).encode())
        if self.random.random() < 0.02:
            depth = self.random.choice([127, 128, 129, 500])
            data = bytearray(b"[" * depth + b"]" * depth)
        while self.random.random() < 0.45:
            place = self.random.randrange(len(data) + 1)
            match self.random.randrange(3):
                case 0: data[place:place + 1] = self.random.choice(self.PIECES)
                case 1: data[place:place] = self.random.choice(self.PIECES)
                case _: del data[place:place + 1]
        return bytes(data)


def compare(probe, data, from_server, counts):
    probe.stdin.write((b"s" if from_server else b"c") + struct.pack(">I", len(data)) + data)
    probe.stdin.flush()
    (length,) = struct.unpack(">I", probe.stdout.read(4))
    answer = probe.stdout.read(length)
    expected = python_reading(data, from_server)
    if answer.startswith(b"!"):
        kind = answer[1:].decode()
        counts[kind] = counts.get(kind, 0) + 1
        if not isinstance(expected, Refused):
            return f"refused ({kind}), Python reads {expected!r}"
    else:
        counts["accepted"] = counts.get("accepted", 0) + 1
        if isinstance(expected, Refused):
            return f"accepted, Python refuses: {expected}"
        ours = json.loads(answer, object_pairs_hook=members, parse_int=Number, parse_float=Number)
        if ours != expected:
            return f"read as {ours!r}, by Python as {expected!r}"
    # orjson takes the last of two equal names, nests deeper, and refuses numbers a double cannot hold.
    same_rules = answer not in (b"!duplicateMember", b"!tooDeep") and not overflows(expected)
    if orjson is not None and not from_server and same_rules:
        try:
            orjson.loads(data)
            accepted = True
        except orjson.JSONDecodeError:
            accepted = False
        if accepted == answer.startswith(b"!"):
            return f"orjson {'accepts' if accepted else 'refuses'} it, the answer is {answer[:60]!r}"
    return None


def main():
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    sys.set_int_max_str_digits(0)
    if orjson is None:
        print(f"SKIPPED {number}: orjson is not installed; comparing with json only")
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "probe"
        subprocess.run(
            ["swiftc", "-O", "-parse-as-library", "-swift-version", "6", "-enable-experimental-feature", "Lifetimes",
             *map(str, SOURCES), str(HERE / "StrictJSONProbe.swift"), "-o", str(program)], check=True)
        generator = Generator(seed)
        counts = {}
        failures = 0
        with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as probe:
            for _ in range(number):
                data = generator.text()
                for from_server in (False, True):
                    problem = compare(probe, data, from_server, counts)
                    if problem:
                        failures += 1
                        print(f"{'server' if from_server else 'client'} {data!r}: {problem}")
            probe.stdin.close()
    print(f"{number} texts, seed {seed}: {counts}; {failures} differences")
    sys.exit(1 if failures else 0)


main()
