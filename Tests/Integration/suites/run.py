#!/usr/bin/env python3
"""Runs redis-py's tests and Redis's own Tcl suite through a proxy and directly, and compares test by test.

    run.py [SUITE…] [--proxy weir|haproxy|twemproxy|none] [--binary PATH] [--json FILE] [--jobs N] [--keep FOLDER]
    run.py SUITE --port N [--json FILE]      one suite against what listens there, nothing compared
    run.py --list

A test that passes directly must pass through the proxy, except those that differences.json lists with a reason; one
that is listed and passes is an error too (unless the entry says "sometimes"). A test that fails through the proxy is
tried once more alone: if it passes then, it counts as passed and is named as unsteady. Exit code 0: no failure.
"""

import argparse
import collections
import concurrent.futures
import fnmatch
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

import fetch
import servers
import suites

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]


def say(text):
    print(text, flush=True)


def one_run(suite, through, folder, binary, only=None):
    """One suite on a fresh Redis, through a proxy or not: its results, and a complaint if a server died."""
    os.makedirs(folder, exist_ok=True)
    redis = servers.redis(folder)
    proxy = None
    try:
        proxy = servers.proxy(through, redis.port, folder, binary) if through != "none" else None
        results = suites.run(suite, (proxy or redis).port, folder, only)
        for server in filter(None, (redis, proxy)):
            if not server.lives() or not server.answers():
                results[f"({server.name} lives after the suite)"] = ["fail", f"see {server.log}"]
        return results
    finally:
        for server in filter(None, (proxy, redis)):
            server.stop()


def listed(differences, suite, test):
    for entry in differences:
        if fnmatch.fnmatchcase(suite, entry["suite"]) and entry["test"] == test:
            return entry
    return None


def compare(suite, direct, proxied, again, differences):
    """Counts and lines of one suite. `again` runs the named tests once more and gives their results."""
    failed = {t: r for t, r in proxied.items() if r[0] == "fail" and direct.get(t, ["pass"])[0] == "pass"}
    failed.update({t: ["fail", "it did not run"] for t, r in direct.items() if r[0] == "pass" and t not in proxied})
    failed.update({t: ["fail", f"skipped: {r[1]}"] for t, r in proxied.items()
                   if r[0] == "skip" and direct.get(t, [""])[0] == "pass"})
    unlisted = [t for t in failed if not listed(differences, suite, t)]
    second = again(unlisted) if unlisted and (suite == "redis-tcl" or len(unlisted) <= 40) else {}
    unsteady = [t for t in unlisted if second.get(t, ["fail"])[0] == "pass"]
    failures = [f"{t}: {failed[t][1]}" for t in unlisted if t not in unsteady]
    accepted = [(t, listed(differences, suite, t)["reason"]) for t in failed if listed(differences, suite, t)]
    for entry in differences:
        mine = fnmatch.fnmatchcase(suite, entry["suite"])
        if mine and entry["test"] not in failed and not entry.get("sometimes") and direct.get(entry["test"]):
            failures.append(f"{entry['test']}: is listed in differences.json, but passes: take it out")
    environment = [t for t, r in direct.items() if r[0] == "fail"]
    skips = collections.Counter(r[1] for r in direct.values() if r[0] == "skip")
    passed = sum(1 for t, r in direct.items() if r[0] == "pass" and t not in failed) + len(unsteady)
    say(f"\n{suite}: {passed} of {passed + len(failures) + len(accepted)} tests that pass directly pass through the proxy")
    for reason, count in sorted(skips.items(), key=lambda item: -item[1]):
        say(f"  skipped {count}: {reason or 'no reason given'}")
    for test in environment:
        say(f"  skipped 1: fails directly too: {test} ({direct[test][1][:120]})")
    for test, reason in accepted:
        say(f"  skipped 1: listed difference: {test}: {reason}")
    for test in unsteady:
        say(f"  unsteady (failed, passed when tried again): {test}: {failed[test][1][:200]}")
    for test in (t for t, r in proxied.items() if r[0] == "unsteady"):
        say(f"  unsteady (the unit ended when run again): {test}: {proxied[test][1]}")
    for line in failures:
        say(f"  FAILED {line}")
    return passed, len(failures), sum(skips.values()) + len(environment) + len(accepted)


def compare_all(arguments, folder):
    differences = json.loads((HERE / "differences.json").read_text())["differences"]
    started, results, missing = time.monotonic(), {}, {}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        runs = {}
        for suite in arguments.suites:
            try:
                fetch.redis_tcl() if suite == "redis-tcl" else fetch.redis_py()
            except fetch.Unavailable as error:
                missing[suite] = str(error)
                continue
            for how, through in (("direct", "none"), ("proxied", arguments.proxy)):
                place = os.path.join(folder, f"{suite}-{how}")
                runs[pool.submit(one_run, suite, through, place, arguments.binary)] = (suite, how)
        for future in concurrent.futures.as_completed(runs):
            results[runs[future]] = future.result()
            say(f"  {' '.join(runs[future])}: {summary(results[runs[future]])}, {time.monotonic() - started:.0f} s")
    total = [0, 0, 0]
    for suite in arguments.suites:
        if suite in missing:
            say(f"\n{suite}: skipped: {missing[suite]}")
            total[2] += 1
            continue

        def again(tests):
            place = os.path.join(folder, f"{suite}-again")
            return one_run(suite, arguments.proxy, place, arguments.binary, tests)

        counts = compare(suite, results[suite, "direct"], results[suite, "proxied"], again, differences)
        total = [a + b for a, b in zip(total, counts)]
    if arguments.json:
        data = {f"{suite} {how}": value for (suite, how), value in results.items()}
        pathlib.Path(arguments.json).write_text(json.dumps(data, indent=1, sort_keys=True))
    say(f"\n{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] else 0


def summary(results):
    count = collections.Counter(result[0] for result in results.values())
    return f"{count['pass']} pass, {count['fail']} fail, {count['skip']} skip"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(suites.NAMES) + " (all)")
    parser.add_argument("--proxy", default="weir", choices=["weir", "haproxy", "twemproxy", "none"])
    parser.add_argument("--binary", default=os.environ.get("WEIR_BINARY", str(ROOT / ".build/release/weir")))
    parser.add_argument("--port", type=int, help="run one suite against this port")
    parser.add_argument("--json", help="write every test's result there")
    parser.add_argument("--jobs", type=int, default=4, help="runs at the same time (4)")
    parser.add_argument("--keep", help="keep logs in this folder")
    parser.add_argument("--list", action="store_true", help="name the suites")
    arguments = parser.parse_args()
    if arguments.list:
        return say("\n".join(suites.NAMES)) or 0
    arguments.suites = arguments.suites or suites.NAMES
    if unknown := [name for name in arguments.suites if name not in suites.NAMES]:
        parser.error(f"no suite {unknown[0]}; there are {', '.join(suites.NAMES)}")
    if arguments.proxy == "weir" and not arguments.port and not os.access(arguments.binary, os.X_OK):
        parser.error(f"no weir at {arguments.binary}: build it, or name it with --binary or WEIR_BINARY")
    folder = os.path.abspath(arguments.keep or tempfile.mkdtemp(prefix="weir-suites-"))
    os.makedirs(folder, exist_ok=True)
    status = compare_all(arguments, folder) if not arguments.port else one_suite(arguments, folder)
    if status and not arguments.keep:
        print(f"logs: {folder}", file=sys.stderr)
    elif not arguments.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return status


def one_suite(arguments, folder):
    """A suite against what listens on a port."""
    results = suites.run(arguments.suites[0], arguments.port, folder, say=say)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(results, indent=1, sort_keys=True))
    for test, (outcome, detail) in sorted(results.items()):
        if outcome == "fail":
            say(f"FAILED {test}: {detail}")
    say(summary(results))
    return 1 if any(result[0] == "fail" for result in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
