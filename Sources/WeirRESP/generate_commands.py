"""generate_commands.py [redis-server]: writes CommandTable+Generated.swift beside this file.

Starts the given server on a Unix socket, asks it COMMAND and COMMAND DOCS, adds commands_added.txt and the decisions
below (what a command does to the state of its connection; README.md says why), and prints one line of statistics.
"""
import json, os, random, shutil, socket, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))

# WEIR_RESP_* of weir.h
WRITE, READ, BLOCKING, PUBSUB, ADMIN, SCRIPT, CONNECTION, TXN, SCHEMA = (1 << i for i in range(9))

# In the order of SessionEffect's raw values.
EFFECTS = """none multi exec discard watch unwatch subscribe patternSubscribe shardSubscribe unsubscribe
patternUnsubscribe shardUnsubscribe blocking blockingIfOption wait select auth hello reset quit clientSetname
clientSetinfo clientTracking clientReply clientIdentity readonlyMode scriptDebug refused overtaking""".split()

EFFECT_OF = {}
for effect, names in {
    "multi": "MULTI", "exec": "EXEC", "discard": "DISCARD", "watch": "WATCH", "unwatch": "UNWATCH",
    "subscribe": "SUBSCRIBE", "patternSubscribe": "PSUBSCRIBE", "shardSubscribe": "SSUBSCRIBE",
    "unsubscribe": "UNSUBSCRIBE", "patternUnsubscribe": "PUNSUBSCRIBE", "shardUnsubscribe": "SUNSUBSCRIBE",
    "blockingIfOption": "XREAD XREADGROUP", "wait": "WAIT WAITAOF", "select": "SELECT", "auth": "AUTH",
    "hello": "HELLO", "reset": "RESET", "quit": "QUIT", "clientSetname": "CLIENT|SETNAME",
    "clientSetinfo": "CLIENT|SETINFO", "clientTracking": "CLIENT|TRACKING", "clientReply": "CLIENT|REPLY",
    "clientIdentity": """CLIENT|ID CLIENT|INFO CLIENT|GETNAME CLIENT|NO-EVICT CLIENT|NO-TOUCH CLIENT|CACHING
        CLIENT|TRACKINGINFO CLIENT|GETREDIR CLIENT|CAPA CLIENT|IMPORT-SOURCE""",
    "readonlyMode": "ASKING READONLY READWRITE", "scriptDebug": "SCRIPT|DEBUG",
    "overtaking": "SCRIPT|KILL FUNCTION|KILL FUNCTION|STATS SHUTDOWN",
    "refused": "MONITOR SYNC PSYNC REPLCONF CLUSTER|SYNCSLOTS",
}.items():
    for name in names.split():
        EFFECT_OF[name] = effect

# Commands that change definitions rather than data.
SCHEMA_COMMANDS = set("""FUNCTION|LOAD FUNCTION|DELETE FUNCTION|FLUSH FUNCTION|RESTORE SCRIPT|LOAD SCRIPT|FLUSH
ACL|SETUSER ACL|DELUSER ACL|LOAD CONFIG|SET CONFIG|REWRITE MODULE|LOAD MODULE|LOADEX MODULE|UNLOAD
CLUSTER|ADDSLOTS CLUSTER|ADDSLOTSRANGE CLUSTER|BUMPEPOCH CLUSTER|DELSLOTS CLUSTER|DELSLOTSRANGE CLUSTER|FAILOVER
CLUSTER|FLUSHSLOTS CLUSTER|FORGET CLUSTER|MEET CLUSTER|REPLICATE CLUSTER|RESET CLUSTER|SET-CONFIG-EPOCH
CLUSTER|SETSLOT REPLICAOF SLAVEOF FAILOVER""".split())

# Flags where COMMAND says something else than what the command does.
FLAGS_OF = {
    "LOLWUT": 0,                      # said to read; touches no key
    "EVAL": SCRIPT, "EVALSHA": SCRIPT, "FCALL": SCRIPT,
    "EVAL_RO": SCRIPT | READ, "EVALSHA_RO": SCRIPT | READ, "FCALL_RO": SCRIPT | READ,
    "BITFIELD": READ | WRITE,
    "WAIT": CONNECTION | BLOCKING,
}

# Key specifications that COMMAND calls incomplete or unknown: Redis reads these by code, and so do we.
SPECIAL_KEYS = {"SORT": ["sort"], "MIGRATE": ["migrate"]}
KEYWORDS = ["", "STORE", "STOREDIST", "STREAMS", "KEYS"]
NOT_KEY, LENIENT = 1, 2

# At their home slot in the hash table, so that one probe finds them.
HOT = """GET SET DEL EXISTS EXPIRE INCR DECR MGET MSET HGET HSET HMGET HMSET HGETALL HDEL LPUSH RPUSH LPOP RPOP LRANGE
SADD SREM SMEMBERS SISMEMBER ZADD ZRANGE ZRANGEBYSCORE ZREM ZSCORE ZINCRBY SETEX SETNX GETSET TTL PTTL TYPE PING ECHO
SELECT AUTH HELLO MULTI EXEC WATCH PUBLISH SUBSCRIBE EVAL EVALSHA SCAN XADD XREAD INCRBY PEXPIRE HINCRBY UNLINK
SPOP LLEN SCARD ZCARD CLIENT INFO CONFIG COMMAND""".split()


class Server:
    """A server of our own, asked over a Unix socket."""

    def __init__(self, executable):
        self.directory = tempfile.mkdtemp()
        path = os.path.join(self.directory, "s")
        self.process = subprocess.Popen([executable, "--port", "0", "--unixsocket", path, "--save", "", "--dir",
                                         self.directory], stdout=subprocess.DEVNULL)
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(100):
            try:
                self.socket.connect(path)
                break
            except OSError:
                time.sleep(0.05)
        self.file = self.socket.makefile("rb")

    def ask(self, *arguments):
        self.socket.sendall(b"*%d\r\n" % len(arguments)
                            + b"".join(b"$%d\r\n%s\r\n" % (len(a), a.encode()) for a in arguments))
        return self.reply()

    def reply(self):
        line = self.file.readline()[:-2].decode()
        kind, rest = line[0], line[1:]
        if kind == "$":
            return None if rest == "-1" else self.file.read(int(rest) + 2)[:-2].decode()
        if kind == "*":
            return [self.reply() for _ in range(max(int(rest), 0))]
        return int(rest) if kind == ":" else rest

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.directory)


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))


def pack_spec(begin, find, index=0, keyword=0, last=0, step=0, limit=0, flags=0):
    """The layout that CommandKeys.swift reads, lowest byte first."""
    fields = [begin | find << 4, index & 255, keyword, last & 255, step, limit, flags]
    return sum(value << 8 * i for i, value in enumerate(fields))


def server_spec(name, spec):
    spec = pairs(spec)
    flags = NOT_KEY if "not_key" in spec["flags"] else 0
    begin, find = pairs(spec["begin_search"]), pairs(spec["find_keys"])
    if begin["type"] == "unknown" or "incomplete" in spec["flags"]:
        return None
    at, how = pairs(begin["spec"]), pairs(find["spec"])
    packed = {"flags": flags}
    if begin["type"] == "index":
        kind, packed["index"] = 1, at["index"]
    else:
        kind, packed["index"], packed["keyword"] = 2, at["startfrom"], KEYWORDS.index(at["keyword"])
        if at["keyword"].startswith("STORE"):
            packed["flags"] |= LENIENT    # STORE with nothing behind it: the other keys still count
    if find["type"] == "range":
        return pack_spec(kind, 1, last=how["lastkey"], step=how["keystep"], limit=how["limit"], **packed)
    return pack_spec(kind, 2, last=how["keynumidx"], step=how["keystep"], limit=how["firstkey"], **packed)


def added_spec(text):
    kind, rest = text.split("=")
    rest, _, step = rest.partition("/")
    first, _, last = rest.partition("..")
    if kind == "i":
        return pack_spec(1, 1, index=int(first), last=int(last or 0), step=int(step or 1))
    return pack_spec(1, 2, index=int(first), last=0, step=int(step or 1), limit=1)


def from_server(rows, documentation, commands):
    for row in rows:
        name, arity, flags, categories, specs = row[0].upper(), row[1], row[2], row[6], row[8]
        bits = 0
        accesses = any("access" in f and "variable_flags" not in f for f in (pairs(s)["flags"] for s in specs))
        for condition, bit in (("write" in flags, WRITE), ("readonly" in flags or accesses, READ),
                               ("blocking" in flags, BLOCKING), ("@pubsub" in categories, PUBSUB),
                               ("admin" in flags or "@admin" in categories, ADMIN),
                               ("@scripting" in categories, SCRIPT), ("@connection" in categories, CONNECTION),
                               ("@transaction" in categories, TXN)):
            bits |= bit if condition else 0
        if name.split("|")[0] in ("FUNCTION", "SCRIPT"):
            bits &= ~SCRIPT               # they keep scripts, they do not run them
        if name in SPECIAL_KEYS:
            keys = [pack_spec(0, {"sort": 3, "migrate": 4}[k]) for k in SPECIAL_KEYS[name]]
        else:
            keys = [k for k in (server_spec(name, s) for s in specs) if k is not None]
        commands[name] = {"arity": arity, "flags": bits, "keys": keys, "container": bool(row[9]),
                          "group": pairs(documentation.get(row[0], [])).get("group", "")}
        from_server(row[9], documentation, commands)


def from_file(path, commands):
    words = {"write": WRITE, "read": READ, "access": READ, "admin": ADMIN, "pubsub": PUBSUB, "blocking": BLOCKING,
             "connection": CONNECTION, "scripting": SCRIPT, "transaction": TXN, "schema": SCHEMA, "-": 0}
    for line in open(path):
        fields = line.split("#")[0].split()
        if not fields or fields[0] in commands:
            continue
        bits = 0
        for word in fields[2].split(","):
            bits |= words[word]
        commands[fields[0]] = {"arity": int(fields[1]), "flags": bits, "container": False, "group": "",
                               "keys": [added_spec(k) for k in fields[3:] if k != "-"]}
    for name in list(commands):
        if "|" in name:
            commands[name.split("|")[0]]["container"] = True


def decide(commands):
    for name, command in commands.items():
        if name in FLAGS_OF:
            command["flags"] = FLAGS_OF[name]
        if name in SCHEMA_COMMANDS:
            command["flags"] |= SCHEMA
        default = "blocking" if command["flags"] & BLOCKING else "none"
        command["effect"] = EFFECTS.index(EFFECT_OF.get(name, default))
    for name in EFFECT_OF:
        assert name in commands, name


MASK = (1 << 64) - 1


def words(name):
    """Low, middle and high word of an upper case name, as ASCIIWord.swift makes them."""
    b = name.encode()
    word = lambda x: int.from_bytes(x.ljust(8, b"\0"), "little")
    low = word(b[:8])
    return low, word(b[8:16]) if len(b) > 16 else 0, word(b[-8:]) if len(b) > 8 else 0


def hash_of(name, parent, multiplier, bits):
    low, _, high = words(name)
    meta = len(name) | parent << 8
    mixed = (low ^ (high << 7 & MASK) ^ high >> 57 ^ meta << 40 & MASK) * multiplier & MASK
    return mixed >> 64 - bits


def place(entries, bits):
    """Finds the multiplier with the fewest probes; hot entries come first."""
    best = None
    generator = random.Random(1)
    for _ in range(400):
        multiplier = generator.getrandbits(64) | 1
        slots = [0] * (1 << bits)
        probes, longest, hot = 0, 0, 0
        for number, name, parent in entries:
            at = hash_of(name, parent, multiplier, bits)
            n = 1
            while slots[at]:
                at = (at + 1) & (1 << bits) - 1
                n += 1
            slots[at] = number
            probes, longest = probes + n, max(longest, n)
            hot += n - 1 if name in HOT and not parent else 0
        if best is None or (hot, longest, probes) < best[0]:
            best = ((hot, longest, probes), multiplier, slots)
    return best


def literal(values, hexadecimal=True):
    texts = [(f"{v:#x}" if hexadecimal and v > 9 else str(v)) + "," for v in values]
    lines, line = [], "   "
    for text in texts:
        if len(line) + 1 + len(text) > 118:
            lines.append(line)
            line = "   "
        line += " " + text
    return "\n".join(lines + [line])


def main():
    server = Server(sys.argv[1] if len(sys.argv) > 1 else "redis-server")
    try:
        version = [line for line in server.ask("INFO", "server").split("\r\n") if line.startswith("redis_version")][0]
        documentation = pairs(server.ask("COMMAND", "DOCS"))
        rows = server.ask("COMMAND")
    finally:
        server.stop()
    commands = {}
    from_server(rows, documentation, commands)
    asked = len(commands)
    from_file(os.path.join(HERE, "commands_added.txt"), commands)
    decide(commands)

    names = [""] + sorted(n for n in commands if "|" not in n) + sorted(n for n in commands if "|" in n)
    numbers = {name: i for i, name in enumerate(names)}
    verb_count = 1 + sum("|" not in n for n in commands)
    specs, rows_out, key_words = [], [0], [0, 0, 0, 0]
    entries = []
    for name in names[1:]:
        command = commands[name]
        parent = numbers[name.split("|")[0]] if "|" in name else 0
        own = name.split("|")[-1]
        assert len(own) <= 24, name
        keys = command["keys"]
        start = next((i for i in range(len(specs)) if specs[i:i + len(keys)] == keys), None) if keys else 0
        if start is None:
            start = len(specs)
            specs += keys
        rows_out.append(command["flags"] | command["effect"] << 16 | (command["arity"] & 255) << 24 | start << 32
                        | len(keys) << 44 | (1 << 47 if command["container"] else 0) | parent << 48)
        key_words += list(words(own)) + [len(own) | parent << 8]
        entries.append((numbers[name], own, parent))
    assert len(specs) < 4096
    entries.sort(key=lambda e: (0 if e[1] in HOT and not e[2] else 1 if not e[2] else 2, e[0]))
    bits = 11
    (hot, longest, probes), multiplier, slots = place(entries, bits)
    offsets, text = [0], ""
    for name in names:
        text += name + " "
        offsets.append(len(text))

    with open(os.path.join(HERE, "CommandTable+Generated.swift"), "w") as out:
        out.write(f"""// Made by generate_commands.py from COMMAND and COMMAND DOCS of a server ({version.replace(':', ' ')}) and
// commands_added.txt: do not edit. Number 0 is the unknown command, then the verbs, then the sub-commands, each in
// alphabetical order. The layouts are those of CommandTable.swift and CommandKeys.swift.

extension CommandTable {{
    @usableFromInline static let generatedCommandCount = {len(names)}
    @usableFromInline static let generatedVerbCount = {verb_count}
    static let hashBits: UInt64 = {bits}
    static let hashMultiplier: UInt64 = {multiplier:#x}
    /// The most probes that any name needs.
    static let maximumProbes = {longest}
}}

/// Four words a command: the first, middle and last bytes of its name, and its length with its parent's number.
let commandWords: [{len(key_words)} of UInt64] = [
{literal(key_words)}
]

/// One word a command: flags 16, effect 8, arity 8, first key specification 12, how many 3, container 1, parent 16.
let commandRows: [{len(rows_out)} of UInt64] = [
{literal(rows_out)}
]

/// Open addressing by the hash of a name: command numbers.
let commandSlots: [{len(slots)} of UInt16] = [
{literal(slots, False)}
]

/// Key specifications.
let commandKeySpecifications: [{len(specs)} of UInt64] = [
{literal(specs)}
]

/// Where each name begins in `commandNames`; a space ends it.
let commandNameOffsets: [{len(offsets)} of UInt16] = [
{literal(offsets, False)}
]

let commandNames: StaticString = \"\"\"
""")
        line = "   "
        for name in names:
            if len(line) + len(name) > 114:
                out.write(line + " \\\n")
                line = "   "
            line += " " + name
        out.write(line + " .\n    \"\"\"\n")
    print(f"{version}: {asked} commands, with the added ones {len(names) - 1}, {verb_count - 1} verbs; "
          f"hot commands off their slot {hot}, longest probe {longest}, mean {probes / len(entries):.2f}")


main()
