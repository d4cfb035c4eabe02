"""The outside suites: how each is run against one port, and what each of its tests gave.

A result is {test: [outcome, detail]} with outcome "pass", "fail" or "skip" (detail: why). Runs against different
ports may go on at the same time: each writes only into the folder that it is given.
"""

import os
import re
import shutil
import subprocess
import xml.etree.ElementTree

import fetch

REDIS_PY_FILES = ["commands", "pipeline", "lock", "scripting", "encoding", "pubsub"]
# In the order in which Redis's runner has them: some leave settings behind that later ones take as they are.
TCL_UNITS = ["protocol", "scan", "type/string", "type/incr", "type/list", "type/list-2", "type/list-3", "type/set",
             "type/zset", "type/hash", "type/stream", "type/stream-cgroups", "expire", "multi", "pubsub", "scripting"]
TCL_TAGS = "-slow -needs:debug -needs:repl"
NAMES = ["redis-py-resp2", "redis-py-resp3", "redis-tcl"]


def run(name, port, folder, only=None, say=lambda text: None):
    """Runs suite `name` against 127.0.0.1:port; `only` is a list of test names for a second try."""
    if name == "redis-tcl":
        return redis_tcl(port, folder, only, say)
    return redis_py(port, folder, name[-1], only)


def redis_py(port, folder, protocol, only):
    source, python = fetch.redis_py()
    report = os.path.join(folder, "junit.xml")
    chosen = only or [f"tests/test_{name}.py" for name in REDIS_PY_FILES]
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:warnings", "--timeout", "120",
               "--redis-url", f"redis://127.0.0.1:{port}/0", "--protocol", protocol,
               "-m", "not redismod and not onlycluster", f"--junit-xml={report}", *chosen]
    environment = dict(os.environ, PYTHONPATH=str(source), PYTHONDONTWRITEBYTECODE="1")
    with open(os.path.join(folder, "output"), "w") as output:
        subprocess.run(command, cwd=source, env=environment, stdout=output, stderr=subprocess.STDOUT, timeout=1200)
    if not os.path.exists(report):
        return {"(the suite itself)": ["fail", "pytest ended early: " + tail(folder)]}
    results = {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        parts = case.get("classname", "").split(".")
        place = "/".join(parts[:2]) + ".py" if len(parts) > 1 else case.get("classname", "")
        name = "::".join([place, *parts[2:], case.get("name")])
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        if bad is not None:
            results[name] = ["fail", (bad.get("message") or "").strip().split("\n")[0][:300]]
        elif case.find("skipped") is not None:
            results[name] = ["skip", (case.find("skipped").get("message") or "").strip()[:200]]
        else:
            results[name] = ["pass", ""]
    return results


def redis_tcl(port, folder, only, say):
    original = fetch.redis_tcl()
    tree = os.path.join(folder, "redis")    # the suite writes into its own folder
    if not os.path.exists(tree):
        os.makedirs(os.path.join(tree, "src"))
        shutil.copytree(original / "tests", os.path.join(tree, "tests"))
        for program in ("redis-cli", "redis-server", "redis-benchmark"):
            os.symlink(shutil.which(program) or "/nonexistent", os.path.join(tree, "src", program))
    results = {}
    for unit in TCL_UNITS:
        # A second try runs the whole unit, for its tests build on each other.
        if only and not any(test.startswith(unit + ": ") for test in only):
            continue
        say(unit)
        found = tcl_unit(unit, port, tree)
        if found[f"{unit}: (the unit itself)"][0] == "fail":    # some tests wait for ever when clients overtake each other
            first = found[f"{unit}: (the unit itself)"][1]
            found = tcl_unit(unit, port, tree)
            found[f"{unit}: (its first run)"] = ["unsteady", first]
        results.update(found)
    return results


def tcl_unit(unit, port, tree):
    command = ["tclsh", "tests/test_helper.tcl", "--host", "127.0.0.1", "--port", str(port), "--single",
               f"unit/{unit}", "--durable", "--tags", TCL_TAGS, "--timeout", "60", "--baseport", str(port % 9000 + 11000)]
    log = os.path.join(tree, unit.replace("/", "-") + ".log")
    with open(log, "w") as output:
        try:
            subprocess.run(command, cwd=tree, stdout=output, stderr=subprocess.STDOUT, timeout=300)
        except subprocess.TimeoutExpired:
            pass
    text = re.sub(r"\x1b\[[0-9;]*m", "", open(log, errors="replace").read())
    results, seen, ended = {}, {}, False
    lines = text.split("\n")
    for number, line in enumerate(lines):
        ended = ended or "[1/1 done]" in line
        found = re.match(r"\[(ok|err|ignore|skip|exception)\]: (.*)", line)
        if not found:
            continue
        kind, name = found.groups()
        detail = ""
        if kind == "ok":
            name = re.sub(r" \(\d+ ms\)$", "", name)
        elif kind == "err":
            name = re.sub(r" in tests/.*\.tcl$", "", name)
            detail = " ".join(lines[number + 1:number + 3])[:300]
        elif kind == "ignore":
            name, _, detail = name.rpartition(": ")
            name = name or "(a part of the unit)"
        elif kind == "exception":
            name, detail = "(the unit itself)", line[:300]
        seen[name] = seen.get(name, 0) + 1
        key = f"{unit}: {name}" + (f" #{seen[name]}" if seen[name] > 1 else "")
        results[key] = [{"ok": "pass", "ignore": "skip", "skip": "skip"}.get(kind, "fail"), detail]
    if not ended:
        last = [line for line in lines if re.match(r"\[(ok|err)\]", line)][-1:] or ["none"]
        said = "" if last != ["none"] else "; it said " + " ".join(lines)[:600]
        results[f"{unit}: (the unit itself)"] = ["fail", f"it did not come to its end; its last test was {last[0]}{said}"]
    else:
        results[f"{unit}: (the unit itself)"] = results.get(f"{unit}: (the unit itself)", ["pass", ""])
    return results


def tail(folder):
    with open(os.path.join(folder, "output"), errors="replace") as file:
        return " ".join(file.read().split("\n")[-4:])[:300]
