"""What a pickle of plain values and tensors says, read by a machine that looks nothing up, calls nothing, sets nothing.

Python's own unpickler finds what a file names and calls it. Here a name is a piece of text, and what is made of it and
its arguments is up to whoever reads; an opcode that plain values and tensors do not need is refused.
"""

import pickle
import struct
from collections.abc import Callable, Collection
from typing import Any

from jaxmm.errors import brief
from jaxmm.weights.torch_archive import DAMAGED

MAX_OPCODES = 400_000
"""About fifty make a tensor."""

VALUES_ALONE = "save tensors and plain values alone, such as torch.save(model.state_dict(), path)"
_MAX_LINE = 200
_LARGEST_KEY = 2**31  # larger integers can be chosen to collide in a dict

_CONSTANTS = {pickle.NONE: None, pickle.NEWTRUE: True, pickle.NEWFALSE: False}
_NUMBERS = {pickle.BININT: "<i", pickle.BININT1: "<B", pickle.BININT2: "<H", pickle.BINFLOAT: ">d"}
_TEXTS = {pickle.BINUNICODE: "<I", pickle.SHORT_BINUNICODE: "<B"}
_EMPTY: dict[bytes, Callable[[], Any]] = {pickle.EMPTY_DICT: dict, pickle.EMPTY_LIST: list, pickle.EMPTY_TUPLE: tuple}
_TUPLES = {pickle.TUPLE1: 1, pickle.TUPLE2: 2, pickle.TUPLE3: 3}
_PUTS = {pickle.BINPUT: "<B", pickle.LONG_BINPUT: "<I"}
_GETS = {pickle.BINGET: "<B", pickle.LONG_BINGET: "<I"}


class Symbol(str):
    """The name of a class or function, which is never looked up.

    Example:
        >>> Symbol("torch.float32")
        'torch.float32'
    """

    __slots__ = ()


def unpickle(
    content: bytes,
    *,
    start: int = 0,
    symbols: Collection[str],
    persistent: Callable[[Any], Any],
    call: Callable[[Symbol, Any], Any],
) -> tuple[Any, int]:
    """Reads a pickle; dicts keep the order of their items, and attributes of an OrderedDict are dropped.

    Args:
        content: Of protocol 2 or later; what stands after its end is not read.
        start: Place where it begins.
        symbols: Names of classes and functions that may occur, with their modules: "torch.Size".
        persistent: What a persistent id stands for.
        call: What a symbol makes of its arguments.

    Returns:
        Dicts, lists, tuples, text, numbers, symbols, and what `persistent` and `call` return, whose parts may be shared
        and may hold themselves; and the place after the end.

    Raises:
        ValueError: If the pickle is damaged, has more than `MAX_OPCODES` opcodes, or asks for anything else.

    Example:
        >>> content = pickle.dumps({"fps": 15, "labels": ["cut_tomato"]}, protocol=2)
        >>> unpickle(content, symbols=(), persistent=repr, call=lambda symbol, arguments: None)
        ({'fps': 15, 'labels': ['cut_tomato']}, 54)
    """
    return _Machine(content, start, symbols, persistent, call).run()


class _Machine:
    """The stack machine of pickles, without the opcodes that make objects."""

    def __init__(
        self,
        content: bytes,
        start: int,
        symbols: Collection[str],
        persistent: Callable[[Any], Any],
        call: Callable[[Symbol, Any], Any],
    ) -> None:
        self._content, self._place = content, start
        self._symbols, self._persistent, self._call = symbols, persistent, call
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks under each mark
        self._memo: dict[int, Any] = {}

    def run(self) -> tuple[Any, int]:
        for _ in range(MAX_OPCODES):
            opcode = self._take(1)
            if opcode == pickle.STOP:
                return self._pop(), self._place
            self._step(opcode)
        raise ValueError(f"it has more than {MAX_OPCODES} pickle opcodes; {VALUES_ALONE}, and in fewer parts")

    def _step(self, opcode: bytes) -> None:
        if opcode in _NUMBERS:
            self._stack.append(self._number(_NUMBERS[opcode]))
        elif opcode in _TEXTS:
            self._stack.append(self._text(self._take(self._number(_TEXTS[opcode]))))
        elif opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode])
        elif opcode in _EMPTY:
            self._stack.append(_EMPTY[opcode]())
        elif opcode in _TUPLES:
            items = [self._pop() for _ in range(_TUPLES[opcode])]
            self._stack.append(tuple(reversed(items)))
        elif opcode in _PUTS:
            self._memo[self._number(_PUTS[opcode])] = self._top()
        elif opcode in _GETS:
            self._stack.append(self._recall(self._number(_GETS[opcode])))
        else:
            self._structure(opcode)

    def _structure(self, opcode: bytes) -> None:
        match opcode:
            case pickle.MARK:
                self._below.append(self._stack)
                self._stack = []
            case pickle.TUPLE:
                items = tuple(self._since_mark())
                self._stack.append(items)
            case pickle.APPEND:
                self._extend([self._pop()])
            case pickle.APPENDS:
                self._extend(self._since_mark())
            case pickle.SETITEM:
                value, key = self._pop(), self._pop()
                self._update([key, value])
            case pickle.SETITEMS:
                self._update(self._since_mark())
            case pickle.GLOBAL:
                self._stack.append(self._symbol(self._line(), self._line()))
            case pickle.STACK_GLOBAL:
                name, module = self._pop(), self._pop()
                self._stack.append(self._symbol(module, name))
            case pickle.BINPERSID:
                self._stack.append(self._persistent(self._pop()))
            case pickle.REDUCE:
                self._reduce()
            case pickle.BUILD:
                self._pop()
                if not isinstance(self._top(), dict):
                    raise ValueError(f"it sets the attributes of an object, which is not done; {VALUES_ALONE}")
            case pickle.LONG1:
                self._stack.append(int.from_bytes(self._take(self._number("<B")), "little", signed=True))
            case pickle.MEMOIZE:
                self._memo[len(self._memo)] = self._top()
            case pickle.PROTO:
                self._take(1)
            case pickle.FRAME:
                self._take(8)
            case _:
                raise ValueError(f"it has the pickle opcode {opcode!r}, which is not followed; {VALUES_ALONE}")

    def _reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, Symbol) or not isinstance(arguments, tuple):
            raise ValueError(f"it calls what is no function; {DAMAGED}")
        self._stack.append(self._call(function, arguments))

    def _symbol(self, module: Any, name: Any) -> Symbol:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError(f"it names a class by what is no text; {DAMAGED}")
        symbol = f"{module}.{name}"
        # "torch" with "_utils.f" is another name than "torch._utils" with "f", though spelled alike.
        if "." in name or symbol not in self._symbols:
            raise ValueError(f"it names {brief(symbol)}, which was neither looked up nor run; {VALUES_ALONE}")
        return Symbol(symbol)

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(target := self._top(), list):
            raise ValueError(f"it appends to what is no list; {DAMAGED}")
        target.extend(items)

    def _update(self, items: list[Any]) -> None:
        if not isinstance(target := self._top(), dict) or len(items) % 2:
            raise ValueError(f"it sets items of what is no dict; {DAMAGED}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str) and not (isinstance(key, int) and abs(key) < _LARGEST_KEY):
                raise ValueError(
                    f"a dict has a key of type {type(key).__name__}; only text and integers of 32 bits are read as keys"
                )
            target[key] = value

    def _since_mark(self) -> list[Any]:
        if not self._below:
            raise ValueError(f"its pickle does not add up; {DAMAGED}")
        items, self._stack = self._stack, self._below.pop()
        return items

    def _recall(self, place: int) -> Any:
        if place not in self._memo:
            raise ValueError(f"its pickle does not add up; {DAMAGED}")
        return self._memo[place]

    def _top(self) -> Any:
        if not self._stack:
            raise ValueError(f"its pickle does not add up; {DAMAGED}")
        return self._stack[-1]

    def _pop(self) -> Any:
        self._top()
        return self._stack.pop()

    def _take(self, size: int) -> bytes:
        start, self._place = self._place, self._place + size
        if self._place > len(self._content):
            raise ValueError(f"its pickle ends early; {DAMAGED}")
        return self._content[start : self._place]

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _line(self) -> str:
        end = self._content.find(b"\n", self._place, self._place + _MAX_LINE)
        if end < 0:
            raise ValueError(f"its pickle has a name without an end; {DAMAGED}")
        return self._text(self._take(end + 1 - self._place)[:-1])

    def _text(self, content: bytes) -> str:
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise ValueError(f"its pickle has text that is not UTF-8; {DAMAGED}") from None
