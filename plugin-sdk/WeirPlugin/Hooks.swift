// The C functions of every transform. They are the same for all: a state is an object whose `let`s hold the hooks
// as class-bound existentials, which a call reaches without reference counting and with one indirect call
// (measured: about 3 ns per batch). Only `configure` must know which transform it is for, and the ABI does not
// tell it: it comes from a row of slots, one C function each.

import CWeir

/// Settings of one site, without their type.
class Site {
    func start(_ home: Home) throws -> Instance { throw Problem(.internal, "a site without a transform") }
}

final class SiteOf<T: Transform>: Site {
    let settings: T.Settings

    init(_ settings: T.Settings) { self.settings = settings }

    override func start(_ home: Home) throws -> Instance {
        Instance(try T(settings: settings, worker: home.worker), home)
    }
}

/// A worker state or a connection state: what hooks are called on.
final class Instance {
    let requestHook: (any RequestHook)?
    let responseHook: (any ResponseHook)?
    let eventHook: (any EventHook)?
    let worker: Worker
    let opener: (any PerConnection)?
    /// The transform or the session, should it have no hook at all.
    private let object: AnyObject
    let home: Home

    init(_ object: AnyObject, _ home: Home) {
        requestHook = object as? any RequestHook
        responseHook = object as? any ResponseHook
        eventHook = object as? any EventHook
        opener = object as? any PerConnection
        worker = home.worker
        self.object = object
        self.home = home
    }

    func open(_ connection: UnsafeMutablePointer<weir_conn>) throws -> Instance {
        guard let opener else { return self }
        return Instance(try opener.session(for: Connection(connection, worker)), home)
    }
}

extension PerConnection {
    func session(for connection: Connection) throws -> AnyObject { try open(connection) }
}

/// The C functions.
enum Hooks {
    static let unconfigure: @convention(c) (UnsafeMutableRawPointer?) -> Void = { state in
        guard let state else { return }
        Unmanaged<Site>.fromOpaque(state).release()
    }

    static let workerStart:
        @convention(c) (
            UnsafeMutableRawPointer?, OpaquePointer, UnsafeMutablePointer<weir_worker>,
            UnsafeMutablePointer<UnsafeMutableRawPointer?>
        ) -> weir_status = { state, site, worker, out in
            guard let state else { return Status.internal.rawValue }
            let home = Home(site: site, worker: worker)
            do {
                let instance = try Unmanaged<Site>.fromOpaque(state).takeUnretainedValue().start(home)
                out.pointee = Unmanaged.passRetained(instance).toOpaque()
                return Status.ok.rawValue
            } catch {
                home.stop()
                return explain(error, home.worker)
            }
        }

    static let workerStop: @convention(c) (UnsafeMutableRawPointer?) -> Void = { state in
        guard let state else { return }
        let home = Unmanaged<Instance>.fromOpaque(state)._withUnsafeGuaranteedRef { $0.home }
        // The transform goes first, and may still use its worker while it does.
        Unmanaged<Instance>.fromOpaque(state).release()
        home.stop()
    }

    static let connectionOpen:
        @convention(c) (
            UnsafeMutableRawPointer?, UnsafeMutablePointer<weir_conn>, UnsafeMutablePointer<UnsafeMutableRawPointer?>
        ) -> weir_status = { state, connection, out in
            guard let state else { return Status.internal.rawValue }
            let instance = Unmanaged<Instance>.fromOpaque(state).takeUnretainedValue()
            do {
                out.pointee = Unmanaged.passRetained(try instance.open(connection)).toOpaque()
                return Status.ok.rawValue
            } catch {
                return explain(error, instance.worker)
            }
        }

    static let connectionClose: @convention(c) (UnsafeMutableRawPointer?) -> Void = { state in
        guard let state else { return }
        Unmanaged<Instance>.fromOpaque(state).release()
    }

    static let requests: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<weir_batch>) -> Void = {
        state, batch in
        guard let state else { return }
        Unmanaged<Instance>.fromOpaque(state)._withUnsafeGuaranteedRef {
            $0.requestHook?.requests(Batch(batch, $0.worker))
        }
    }

    static let responses: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<weir_batch>) -> Void = {
        state, batch in
        guard let state else { return }
        Unmanaged<Instance>.fromOpaque(state)._withUnsafeGuaranteedRef {
            $0.responseHook?.responses(Batch(batch, $0.worker))
        }
    }

    static let event: @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<weir_conn>, UInt32) -> Void = {
        state, connection, event in
        guard let state else { return }
        Unmanaged<Instance>.fromOpaque(state)._withUnsafeGuaranteedRef {
            $0.eventHook?.event(ConnectionEvent(rawValue: event), on: Connection(connection, $0.worker))
        }
    }

    private static func explain(_ error: any Error, _ worker: Worker) -> weir_status {
        worker.log(.error, "\(error)")
        return ((error as? Problem)?.status ?? .internal).rawValue
    }
}
