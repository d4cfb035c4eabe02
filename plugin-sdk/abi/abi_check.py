#!/usr/bin/env python3
"""The ABI may only grow: compares weir.h with the layout that was promised.

    abi_check.py HEADER GOLDEN            exit 0: compatible; 1: not, each break in words
    abi_check.py HEADER GOLDEN --update   write GOLDEN anew (after a compatible change)

clang is asked for every struct's members (offset, type with the whole signature of a function,
name), for every enumerator and for the constants that are part of the promise. README.md has the
rules. Set CLANG to use another clang than the first on the path.
"""

import json
import os
import re
import subprocess
import sys
import tempfile

CLANG = os.environ.get("CLANG", "clang")
PROMISED_MACROS = re.compile(
    r"^#define (WEIR_EXT_\w+|WEIR_ENTRY_SYMBOL|WEIR_NOTE_SECTION|WEIR_ABI_MAJOR) (\S+)", re.MULTILINE
)
STRUCT = re.compile(r"^(?:typedef )?struct (weir_\w+) \{", re.MULTILINE)


def run_clang(source, *arguments):
    with tempfile.NamedTemporaryFile("w", suffix=".c") as file:
        file.write(source)
        file.flush()
        result = subprocess.run(
            # The header's own assertions are for compilers; here the golden file decides, in words.
            [CLANG, "-std=c11", "-fsyntax-only", "-D_Static_assert(c,m)=", *arguments, file.name],
            capture_output=True,
            text=True,
        )
    if result.returncode != 0:
        sys.exit("abi_check: the header does not compile\n" + result.stderr)
    return result.stdout


def scan(header):
    """What HEADER promises, as plain data."""
    with open(header, encoding="utf-8") as file:
        text = file.read()
    names = STRUCT.findall(text)
    source = f'#include "{os.path.abspath(header)}"\n' + "".join(f"struct {n} v_{n};\n" for n in names)
    layouts = run_clang(source, "-Xclang", "-fdump-record-layouts-complete")
    ast = json.loads(run_clang(source, "-Xclang", "-ast-dump=json"))
    enumerators, typedefs = {}, {}
    walk(ast, enumerators, typedefs)
    return {
        "structs": read_layouts(layouts),
        "enumerators": enumerators,
        "typedefs": typedefs,
        "macros": dict(PROMISED_MACROS.findall(text)),
    }


def read_layouts(dump):
    """{struct: {members: ["offset type name"], size, align}} from clang's record layouts."""
    structs = {}
    for block in dump.split("*** Dumping AST Record Layout")[1:]:
        lines = [line.split("|", 1) for line in block.strip().splitlines() if "|" in line]
        name = lines[0][1].strip().removeprefix("struct ")
        if not name.startswith("weir_"):
            continue
        members = [
            f"{offset.strip()} {without_nullability(text).removeprefix('struct ')}"
            for offset, text in lines[1:]
            if offset.strip() and re.match(r" {3}\S", text)
        ]
        size, align = re.search(r"sizeof=(\d+), align=(\d+)", block).groups()
        structs[name] = {"members": members, "size": int(size), "align": int(align)}
    return structs


def without_nullability(text):
    """Nullability is advice to compilers, not layout: it may be made more precise."""
    text = re.sub(r"\s*\b_(Nonnull|Nullable|Null_unspecified)\b", "", text.strip())
    return re.sub(r"\s+", " ", text).replace("* *", "**").replace("( *", "(*")


def walk(node, enumerators, typedefs):
    """Enumerators with their values, and what the names of callback types stand for."""
    last = -1
    if node.get("kind") == "TypedefDecl" and node.get("name", "").startswith("weir_"):
        typedefs[node["name"]] = without_nullability(node["type"]["qualType"])
    for child in node.get("inner", []) or []:
        if child.get("kind") == "EnumConstantDecl":
            values = [c["value"] for c in child.get("inner", []) or [] if "value" in c]
            last = int(values[0]) if values else last + 1
            if child["name"].startswith("WEIR_"):
                enumerators[child["name"]] = last
        else:
            walk(child, enumerators, typedefs)


def compare(old, new):
    """The breaks of NEW against OLD, in words."""
    breaks = []
    for name, before in old["structs"].items():
        after = new["structs"].get(name)
        if after is None:
            breaks.append(f"struct {name}: removed")
        else:
            breaks += compare_struct(name, before, after)
    for kind in ("enumerators", "typedefs", "macros"):
        for name, value in old[kind].items():
            if new[kind].get(name) != value:
                breaks.append(f"{name}: was {value}, is {new[kind].get(name, 'gone')}")
    for name, after in new["structs"].items():
        breaks += padding(name, after)
    return breaks


def compare_struct(name, before, after):
    for index, member in enumerate(before["members"]):
        now = after["members"][index] if index < len(after["members"]) else "gone"
        if now != member:
            return [f"struct {name}: was «{member}», is «{now}»"]
    if before["align"] != after["align"]:
        return [f"struct {name}: alignment was {before['align']}, is {after['align']}"]
    if len(after["members"]) == len(before["members"]):
        return []
    if before["members"][:1] != ["0 uint32_t size"]:
        return [f"struct {name}: frozen, for it does not begin with `size`, but has grown"]
    if after["size"] == before["size"]:
        return [f"struct {name}: a member was put into tail padding, `size` would not tell of it"]
    return []


WIDTHS = {"uint8_t": 1, "uint16_t": 2, "uint32_t": 4, "int32_t": 4, "weir_status": 4, "uint64_t": 8, "int64_t": 8,
          "weir_str": 16}


def padding(name, struct):
    """A struct that may grow must not end in padding."""
    if not struct["members"] or struct["members"][0] != "0 uint32_t size":
        return []
    offset, rest = struct["members"][-1].split(" ", 1)
    array = re.match(r"(\w+)\[(\d+)\] ", rest)
    kind = array[1] if array else rest.split(" ", 1)[0]
    if "*" in rest or kind not in WIDTHS:
        return []
    end = int(offset) + WIDTHS[kind] * (int(array[2]) if array else 1)
    return [f"struct {name}: ends in padding, `size` would not tell of growth"] if end != struct["size"] else []


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    header, golden = sys.argv[1], sys.argv[2]
    new = scan(header)
    if "--update" in sys.argv[3:]:
        with open(golden, "w", encoding="utf-8") as file:
            json.dump(new, file, indent=1, sort_keys=True, ensure_ascii=False)
            file.write("\n")
        return
    with open(golden, encoding="utf-8") as file:
        breaks = compare(json.load(file), new)
    for line in breaks:
        print("ABI BREAK", line)
    if breaks:
        sys.exit(1)
    print(f"ABI ok: {len(new['structs'])} structs, {len(new['enumerators'])} constants")


if __name__ == "__main__":
    main()
