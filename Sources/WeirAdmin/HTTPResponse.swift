// An answer, and its bytes on the wire (RFC 9110, RFC 9112).

import WeirBase

enum HTTPStatus: Int {
    case ok = 200
    case badRequest = 400
    case forbidden = 403
    case notFound = 404
    case methodNotAllowed = 405
    case requestTimeout = 408
    case headTooLarge = 431
    case unavailable = 503
    case versionUnknown = 505

    var reason: String {
        switch self {
        case .ok: "OK"
        case .badRequest: "Bad Request"
        case .forbidden: "Forbidden"
        case .notFound: "Not Found"
        case .methodNotAllowed: "Method Not Allowed"
        case .requestTimeout: "Request Timeout"
        case .headTooLarge: "Request Header Fields Too Large"
        case .unavailable: "Service Unavailable"
        case .versionUnknown: "HTTP Version Not Supported"
        }
    }
}

struct HTTPResponse: Equatable {
    var status: HTTPStatus
    var contentType: String
    var body: [UInt8]
    /// For 405: the methods that would do.
    var allow: String?

    static func text(_ status: HTTPStatus, _ text: String, allow: String? = nil) -> HTTPResponse {
        HTTPResponse(status: status, contentType: "text/plain; charset=utf-8", body: Array(text.utf8), allow: allow)
    }

    /// Head and, unless only the head was asked for, body.
    func bytes(headOnly: Bool, keepsAlive: Bool, unixNanoseconds: UInt64) -> [UInt8] {
        var head = "HTTP/1.1 \(status.rawValue) \(status.reason)\r\n"
        head += "Date: \(HTTPResponse.date(unixNanoseconds))\r\n"
        head += "Content-Type: \(contentType)\r\nContent-Length: \(body.count)\r\n"
        if let allow { head += "Allow: \(allow)\r\n" }
        head += "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        head += "Connection: \(keepsAlive ? "keep-alive" : "close")\r\n\r\n"
        return Array(head.utf8) + (headOnly ? [] : body)
    }

    /// "Sun, 06 Nov 1994 08:49:37 GMT"
    static func date(_ unixNanoseconds: UInt64) -> String {
        let seconds = unixNanoseconds / 1_000_000_000
        let days = seconds / 86400
        let date = CivilDate(daysSinceEpoch: days)
        let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: UInt64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let time = "\(two(seconds % 86400 / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
        // Safe: a remainder of 7, and a month from 1 to 12.
        return "\(weekdays[Int(days % 7)]), \(two(date.day)) \(months[Int(date.month - 1)]) \(date.year) \(time) GMT"
    }
}
