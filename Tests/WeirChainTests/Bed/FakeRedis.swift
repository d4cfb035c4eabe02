// A server in the test that speaks enough of Redis to show what belongs to a connection: transactions, subscriptions,
// blocking, databases, names, reply modes. It can be told to misbehave.

public import WeirNet

public final class FakeRedis {
    public let driver: ScriptedDriver
    public let address: SocketAddress
    public private(set) var sessions: [Session] = []
    /// All that was executed: "number of the session: words".
    public private(set) var log: [String] = []
    public var strings: [String: String] = [:]
    public var lists: [String: [String]] = [:]
    public var password: String?
    public var latency: Duration?
    /// What becomes of an attempt to connect.
    public var decision = ConnectDecision.accept
    public private(set) var attemptTimes: [UInt64] = []
    /// Answers a command instead of the server; nil: the server does.
    public var override: ((Session, [String]) -> [UInt8]?)?
    /// Runs when a connection comes up, before anything is read.
    public var onOpen: ((Session) -> Void)?
    private var versions: [String: Int] = [:]

    public init(_ driver: ScriptedDriver, _ address: SocketAddress) {
        self.driver = driver
        self.address = address
        driver.onConnect(address) { [unowned self] peer in
            attemptTimes.append(driver.now)
            if case .accept = decision { sessions.append(Session(self, peer, sessions.count)) }
            return decision
        }
    }

    public var openSessions: [Session] { sessions.filter(\.isOpen) }

    public final class Session {
        public unowned let server: FakeRedis
        public let peer: ScriptedPeer
        public let number: Int
        public private(set) var isOpen = true
        public private(set) var commands: [[String]] = []
        public private(set) var database = 0
        public private(set) var version = 2
        public private(set) var user: String?
        public private(set) var name = ""
        public private(set) var isInTransaction = false
        public private(set) var watched: [String: Int] = [:]
        public private(set) var channels: [String] = []
        public private(set) var patterns: [String] = []
        private var queued: [[String]] = []
        private var isReplyOff = false
        private var hasBeenProbed = false
        private var skipCount = 0
        private var input = RESPReader()
        private var blockedOn: [String]?
        private var pending: [[String]] = []
        public var isPlain: Bool {
            !isInTransaction && watched.isEmpty && channels.isEmpty && patterns.isEmpty && name.isEmpty && !isReplyOff
        }

        init(_ server: FakeRedis, _ peer: ScriptedPeer, _ number: Int) {
            self.server = server
            self.peer = peer
            self.number = number
            peer.onReceive = { [weak self] _, bytes in self?.receive(bytes) }
            peer.onEnd = { [weak self] _ in
                self?.isOpen = false
                self?.peer.close()
            }
            server.onOpen?(self)
        }

        private func receive(_ bytes: [UInt8]) {
            guard isOpen else { return }
            input.append(bytes)
            while let value = input.next() { pending.append(value.words) }
            work()
        }

        private func work() {
            while blockedOn == nil, isOpen, !pending.isEmpty { execute(pending.removeFirst()) }
        }

        public func reply(_ bytes: [UInt8]) {
            guard !bytes.isEmpty else { return }
            if let latency = server.latency {
                server.driver.after(latency) { [self] in if isOpen { peer.send(bytes) } }
            } else {
                peer.send(bytes)
            }
        }

        /// The connection ends as told, from the server's side.
        public func end(reset: Bool = false) {
            isOpen = false
            if reset { peer.reset() } else { peer.close() }
        }

        private func execute(_ words: [String]) {
            // The proxy asks a fresh connection whether a password is wanted.
            let isProbe = words == ["PING"] && commands.isEmpty && !hasBeenProbed
            hasBeenProbed = true
            if !isProbe {
                commands.append(words)
                server.log.append("\(number): \(words.joined(separator: " "))")
            }
            if let bytes = server.override?(self, words) { return reply(bytes) }
            let command = (words.first ?? "").uppercased()
            let wasSilent = isReplyOff || skipCount > 0
            if skipCount > 0 { skipCount -= 1 }
            let answer = RESP.bytes(respond(command, words))
            if !wasSilent || (command == "CLIENT" && !isReplyOff && words.count > 2 && words[2].uppercased() == "ON") {
                reply(answer)
            }
        }

        private func respond(_ command: String, _ words: [String]) -> RESP {
            if server.password != nil, user == nil, command != "AUTH", command != "HELLO", command != "QUIT" {
                return .error("NOAUTH Authentication required.")
            }
            if isInTransaction, !["MULTI", "EXEC", "DISCARD", "WATCH", "RESET", "QUIT"].contains(command) {
                queued.append(words)
                return .simple("QUEUED")
            }
            return data(command, words) ?? session(command, words) ?? .error("ERR unknown command '\(command)'")
        }

        private func key(_ words: [String], _ index: Int = 1) -> String {
            "\(database)/\(words.count > index ? words[index] : "")"
        }

        private func data(_ command: String, _ words: [String]) -> RESP? {
            switch command {
            case "GET": return server.strings[key(words)].map { .bulk($0) } ?? .null
            case "SET":
                server.touch(key(words))
                server.strings[key(words)] = words.count > 2 ? words[2] : ""
                return .simple("OK")
            case "INCR":
                server.touch(key(words))
                let value = (Int(server.strings[key(words)] ?? "0") ?? 0) + 1
                server.strings[key(words)] = "\(value)"
                return .integer(value)
            case "BIG": return .bulk(String(repeating: "x", count: Int(words[1]) ?? 0))
            case "ECHO": return .bulk(words.count > 1 ? words[1] : "")
            case "PING":
                if version == 2, !channels.isEmpty || !patterns.isEmpty { return .array([.bulk("pong"), .bulk("")]) }
                return .simple("PONG")
            case "RPUSH":
                server.lists[key(words), default: []].append(words[2])
                server.wakeBlocked()
                return .integer(1)
            case "BLPOP":
                if let value = server.pop(key(words)) { return .array([.bulk(words[1]), .bulk(value)]) }
                blockedOn = words
                return .nothing
            case "PUBLISH": return .integer(server.publish(words[1], words[2]))
            default: return nil
            }
        }

        /// Serves a blocked connection when there is something for it.
        func serveBlocked() {
            guard isOpen, let words = blockedOn, let value = server.pop(key(words)) else { return }
            blockedOn = nil
            reply(RESP.bytes(.array([.bulk(words[1]), .bulk(value)])))
            work()
        }

        private func session(_ command: String, _ words: [String]) -> RESP? {
            switch command {
            case "MULTI":
                if isInTransaction { return .error("ERR MULTI calls can not be nested") }
                isInTransaction = true
                return .simple("OK")
            case "EXEC", "DISCARD": return endTransaction(command)
            case "WATCH":
                for word in words.dropFirst() {
                    watched["\(database)/\(word)"] = server.versions["\(database)/\(word)"] ?? 0
                }
                return .simple("OK")
            case "UNWATCH":
                watched = [:]
                return .simple("OK")
            case "SELECT":
                guard let number = Int(words[1]), number < 16 else { return .error("ERR DB index is out of range") }
                database = number
                return .simple("OK")
            case "AUTH": return authenticate(Array(words.dropFirst()))
            case "HELLO": return hello(words)
            case "CLIENT": return client(words)
            case "SUBSCRIBE", "PSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE":
                return subscribe(command, Array(words.dropFirst()))
            case "RESET":
                return .simple("RESET")
            case "QUIT":
                reply(RESP.bytes(.simple("OK")))
                end()
                return .nothing
            default: return nil
            }
        }

        private func endTransaction(_ command: String) -> RESP {
            guard isInTransaction else { return .error("ERR \(command) without MULTI") }
            isInTransaction = false
            let commands = queued
            queued = []
            let isClean = watched.allSatisfy { server.versions[$0.key] ?? 0 == $0.value }
            watched = [:]
            if command == "DISCARD" { return .simple("OK") }
            if !isClean { return .null }
            return .array(commands.map { respond($0[0].uppercased(), $0) })
        }

        private func authenticate(_ words: [String]) -> RESP {
            guard server.password != nil else { return .error("ERR AUTH called without any password configured") }
            guard words.last == server.password else { return .error("WRONGPASS invalid username-password pair") }
            user = words.count > 1 ? words[0] : "default"
            return .simple("OK")
        }

        private func hello(_ words: [String]) -> RESP {
            if words.count > 4, words[2].uppercased() == "AUTH" {
                let answer = authenticate([words[3], words[4]])
                if case .error = answer { return answer }
            } else if server.password != nil, user == nil {
                return .error("NOAUTH HELLO must be called with the client already authenticated")
            }
            if words.count > 1 { version = Int(words[1]) ?? 2 }
            return .map(
                [(.bulk("server"), .bulk("redis")), (.bulk("proto"), .integer(version))], isRESP3: version == 3)
        }

        private func client(_ words: [String]) -> RESP {
            switch words[1].uppercased() {
            case "ID": return .integer(number)
            case "SETNAME":
                name = words[2]
                return .simple("OK")
            case "GETNAME": return .bulk(name)
            case "REPLY":
                switch words[2].uppercased() {
                case "ON": isReplyOff = false
                case "OFF":
                    isReplyOff = true
                    return .nothing
                default:
                    if !isReplyOff { skipCount = 1 }
                    return .nothing
                }
                return .simple("OK")
            default: return .simple("OK")
            }
        }

        private func subscribe(_ command: String, _ names: [String]) -> RESP {
            let isPattern = command.hasPrefix("P")
            let isAdding = !command.contains("UN")
            var names = names
            if names.isEmpty { names = isPattern ? patterns : channels }
            var answers: [UInt8] = []
            func confirm(_ name: RESP) {
                let parts: [RESP] = [.bulk(command.lowercased()), name, .integer(channels.count + patterns.count)]
                answers += RESP.bytes(version == 3 ? .push(parts) : .array(parts))
            }
            if names.isEmpty { confirm(.null) }
            for name in names {
                if isPattern { patterns.removeAll { $0 == name } } else { channels.removeAll { $0 == name } }
                if isAdding { if isPattern { patterns.append(name) } else { channels.append(name) } }
                confirm(.bulk(name))
            }
            reply(answers)
            return .nothing
        }

        func message(_ channel: String, _ text: String) -> Bool {
            guard isOpen, channels.contains(channel) else { return false }
            let parts: [RESP] = [.bulk("message"), .bulk(channel), .bulk(text)]
            reply(RESP.bytes(version == 3 ? .push(parts) : .array(parts)))
            return true
        }
    }

    fileprivate func touch(_ key: String) { versions[key, default: 0] += 1 }

    fileprivate func pop(_ key: String) -> String? {
        guard let first = lists[key]?.first else { return nil }
        lists[key]?.removeFirst()
        return first
    }

    fileprivate func wakeBlocked() {
        driver.after(.zero) { [self] in for session in sessions { session.serveBlocked() } }
    }

    @discardableResult public func publish(_ channel: String, _ text: String) -> Int {
        sessions.count { $0.message(channel, text) }
    }
}
