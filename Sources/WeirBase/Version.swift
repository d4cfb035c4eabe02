public enum WeirVersion { public static let text = "0.1.0" }
