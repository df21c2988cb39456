"""Runs named tasks and prints one JSON line for each: what came out, in a form that can be compared byte for byte."""

import datetime
import decimal
import hashlib
import json
import re
import sys
import traceback

# A value with more bytes than this is printed as its length and digest.
SHOWN_BYTES_MAX = 200

_tasks = []


def task(function):
    """Marks a task. Its name is the function's; it takes the driver and returns what shall be compared."""
    _tasks.append(function)
    return function


def plain(value):
    """A value with its type, as JSON can carry it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = bytes(value)
        if len(value) > SHOWN_BYTES_MAX:
            return f"bytes:{len(value)}:{hashlib.sha256(value).hexdigest()}"
        return f"bytes:{value.hex()}"
    if isinstance(value, str):
        if len(value) > SHOWN_BYTES_MAX:
            return f"str:{len(value)}:{hashlib.sha256(value.encode(errors='surrogateescape')).hexdigest()}"
        return value
    if isinstance(value, int):
        return value
    if isinstance(value, (float, decimal.Decimal, datetime.date, datetime.timedelta)):
        return f"{type(value).__name__}:{value!s}"
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(plain(item) for item in value)
    if isinstance(value, (list, tuple)) or hasattr(value, "__iter__"):
        return [plain(item) for item in value]
    return f"{type(value).__name__}:{value!s}"


def _masked(text, target):
    """Without the parts that differ from run to run: addresses, ports, thread numbers."""
    text = text.replace(f":{target['port']}", ":PORT")
    text = re.sub(r"/\S+/[\w.-]+\.sock", "SOCKET", text)
    text = re.sub(r"\bconnection \d+|\bthread id: \d+", "connection N", text, flags=re.IGNORECASE)
    return re.sub(r"0x[0-9a-f]{8,}", "0xADDRESS", text)


def run(driver, target):
    """Runs every task that was marked; those whose feature the driver lacks say so."""
    only = sys.argv[2:]
    for function in _tasks:
        if only and function.__name__ not in only:
            continue
        line = {"task": function.__name__}
        try:
            line["outcome"] = "ok"
            line["result"] = plain(function(driver))
        except Exception as error:  # whatever a driver raises is the result
            line["outcome"] = "error"
            line["result"] = [type(error).__name__, *[plain(argument) for argument in error.args]]
            line["result"] += [plain(getattr(error, name, None)) for name in ("errno", "sqlstate")]
            if only:
                traceback.print_exc()
        print(_masked(json.dumps(line, sort_keys=True), target), flush=True)


def target():
    """Where to connect, from the JSON file named first on the command line."""
    with open(sys.argv[1], encoding="utf-8") as file:
        return json.load(file)
