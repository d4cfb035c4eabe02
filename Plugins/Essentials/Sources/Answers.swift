// How a transform of this plugin says no: an error of exactly these words, whatever the host's own would be.

import WeirPlugin

extension Message {
    /// Answers this request, or replaces this response, with a RESP error line.
    func answer(error line: StaticString) {
        if let response = worker.errorResponse(line, protocolNumber: protocolNumber) {
            reply(response)
        } else {
            fail(.rejected, Bytes(line).string)
        }
    }
}
